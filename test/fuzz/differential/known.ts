/** Where Linux and tcpx are known to differ, each with whose rule it is that one of them does not keep, or reads otherwise. */
import type { SegmentSpec } from '../../../src/tools/scenario/model.ts';
import { TcpFlag } from '../../../src/wire/tcp.ts';
import type { Difference } from './compare.ts';
import {
  abortsInTimeWait,
  acknowledgesData,
  ackOf,
  blocksOf,
  cameIn,
  cause,
  causes,
  closesEarly,
  differInSack,
  echoOf,
  FAR,
  firstSent,
  has,
  hasAckOfUnsent,
  hasOldAck,
  hasUnread,
  hasUser,
  isAgain,
  isBareAck,
  isBetween,
  isBeyond,
  isChallenged,
  isFin,
  isKeptBriefly,
  isOpening,
  isReset,
  isSimultaneous,
  isStep,
  isSynFin,
  isTooOld,
  kernelsBlocks,
  leavesRoom,
  lengthOf,
  reaches,
  readOf,
  recent,
  reportsTo,
  seqOf,
  shrinks,
  shutsEarly,
  sndNxt,
  stampOf,
  takesFin,
  windowsEnd,
  withoutEcho,
  withoutOffers,
  withoutOptions,
  withoutSack,
} from './facts.ts';
import { FAMILIES, type Script } from './script.ts';

/** A difference that is known, and why it is one. */
export interface Known {
  readonly name: string;
  readonly reason: string;
  readonly is: (d: Difference, script: Script) => boolean;
  /** What comes after it can be compared: neither stack knows of it any more. */
  readonly isAlone?: true;
}

const { ACK, FIN, SYN, RST } = TcpFlag;

/** Segments of RFC 6928's initial window. */
const INITIAL_SEGMENTS = 10;
/** Microseconds after another that show that a timer sent it. */
const DELAYED = 5000;

/** In the order in which they are tried. */
export const KNOWN: readonly Known[] = [
  {
    name: 'SYN with FIN',
    reason:
      'RFC 9293 §3.10.7.2 takes the SYN of a segment that has both; Linux drops or resets it (tcp_rcv_state_process, tcp_check_req)',
    is: (d, script) =>
      d.what !== 'call' &&
      (cameIn(d, script, ['LISTEN', 'SYN-SENT', 'SYN-RECEIVED'], isSynFin) ||
        (isSynFin(cause(d, script)) && (isKeptBriefly(d, script) || /^S\. /.test(d.tcpx)))),
  },
  {
    name: 'ACK before SEQ in SYN-RECEIVED',
    reason:
      'RFC 9293 §3.10.7.4 looks at the sequence number first, and answers by an ACK; Linux, which keeps little of a SYN-RECEIVED, first at the ACK, and sends a RST (tcp_check_req)',
    is: (d, script) =>
      d.what === 'segment' &&
      isBareAck(d.tcpx) &&
      isReset(d.kernel) &&
      script.steps[0]?.do === 'listen' &&
      seqOf(d.kernel) === cause(d, script)?.ack &&
      cameIn(d, script, ['SYN-RECEIVED'], (p) => has(p, ACK) && p.ack !== 1 && (p.seq > FAR || p.seq < 1)),
  },
  {
    name: 'SYN in SYN-RECEIVED',
    reason:
      'RFC 9293 §3.10.7.4 fourth: a passive open goes back to LISTEN; Linux answers by RST, or not at all (tcp_check_req)',
    is: (d, script) =>
      d.what === 'segment' &&
      (isReset(d.kernel) || isReset(d.tcpx)) &&
      script.steps[0]?.do === 'listen' &&
      cameIn(d, script, ['SYN-RECEIVED'], (p) => has(p, SYN)),
  },
  {
    name: 'window that shrinks',
    reason:
      'RFC 9293 §3.10.7.4 fifth takes the window of each ACK that is no older than the last; Linux passes over one that is smaller, and not 0, where neither SEQ nor ACK is new (tcp_may_update_window)',
    is: (d, script) =>
      d.what === 'segment' && !isReset(d.kernel) && (!isReset(d.tcpx) || d.silent === 'tcpx') && shrinks(d, script),
  },
  {
    name: 'no ACK bit',
    reason:
      'RFC 9293 §3.10.7.4 looks at the sequence number first and answers; Linux first drops what has neither ACK, RST nor SYN, but for TIME-WAIT, where it looks at the ACK bit not at all',
    // An answer that looks like the next one's is missed only after that, or seems to come with that.
    is: (d, script) =>
      (d.what === 'segment' || (d.what === 'time' && d.silent === 'kernel')) &&
      isBareAck(d.tcpx) &&
      recent(d, script).some((p) => !(p.flags & (ACK | RST | SYN)) && (p.seq < ackOf(d.tcpx) || p.seq > FAR)),
  },
  {
    name: 'RST one before RCV.NXT',
    reason:
      'RFC 5961 §3.2 wants it at RCV.NXT exactly; Linux takes it one before where a FIN has come, for the sake of a peer that sends it there (tcp_reset_check)',
    is: (d, script) =>
      d.what !== 'time' &&
      causes(d, script).some(
        (p, n, all) => has(p, RST) && all.slice(0, n).some((f) => isFin(f) && p.seq === f.seq + f.len),
      ),
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
    name: 'ACK of what was not sent once the user has gone',
    reason:
      'RFC 9293 §3.10.7.4 fifth answers it; Linux, which keeps little of a FIN-WAIT-2 whose user has gone, looks at no ACK (tcp_timewait_state_process)',
    is: (d, script) =>
      // An answer that looks like a later one's seems to come early.
      (d.silent === 'kernel' || d.what === 'time') &&
      isBareAck(d.tcpx.replace(/^[0-9.]+ s {2}/, '')) &&
      hasUser(d, script, 'close') &&
      has(cause(d, script), ACK) &&
      (cause(d, script)?.ack ?? 0) > seqOf(d.tcpx),
  },
  {
    name: 'what a timeout lets go',
    reason:
      'RFC 9293 §3.4 numbers octets, not segments: tcpx cuts anew what it sends again, and its window of one segment (RFC 5681) has room for a FIN; Linux sends the segment as it was, and counts each as one',
    is: (d, script) =>
      isAgain(d) &&
      (/^F/.test(d.tcpx) ||
        (lengthOf(d.tcpx) > 0 && seqOf(d.tcpx) === seqOf(d.kernel) && lengthOf(d.kernel) > 0) ||
        // A part of a segment that is acknowledged is none.
        (lengthOf(d.tcpx) > 0 && isBareAck(d.kernel) && !firstSent(d).has(cause(d, script)?.ack ?? 0))),
  },
  {
    name: 'octets with an ACK that is too old',
    reason:
      'RFC 5961 §5.2 discards the segment; where octets come in order Linux takes them first, and then looks at the ACK, whose verdict it does not ask (tcp_rcv_established)',
    is: (d, script) => {
      const packets = causes(d, script).filter((p) => isTooOld(p) && p.len > 0);
      if (d.what === 'call') return packets.some((p) => readOf(d.kernel) - readOf(d.tcpx) === p.len);
      return d.what === 'segment' && packets.some((p) => ackOf(d.kernel) === p.seq + p.len + (has(p, FIN) ? 1 : 0));
    },
  },
  {
    name: 'timestamp with an old ACK',
    reason:
      'RFC 7323 §4.3 R3 records that of what spans Last.ACK.sent; Linux looks at the ACK first, and leaves what is older than SND.UNA there (tcp_ack)',
    isAlone: true,
    is: (d, script) =>
      d.what === 'segment' &&
      withoutSack(withoutEcho(d.tcpx)) === withoutSack(withoutEcho(d.kernel)) &&
      echoOf(d.tcpx)! > echoOf(d.kernel)! &&
      hasOldAck(d, script, (p) => stampOf(p) === echoOf(d.tcpx)),
  },
  {
    name: 'timestamp once the user has gone',
    reason:
      'RFC 7323 §4.3 R3 records that of what spans Last.ACK.sent; Linux, which keeps little of a FIN-WAIT-2 whose user has gone, not that of a bare ACK (tcp_timewait_state_process)',
    isAlone: true,
    is: (d, script) =>
      d.what === 'segment' &&
      withoutSack(withoutEcho(d.tcpx)) === withoutSack(withoutEcho(d.kernel)) &&
      hasUser(d, script, 'close') &&
      causes(d, script).some((p) => p.len === 0 && stampOf(p) === echoOf(d.tcpx) && stampOf(p)! > echoOf(d.kernel)!),
  },
  {
    name: 'timestamp of what ends at RCV.NXT',
    reason:
      'RFC 7323 §5.3 R2 rejects what is outside the window before R3 records its timestamp; to Linux what ends at RCV.NXT is inside (tcp_sequence)',
    isAlone: true,
    is: (d, script) =>
      d.what === 'segment' &&
      withoutSack(withoutEcho(d.tcpx)) === withoutSack(withoutEcho(d.kernel)) &&
      causes(d, script).some(
        (p) =>
          ((p.seq + p.len) | 0) <= ackOf(d.kernel) && stampOf(p) === echoOf(d.kernel) && stampOf(p)! > echoOf(d.tcpx)!,
      ),
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
    is: (d, script) =>
      d.silent === 'kernel' &&
      isBareAck(d.tcpx) &&
      (hasAckOfUnsent(d, script, d.since ?? d.step) ||
        (isChallenged(cause(d, script), d) && hasAckOfUnsent(d, script, 0))),
  },
  {
    name: 'challenges are limited by what ends where the last ACK was',
    reason:
      'RFC 9293 §3.10.7.4 first answers what is before RCV.NXT, and RFC 5961 §7 leaves the limit to the stack: tcpx counts that answer; to Linux what is not before its last ACK is inside (tcp_sequence), so that its next challenge is the first',
    is: (d, script) =>
      d.what === 'segment' &&
      d.silent === 'tcpx' &&
      isBareAck(d.kernel) &&
      isChallenged(cause(d, script), d) &&
      isBetween(d, script),
  },
  {
    name: 'challenges are limited anew in TIME-WAIT',
    reason:
      'RFC 5961 §7 leaves the limit to the stack; what Linux keeps of TIME-WAIT has one of its own (tcp_time_wait)',
    is: (d, script) =>
      d.what === 'segment' &&
      d.silent === 'tcpx' &&
      isBareAck(d.kernel) &&
      isChallenged(cause(d, script), d) &&
      isKeptBriefly(d, script),
  },
  {
    name: 'ACK at once after a delayed one',
    reason:
      'RFC 9293 §3.8.6.3 lets ACKs be delayed; Linux, where one was until its timer, sends the next one at once (tcp_delack_timer_handler)',
    is: (d, script) =>
      d.what === 'segment' &&
      d.silent === 'tcpx' &&
      isBareAck(d.kernel) &&
      (d.late ?? 0) > DELAYED &&
      recent(d, script).some(
        (p) =>
          p.len > 0 &&
          p.seq + p.len === ackOf(d.kernel) &&
          d.before.some(({ text }) => isBareAck(text) && ackOf(text) === p.seq),
      ),
  },
  {
    name: 'FIN in a SACK block',
    reason:
      'RFC 2018 §3 speaks of data; Linux counts a FIN ahead of order as an octet of the block, and reports one that stands alone',
    isAlone: true,
    is: (d, script) =>
      d.what === 'segment' &&
      differInSack(d) &&
      causes(d, script).some((f) => has(f, FIN) && reportsTo(d.kernel, f.seq + f.len + 1)),
  },
  {
    name: 'room for a FIN in a SACK block',
    reason: 'RFC 2018 §3 speaks of data; Linux reports a FIN ahead of order, and that block takes room of a segment',
    is: (d, script) =>
      d.what === 'segment' &&
      leavesRoom(d) &&
      causes(d, script).some((f) => has(f, FIN) && reportsTo(d.kernel, f.seq + f.len + 1)),
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
    name: 'SACK in SYN-RECEIVED',
    reason:
      'RFC 2018 §4 SHOULD: an ACK reports what is held; Linux, which keeps little of a SYN-RECEIVED, holds nothing (tcp_check_req)',
    is: (d, script) =>
      d.what === 'segment' &&
      differInSack(d) &&
      !/sack [0-9]/.test(d.kernel) &&
      script.steps[0]?.do === 'listen' &&
      isOpening(d, script),
  },
  {
    name: 'D-SACK that Linux forgets',
    reason:
      'RFC 2883 §4 reports it; Linux forgets it where the next segment comes before the ACK leaves (tcp_data_queue), as it takes a FIN (tcp_fin), and has none of TIME-WAIT and of a FIN-WAIT-2 whose user has gone',
    isAlone: true,
    is: (d, script) => {
      if (d.what !== 'segment' || !differInSack(d) || kernelsBlocks(d).length > 0) return false;
      const isNone = blocksOf(d.kernel).length === 0;
      const packets = recent(d, script);
      if (isNone && (packets.some(isFin) || takesFin(d, script) || isKeptBriefly(d, script))) return true;
      // Of the one before the last, which began with octets that were there.
      const [first] = blocksOf(d.tcpx);
      const last = packets.at(-2);
      return first !== undefined && first.left === last?.seq && last.seq < ackOf(d.before.at(-1)?.text ?? '');
    },
  },
  {
    name: 'D-SACK of a part',
    reason:
      'RFC 2883 §4.2: octets that come again with new ones are reported by Linux whenever some were held, by tcpx where all lie before RCV.NXT',
    isAlone: true,
    is: (d, script) =>
      d.what === 'segment' &&
      !isReset(d.tcpx) &&
      differInSack(d) &&
      causes(d, script).some((p) => p.len > 0 && kernelsBlocks(d).some((b) => b.left === p.seq)),
  },
  {
    name: 'options on a RST',
    reason:
      'RFC 7323 §3.2: timestamps SHOULD be on a RST; Linux puts them, and SACK blocks, on the one of an abort, tcpx only timestamps',
    isAlone: true,
    is: (d) => d.what === 'segment' && isReset(d.tcpx) && withoutOptions(d.tcpx) === withoutOptions(d.kernel),
  },
  {
    name: 'form of the RST for data that nobody will read',
    reason:
      'RFC 9293 §3.6.1 asks for a RST and does not say which; Linux takes the one of a closed connection (SEQ=SEG.ACK), tcpx that of an abort',
    isAlone: true,
    is: (d, script) =>
      d.what === 'segment' &&
      isReset(d.tcpx) &&
      /^R [0-9]/.test(d.kernel) &&
      hasUser(d, script, 'close') &&
      recent(d, script).some((p) => reaches(p) && p.ack === seqOf(d.kernel)),
  },
  {
    name: 'what is beyond RCV.NXT once the user has gone',
    reason:
      'RFC 9293 §3.6.1: data that nobody will read is answered by RST; Linux does so for a FIN ahead of order too, and before it looks at the ACK (§3.10.7.4 fifth)',
    is: (d, script) =>
      d.what === 'segment' &&
      !isReset(d.tcpx) &&
      /^R [0-9]/.test(d.kernel) &&
      hasUser(d, script, 'close') &&
      recent(d, script).some((p) => reaches(p) && p.ack === seqOf(d.kernel)),
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
    isAlone: true,
    is: (d, script) =>
      d.tcpx === 'read ECONNRESET' &&
      d.kernel === 'read 0' &&
      [FIN, RST].every((flag) => causes(d, script).some((p) => has(p, flag))),
  },
  {
    name: 'a call in TIME-WAIT',
    reason:
      'RFC 9293 §3.10.4: a second CLOSE is an error or none, and the stream of who reads has ended; Linux says ENOTCONN, since the socket has no connection any more',
    isAlone: true,
    is: (d, script) =>
      /^(shutdown|read) 0$/.test(d.tcpx) && / ENOTCONN$/.test(d.kernel) && causes(d, script).some((p) => has(p, FIN)),
  },
  {
    name: 'a call after a CLOSE in SYN-SENT',
    reason:
      'RFC 9293 §3.10.4: RECEIVEs are answered "closing", which is no errno; Linux says ECONNRESET to the first call, then ENOTCONN (tcp_disconnect)',
    isAlone: true,
    is: (d, script) =>
      /^(read 0|write EPIPE)$/.test(d.tcpx) &&
      /^(read|write) (ECONNRESET|ENOTCONN)$/.test(d.kernel) &&
      script.steps[0]?.do === 'connect' &&
      closesEarly(script),
  },
  {
    name: 'what leaves with the ACK of a FIN',
    reason:
      'RFC 9293 §3.10.7.4 eighth asks for an ACK, which a FIN, or octets, that may leave now can carry; Linux sends the ACK first',
    is: (d, script) =>
      has(cause(d, script), FIN) &&
      isBareAck(d.kernel) &&
      (/^F\. /.test(d.tcpx) || (/^\. /.test(d.tcpx) && lengthOf(d.tcpx) > 0)) &&
      seqOf(d.tcpx) === seqOf(d.kernel) &&
      ackOf(d.tcpx) === ackOf(d.kernel),
  },
  {
    name: 'data beyond a FIN',
    reason:
      "RFC 9293 §3.10.7.4 seventh: after the peer's FIN text is ignored; Linux answers it, by RST or, in TIME-WAIT, by an ACK, and takes a FIN before what it holds beyond",
    is: (d, script) => {
      const all = causes(d, script);
      const ends = all.filter(isFin);
      const isNow = (p: SegmentSpec): boolean =>
        ends.some((f) => isBeyond(p, f)) || (isFin(p) && all.some((q) => isBeyond(q, p)));
      const takesFin = (f: SegmentSpec): boolean =>
        ackOf(d.kernel) === f.seq + f.len + 1 && all.some((p) => isBeyond(p, f));
      return (d.what === 'segment' || d.what === 'call') && (recent(d, script).some(isNow) || ends.some(takesFin));
    },
  },
  {
    name: 'SEQ of a RST beyond a window that was shrunk',
    reason: 'RFC 9293 §3.10.5: SEQ=SND.NXT; Linux takes the end of the window (tcp_acceptable_seq)',
    is: (d, script) =>
      d.silent === undefined &&
      isReset(d.tcpx) &&
      isReset(d.kernel) &&
      isStep(d, script, 'abort', 'close') &&
      ackOf(d.tcpx) === ackOf(d.kernel) &&
      seqOf(d.kernel) < seqOf(d.tcpx) &&
      causes(d, script).some((p, n, all) => has(p, ACK) && all.slice(0, n).some((q) => (p.wnd ?? 0) < (q.wnd ?? 0))),
  },
  {
    name: 'echo in SYN-RECEIVED',
    reason:
      'RFC 7323 does not ask it; Linux wants what follows its SYN-ACK to echo a timestamp that was on one, not that of an ACK since: it answers others, and drops a RST (tcp_check_req)',
    is: (d, script) => {
      const stamp = stampOf(causes(d, script).find((p) => has(p, SYN)));
      if (script.steps[0]?.do !== 'listen' || stamp === undefined) return false;
      // The SYN has been answered, and an ACK after it.
      if (d.before.length < 2 || d.before.some((s) => !isReset(s.text) && ackOf(s.text) !== 1)) return false;
      return d.kernel.endsWith(` ack 1 win >0 <TS ecr ${stamp}>`)
        ? isBareAck(d.kernel)
        : d.silent === 'kernel' && / 1:1\(0\)/.test(d.tcpx) && recent(d, script).some((p) => has(p, RST));
    },
  },
  {
    name: 'octets unread where both have closed',
    reason:
      'RFC 9293 §3.10.5: in CLOSING and LAST-ACK an ABORT sends nothing, nor does a user who goes; Linux sends a RST where octets were not read (tcp_close)',
    is: (d, script) =>
      d.silent === 'tcpx' &&
      isReset(d.kernel) &&
      isStep(d, script, 'abort', 'close') &&
      hasUser(d, script, 'shutdown') &&
      causes(d, script).some((p) => has(p, FIN)) &&
      hasUnread(d, script),
  },
  {
    name: 'simultaneous open',
    reason:
      'RFC 9293 §3.5 figure 8: the SYN-ACK ends it; Linux answers that, and a SYN that comes again, with one ACK more',
    is: (d, script) =>
      isSimultaneous(d, script) &&
      isBareAck(d.kernel) &&
      recent(d, script).some((p) => has(p, SYN)) &&
      (d.silent === 'tcpx' || /^S\. /.test(d.tcpx)),
  },
  {
    name: 'CLOSE in a simultaneous open',
    reason:
      'RFC 9293 §3.10.4: in SYN-RECEIVED the FIN is sent, or queued until ESTABLISHED; Linux sends none before the handshake is over, until when a write would wait',
    is: (d, script) =>
      isSimultaneous(d, script) &&
      shutsEarly(d, script) &&
      (d.what === 'call'
        ? d.tcpx === 'write EPIPE' && d.kernel === 'write EAGAIN'
        : d.silent === 'kernel' && /(^| )F\. /.test(d.tcpx)),
  },
  {
    name: 'RST in a simultaneous open',
    reason:
      'RFC 9293 §3.10.7.4 second: in SYN-RECEIVED after an active OPEN the connection was refused; Linux says so in SYN-SENT only (tcp_reset)',
    isAlone: true,
    is: (d, script) =>
      isSimultaneous(d, script) &&
      / ECONNREFUSED$/.test(d.tcpx) &&
      / ECONNRESET$/.test(d.kernel) &&
      cameIn(d, script, ['SYN-RECEIVED'], (p) => has(p, RST)),
  },
  {
    name: 'ACK of the ISS in a simultaneous open',
    reason:
      'RFC 9293 §3.10.7.4 fifth: in SYN-RECEIVED an ACK that is not acceptable is answered by RST; to Linux one of the ISS is no old one (tcp_ack), and ends the handshake',
    is: (d, script) =>
      isSimultaneous(d, script) &&
      d.silent === 'kernel' &&
      isReset(d.tcpx) &&
      recent(d, script).some((p) => has(p, ACK) && p.ack === 0),
  },
  {
    name: 'ACK on old octets in a simultaneous open',
    reason:
      'RFC 9293 §3.10.7.4 first: of what ends before RCV.NXT nothing else is looked at; to Linux what ends there is inside (tcp_sequence), and its ACK ends the handshake: the user can write',
    is: (d, script) =>
      isSimultaneous(d, script) &&
      cameIn(
        d,
        script,
        ['SYN-RECEIVED'],
        (p) => has(p, ACK) && p.ack === 1 && p.len > 0 && ((p.seq + p.len) | 0) === 1,
      ) &&
      d.silent === 'tcpx' &&
      lengthOf(d.kernel) > 0,
  },
  {
    name: 'options in a simultaneous open',
    reason:
      "RFC 7323 §2.2 and RFC 2018 §2: not on a SYN-ACK unless the peer's SYN had them; Linux repeats what its own SYN said",
    is: (d, script) =>
      isSimultaneous(d, script) && /^S\. /.test(d.tcpx) && withoutOffers(d.tcpx) === withoutOffers(d.kernel),
  },
  {
    name: 'errno after a RST',
    reason: 'RFC 9293 does not name errors; Linux says EPIPE where the RST came after a FIN (tcp_reset)',
    isAlone: true,
    is: (d, script) =>
      d.what === 'call' &&
      / (EPIPE|ECONNRESET)$/.test(d.tcpx) &&
      / (EPIPE|ECONNRESET)$/.test(d.kernel) &&
      causes(d, script).some((p) => has(p, RST)) &&
      causes(d, script).some(isFin),
  },
  {
    name: 'timer after a part of a segment',
    reason:
      'RFC 6298 §5.3: an ACK of new data restarts the timer; Linux does so only where a whole segment is acknowledged (tcp_clean_rtx_queue)',
    is: (d, script) =>
      isAgain(d) &&
      (lengthOf(d.tcpx) === 0 || seqOf(d.tcpx) >= sndNxt(d, d.step)) &&
      lengthOf(d.kernel) > 0 &&
      !firstSent(d).has(seqOf(d.kernel)) &&
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
    is: (d, script) => isReset(d.tcpx) && !isReset(d.kernel) && abortsInTimeWait(d, script),
  },
  {
    name: 'initial window in segments',
    reason:
      'RFC 6928 §2 counts octets; to Linux ten small segments fill it (tcp_packets_in_flight), and the tenth may wait for more to go with it (tcp_tso_should_defer)',
    is: (d, script) =>
      d.what === 'segment' &&
      lengthOf(d.tcpx) > 0 &&
      seqOf(d.tcpx) === sndNxt(d, d.step + 1) &&
      !acknowledgesData(d, script) &&
      (firstSent(d).size === INITIAL_SEGMENTS
        ? d.silent === 'kernel' || isBareAck(d.kernel) || seqOf(d.kernel) === 1
        : firstSent(d).size === INITIAL_SEGMENTS - 1 && seqOf(d.kernel) === 1 && lengthOf(d.kernel) > 0),
  },
  {
    name: 'part of a segment into a small window',
    reason:
      'RFC 9293 §3.8.6.2.1 waits for half of the largest window; Linux, where Nagle is off, fills what there is (tcp_write_xmit)',
    is: (d, script) =>
      d.silent === 'tcpx' &&
      isStep(d, script, 'write') &&
      lengthOf(d.kernel) > 0 &&
      seqOf(d.kernel) + lengthOf(d.kernel) === windowsEnd(d, script),
  },
  {
    name: 'threshold without SACK',
    reason:
      'RFC 5681 §3.2 repeats at the third duplicate ACK; to Linux more of them than segments under way tell of disorder, and its threshold becomes how many those are: one (tcp_check_reno_reordering)',
    is: (d, script) =>
      isAgain(d) &&
      FAMILIES[script.family]?.['tcp_sack'] === '0' &&
      (d.silent === 'tcpx' || seqOf(d.tcpx) > seqOf(d.kernel)) &&
      causes(d, script).filter((p, n, all) => has(p, ACK) && p.len === 0 && p.ack === all[n - 1]?.ack).length > 1,
  },
];

export const knownAs = (d: Difference, script: Script): Known | undefined => KNOWN.find((k) => k.is(d, script));
