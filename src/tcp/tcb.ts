/**
 * The transmission control block, RFC 9293 §3.3.1: the variables of one connection, in the RFC's order and names,
 * and the few sums over them that several files need. No behaviour: that is in the files named after §3.10's parts.
 */
import { type Seq, seqAdd, seqDiff, seqInt, seqLeq, toSeq } from '../base/seq.ts';
import { type Micros, seconds } from '../base/time.ts';
import { AckPolicy } from './ack-policy.ts';
import type { ConnectionConfig, SocketOptions } from './config.ts';
import type { CongestionControl } from './congestion/controller.ts';
import { newController } from './congestion/controllers.ts';
import { type Event, Machine, type State } from './machine.ts';
import { PathMtu } from './path-mtu.ts';
import { Reassembly } from './reassembly.ts';
import { ReceiveBuffer } from './receive-buffer.ts';
import { initialCapacity, mostCapacity, windowScale } from './receive-window.ts';
import { DeliveryRate } from './recovery/delivery-rate.ts';
import { Rack } from './recovery/rack.ts';
import { Scoreboard } from './recovery/scoreboard.ts';
import { LossState } from './recovery/state.ts';
import { RttEstimator } from './rtt.ts';
import { SendBuffer } from './send-buffer.ts';
import { TimerTable } from './timers.ts';
import type { Cause, SendNote, Tracer } from './trace.ts';

/** Why a connection ended, as Node and the kernel spell it. */
export type ErrorCode =
  | 'ECONNREFUSED'
  | 'ECONNRESET'
  | 'ETIMEDOUT'
  | 'ECONNABORTED'
  | 'EHOSTUNREACH'
  | 'ENETUNREACH'
  | 'ENOPROTOOPT'
  | 'EACCES'
  | 'EPROTO';

/** What has happened since the user last looked, as bits; see Connection.takeEvents. */
export const Happened = {
  connected: 1,
  readable: 2,
  writable: 4,
  /** The peer's FIN has arrived: after what is unread comes the end. */
  peerClosed: 8,
  timeWait: 16,
  closed: 32,
  /** An ICMP error that does not end the connection (RFC 9293 §3.9.2.2). */
  softError: 64,
  /** Urgent data is ahead, or more of it (RFC 9293 MUST-32). */
  urgent: 128,
  /** The peer has given us a Fast Open cookie. */
  cookie: 256,
} as const;

/** What is owed to the peer besides data. 'delayed' waits for Timer.delayedAck. */
export type AckOwed = 'none' | 'delayed' | 'now';

/** How the sender stands with losses: RFC 5681 §3.2 and RFC 6582. 'loss' follows a retransmission timeout. */
export type RecoveryMode = 'open' | 'recovery' | 'loss';

/** A segment that belongs to no state of the sender: an answer to something unacceptable. */
export interface PendingReset {
  readonly seq: Seq;
  readonly ack: Seq | undefined;
}

export class Tcb {
  readonly id: number;
  readonly config: ConnectionConfig;
  /** Those of `config`, until one is set. */
  options: Readonly<SocketOptions>;
  readonly tracer: Tracer;
  readonly machine: Machine;
  readonly timers: TimerTable = new TimerTable();
  readonly rtt: RttEstimator;
  readonly ackPolicy: AckPolicy = new AckPolicy();
  readonly sendBuffer: SendBuffer = new SendBuffer();
  readonly receiveBuffer: ReceiveBuffer;
  readonly reassembly: Reassembly = new Reassembly();
  congestion: CongestionControl;
  /** What moved the connection last asked to: for the trace. */
  cause: Cause = 'call';
  now: Micros = 0 as Micros;

  // Send sequence variables.
  sndUna: Seq = toSeq(0);
  sndNxt: Seq = toSeq(0);
  /** Octets, scaled. */
  sndWnd = 0;
  sndWl1: Seq = toSeq(0);
  sndWl2: Seq = toSeq(0);
  /** Octet after the last urgent one; means something while `urgentToSend`. */
  sndUp: Seq = toSeq(0);
  urgentToSend = false;
  iss: Seq = toSeq(0);
  /** MAX.SND.WND of RFC 5961 §5 and RFC 9293 §3.8.6.2.1. */
  maxSndWnd = 0;

  // Receive sequence variables.
  rcvNxt: Seq = toSeq(0);
  /** Right edge of the window the peer has been told of; RCV.WND is its distance from RCV.NXT. Never moves left. */
  rcvAdv: Seq = toSeq(0);
  /** Octet after the last urgent one; means something while `hasUrgent`. */
  rcvUp: Seq = toSeq(0);
  hasUrgent = false;
  irs: Seq = toSeq(0);
  /** Last.ACK.sent of RFC 7323 §4.3. */
  lastAckSent: Seq = toSeq(0);

  // What the two SYNs agreed on.
  /** Began in LISTEN: a reset before ESTABLISHED leads back there (MUST-11). */
  isPassive = false;
  sndWscale = 0;
  rcvWscale = 0;
  wscaleAgreed = false;
  timestampsAgreed = false;
  sackAgreed = false;
  ecnOffered = false;
  ecnAgreed = false;
  /** The MSS the peer announced, or the default it gets by saying nothing. */
  peerMss: number;
  readonly pathMtu: PathMtu;
  /** SMSS of RFC 5681: octets of payload in a full segment, options taken off. */
  smss: number;
  /** The same of the segment that left last: a probe of the path's MTU is larger than the rest. */
  wireMss = 0;

  // Fast Open, RFC 7413.
  /** Cookie for our SYN or SYN-ACK in hexadecimal, '' to ask for one; undefined: none. */
  tfoCookie: string | undefined = undefined;
  /** What the peer announced last time: bounds the data on our SYN. */
  tfoMss = 0;
  /** The peer's SYN had a good cookie: its data counts, and we may answer before the third segment. */
  tfoAccepted = false;
  /** A cookie the peer has given us, for next time; '' when it did not take the data that came with one. */
  tfoGranted: string | undefined = undefined;

  // Timestamps, RFC 7323; all int32, compared modulo 2^32.
  tsOffset = 0;
  tsRecent = 0;
  tsRecentAt: Micros = 0 as Micros;

  // The user's side.
  /** CLOSE was called: a FIN follows what is queued. */
  finQueued = false;
  /** CLOSE waits for what is queued to be segmentized (profile rfc). */
  closePending = false;
  /** The user will read no more: data that still arrives is answered by RST (RFC 9293 §3.6.1). */
  userGone = false;
  /** Why the connection ended; undefined while it lives and after an orderly end. */
  error: ErrorCode | undefined = undefined;
  softError: ErrorCode | undefined = undefined;
  happened = 0;
  /** The stack is short of memory: windows don't grow, and what the peer would send again is not kept. */
  pressed = false;
  /** The handshake was kept by the peer, as a SYN cookie: nothing of it can be timed. */
  fromCookie = false;
  /** `send` took less than it was given: tell the user when there is room. */
  userWaitsForRoom = false;

  // Retransmission and recovery; more in recovery/.
  /** What was sent and is not acknowledged, the SYN left out. */
  readonly board: Scoreboard = new Scoreboard();
  readonly rack: Rack = new Rack();
  readonly rate: DeliveryRate = new DeliveryRate();
  readonly loss: LossState = new LossState();
  recovery: RecoveryMode = 'open';
  /** recover of RFC 6582: the episode ends when this is acknowledged. */
  recover: Seq = toSeq(0);
  dupAcks = 0;
  /** Octets in flight when the first of them came, or the first SACK. */
  flightBeforeDups = 0;
  /** Octets by which duplicate ACKs inflate the window in recovery (RFC 6582 §3.2 steps 2 and 3). */
  inflation = 0;
  rtxNote: SendNote = 'retransmission';
  /** Expiries of the retransmission timer since data was last acknowledged. */
  timeouts = 0;
  /** When the first of them happened. */
  firstTimeoutAt: Micros = 0 as Micros;
  /** The SYN is to be (re)sent. */
  synDue = false;
  synSent = false;
  /** Kept, not worked out: SND.UNA comes round to ISS every 2^32 octets. */
  synAcked = false;
  /** Times the SYN or SYN-ACK was retransmitted. */
  synRetransmits = 0;
  /** The SYN has left once, and when: its answer gives the first RTT sample (Karn). */
  isTiming = false;
  timedAt: Micros = 0 as Micros;
  /** TSval of the last retransmission. */
  rtxStamp = 0;
  lastSentAt: Micros = 0 as Micros;
  /** The congestion window was the limit when data last left. */
  cwndLimited = false;

  // ECN, RFC 3168.
  /** CE was seen: every ACK says ECE until the peer says CWR. */
  ecnEcho = false;
  /** The next new data says CWR. */
  cwrDue = false;
  /** The window has been reduced for marks on what was sent before this. */
  ecnRecover: Seq = toSeq(0);

  // Probing of a zero window.
  probeDue = false;
  /** The same by an octet of new data, beyond the window (profile rfc). */
  probeOctetDue = false;
  /** A segment smaller than silly-window avoidance likes may leave (RFC 9293 §3.8.6.2.1, override). */
  overrideDue = false;
  /** Expiries of the persist timer since the window was last open: its back-off. */
  probeCount = 0;
  /** Probes since the peer was last heard from: its patience and ours. */
  probesUnanswered = 0;

  // Keep-alive.
  keepAliveDue = false;
  keepAlivesUnanswered = 0;
  /** When a segment of this connection last arrived. */
  lastHeardAt: Micros = 0 as Micros;

  // Acknowledgments owed.
  ackOwed: AckOwed = 'none';
  ackNote: SendNote | undefined = undefined;
  /** Last answer to an unacceptable segment, for tcp_invalid_ratelimit. */
  lastInvalidAckAt: Micros = Number.NEGATIVE_INFINITY as Micros;
  /** Where the peer's FIN stands, once seen; it counts when RCV.NXT gets there. */
  rcvFin: Seq | undefined = undefined;
  /** The peer's FIN has been taken: RCV.NXT is past it. */
  rcvFinReached = false;
  /** The user has read: the window may have grown enough to say so (RFC 9293 §3.8.6.2.2). */
  windowMayHaveOpened = false;
  /** The window our SYN offered, octets; it is never scaled there. */
  synWnd = 0;
  /** Octets received twice, to be reported once (RFC 2883). */
  dsackLeft: Seq = toSeq(0);
  dsackRight: Seq = toSeq(0);
  hasDsack = false;
  pendingReset: PendingReset | undefined = undefined;

  // Counters, for info().
  segsIn = 0;
  segsOut = 0;
  dataSegsIn = 0;
  dataSegsOut = 0;
  bytesSent = 0;
  bytesRetrans = 0;
  bytesAcked = 0;
  bytesReceived = 0;
  totalRetrans = 0;
  dupSegsIn = 0;
  oooSegsIn = 0;

  constructor(id: number, config: ConnectionConfig, tracer: Tracer, state: State = 'CLOSED') {
    this.id = id;
    this.config = config;
    this.options = config.options;
    this.tracer = tracer;
    this.machine = new Machine(
      { transition: (from, event, to, rule) => this.#traceTransition(from, event, to, rule) },
      state,
    );
    const { sysctl, path } = config;
    this.rtt = new RttEstimator(
      sysctl.tcp_rto_min_us as Micros,
      (sysctl.tcp_rto_max_ms * 1000) as Micros,
      config.profile,
    );
    this.receiveBuffer = new ReceiveBuffer(initialCapacity(config), mostCapacity(config));
    if (sysctl.tcp_window_scaling) this.rcvWscale = windowScale(config);
    this.peerMss = path.defaultMss;
    this.pathMtu = new PathMtu(path.sendMss);
    this.smss = Math.min(path.defaultMss, this.ownMss(path.sendMss));
    this.congestion = this.newCongestion();
  }

  get state(): State {
    return this.machine.state;
  }

  get rcvWnd(): number {
    return seqDiff(this.rcvAdv, this.rcvNxt);
  }

  /** FlightSize of RFC 5681: octets sent and not acknowledged. */
  get flightSize(): number {
    return seqDiff(this.sndNxt, this.sndUna);
  }

  /** Sequence number of the octet at `place` in the stream we send (see SendBuffer). */
  seqOfPlace(place: number): Seq {
    return seqAdd(this.iss, 1 + place);
  }

  /** Place in the stream we send of `seq`; the stream is longer than 2^32, so it is counted from what is held. */
  placeOfSeq(seq: Seq): number {
    const heldFrom = this.sendBuffer.end - this.sendBuffer.len;
    return heldFrom + seqDiff(seq, this.seqOfPlace(heldFrom));
  }

  /** Sequence number just after the last octet queued: where our FIN stands or will stand. */
  get finSeq(): Seq {
    return this.seqOfPlace(this.sendBuffer.end);
  }

  get finSent(): boolean {
    return this.finQueued && this.synSent && !seqLeq(this.sndNxt, this.finSeq);
  }

  /** Octets queued that were never sent. */
  get unsent(): number {
    if (!this.synSent) return this.sendBuffer.len;
    return Math.max(0, seqDiff(this.finSeq, this.sndNxt));
  }

  /** Octets that may be queued at once: twice what the path takes, tcp_wmem permitting, so that it need not wait for the user. */
  get sendCapacity(): number {
    if (this.options.SO_SNDBUF > 0) return this.options.SO_SNDBUF;
    const [, initial, most] = this.config.sysctl.tcp_wmem;
    return Math.max(initial, Math.min(most, 2 * this.congestion.cwnd));
  }

  get isRfc(): boolean {
    return this.config.profile === 'rfc';
  }

  get timeWaitLen(): Micros {
    return seconds(2 * this.config.sysctl.tcp_msl);
  }

  newCongestion(initialSegments = this.config.sysctl.initcwnd): CongestionControl {
    const { tcp_congestion_control, tcp_pacing } = this.config.sysctl;
    const name = this.options.TCP_CONGESTION || tcp_congestion_control;
    return newController(name, this.smss, initialSegments, seqInt(this.iss), tcp_pacing);
  }

  /**
   * TCP_CONGESTION was set: another controller goes on with the same window. In the middle of an episode one that has no
   * threshold yet takes the loss for its own: the other did not answer it with one (BBR), and slow start would.
   */
  switchCongestion(): void {
    const { name, cwnd, ssthresh } = this.congestion;
    const next = this.newCongestion();
    if (next.name === name) return;
    next.takeOver(cwnd, ssthresh);
    this.congestion = next;
    if (next.ownsRecovery) this.loss.prrActive = false;
    if (next.ownsRecovery || ssthresh < Number.POSITIVE_INFINITY) return;
    if (this.recovery === 'recovery') next.onLoss(this.board.pipe, this.now);
    else if (this.recovery === 'loss') next.onRto(this.board.out - this.board.sacked, true, this.now);
  }

  /** An RTT measured in µs, RFC 6298 §2. */
  sampleRtt(rtt: number): void {
    this.rtt.sample(rtt);
    this.rack.noteRtt(Math.round(rtt), this.now);
    if (!this.tracer.enabled) return;
    const { srtt, rttvar, rto } = this.rtt;
    this.tracer.record({
      t: this.now,
      conn: this.id,
      type: 'rtt',
      rtt: Math.round(rtt),
      srtt: Math.round(srtt),
      rttvar: Math.round(rttvar),
      rto,
    });
  }

  ownMss(mss: number): number {
    return this.options.TCP_MAXSEG > 0 ? Math.min(mss, this.options.TCP_MAXSEG) : mss;
  }

  step(event: Event): State {
    return this.machine.step(event);
  }

  #traceTransition(from: State, event: Event, to: State, rule: string): void {
    if (!this.tracer.enabled) return;
    this.tracer.record({ t: this.now, conn: this.id, type: 'state', from, event, to, cause: this.cause, rule });
  }
}
