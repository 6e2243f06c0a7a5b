/**
 * The model of a comparison: two runs of one scenario against one peer, laid side by side.
 *
 * A run is what was seen on the wire, with sequence numbers relative to each end's initial one and times to the first
 * segment, plus our end's states. `alignRuns` pairs the segments of both in order, so that one the other run doesn't
 * have shows as a gap, and lists what differs. Values that differ between any two connections (initial sequence
 * numbers, timestamps, ports, microseconds) are no difference. What the peer does otherwise is shown, but it is not ours.
 */
import type { Micros } from '../../base/time.ts';
import type { State } from '../../tcp/machine.ts';
import type { Ipv4 } from '../../wire/ipv4.ts';
import type { Outcome } from './scenarios.ts';

export type Side = 'kernel' | 'tcpx';

/** One segment as it was seen. */
export interface Shot {
  /** Microseconds since the run's first segment. */
  readonly t: Micros;
  /** As our end sees it. */
  readonly dir: 'in' | 'out';
  /** tcpdump's letters: S F R P . U E W. */
  readonly flags: string;
  /** Relative to its sender's first sequence number. */
  readonly seq: number;
  /** Relative to the first sequence number of the end it goes to; undefined without ACK. */
  readonly ack: number | undefined;
  /** The window field, unscaled. */
  readonly wnd: number;
  /** Payload octets; more than the MSS where the machine merges segments. */
  readonly len: number;
  /** In their order on the wire, as tcpdump spells them, the timestamps' values left out: 'mss 1460', 'nop', 'TS'. */
  readonly options: readonly string[];
  readonly ttl: number;
  readonly dontFragment: boolean;
  /** The octet of RFC 2474 and 3168: DSCP and ECN. */
  readonly tos: number;
}

/** Where a state was known from: 'log': our own; 'observed': a reading of the kernel's tables; 'inferred': from the segments. */
export type StateSource = 'log' | 'observed' | 'inferred';

/** A state our end entered. `shot`: index of the segment that took it there, or showed that it is there. */
export interface StateMark {
  readonly state: State;
  readonly shot: number | undefined;
  readonly source: StateSource;
}

export interface Run {
  readonly side: Side;
  readonly local: { readonly address: Ipv4; readonly port: number };
  readonly remote: { readonly address: Ipv4; readonly port: number };
  readonly shots: readonly Shot[];
  readonly states: readonly StateMark[];
  readonly outcome: Outcome;
  /** What else there is to say about this run. */
  readonly notes: readonly string[];
}

export type Property =
  | 'segment'
  | 'flags'
  | 'seq'
  | 'ack'
  | 'window'
  | 'length'
  | 'options'
  | 'time'
  | 'ttl'
  | 'df'
  | 'tos'
  | 'states'
  | 'outcome'
  | 'octets received';

export interface Difference {
  readonly property: Property;
  /** Index in `rows`; undefined for what concerns the whole run. */
  readonly row: number | undefined;
  /** Both sides' value as text; '' for a segment that side does not have. */
  readonly kernel: string;
  readonly tcpx: string;
  /** False for what the peer did otherwise: shown, not counted. */
  readonly ours: boolean;
}

/** Indices into the shots of each run; undefined where that run has no such segment. */
export interface Row {
  readonly kernel: number | undefined;
  readonly tcpx: number | undefined;
}

export interface Comparison {
  readonly scenario: string;
  readonly kernel: Run;
  readonly tcpx: Run;
  readonly rows: readonly Row[];
  readonly differences: readonly Difference[];
  /** Why the comparison means nothing: the scenario did not come about. */
  readonly complaint: string | undefined;
  /** No difference that is ours, and no complaint. */
  readonly same: boolean;
}

export function compareRuns(scenario: string, kernel: Run, tcpx: Run, complaint: string | undefined): Comparison {
  const rows = alignRuns(kernel.shots, tcpx.shots);
  const differences = [
    ...rows.flatMap((row, i) => rowDifferences(row, i, kernel.shots, tcpx.shots)),
    ...wholeDifferences(kernel, tcpx),
  ];
  return {
    scenario,
    kernel,
    tcpx,
    rows,
    differences,
    complaint,
    same: complaint === undefined && !differences.some((d) => d.ours),
  };
}

/** Most cells of the table behind an alignment: two runs of some thousand segments each. */
export const MAX_CELLS = 16_000_000;

/**
 * The pairing of both runs, in order, that is worth most. Segments pair only when they go the same way and agree in
 * SYN, FIN, RST and whether they carry data; among those, equal numbers are worth more.
 */
export function alignRuns(kernel: readonly Shot[], tcpx: readonly Shot[]): readonly Row[] {
  const width = tcpx.length + 1;
  const best = new Int32Array((kernel.length + 1) * width);
  for (let i = kernel.length - 1; i >= 0; i--) {
    for (let j = tcpx.length - 1; j >= 0; j--) {
      const skip = Math.max(best[(i + 1) * width + j]!, best[i * width + j + 1]!);
      const worth = likeness(kernel[i]!, tcpx[j]!);
      best[i * width + j] = worth > 0 ? Math.max(skip, worth + best[(i + 1) * width + j + 1]!) : skip;
    }
  }
  const rows: Row[] = [];
  let i = 0;
  let j = 0;
  while (i < kernel.length || j < tcpx.length) {
    const here = best[i * width + j]!;
    const worth = i < kernel.length && j < tcpx.length ? likeness(kernel[i]!, tcpx[j]!) : 0;
    if (worth > 0 && here === worth + best[(i + 1) * width + j + 1]!) rows.push({ kernel: i++, tcpx: j++ });
    else if (i < kernel.length && here === best[(i + 1) * width + j]!) rows.push({ kernel: i++, tcpx: undefined });
    else rows.push({ kernel: undefined, tcpx: j++ });
  }
  return rows;
}

function likeness(a: Shot, b: Shot): number {
  if (a.dir !== b.dir || kind(a) !== kind(b)) return 0;
  return 4 + (a.ack === b.ack ? 2 : 0) + (a.seq === b.seq ? 1 : 0) + (a.len === b.len ? 1 : 0);
}

const kind = (s: Shot): string => `${s.flags.replace(/[^SFR]/g, '')}${s.len > 0 ? 'data' : ''}`;

function rowDifferences(
  row: Row,
  index: number,
  kernel: readonly Shot[],
  tcpx: readonly Shot[],
): readonly Difference[] {
  const a = row.kernel === undefined ? undefined : kernel[row.kernel];
  const b = row.tcpx === undefined ? undefined : tcpx[row.tcpx];
  if (a === undefined || b === undefined) {
    return [
      {
        property: 'segment',
        row: index,
        kernel: a ? shotText(a) : '',
        tcpx: b ? shotText(b) : '',
        ours: (a ?? b)!.dir === 'out',
      },
    ];
  }
  const found: Difference[] = [];
  const check = (property: Property, x: string, y: string) => {
    if (x !== y) found.push({ property, row: index, kernel: x, tcpx: y, ours: a.dir === 'out' });
  };
  check('flags', a.flags, b.flags);
  check('seq', String(a.seq), String(b.seq));
  check('ack', String(a.ack ?? 'none'), String(b.ack ?? 'none'));
  check('window', String(a.wnd), String(b.wnd));
  check('length', String(a.len), String(b.len));
  check('options', a.options.join(','), b.options.join(','));
  check('ttl', String(a.ttl), String(b.ttl));
  check('df', a.dontFragment ? 'set' : 'not set', b.dontFragment ? 'set' : 'not set');
  check('tos', `0x${a.tos.toString(16)}`, `0x${b.tos.toString(16)}`);
  const gapA = gapBefore(kernel, row.kernel!);
  const gapB = gapBefore(tcpx, row.tcpx!);
  if (!sameTimeClass(gapA, gapB)) check('time', timeText(gapA), timeText(gapB));
  return found;
}

function wholeDifferences(kernel: Run, tcpx: Run): readonly Difference[] {
  const found: Difference[] = [];
  const check = (property: Property, x: string, y: string, ours: boolean) => {
    if (x !== y) found.push({ property, row: undefined, kernel: x, tcpx: y, ours });
  };
  check('states', stateNames(kernel), stateNames(tcpx), true);
  check('outcome', outcomeText(kernel.outcome), outcomeText(tcpx.outcome), true);
  check('octets received', String(kernel.outcome.octetsReceived), String(tcpx.outcome.octetsReceived), false);
  return found;
}

/** Silence before a segment: since the one before it, whoever sent that. */
export function gapBefore(shots: readonly Shot[], i: number): Micros {
  return (i === 0 ? 0 : shots[i]!.t - shots[i - 1]!.t) as Micros;
}

export type TimeClass = 'at once' | 'delayed' | 'timeout';

/** Below Linux's shortest delayed ACK (40 ms), a segment answers something or was ready; at its shortest RTO (200 ms) or more, a timer fired or the user waited. */
export function timeClass(gap: Micros): TimeClass {
  if (gap < 25_000) return 'at once';
  return gap < 190_000 ? 'delayed' : 'timeout';
}

/** Gaps just beside a class's bound are not told apart, and two timeouts only when one is half as long again. */
function sameTimeClass(a: Micros, b: Micros): boolean {
  const close = Math.max(a, b) <= 1.5 * Math.min(a, b);
  if (timeClass(a) === timeClass(b)) return timeClass(a) !== 'timeout' || close;
  return close;
}

const timeText = (gap: Micros): string => `${timeClass(gap)}, after ${(gap / 1000).toFixed(1)} ms`;

const stateNames = (run: Run): string => run.states.map((mark) => mark.state).join(' ');

const outcomeText = (o: Outcome): string =>
  `${o.connected ? 'connected' : 'not connected'}, ${o.octetsSent} octets sent, ${o.error ?? o.undone ?? 'closed'}`;

/** `S. seq 0 ack 1 win 65160 len 0`, and the options when there are any; one line of plain text. */
export function shotText(s: Shot): string {
  const range = s.len > 0 ? `${s.seq}:${s.seq + s.len}` : String(s.seq);
  return `${s.flags} ${range}${s.ack === undefined ? '' : ` ack ${s.ack}`} win ${s.wnd}`;
}
