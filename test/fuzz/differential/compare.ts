/** Two plays of one script side by side: what differs, one thing after the other. */
import type { Played, Sent } from './play.ts';

export interface Difference {
  readonly what: 'segment' | 'call' | 'time' | 'fault';
  /** After which step. */
  readonly step: number;
  readonly tcpx: string;
  readonly kernel: string;
  /** Who said nothing to that step, and the segment shown as theirs came after a later one. */
  readonly silent?: 'tcpx' | 'kernel';
  /** What the kernel had sent by then. */
  readonly before: readonly Sent[];
  /** The step from which on, until here, each segment of one looked like the one of the other's to a later step. */
  readonly since?: number;
  /** Microseconds by which the last that both sent to the same step left the kernel later. */
  readonly late?: number;
}

/** Microseconds by which a kernel under load is late; its coarser timers by an eighth more. */
const LATE = 300_000;
/** What a call brings about leaves before the call is known to have returned, here by as much on a busy machine. */
const EARLY = 1_500_000;

/** Who asks for more has passed over the last: what one of them only had sent, or the segment of each. */
export function* differences(tcpx: Played, kernel: Played): Generator<Difference, undefined> {
  const [fault] = [...tcpx.faults, ...kernel.faults];
  if (fault !== undefined)
    yield {
      what: 'fault',
      step: 0,
      tcpx: tcpx.faults[0] ?? 'none',
      kernel: kernel.faults[0] ?? 'none',
      before: [],
    };
  // Of one step the segments come first: what a call comes to may be their doing.
  const calls = ofCalls(tcpx, kernel);
  let call = calls.next();
  for (const segment of ofSegments(tcpx.sent, kernel.sent)) {
    for (; !call.done && call.value.step < segment.step; call = calls.next()) yield call.value;
    yield segment;
  }
  for (; !call.done; call = calls.next()) yield call.value;
}

function* ofSegments(ours: readonly Sent[], theirs: readonly Sent[]): Generator<Difference, undefined> {
  let i = 0;
  let j = 0;
  let since: number | undefined;
  let late = 0;
  while (i < ours.length || j < theirs.length) {
    const a = ours[i];
    const b = theirs[j];
    const more = { before: theirs.slice(0, j), late, ...(since !== undefined && { since }), ...silent(a, b) };
    if (a?.text !== b?.text) {
      // Where one was silent, the other's next is to be seen beside what comes later.
      const step = Math.min(a?.step ?? Number.POSITIVE_INFINITY, b?.step ?? Number.POSITIVE_INFINITY);
      yield { what: 'segment', step, tcpx: a?.text ?? 'nothing', kernel: b?.text ?? 'nothing', ...more };
      if (more.silent !== 'tcpx') i++;
      if (more.silent !== 'kernel') j++;
      since = undefined;
      continue;
    }
    if (isElsewhen(a!, b!))
      yield { what: 'time', step: Math.min(a!.step, b!.step), tcpx: timed(a!), kernel: timed(b!), ...more };
    if (a!.step === b!.step) {
      late = b!.at - a!.at;
      since = undefined;
    } else since ??= Math.min(a!.step, b!.step);
    i++;
    j++;
  }
}

function* ofCalls(tcpx: Played, kernel: Played): Generator<Difference, undefined> {
  for (let i = 0; i < Math.max(tcpx.calls.length, kernel.calls.length); i++) {
    const a = tcpx.calls[i];
    const b = kernel.calls[i];
    if (a?.text === b?.text) continue;
    const { step } = (a ?? b)!;
    const before = kernel.sent.filter((s) => s.step <= step);
    yield { what: 'call', step, tcpx: a?.text ?? 'nothing', kernel: b?.text ?? 'nothing', before };
  }
}

function silent(tcpx: Sent | undefined, kernel: Sent | undefined): Pick<Difference, 'silent'> {
  if (tcpx === undefined || (kernel !== undefined && kernel.step < tcpx.step)) return { silent: 'tcpx' };
  return kernel === undefined || tcpx.step < kernel.step ? { silent: 'kernel' } : {};
}

function isElsewhen(ours: Sent, theirs: Sent): boolean {
  const later = theirs.at - ours.at;
  return later > LATE + ours.at / 8 || later < -EARLY;
}

const timed = (s: Sent): string => `${(s.at / 1e6).toFixed(3)} s  ${s.text}`;
