/**
 * What holds of a connection, whatever its peer, its user, the path and the clock do: every rule in one place. The rules
 * are told what goes in and what comes out, and look at the variables in between; the first that is broken throws a
 * Violation. They share no code with what they judge but sequence arithmetic and the octets' pattern.
 */
import { type Seq, seqDiff, seqInt } from '../../src/base/seq.ts';
import { type Micros, NEVER } from '../../src/base/time.ts';
import type { Connection } from '../../src/tcp/connection.ts';
import type { Tcb } from '../../src/tcp/tcb.ts';
import { Timer } from '../../src/tcp/timers.ts';
import {
  ABSENT,
  TCP_HEADER_LEN,
  TCP_MAX_HEADER_LEN,
  TcpFlag,
  type TcpSegment,
  tcpHeaderLen,
} from '../../src/wire/tcp.ts';
import { type FuzzSegment, type Setup, Violation } from './model.ts';
import { differsFromOurs, differsFromPeers } from './octets.ts';

/** Every rule by its name. */
export const RULES = [
  'no throw',
  'SND.UNA ≤ SND.NXT ≤ end of what was queued',
  'the window never shrinks',
  'an ACK never goes back, nor beyond what was sent',
  'octets read are a prefix of what was sent',
  'octets sent are those that were written',
  'a segment is well formed',
  'no segment beyond the window',
  'every timer is ahead',
  'what is owed has a timer',
  'memory is bounded',
  'sums are sums',
  'no RST answers a RST, no ACK an ACK',
  'CLOSED is silent',
  'few segments answer one',
  'the log replays to the same end',
  'the same run has the same outcome',
] as const;
export type Rule = (typeof RULES)[number];

export function broken(rule: Rule, message: string): never {
  throw new Violation(rule, message);
}

/** Segments without data that may leave for one that came, or for one call or timer. */
const MOST_ANSWERS = 4;
/** A sequence number that is farther from where the peer stands can't have been taken for its own. */
const FAR = 2 ** 28;
const CONTROL = TcpFlag.SYN | TcpFlag.FIN | TcpFlag.RST;

export class Invariants {
  readonly #setup: Setup;
  readonly #connection: Connection;

  /** Farthest octet the peer has sent, counted from its ISN. */
  #peerEnd = 0;
  /** Farthest right edge that we offered and last acknowledgment, from its ISN; int32, which may wrap. */
  #edge: number | undefined;
  #acked: number | undefined;
  /** End of the farthest octet that we sent, from our ISN. */
  #sentEnd = 0;
  /** Octets the user has read. */
  #read = 0;
  /** What came since the last look: segments, and of what kind the last was. */
  #segments = 0;
  #sawReset = false;
  #sawBareAck = false;
  #wasSynchronized = false;
  #hadWork = false;
  /** Segments without data that left since then. */
  #answers = 0;
  #bareAnsweredAt = Number.NEGATIVE_INFINITY;

  constructor(setup: Setup, connection: Connection) {
    this.#setup = setup;
    this.#connection = connection;
  }

  /** Octets the user has read. */
  get read(): number {
    return this.#read;
  }

  /** A segment is about to arrive. */
  onArrival(seg: FuzzSegment): void {
    const t = this.#connection.variables;
    const len = seg.len + (seg.flags & TcpFlag.SYN ? 1 : 0) + (seg.flags & TcpFlag.FIN ? 1 : 0);
    const end = (seg.seq + len) | 0;
    const known = t === undefined ? this.#peerEnd : (seqInt(t.rcvNxt) - this.#setup.irs) | 0;
    const from = (end - known) | 0;
    const { state } = this.#connection;
    const begins = (seg.flags & TcpFlag.SYN) !== 0 && (state === 'LISTEN' || state === 'SYN-SENT');
    if (begins) {
      this.#peerEnd = end;
      this.#startOver();
    } else if (from > 0 && from < FAR && ((end - this.#peerEnd) | 0) > 0) this.#peerEnd = end;
    this.#segments++;
    this.#sawReset = (seg.flags & TcpFlag.RST) !== 0;
    this.#sawBareAck = this.#segments === 1 && seg.flags === TcpFlag.ACK && seg.len === 0 && !this.#sawReset;
    this.#wasSynchronized = isSynchronized(this.#connection.state);
    const owes = t === undefined || t.ackOwed !== 'none' || t.windowMayHaveOpened || t.probeDue || t.keepAliveDue;
    this.#hadWork = owes || t.sendBuffer.len > 0 || t.board.count > 0 || t.finQueued;
  }

  /** The user has read `octets`. */
  onRead(octets: Uint8Array): void {
    const t = this.#connection.variables;
    // What leaves now is the reader's doing.
    this.#sawBareAck = false;
    const from = (t === undefined ? this.#setup.irs : seqInt(t.irs)) + 1 + this.#read;
    const wrong = differsFromPeers(octets, 0, octets.length, from);
    if (wrong >= 0)
      broken(
        'octets read are a prefix of what was sent',
        `octet ${this.#read + wrong} is not the one that stood there`,
      );
    this.#read += octets.length;
    const sent = (this.#peerEnd + this.#setup.irs - seqInt(t?.irs ?? (this.#setup.irs as unknown as Seq))) | 0;
    if (this.#read > sent - 1 && t !== undefined)
      broken('octets read are a prefix of what was sent', `${this.#read} octets, and the peer has sent ${sent - 1}`);
  }

  /** The user has read to the end. */
  onEnd(): void {
    const t = this.#connection.variables;
    if (t === undefined || this.#connection.error !== undefined || !t.rcvFinReached || t.userGone) return;
    const stream = (seqDiff(t.rcvNxt, t.irs) - 2) | 0;
    if (t.bytesReceived !== stream || this.#read !== stream)
      broken('octets read are a prefix of what was sent', `the end after ${this.#read} of ${stream} octets`);
  }

  /** `out` has been given to leave. */
  onEmit(out: TcpSegment, now: Micros): void {
    const t = this.#connection.variables;
    if (out.flags & TcpFlag.RST) this.#checkReset(out);
    else if (t !== undefined) {
      this.#checkForm(out, t);
      this.#checkData(out, t);
      this.#checkReceiving(out, t);
      this.#checkAnswer(out, t, now);
    }
    if (out.payload.len === 0) this.#answers++;
  }

  /** Everything that was to leave has left. `from`: what was asked or came. */
  onQuiet(now: Micros): void {
    const c = this.#connection;
    if (c.defect !== undefined) broken('no throw', c.defect.stack ?? c.defect.message);
    if (this.#answers > MOST_ANSWERS + 2 * this.#segments)
      broken('few segments answer one', `${this.#answers} segments without data for ${this.#segments} that came`);
    this.#answers = 0;
    this.#segments = 0;
    this.#sawReset = false;
    this.#sawBareAck = false;
    const next = c.nextTimeout();
    if (!(next > now)) broken('every timer is ahead', `one is due at ${next}, and it is ${now}`);
    const t = c.variables;
    if (t === undefined) return;
    this.#checkSequence(t);
    checkSums(t);
    checkTimers(t);
    this.#checkMemory(t);
    if (t.state === 'CLOSED' && (next !== NEVER || t.board.count > 0 || t.sendBuffer.len > 0))
      broken('CLOSED is silent', 'a timer runs, or octets are queued');
  }

  /** A fresh incarnation begins at the peer's SYN: what was said before is void. */
  #startOver(): void {
    this.#edge = undefined;
    this.#acked = undefined;
  }

  #checkReset(out: TcpSegment): void {
    if (this.#sawReset && this.#segments === 1) broken('no RST answers a RST, no ACK an ACK', 'a RST left for a RST');
    if (out.payload.len > 0 || out.flags & (TcpFlag.SYN | TcpFlag.FIN))
      broken('a segment is well formed', 'a RST with more than that');
  }

  #checkForm(out: TcpSegment, t: Readonly<Tcb>): void {
    const wrong = (what: string): never => broken('a segment is well formed', what);
    const isSyn = (out.flags & TcpFlag.SYN) !== 0;
    if (t.state === 'LISTEN') wrong('a segment from LISTEN');
    if (isSyn && out.flags & TcpFlag.FIN) wrong('SYN and FIN');
    if (!isSyn && !(out.flags & TcpFlag.ACK)) wrong('neither SYN nor ACK');
    if (!isSyn && (out.mss !== ABSENT || out.wscale !== ABSENT || out.sackPermitted || out.fastOpenLen !== ABSENT))
      wrong('an option of a SYN elsewhere');
    if (!isSyn && out.hasTimestamps !== t.timestampsAgreed) wrong('timestamps not as agreed');
    if (out.wnd < 0 || out.wnd > 65_535 || !Number.isInteger(out.wnd)) wrong(`window field ${out.wnd}`);
    if (out.urgentPointer < 0 || out.urgentPointer > 65_535) wrong(`urgent pointer ${out.urgentPointer}`);
    const headerLen = tcpHeaderLen(out);
    if (headerLen > TCP_MAX_HEADER_LEN) wrong(`a header of ${headerLen} octets`);
    if (out.sackCount > 0) this.#checkSack(out, t);
    const optionsLen = headerLen - TCP_HEADER_LEN;
    const most = Math.max(48, Math.min(isSyn ? 65_535 : t.peerMss, this.#setup.path.sendMss));
    const packet = Math.min(out.payload.len, this.#connection.wireMss || out.payload.len) + optionsLen;
    if (out.payload.len > 0 && packet > most && t.smss > 1)
      wrong(`${out.payload.len} octets and ${optionsLen} of options, where ${most} fit`);
    if (this.#setup.path.maxGsoPayload === 0 && out.payload.len + optionsLen > Math.max(most, optionsLen + 1))
      wrong(`${out.payload.len} octets in one segment, where ${most} fit`);
    if (this.#setup.path.maxGsoPayload > 0 && out.payload.len > Math.max(most, this.#setup.path.maxGsoPayload))
      wrong(`${out.payload.len} octets, more than the link cuts`);
  }

  /** Blocks lie in what we may have received; the first may be one received twice (RFC 2883). */
  #checkSack(out: TcpSegment, t: Readonly<Tcb>): void {
    for (let i = 0; i < out.sackCount; i++) {
      const left = out.sack[2 * i]!;
      const right = out.sack[2 * i + 1]!;
      const isAhead = seqDiff(left, out.ack) > 0 && seqDiff(right, t.rcvAdv) <= 0;
      if (seqDiff(right, left) <= 0) broken('a segment is well formed', 'an empty SACK block');
      // Half the sequence space away before and after are the same.
      const isFar = Math.abs(seqDiff(right, t.rcvNxt)) > 2 ** 30;
      const isOld = i === 0 && (isFar || seqDiff(right, t.rcvAdv) <= 0);
      if (!isAhead && !isOld)
        broken('a segment is well formed', `SACK block ${i} covers what has not arrived or was acknowledged`);
    }
  }

  #checkData(out: TcpSegment, t: Readonly<Tcb>): void {
    const { iss } = this.#setup;
    const { payload } = out;
    const seq = (seqInt(out.seq) - iss) | 0;
    const end = seq + payload.len + (out.flags & (TcpFlag.SYN | TcpFlag.FIN) ? 1 : 0);
    let place = seq - (out.flags & TcpFlag.SYN ? 0 : 1);
    for (let i = 0; i < payload.count; i++) {
      const len = payload.lens[i]!;
      const wrong = differsFromOurs(payload.bufs[i]!, payload.ats[i]!, len, place);
      if (wrong >= 0) broken('octets sent are those that were written', `not so octet ${place + wrong}`);
      place += len;
    }
    if (end <= this.#sentEnd) return;
    if (payload.len > 0 && !(out.flags & TcpFlag.SYN)) {
      const allowed = ((seqInt(t.sndUna) - iss) | 0) + t.sndWnd + (this.#setup.profile === 'rfc' ? 1 : 0);
      if (end - (out.flags & TcpFlag.FIN ? 1 : 0) > allowed)
        broken('no segment beyond the window', `octets up to ${end}, and the window ends at ${allowed}`);
    }
    this.#sentEnd = end;
  }

  /** What the segment says of our receiving side. */
  #checkReceiving(out: TcpSegment, t: Readonly<Tcb>): void {
    if (!(out.flags & TcpFlag.ACK)) return;
    const isSyn = (out.flags & TcpFlag.SYN) !== 0;
    const unit = 2 ** t.rcvWscale;
    const acked = (seqInt(out.ack) - this.#setup.irs) | 0;
    const edge = (acked + out.wnd * (isSyn ? 1 : unit)) | 0;
    // What the scale can't express may look smaller by less than one unit of it (RFC 7323 §2.4).
    // What a SYN says can't be scaled, and may be less.
    const gained = this.#edge === undefined ? 0 : (edge - this.#edge) | 0;
    if (!isSyn && gained <= -unit)
      broken('the window never shrinks', `its right edge was ${this.#edge}, and is ${edge}`);
    if (this.#acked !== undefined && ((acked - this.#acked) | 0) < 0)
      broken('an ACK never goes back, nor beyond what was sent', `${this.#acked}, then ${acked}`);
    if (((acked - this.#peerEnd) | 0) > 0)
      broken('an ACK never goes back, nor beyond what was sent', `${acked}, and the peer is at ${this.#peerEnd}`);
    if (this.#edge === undefined || gained > 0) this.#edge = edge;
    this.#acked = acked;
  }

  /** A bare ACK gets no answer but one in tcp_invalid_ratelimit: or two stacks would never fall silent. */
  #checkAnswer(out: TcpSegment, t: Readonly<Tcb>, now: Micros): void {
    if (!this.#sawBareAck || !this.#wasSynchronized || this.#hadWork) return;
    if (out.payload.len > 0 || out.flags & CONTROL) return;
    const limit = t.config.sysctl.tcp_invalid_ratelimit * 1000;
    if (now - this.#bareAnsweredAt < limit)
      broken('no RST answers a RST, no ACK an ACK', `an ACK left for an ACK twice in ${now - this.#bareAnsweredAt} µs`);
    this.#bareAnsweredAt = now;
  }

  #checkSequence(t: Readonly<Tcb>): void {
    if (!isSynchronized(t.state) && t.state !== 'SYN-SENT' && t.state !== 'SYN-RECEIVED') return;
    const rule = 'SND.UNA ≤ SND.NXT ≤ end of what was queued';
    const flight = seqDiff(t.sndNxt, t.sndUna);
    if (flight < 0) broken(rule, `SND.UNA is ${-flight} beyond SND.NXT`);
    const beyond = seqDiff(t.sndNxt, t.finSeq) - (t.finQueued ? 1 : 0);
    if (beyond > 0) broken(rule, `SND.NXT is ${beyond} beyond what was queued`);
    if (seqDiff(t.rcvAdv, t.rcvNxt) < 0) broken('the window never shrinks', 'RCV.NXT is beyond the window');
    if (t.state === 'TIME-WAIT' || t.state === 'SYN-SENT') return;
    if (t.rcvFinReached && t.bytesReceived !== seqDiff(t.rcvNxt, t.irs) - 2 && !this.#connection.isPutAway)
      if (!(t.userGone && t.bytesReceived === 0))
        broken('octets read are a prefix of what was sent', `${t.bytesReceived} octets taken, RCV.NXT says otherwise`);
  }

  #checkMemory(t: Readonly<Tcb>): void {
    const { capacity, unread, pinned } = t.receiveBuffer;
    const rule = 'memory is bounded';
    const unit = 2 ** t.rcvWscale;
    if (isSynchronized(t.state) && unread + seqDiff(t.rcvAdv, t.rcvNxt) > Math.max(capacity, t.synWnd) + unit)
      broken(rule, `${unread} unread and a window of ${seqDiff(t.rcvAdv, t.rcvNxt)}, where ${capacity} fit`);
    if (t.reassembly.len > seqDiff(t.rcvAdv, t.rcvNxt))
      broken(rule, `${t.reassembly.len} octets ahead of order in a window of ${seqDiff(t.rcvAdv, t.rcvNxt)}`);
    if (t.reassembly.cost > 3 * capacity + 200_000) broken(rule, `${t.reassembly.cost} octets to hold what is ahead`);
    if (pinned > 4 * capacity + 300_000) broken(rule, `${pinned} octets held for ${unread}`);
    if (t.board.count > 2 * t.flightSize + 4) broken(rule, `${t.board.count} entries for ${t.flightSize} octets`);
  }
}

/** What the scoreboard and the estimators say can't be otherwise. */
function checkSums(t: Readonly<Tcb>): void {
  const rule = 'sums are sums';
  const { board, congestion, rtt } = t;
  const { out, sacked, lost, resent, waiting } = board;
  if (out < 0 || sacked < 0 || lost < 0 || resent < 0 || waiting < 0 || sacked > out || lost > out || resent > out)
    broken(rule, `of ${out} octets out ${sacked} are sacked, ${lost} lost, ${resent} sent again`);
  if (board.pipe < 0) broken(rule, `${board.pipe} octets in the pipe`);
  if (waiting > lost) broken(rule, `${waiting} of ${lost} lost octets wait`);
  if (isSynchronized(t.state) && t.synAcked && out !== t.flightSize)
    broken(rule, `the scoreboard has ${out} octets, and ${t.flightSize} are out`);
  if (!(congestion.cwnd > 0 && Number.isFinite(congestion.cwnd))) broken(rule, `cwnd ${congestion.cwnd}`);
  if (!(congestion.ssthresh > 0)) broken(rule, `ssthresh ${congestion.ssthresh}`);
  if (!(rtt.rto > 0 && rtt.rto <= t.config.sysctl.tcp_rto_max_ms * 1000 && Number.isInteger(rtt.rto)))
    broken(rule, `RTO ${rtt.rto}`);
  if (!(rtt.srtt >= 0 && rtt.rttvar >= 0)) broken(rule, `SRTT ${rtt.srtt}, RTTVAR ${rtt.rttvar}`);
  if (!(t.smss > 0 && Number.isInteger(t.smss))) broken(rule, `SMSS ${t.smss}`);
  if (!(t.sndWnd >= 0 && Number.isInteger(t.sndWnd))) broken(rule, `SND.WND ${t.sndWnd}`);
}

/** Whatever waits for something to happen has a time at which it waits no longer. */
function checkTimers(t: Readonly<Tcb>): void {
  const rule = 'what is owed has a timer';
  const { timers, state } = t;
  if (state === 'CLOSED' || state === 'LISTEN') return;
  if (state === 'TIME-WAIT') {
    if (!timers.isSet(Timer.timeWait)) broken(rule, 'TIME-WAIT without an end');
    return;
  }
  if (t.flightSize > 0 && !timers.isSet(Timer.retransmit))
    broken(rule, `${t.flightSize} octets out, no retransmission`);
  if (t.ackOwed === 'delayed' && !timers.isSet(Timer.delayedAck)) broken(rule, 'an ACK is delayed for ever');
  if (t.ackOwed === 'now' || t.synDue) broken(rule, 'something is owed now, and nothing left');
  if (!isSynchronized(state)) return;
  const waits = t.unsent > 0 || (t.finQueued && !t.finSent);
  if (waits && t.flightSize === 0 && timers.next() === NEVER) broken(rule, `${t.unsent} octets wait for nothing`);
  if (waits && t.flightSize === 0 && !timers.isSet(Timer.persist) && !timers.isSet(Timer.pacing))
    broken(rule, `${t.unsent} octets wait, and neither persist nor pacing runs`);
}

function isSynchronized(state: string): boolean {
  return state !== 'CLOSED' && state !== 'LISTEN' && state !== 'SYN-SENT' && state !== 'SYN-RECEIVED';
}
