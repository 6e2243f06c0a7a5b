/**
 * What differs between two runs, and what of it counts. What the peer did otherwise is shown and not counted; nor is
 * what has a reason: those that are known stand at the end of this file, each with the condition it holds under.
 */
import { ETHERNET_HEADER_LEN } from '../../wire/ethernet.ts';
import { alignRuns, isPureAck } from './align.ts';
import type { Comparison, Difference, Excuse, Property, Row, Run, Shot, Side } from './model.ts';
import { shotText } from './model.ts';
import type { Outcome } from './scenarios.ts';
import { ackDelay, sameTimeClass, timeText } from './times.ts';

export interface Circumstances {
  readonly scenario: string;
  /** Both runs went over this machine's own loopback. */
  readonly loopback: boolean;
  /** Why the comparison means nothing; undefined when it does. */
  readonly complaint: string | undefined;
}

export function compareRuns(kernel: Run, tcpx: Run, circumstances: Circumstances): Comparison {
  const { scenario, complaint } = circumstances;
  const rows = alignRuns(kernel.shots, tcpx.shots);
  const differences = [
    ...rows.flatMap((row, i) => rowDifferences(row, i, kernel.shots, tcpx.shots, circumstances)),
    ...wholeDifferences(kernel, tcpx),
  ];
  const same = complaint === undefined && differences.every((d) => d.excuse !== undefined);
  return { scenario, kernel, tcpx, rows, differences, complaint, same };
}

function rowDifferences(
  row: Row,
  index: number,
  kernel: readonly Shot[],
  tcpx: readonly Shot[],
  o: Circumstances,
): readonly Difference[] {
  if (row.kernel === undefined) return [onlyOne(index, tcpx, row.tcpx!, kernel, 'tcpx')];
  if (row.tcpx === undefined) return [onlyOne(index, kernel, row.kernel, tcpx, 'kernel')];
  const a = kernel[row.kernel]!;
  const b = tcpx[row.tcpx]!;
  const found: Difference[] = [];
  const check = (property: Property, x: string, y: string, excuse: Excuse | undefined): void => {
    if (x !== y) found.push({ property, row: index, kernel: x, tcpx: y, excuse });
  };
  const excuse = a.dir === 'in' ? THE_PEERS : undefined;
  check('flags', a.flags, b.flags, excuse);
  check('seq', String(a.seq), String(b.seq), excuse);
  check('ack', String(a.ack ?? 'none'), String(b.ack ?? 'none'), excuse);
  check('window', String(a.wnd), String(b.wnd), excuse ?? smallerOnLoopback(a, b, o));
  check('length', String(a.len), String(b.len), excuse);
  check('options', a.options.join(','), b.options.join(','), excuse ?? smallerOnLoopback(a, b, o));
  check('ttl', String(a.ttl), String(b.ttl), excuse);
  check('df', a.dontFragment ? 'set' : 'not set', b.dontFragment ? 'set' : 'not set', excuse);
  check('tos', `0x${a.tos.toString(16)}`, `0x${b.tos.toString(16)}`, excuse);
  // an acknowledgment's time counts from what it acknowledges
  if (!isPureAck(a) && !sameTimeClass(a.gap, b.gap)) check('time', timeText(a.gap), timeText(b.gap), excuse);
  const delays = [ackDelay(kernel, row.kernel), ackDelay(tcpx, row.tcpx)] as const;
  if (!sameDelay(...delays)) check('ack delay', delayText(delays[0]), delayText(delays[1]), undefined);
  return found;
}

type Delay = ReturnType<typeof ackDelay>;

function sameDelay(a: Delay, b: Delay): boolean {
  return typeof a === 'number' && typeof b === 'number' ? sameTimeClass(a, b) : a === b;
}

const delayText = (delay: Delay): string =>
  typeof delay === 'number' ? timeText(delay) : (delay ?? 'nothing to acknowledge');

function onlyOne(index: number, shots: readonly Shot[], i: number, others: readonly Shot[], side: Side): Difference {
  const text = shotText(shots[i]!);
  const excuse = shots[i]!.dir === 'in' ? THE_PEERS : acknowledgedElsewhere(shots, i, others);
  return {
    property: 'segment',
    row: index,
    kernel: side === 'kernel' ? text : '',
    tcpx: side === 'tcpx' ? text : '',
    excuse,
  };
}

function wholeDifferences(kernel: Run, tcpx: Run): readonly Difference[] {
  const found: Difference[] = [];
  const check = (property: Property, x: string, y: string, excuse: Excuse | undefined): void => {
    if (x !== y) found.push({ property, row: undefined, kernel: x, tcpx: y, excuse });
  };
  check('states', stateNames(kernel), stateNames(tcpx), undefined);
  check('outcome', outcomeText(kernel.outcome), outcomeText(tcpx.outcome), undefined);
  check('octets received', String(kernel.outcome.octetsReceived), String(tcpx.outcome.octetsReceived), THE_PEERS);
  return found;
}

const stateNames = (run: Run): string => run.states.map((mark) => mark.state).join(' ');

const outcomeText = (o: Outcome): string =>
  `${o.connected ? 'connected' : 'not connected'}, ${o.octetsSent} octets sent, ${o.error ?? o.undone ?? 'closed'}`;

const THE_PEERS: Excuse = { kind: 'peer', why: "the peer's own doing" };

/**
 * An acknowledgment of something new, which the other run acknowledged together with something else. How many segments
 * one ACK answers is left open, and on the kernel too depends on who is faster; how long an ACK takes is compared on its own.
 */
function acknowledgedElsewhere(shots: readonly Shot[], i: number, others: readonly Shot[]): Excuse | undefined {
  const shot = shots[i]!;
  if (!isPureAck(shot)) return undefined;
  const covers = (s: Shot): boolean => s.dir === 'out' && s.ack !== undefined && ((s.ack - shot.ack!) | 0) >= 0;
  if (shots.slice(0, i).some(covers) || !others.some(covers)) return undefined;
  return { kind: 'allowed', why: 'one ACK may answer several segments, RFC 9293 §3.8.6.3' };
}

/**
 * A frame of loopback's full size is longer than a capture holds for sure, by its Ethernet header and the octet that tells
 * a cut frame from a whole one: tcpx, which receives through a capture, asks for less. Linux's first window follows the MSS there.
 */
function smallerOnLoopback(a: Shot, b: Shot, o: Circumstances): Excuse | undefined {
  if (!o.loopback || !a.flags.includes('S')) return undefined;
  const less = [mssOf(a) - mssOf(b), a.wnd - b.wnd];
  if (less.some((n) => n < 0 || n > ETHERNET_HEADER_LEN + 1) || othersThanMss(a) !== othersThanMss(b)) return undefined;
  return { kind: 'allowed', why: 'a loopback frame of full size is longer than a capture holds' };
}

const isMss = (option: string): boolean => option.startsWith('mss ');
const mssOf = (s: Shot): number => Number(s.options.find(isMss)?.slice(4) ?? 0);
const othersThanMss = (s: Shot): string => s.options.filter((option) => !isMss(option)).join();
