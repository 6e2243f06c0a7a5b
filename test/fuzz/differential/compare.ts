/** Two plays of one script side by side: the first thing that differs. */
import type { SegmentSpec } from '../../../src/tools/scenario/model.ts';
import { TcpFlag } from '../../../src/wire/tcp.ts';
import type { Played, Sent } from './play.ts';
import type { Script } from './script.ts';

export interface Difference {
  readonly what: 'segment' | 'call' | 'time' | 'fault';
  /** After which step. */
  readonly step: number;
  readonly tcpx: string;
  readonly kernel: string;
}

/** Microseconds by which a kernel under load is late; its coarser timers by an eighth more. */
const LATE = 300_000;
/** What a call brings about leaves before the call is known to have returned, here by as much on a busy machine. */
const EARLY = 1_500_000;

export function difference(tcpx: Played, kernel: Played): Difference | undefined {
  const [fault] = [...tcpx.faults, ...kernel.faults];
  if (fault !== undefined)
    return { what: 'fault', step: 0, tcpx: tcpx.faults[0] ?? 'none', kernel: kernel.faults[0] ?? 'none' };
  for (let i = 0; i < Math.max(tcpx.sent.length, kernel.sent.length); i++) {
    const a = tcpx.sent[i];
    const b = kernel.sent[i];
    if (a?.text !== b?.text)
      return { what: 'segment', step: (a ?? b)!.step, tcpx: a?.text ?? 'nothing', kernel: b?.text ?? 'nothing' };
    if (a !== undefined && b !== undefined && isElsewhen(a, b))
      return { what: 'time', step: a.step, tcpx: timed(a), kernel: timed(b) };
  }
  for (let i = 0; i < Math.max(tcpx.calls.length, kernel.calls.length); i++)
    if (tcpx.calls[i] !== kernel.calls[i])
      return { what: 'call', step: i, tcpx: tcpx.calls[i] ?? 'nothing', kernel: kernel.calls[i] ?? 'nothing' };
  return undefined;
}

function isElsewhen(ours: Sent, theirs: Sent): boolean {
  const later = theirs.at - ours.at;
  return later > LATE + ours.at / 8 || later < -EARLY;
}

const timed = (s: Sent): string => `${(s.at / 1e6).toFixed(3)} s  ${s.text}`;

/** A difference that is known, and why it is one. */
export interface Known {
  readonly name: string;
  readonly reason: string;
  readonly is: (d: Difference, script: Script) => boolean;
}

const withoutSack = (text: string): string => text.replace(/,?sack [0-9: ]+/, '').replace(/ <>$/, '');
const withoutOptions = (text: string): string => text.replace(/ <.*>$/, '');
const withoutEcho = (text: string): string => text.replace(/TS ecr [0-9]+/, 'TS');
const isReset = (text: string): boolean => /^R/.test(text);

/** The peer's segment in the step after which they differ, or the last before it: what a user's call shows may be its doing. */
function cause(d: Difference, script: Script): SegmentSpec | undefined {
  if (d.what === 'call') return undefined;
  for (let i = d.step; i >= 0; i--) {
    const step = script.steps[i];
    if (step?.do === 'in') return step.packet;
  }
  return undefined;
}

const causes = (d: Difference, script: Script): readonly SegmentSpec[] =>
  script.steps.slice(0, d.step + 1).flatMap((step) => (step.do === 'in' ? [step.packet] : []));
const has = (packet: SegmentSpec | undefined, flags: number): boolean =>
  packet !== undefined && (packet.flags & flags) === flags;
const hasUser = (d: Difference, script: Script, ...calls: readonly string[]): boolean =>
  script.steps.slice(0, d.step + 1).some((step) => step.do === 'user' && calls.includes(step.user.call));

const { ACK, FIN, SYN, RST } = TcpFlag;

/** In the order in which they are tried. */
export const KNOWN: readonly Known[] = [
  {
    name: 'SYN with FIN',
    reason:
      'RFC 9293 §3.10.7.2 takes the SYN of a segment that has both; Linux drops or resets it (tcp_rcv_state_process, tcp_check_req)',
    is: (d, script) => d.what === 'segment' && has(cause(d, script), SYN | FIN),
  },
  {
    name: 'SYN in SYN-RECEIVED',
    reason: 'RFC 9293 §3.10.7.4 fourth: a passive open goes back to LISTEN; Linux answers by RST (tcp_check_req)',
    is: (d, script) => d.what === 'segment' && has(cause(d, script), SYN) && isReset(d.kernel) !== isReset(d.tcpx),
  },
  {
    name: 'no ACK bit',
    reason:
      'RFC 9293 §3.10.7.4 looks at the sequence number first and answers; Linux first drops what has neither ACK, RST nor SYN, but for TIME-WAIT, where it looks at the ACK bit not at all',
    is: (d, script) =>
      d.what === 'segment' && cause(d, script) !== undefined && !(cause(d, script)!.flags & (ACK | RST | SYN)),
  },
  {
    name: 'RST one before RCV.NXT',
    reason:
      'RFC 5961 §3.2 wants it at RCV.NXT exactly; Linux takes it one before where a FIN has come, for the sake of a peer that sends it there (tcp_reset_check)',
    is: (d, script) =>
      d.what !== 'time' && causes(d, script).some((p) => has(p, RST)) && causes(d, script).some((p) => has(p, FIN)),
  },
  {
    name: 'ACK that is old',
    reason:
      'RFC 5961 §5.2: older than SND.UNA by more than MAX.SND.WND is challenged; Linux takes the lesser of that and the octets acknowledged so far',
    is: (d, script) => d.what === 'segment' && causes(d, script).some((p) => has(p, ACK) && isOld(p, script)),
  },
  {
    name: 'timestamp of what ends at RCV.NXT',
    reason:
      'RFC 7323 §5.3 R2 rejects what is outside the window before R3 records its timestamp; to Linux what ends at RCV.NXT is inside (tcp_sequence)',
    is: (d) =>
      d.what === 'segment' &&
      d.tcpx !== d.kernel &&
      withoutSack(withoutEcho(d.tcpx)) === withoutSack(withoutEcho(d.kernel)) &&
      /TS/.test(d.tcpx) &&
      withoutSack(d.tcpx) !== withoutSack(d.kernel),
  },
  {
    name: 'FIN in a SACK block',
    reason:
      'RFC 2018 §3 speaks of data; Linux counts a FIN ahead of order as an octet of the block, and reports one that stands alone',
    is: (d, script) => d.what === 'segment' && differInSack(d) && causes(d, script).some((p) => has(p, FIN)),
  },
  {
    name: 'room for SACK blocks',
    reason:
      'RFC 9293 §3.7.1 takes the options off what a segment carries; tcpx those of all the blocks that it may have to say, Linux those that it has',
    is: (d) =>
      / <.*sack /.test(d.tcpx) &&
      lengthOf(d.tcpx) > 0 &&
      lengthOf(d.tcpx) < lengthOf(d.kernel) &&
      lengthOf(d.kernel) - lengthOf(d.tcpx) <= 24,
  },
  {
    name: 'D-SACK of a part',
    reason:
      'RFC 2883 §4.2: octets that come again with new ones are reported by Linux whenever some were held, by tcpx where all lie before RCV.NXT',
    is: (d) => d.what === 'segment' && differInSack(d),
  },
  {
    name: 'options on a RST',
    reason:
      'RFC 7323 §3.2: timestamps SHOULD be on a RST; Linux puts them, and SACK blocks, on the one of an abort, tcpx only timestamps',
    is: (d) => d.what === 'segment' && isReset(d.tcpx) && withoutOptions(d.tcpx) === withoutOptions(d.kernel),
  },
  {
    name: 'form of the RST for data that nobody will read',
    reason:
      'RFC 9293 §3.6.1 asks for a RST and does not say which; Linux takes the one of a closed connection (SEQ=SEG.ACK), tcpx that of an abort',
    is: (d, script) => d.what === 'segment' && isReset(d.tcpx) && isReset(d.kernel) && hasUser(d, script, 'close'),
  },
  {
    name: 'what is beyond RCV.NXT once the user has gone',
    reason:
      'RFC 9293 §3.6.1: data that nobody will read is answered by RST; Linux does so for a FIN ahead of order too',
    is: (d, script) =>
      d.what === 'segment' && isReset(d.kernel) && hasUser(d, script, 'close') && has(cause(d, script), FIN),
  },
  {
    name: 'unread octets after a RST',
    reason:
      'RFC 9293 §3.10.7.4 second: all queues are flushed, and the user hears of the reset; Linux lets what had arrived be read before it says so',
    is: (d) => d.what === 'call' && d.tcpx === 'read ECONNRESET' && /^read [1-9]/.test(d.kernel),
  },
  {
    name: 'data beyond a FIN',
    reason:
      "RFC 9293 §3.10.7.4 seventh: after the peer's FIN text is ignored; Linux answers it, by RST or, in TIME-WAIT, by an ACK, and takes a FIN before what it holds beyond",
    is: (d, script) =>
      d.what === 'segment' &&
      causes(d, script).some((p, i, all) => p.len > 0 && all.slice(0, i + 1).some((f) => has(f, FIN))),
  },
  {
    name: 'SEQ of a RST beyond a window that was shrunk',
    reason: 'RFC 9293 §3.10.5: SEQ=SND.NXT; Linux takes the end of the window (tcp_acceptable_seq)',
    is: (d, script) => isReset(d.tcpx) && isReset(d.kernel) && hasUser(d, script, 'abort', 'close'),
  },
  {
    name: 'echo in SYN-RECEIVED',
    reason:
      'RFC 7323 does not ask it; Linux wants the ACK of its SYN-ACK to echo a timestamp that was on one (tcp_check_req)',
    is: (d, script) => / ack 1 win >0 <TS ecr 1060>$/.test(d.kernel) && script.steps[0]?.do === 'listen',
  },
  {
    name: 'abort with octets unread where both have closed',
    reason:
      'RFC 9293 §3.10.5: in CLOSING and LAST-ACK an ABORT sends nothing; Linux sends a RST where octets were not read (tcp_close)',
    is: (d, script) => isReset(d.kernel) && hasUser(d, script, 'abort') && causes(d, script).some((p) => has(p, FIN)),
  },
  {
    name: 'simultaneous open',
    reason:
      'RFC 9293 §3.5 figure 8: the SYN-ACK ends it; Linux answers that with one ACK more, and a shutdown before it by no FIN',
    is: (d, script) => script.steps[0]?.do === 'connect' && causes(d, script).some((p) => has(p, SYN) && !has(p, ACK)),
  },
  {
    name: 'window scale in a simultaneous open',
    reason: "RFC 7323 §2.2: not on a SYN-ACK unless the peer's SYN had it; Linux repeats what its own SYN said",
    is: (d) => /^S/.test(d.tcpx) && withoutOptions(d.tcpx) === withoutOptions(d.kernel),
  },
  {
    name: 'errno after a RST',
    reason: 'RFC 9293 does not name errors; Linux says EPIPE where the RST came after a FIN (tcp_reset)',
    is: (d) => d.what === 'call' && /EPIPE|ECONNRESET/.test(d.tcpx) && /EPIPE|ECONNRESET/.test(d.kernel),
  },
];

/** It acknowledges less than the handshake, or than an ACK before it did. */
function isOld(packet: SegmentSpec, script: Script): boolean {
  let most = 1;
  for (const step of script.steps) {
    if (step.do !== 'in') continue;
    const acked = (step.packet.ack ?? 0) | 0;
    if (step.packet === packet) return acked < most;
    if (has(step.packet, ACK) && !has(step.packet, RST)) most = Math.max(most, acked);
  }
  return false;
}

const lengthOf = (text: string): number => Number(/\(([0-9]+)\)/.exec(text)?.[1] ?? 0);

const differInSack = (d: Difference): boolean => d.tcpx !== d.kernel && withoutSack(d.tcpx) === withoutSack(d.kernel);

export const knownAs = (d: Difference, script: Script): Known | undefined => KNOWN.find((k) => k.is(d, script));
