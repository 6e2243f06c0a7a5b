/**
 * What the page is given, as JSON: the report with everything that comes row by row as columns, so that fifty thousand rows are
 * a few megabytes and read in no time. Words are kept once, in `words`; their indices stand in the columns, 0 for none.
 */
import type { ReportComparison } from './compared.ts';
import type { Lang } from './texts.ts';

export interface PageData {
  readonly lang: Lang;
  readonly texts: Readonly<Record<Lang, Readonly<Record<string, string>>>>;
  readonly version: string;
  readonly title: string;
  readonly about: readonly { readonly heading?: string; readonly lines: readonly string[] }[];
  readonly connections: readonly PageConnection[];
  readonly comparisons: readonly ReportComparison[];
  /** Where what happens next is told, for a page that is fed; relative to the page. */
  readonly events?: string;
}

export interface PageConnection {
  readonly title: string;
  /** What the left and the right end are called, and where they are. */
  readonly names: readonly [string, string];
  readonly ends: readonly [string, string];
  /** Where both began: words. */
  readonly start: readonly [number, number];
  /** Whether the left end's states are inferred, too. The right one's always are. */
  readonly inferred: boolean;
  readonly remarks: readonly string[];
  readonly words: readonly string[];
  readonly rows: PageRows;
  readonly moves: PageMoves;
  readonly congestion: {
    readonly t: readonly number[];
    readonly cwnd: readonly number[];
    readonly ssthresh: readonly (number | null)[];
  };
  /** `end`: 0 left, 1 right. */
  readonly rtt: {
    readonly t: readonly number[];
    readonly end: readonly number[];
    readonly rtt: readonly number[];
    readonly srtt: readonly (number | null)[];
    readonly rto: readonly (number | null)[];
  };
}

export const ROW_REMARK = 0;
export const ROW_OUT = 1;
export const ROW_IN = 2;
export const ROW_NOTE = 3;

/** One entry a row in each. Times in microseconds. Numbers of segments are counted on past 2^32, from each side's beginning. */
export interface PageRows {
  readonly t: readonly number[];
  /** ROW_REMARK, ROW_OUT, ROW_IN or ROW_NOTE. */
  readonly kind: readonly number[];
  readonly flags: readonly number[];
  readonly seq: readonly number[];
  readonly len: readonly number[];
  /** Null without ACK. */
  readonly ack: readonly (number | null)[];
  readonly wnd: readonly number[];
  /** Where the window that is offered ends: a number of the other side's; null where it isn't known. */
  readonly edge: readonly (number | null)[];
  /** A word: the options but for the timestamps. */
  readonly options: readonly number[];
  /** Null without timestamps. */
  readonly tsVal: readonly (number | null)[];
  readonly tsEcr: readonly (number | null)[];
  /** A word: what the segment is, or what happened where there is none. */
  readonly note: readonly number[];
  /** Words: the states entered, of the left end and of the right. */
  readonly ours: readonly number[];
  readonly peer: readonly number[];
  /** 1 for what went wrong. */
  readonly trouble: readonly number[];
  /** Octets of the left end, and of the right, that are sent and not acknowledged. */
  readonly flightOut: readonly number[];
  readonly flightIn: readonly number[];
}

/** One entry a move in each. */
export interface PageMoves {
  readonly row: readonly number[];
  /** 0 left, 1 right. */
  readonly end: readonly number[];
  /** Words. */
  readonly from: readonly number[];
  readonly to: readonly number[];
  readonly event: readonly number[];
  readonly rule: readonly number[];
}

/** One message to a page that is fed. */
export interface PageNews {
  readonly title: string;
  readonly about: PageData['about'];
  readonly patches: readonly PagePatch[];
  /** Nothing more will come. */
  readonly ended: boolean;
}

/** From which row on a connection is another than before, and what it is now. */
export interface PagePatch {
  /** Index of the connection. */
  readonly connection: number;
  readonly from: number;
  readonly congestionFrom: number;
  readonly rttFrom: number;
  /** All of it, but of rows and samples only those from there on. */
  readonly data: PageConnection;
}
