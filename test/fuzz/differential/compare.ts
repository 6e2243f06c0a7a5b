/** Two plays of one script side by side: the first thing that differs. */
import type { SegmentSpec } from '../../../src/tools/scenario/model.ts';
import { TcpFlag } from '../../../src/wire/tcp.ts';
import type { Played, Sent } from './play.ts';
import { FAMILIES, type Script } from './script.ts';

export interface Difference {
  readonly what: 'segment' | 'call' | 'time' | 'fault';
  /** After which step. */
  readonly step: number;
  readonly tcpx: string;
  readonly kernel: string;
  /** Octets had been sent a second time by then, or are now. */
  readonly isAgain?: boolean;
  /** Who said nothing to that step, and the segment shown as theirs came after a later one. */
  readonly silent?: 'tcpx' | 'kernel';
  /** Where segments began that the kernel sent for the first time. */
  readonly begins?: ReadonlySet<number>;
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
    if (a?.text !== b?.text) {
      // Where one was silent, the other's next is to be seen beside what comes later.
      const step = Math.min(a?.step ?? Number.POSITIVE_INFINITY, b?.step ?? Number.POSITIVE_INFINITY);
      const isAgain = [tcpx, kernel].some(({ sent }) => beginsOf(sent.slice(0, i + 1)).isAgain);
      const more = { isAgain, begins: beginsOf(kernel.sent).begins };
      return {
        what: 'segment',
        step,
        tcpx: a?.text ?? 'nothing',
        kernel: b?.text ?? 'nothing',
        ...more,
        ...silent(a, b),
      };
    }
    if (a !== undefined && b !== undefined && isElsewhen(a, b))
      return { what: 'time', step: Math.min(a.step, b.step), tcpx: timed(a), kernel: timed(b), ...silent(a, b) };
  }
  for (let i = 0; i < Math.max(tcpx.calls.length, kernel.calls.length); i++) {
    const a = tcpx.calls[i];
    const b = kernel.calls[i];
    if (a?.text !== b?.text)
      return { what: 'call', step: (a ?? b)!.step, tcpx: a?.text ?? 'nothing', kernel: b?.text ?? 'nothing' };
  }
  return undefined;
}

function silent(tcpx: Sent | undefined, kernel: Sent | undefined): Pick<Difference, 'silent'> {
  if (tcpx === undefined || (kernel !== undefined && kernel.step < tcpx.step)) return { silent: 'tcpx' };
  return kernel === undefined || tcpx.step < kernel.step ? { silent: 'kernel' } : {};
}

/** Where segments of new octets began; and whether some octets were sent again. */
function beginsOf(sent: readonly Sent[]): { readonly begins: ReadonlySet<number>; readonly isAgain: boolean } {
  const begins = new Set<number>();
  let most = 0;
  let isAgain = false;
  for (const { text, len } of sent) {
    if (len === 0) continue;
    const seq = seqOf(text);
    if (seq < most) isAgain = true;
    else begins.add(seq);
    most = Math.max(most, seq + len);
  }
  return { begins, isAgain };
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
/** Beyond any window of these scripts. */
const FAR = 1_000_000;

/** In the order in which they are tried. */
export const KNOWN: readonly Known[] = [
  {
    name: 'SYN with FIN',
    reason:
      'RFC 9293 §3.10.7.2 takes the SYN of a segment that has both; Linux drops or resets it (tcp_rcv_state_process, tcp_check_req)',
    is: (d, script) => d.what !== 'call' && causes(d, script).some((p) => has(p, SYN | FIN)),
  },
  {
    name: 'SYN in SYN-RECEIVED',
    reason:
      'RFC 9293 §3.10.7.4 fourth: a passive open goes back to LISTEN; Linux answers by RST, or not at all (tcp_check_req)',
    is: (d, script) =>
      d.what === 'segment' &&
      (isReset(d.kernel) || isReset(d.tcpx)) &&
      script.steps[0]?.do === 'listen' &&
      causes(d, script).some((p, n) => n > 0 && has(p, SYN)),
  },
  {
    name: 'window that shrinks',
    reason:
      'RFC 9293 §3.10.7.4 fifth takes the window of each ACK that is no older than the last; Linux passes over one that is smaller, and not 0, where neither SEQ nor ACK is new (tcp_may_update_window)',
    is: (d, script) =>
      d.what === 'segment' &&
      !isReset(d.kernel) &&
      (!isReset(d.tcpx) || d.silent === 'tcpx') &&
      causes(d, script).some((p) => shrinks(p, script)),
  },
  {
    name: 'no ACK bit',
    reason:
      'RFC 9293 §3.10.7.4 looks at the sequence number first and answers; Linux first drops what has neither ACK, RST nor SYN, but for TIME-WAIT, where it looks at the ACK bit not at all',
    // An answer that looks like the next one's is missed only after that, or seems to come with that.
    is: (d, script) =>
      (d.what === 'segment' || (d.what === 'time' && d.silent === 'kernel')) &&
      causes(d, script)
        .slice(-2)
        .some((p, n, all) => !(p.flags & (ACK | RST | SYN)) && (n === all.length - 1 || isBareAck(d.tcpx))),
  },
  {
    name: 'RST one before RCV.NXT',
    reason:
      'RFC 5961 §3.2 wants it at RCV.NXT exactly; Linux takes it one before where a FIN has come, for the sake of a peer that sends it there (tcp_reset_check)',
    is: (d, script) =>
      d.what !== 'time' && causes(d, script).some((p) => has(p, RST)) && causes(d, script).some((p) => has(p, FIN)),
  },
  {
    name: 'RST in the window once the user has gone',
    reason:
      'RFC 5961 §3.2 challenges one that is not at RCV.NXT; Linux, which keeps little of a FIN-WAIT-2 whose user has gone and of TIME-WAIT, does not (tcp_timewait_state_process)',
    is: (d, script) =>
      d.what !== 'call' && d.silent === 'kernel' && has(cause(d, script), RST) && isKeptBriefly(d, script),
  },
  {
    name: 'RST out of the window once the user has gone',
    reason:
      'RFC 9293 §3.10.7.4 first drops it in silence; Linux answers whatever is out of the window of a FIN-WAIT-2 whose user has gone (tcp_timewait_check_oow_rate_limit)',
    is: (d, script) =>
      d.what === 'segment' && isBareAck(d.kernel) && has(cause(d, script), RST) && isKeptBriefly(d, script),
  },
  {
    name: 'SYN once the user has gone',
    reason:
      'RFC 5961 §4.2 challenges it; Linux, which keeps little of a FIN-WAIT-2 whose user has gone, answers by RST (tcp_timewait_state_process)',
    is: (d, script) =>
      d.what === 'segment' &&
      (isBareAck(d.tcpx) || d.silent === 'tcpx') &&
      isReset(d.kernel) &&
      has(cause(d, script), SYN) &&
      isKeptBriefly(d, script),
  },
  {
    name: 'challenges are limited by a repeated SYN',
    reason:
      'RFC 5961 §7 leaves the limit to the stack; Linux counts the answer to a SYN that comes again (tcp_check_req), tcpx does not',
    is: (d, script) =>
      d.what === 'segment' &&
      d.silent === 'kernel' &&
      isBareAck(d.tcpx) &&
      script.steps[0]?.do === 'listen' &&
      causes(d, script).filter((p) => has(p, SYN)).length > 1,
  },
  {
    name: 'ACK of what was not sent once the user has gone',
    reason:
      'RFC 9293 §3.10.7.4 fifth answers it; Linux, which keeps little of a FIN-WAIT-2 whose user has gone, looks at no ACK (tcp_timewait_state_process)',
    is: (d, script) =>
      d.what === 'segment' &&
      d.silent === 'kernel' &&
      isBareAck(d.tcpx) &&
      hasUser(d, script, 'close') &&
      has(cause(d, script), ACK) &&
      (cause(d, script)?.ack ?? 0) > seqOf(d.tcpx),
  },
  {
    name: 'what a timeout lets go',
    reason:
      'RFC 9293 §3.4 numbers octets, not segments: tcpx cuts anew what it sends again, and its window of one segment (RFC 5681) has room for a FIN; Linux sends the segment as it was, and counts each as one',
    is: (d) =>
      d.isAgain === true &&
      (/^F/.test(d.tcpx) || (seqOf(d.tcpx) === seqOf(d.kernel) && lengthOf(d.kernel) > 0 && lengthOf(d.tcpx) > 0)),
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
    name: 'ACK and window of what ends where the last ACK was',
    reason:
      'RFC 9293 §3.10.7.4 first: of what ends before RCV.NXT nothing else is looked at; to Linux what ends at its last ACK or behind is inside (tcp_sequence): its SEQ shows what that acknowledged, or the window that shrank, and it does not send again what tcpx does',
    is: (d, script) => {
      // Its octets had come before, in a packet as long or longer.
      const isOld = (p: SegmentSpec | undefined): boolean =>
        p !== undefined &&
        has(p, ACK) &&
        p.seq + p.len <= ackOf(d.tcpx) &&
        causes(d, script).some((q, n, all) => n < all.indexOf(p) && reaches(q) && q.seq + q.len >= p.seq + p.len);
      if (isBareAck(d.tcpx))
        return (
          isBareAck(d.kernel) &&
          ackOf(d.tcpx) === ackOf(d.kernel) &&
          seqOf(d.kernel) !== seqOf(d.tcpx) &&
          isOld(cause(d, script))
        );
      const acknowledges = (p: SegmentSpec): boolean => p.len > 0 && isOld(p) && (p.ack ?? 0) > seqOf(d.tcpx);
      return (d.silent === 'kernel' || seqOf(d.kernel) > seqOf(d.tcpx)) && causes(d, script).some(acknowledges);
    },
  },
  {
    name: 'ACK of what was not sent on what ends at RCV.NXT',
    reason:
      'RFC 9293 §3.10.7.4 first answers old octets, each time; to Linux what ends at RCV.NXT is inside (tcp_sequence), and its ACK of what was not sent is challenged once in tcp_invalid_ratelimit',
    is: (d, script) => {
      const packet = cause(d, script);
      return (
        d.silent === 'kernel' &&
        isBareAck(d.tcpx) &&
        packet !== undefined &&
        has(packet, ACK) &&
        packet.len > 0 &&
        (packet.ack ?? 0) > seqOf(d.tcpx) &&
        packet.seq + packet.len === ackOf(d.tcpx)
      );
    },
  },
  {
    name: 'FIN in a SACK block',
    reason:
      'RFC 2018 §3 speaks of data; Linux counts a FIN ahead of order as an octet of the block, and reports one that stands alone',
    is: (d, script) =>
      d.what === 'segment' &&
      (differInSack(d) || leavesRoom(d)) &&
      / <.*sack /.test(d.kernel) &&
      causes(d, script).some((p) => has(p, FIN)),
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
      'RFC 9293 §3.6.1: data that nobody will read is answered by RST; Linux does so for a FIN ahead of order too, and before it looks at the ACK (§3.10.7.4 fifth)',
    is: (d, script) =>
      d.what === 'segment' && isReset(d.kernel) && hasUser(d, script, 'close') && reaches(cause(d, script)),
  },
  {
    name: 'unread octets after a RST',
    reason:
      'RFC 9293 §3.10.7.4 second: all queues are flushed, and the user hears of the reset; Linux lets what had arrived be read before it says so',
    is: (d, script) =>
      /^read (ECONNRESET|0)$/.test(d.tcpx) &&
      /^read [1-9]/.test(d.kernel) &&
      causes(d, script).some((p) => has(p, RST)),
  },
  {
    name: 'read behind the FIN after a RST',
    reason:
      'RFC 9293 §3.10.7.4 second: in CLOSE-WAIT the user hears of the reset; Linux says that the stream has ended, which it had',
    is: (d, script) =>
      d.tcpx === 'read ECONNRESET' &&
      d.kernel === 'read 0' &&
      [FIN, RST].every((flag) => causes(d, script).some((p) => has(p, flag))),
  },
  {
    name: 'a second CLOSE in TIME-WAIT',
    reason: 'RFC 9293 §3.10.4: an error or none; Linux says ENOTCONN, since the socket has no connection any more',
    is: (d, script) =>
      d.tcpx === 'shutdown 0' && d.kernel === 'shutdown ENOTCONN' && causes(d, script).some((p) => has(p, FIN)),
  },
  {
    name: 'read after a CLOSE in SYN-SENT',
    reason:
      'RFC 9293 §3.10.4: RECEIVEs are answered "closing", which is no errno; Linux says ECONNRESET (tcp_disconnect)',
    is: (d, script) =>
      d.tcpx === 'read 0' && d.kernel === 'read ECONNRESET' && script.steps[0]?.do === 'connect' && closesEarly(script),
  },
  {
    name: 'FIN with the ACK of a FIN',
    reason:
      'RFC 9293 §3.10.7.4 eighth asks for an ACK, which a FIN that may leave now can carry; Linux sends the ACK first, then the FIN',
    is: (d, script) => /^F\. /.test(d.tcpx) && d.tcpx.slice(1) === d.kernel && has(cause(d, script), FIN),
  },
  {
    name: 'data beyond a FIN',
    reason:
      "RFC 9293 §3.10.7.4 seventh: after the peer's FIN text is ignored; Linux answers it, by RST or, in TIME-WAIT, by an ACK, and takes a FIN before what it holds beyond",
    is: (d, script) =>
      (d.what === 'segment' || d.what === 'call') &&
      causes(d, script).some((f, _, all) => has(f, FIN) && all.some((p) => isBeyond(p, f))),
  },
  {
    name: 'SEQ of a RST beyond a window that was shrunk',
    reason: 'RFC 9293 §3.10.5: SEQ=SND.NXT; Linux takes the end of the window (tcp_acceptable_seq)',
    is: (d, script) => isReset(d.tcpx) && isReset(d.kernel) && hasUser(d, script, 'abort', 'close'),
  },
  {
    name: 'echo in SYN-RECEIVED',
    reason:
      'RFC 7323 does not ask it; Linux wants what follows its SYN-ACK to echo a timestamp that was on one, not that of an ACK since: it answers others, and drops a RST (tcp_check_req)',
    is: (d, script) =>
      script.steps[0]?.do === 'listen' &&
      (/ ack 1 win >0 <TS ecr 1060>$/.test(d.kernel) ||
        (d.silent === 'kernel' && / 1:1\(0\)/.test(d.tcpx) && hasLateReset(d, script))),
  },
  {
    name: 'octets unread where both have closed',
    reason:
      'RFC 9293 §3.10.5: in CLOSING and LAST-ACK an ABORT sends nothing, nor does a user who goes; Linux sends a RST where octets were not read (tcp_close)',
    is: (d, script) =>
      isReset(d.kernel) && hasUser(d, script, 'abort', 'close') && causes(d, script).some((p) => has(p, FIN)),
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
  {
    name: 'timer after a part of a segment',
    reason:
      'RFC 6298 §5.3: an ACK of new data restarts the timer; Linux does so only where a whole segment is acknowledged (tcp_clean_rtx_queue)',
    is: (d, script) =>
      d.isAgain === true &&
      lengthOf(d.tcpx) === 0 &&
      lengthOf(d.kernel) > 0 &&
      d.begins?.has(seqOf(d.kernel)) === false &&
      causes(d, script).some((p) => has(p, ACK) && p.ack === seqOf(d.kernel)),
  },
  {
    name: "octets with the ACK of an orphan's FIN",
    reason:
      'RFC 9293 §3.10.7.4 first: what is not acceptable is answered by an ACK; in Linux the segment that takes a socket without a user to FIN-WAIT-2 is dropped with it (tcp_rcv_state_process)',
    is: (d, script) => {
      const packets = causes(d, script);
      const last = packets.at(-1);
      const isItsAck = (p: SegmentSpec | undefined): boolean => has(p, ACK) && p?.ack === seqOf(d.tcpx);
      return (
        d.silent === 'kernel' &&
        isBareAck(d.tcpx) &&
        hasUser(d, script, 'close') &&
        (last?.len ?? 0) > 0 &&
        isItsAck(last) &&
        !packets.slice(0, -1).some(isItsAck)
      );
    },
  },
  {
    name: 'ABORT in TIME-WAIT',
    reason:
      'RFC 9293 §3.10.5: the connection is deleted; in Linux the socket is gone by then, and TIME-WAIT goes on without it',
    is: (d, script) => isReset(d.tcpx) && !isReset(d.kernel) && hasUser(d, script, 'abort') && isKeptBriefly(d, script),
  },
  {
    name: 'initial window in segments',
    reason: 'RFC 6928 §2 counts octets; to Linux ten small segments fill it (tcp_packets_in_flight)',
    is: (d) =>
      d.what === 'segment' && lengthOf(d.tcpx) > 0 && (d.begins?.size ?? 0) >= 8 && seqOf(d.tcpx) > seqOf(d.kernel),
  },
  {
    name: 'threshold without SACK',
    reason:
      'RFC 5681 §3.2 repeats at the third duplicate ACK; to Linux more of them than segments under way tell of disorder, and its threshold becomes how many those are: one (tcp_check_reno_reordering)',
    is: (d, script) =>
      d.isAgain === true &&
      FAMILIES[script.family]?.['tcp_sack'] === '0' &&
      (d.silent === 'tcpx' || seqOf(d.tcpx) > seqOf(d.kernel)) &&
      causes(d, script).filter((p, n, all) => has(p, ACK) && p.len === 0 && p.ack === all[n - 1]?.ack).length > 1,
  },
];

/** Linux has made it a tcp_timewait_sock: both have closed, or we have, for good. */
function isKeptBriefly(d: Difference, script: Script): boolean {
  return hasUser(d, script, 'close') || (hasUser(d, script, 'shutdown') && causes(d, script).some((p) => has(p, FIN)));
}

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

/** A RST that says which timestamp it echoes, after a SYN and something that an ACK has answered. */
function hasLateReset(d: Difference, script: Script): boolean {
  const isStamped = FAMILIES[script.family]?.['tcp_timestamps'] === '1';
  return isStamped && causes(d, script).some((p, i) => i >= 2 && has(p, RST));
}

/** Smaller than that of the last ACK in the window, and not 0, and nothing else is new. */
function shrinks(packet: SegmentSpec, script: Script): boolean {
  let last: SegmentSpec | undefined;
  for (const step of script.steps) {
    if (step.do !== 'in' || !has(step.packet, ACK) || step.packet.flags & (SYN | RST)) continue;
    const { seq, ack = 0, wnd = 0 } = step.packet;
    const isSame = last !== undefined && seq === last.seq && ack === last.ack;
    if (step.packet === packet) return isSame && wnd > 0 && wnd < (last?.wnd ?? 0);
    const ahead = (seq - (last?.seq ?? 1)) | 0;
    if (ahead >= 0 && ahead < FAR && ((ack - (last?.ack ?? ack)) | 0) >= 0) last = step.packet;
  }
  return false;
}

/** `packet` has octets or a FIN where the stream has ended. */
function isBeyond(packet: SegmentSpec, fin: SegmentSpec): boolean {
  const end = (p: SegmentSpec): number => p.seq + p.len;
  return packet !== fin && reaches(packet) && ((end(packet) - end(fin)) | 0) > 0;
}

/** The user has closed before the peer answered. */
function closesEarly(script: Script): boolean {
  for (const step of script.steps) {
    if (step.do === 'in' && has(step.packet, SYN | ACK)) return false;
    if (step.do === 'user' && step.user.call === 'shutdown') return true;
  }
  return false;
}

/** It has something that takes a sequence number. */
const reaches = (p: SegmentSpec | undefined): boolean => p !== undefined && (p.len > 0 || has(p, FIN));
const isBareAck = (text: string): boolean => /^\. /.test(text) && lengthOf(text) === 0;

const seqOf = (text: string): number => Number(/ ([0-9]+):/.exec(text)?.[1] ?? 0);
const ackOf = (text: string): number => Number(/ ack ([0-9]+)/.exec(text)?.[1] ?? 0);
const lengthOf = (text: string): number => Number(/\(([0-9]+)\)/.exec(text)?.[1] ?? 0);

/** The kernel's segment is smaller by what its SACK blocks take. */
const leavesRoom = (d: Difference): boolean =>
  lengthOf(d.kernel) > 0 && lengthOf(d.kernel) < lengthOf(d.tcpx) && lengthOf(d.tcpx) - lengthOf(d.kernel) <= 24;

const differInSack = (d: Difference): boolean => d.tcpx !== d.kernel && withoutSack(d.tcpx) === withoutSack(d.kernel);

export const knownAs = (d: Difference, script: Script): Known | undefined => KNOWN.find((k) => k.is(d, script));
