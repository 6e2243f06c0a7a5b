/** Runs for tests of the comparison, written as one reads them. */
import type { Micros } from '../../../src/base/time.ts';
import type { Run, Shot, Side } from '../../../src/tools/compare/model.ts';
import { inferredMarks } from '../../../src/tools/compare/states.ts';
import { parseIpv4 } from '../../../src/wire/ipv4.ts';

export interface ShotParts {
  /** `> P. 1:19 ack 1 win 63`. */
  readonly line: string;
  readonly at?: Micros;
  /** A call came so long before it. */
  readonly calledBefore?: Micros;
  readonly options?: readonly string[];
  readonly ttl?: number;
  readonly dontFragment?: boolean;
  readonly tos?: number;
}

/** A kernel that connects and closes. */
export const KERNEL: readonly ShotParts[] = [
  { line: '> S 0 win 64240', options: ['mss 1460', 'sackOK', 'TS', 'nop', 'wscale 10'] },
  { line: '< S. 0 ack 1 win 65160', options: ['mss 1460', 'sackOK', 'TS', 'nop', 'wscale 10'] },
  { line: '> . 1 ack 1 win 63' },
  { line: '> F. 1 ack 1 win 63' },
  { line: '< F. 1 ack 2 win 64' },
  { line: '> . 2 ack 2 win 63' },
];

export function shot(parts: ShotParts): Shot {
  const match = /^([<>]) (\S+) (\d+)(?::(\d+))?(?: ack (\d+))? win (\d+)$/.exec(parts.line);
  if (match === null) throw new Error(`not a segment: ${parts.line}`);
  const [, arrow, flags = '', from, to, ack, win] = match;
  return {
    t: parts.at ?? (0 as Micros),
    pace: parts.at ?? (0 as Micros),
    gap: 0 as Micros,
    dir: arrow === '>' ? 'out' : 'in',
    flags,
    seq: Number(from),
    ack: ack === undefined ? undefined : Number(ack),
    wnd: Number(win),
    len: to === undefined ? 0 : Number(to) - Number(from),
    options: parts.options ?? ['nop', 'nop', 'TS'],
    ttl: parts.ttl ?? 64,
    dontFragment: parts.dontFragment ?? true,
    tos: parts.tos ?? 0,
  };
}

export function runOf(side: Side, parts: readonly ShotParts[]): Run {
  const shots = parts.map(shot).map((s, i, all): Shot => {
    const silence = i === 0 ? 0 : s.t - all[i - 1]!.t;
    return { ...s, gap: Math.min(silence, parts[i]!.calledBefore ?? silence) as Micros };
  });
  return {
    side,
    local: { address: parseIpv4('10.0.0.1')!, port: 40000 },
    remote: { address: parseIpv4('10.0.0.2')!, port: 80 },
    shots,
    states: inferredMarks(shots),
    outcome: { connected: true, error: undefined, octetsSent: 0, octetsReceived: 0, undone: undefined },
    notes: [],
  };
}
