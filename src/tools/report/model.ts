/**
 * What a report shows: connections, each a ladder with what moved its ends and what was measured on the way, and comparisons of
 * two runs. Logs, captures, `compare` and `lab` make one of these; html.ts makes it a page:
 *
 *     const page = reportHtml({ title: 'run.ndjson', connections: logConnections(records) });
 *
 * A ladder alone will do: `{ title, ladder }`. Who moved and why is then taken from its rows.
 */
import type { Ladder } from '../ladder.ts';
import type { ReportComparison } from './compared.ts';
import type { Lang } from './texts.ts';

export interface Report {
  readonly title: string;
  /** Of the page's own words, to begin with; its reader can change it. Default: English. */
  readonly lang?: Lang;
  /** What is to be read before the rest: what was done, what it showed, where that is written. Plain text. */
  readonly about?: readonly ReportSection[];
  readonly connections?: readonly ReportConnection[];
  readonly comparisons?: readonly ReportComparison[];
}

export interface ReportSection {
  readonly heading?: string;
  /** A paragraph each. */
  readonly lines: readonly string[];
}

export interface ReportConnection {
  /** What it is called where several are to choose from. */
  readonly title: string;
  readonly ladder: Ladder;
  /** The left end's states, too, are inferred. Default: where the ladder names its ends, for then it was seen from outside. */
  readonly inferred?: boolean;
  /** Which rows of the table were taken; without it they are found from the states in `ladder`. */
  readonly moves?: readonly ReportMove[];
  readonly samples?: ReportSamples;
  /** Facts about the whole of it, a line each. */
  readonly remarks?: readonly string[];
  /** What a narrator says at an instant, microseconds as in `ladder`; shown before the first row that is later. */
  readonly notes?: readonly ReportNote[];
}

export interface ReportNote {
  readonly t: number;
  readonly text: string;
}

/** Left and right end of a ladder. */
export type ReportEnd = 'ours' | 'peer';

/** An end entered a state. */
export interface ReportMove {
  /** Index in the ladder's rows. */
  readonly row: number;
  readonly end: ReportEnd;
  readonly from: string;
  readonly to: string;
  /** As the table names it; undefined where it can't be told, or a state is taken back. */
  readonly event: string | undefined;
  /** 'RFC 9293 §3.10.4', or another source. */
  readonly rule: string | undefined;
}

/** Measured on the way; times in microseconds as in the ladder, each in order of `t`. */
export interface ReportSamples {
  /** Octets; `ssthresh` is undefined as long as it is boundless. */
  readonly congestion: readonly { readonly t: number; readonly cwnd: number; readonly ssthresh: number | undefined }[];
  /** Microseconds; `end`: whose segment was timed. What only its sender knows is undefined in a capture. */
  readonly rtt: readonly {
    readonly t: number;
    readonly end: ReportEnd;
    readonly rtt: number;
    readonly srtt: number | undefined;
    readonly rto: number | undefined;
  }[];
}
