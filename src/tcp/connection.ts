/**
 * One connection, RFC 9293: the façade of the core. It takes what happened and what the user asks, each with the
 * time, and gives back segments, the next deadline and events. It owns no clock, no socket, no timer, no randomness,
 * and knows neither addresses nor ports: so it runs the same on a wire, in virtual time and from a log.
 *
 * After any call: `emit` until false, then `nextTimeout` and `takeEvents`.
 */
import { type Seq, seqAdd, seqDiff } from '../base/seq.ts';
import { type Micros, seconds } from '../base/time.ts';
import type { TcpSegment } from '../wire/tcp.ts';
import type { ConnectionConfig, SocketOptions } from './config.ts';
import { icmpError, pathMss } from './icmp-error.ts';
import { IdleRecord, isIdle } from './idle-record.ts';
import { type TcpInfo, tcpInfo } from './info.ts';
import { keepLent, settleLent } from './lending.ts';
import type { State } from './machine.ts';
import { mayMerge } from './merge-acks.ts';
import { emit } from './output.ts';
import { segmentArrives } from './segment-arrives.ts';
import { type ErrorCode, Happened, Tcb } from './tcb.ts';
import { giveWay, INCARNATION_GAP, TimeWait } from './time-wait.ts';
import { timeouts } from './timeouts.ts';
import type { Tracer } from './trace.ts';
import { urgentAhead } from './urgent.ts';
import * as user from './user-calls.ts';

export class Connection {
  /** The whole connection, or what is needed of it while it is idle or in TIME-WAIT. */
  #held: Tcb | IdleRecord | TimeWait;

  #defect: Error | undefined;

  /** `id` names the connection in the trace. */
  constructor(id: number, config: ConnectionConfig, tracer: Tracer) {
    this.#held = new Tcb(id, config, tracer);
  }

  get #tcb(): Tcb {
    if (!(this.#held instanceof Tcb)) this.#held = this.#held.revive();
    return this.#held;
  }

  /** To look at only: one that is put away stays so. */
  get #seen(): Tcb {
    return this.#held instanceof Tcb ? this.#held : this.#held.revive();
  }

  // Facts.

  /** Our own bug that ended the connection (with EPROTO); undefined, one hopes. */
  get defect(): Error | undefined {
    return this.#defect;
  }

  get id(): number {
    return this.#held.id;
  }

  get state(): State {
    if (this.#held instanceof Tcb) return this.#held.state;
    return this.#held instanceof TimeWait ? 'TIME-WAIT' : 'ESTABLISHED';
  }

  /** Why it ended; undefined while it lives and after an orderly end. */
  get error(): ErrorCode | undefined {
    return this.#held instanceof TimeWait ? undefined : this.#seen.error;
  }

  /** The last ICMP error that did not end it. */
  get softError(): ErrorCode | undefined {
    return this.#seen.softError;
  }

  get options(): Readonly<SocketOptions> {
    return this.#held instanceof IdleRecord ? this.#held.options : this.#seen.options;
  }

  /** Octets that `send` would take now. */
  get sendRoom(): number {
    const tcb = this.#seen;
    return Math.max(0, tcb.sendCapacity - tcb.sendBuffer.len);
  }

  /** The Fast Open cookie that the peer has given us, in hexadecimal, and the MSS it announced. */
  get fastOpenGrant(): { readonly cookie: string; readonly mss: number } | undefined {
    const { tfoGranted, peerMss } = this.#seen;
    return tfoGranted ? { cookie: tfoGranted, mss: peerMss } : undefined;
  }

  /** The peer, or the path to it, did not take the data on our SYN (RFC 7413 §4.1.3.1). */
  get fastOpenRefused(): boolean {
    return this.#seen.tfoGranted === '';
  }

  /** Memory that its buffers hold, octets. */
  get memory(): number {
    const held = this.#held;
    if (!(held instanceof Tcb)) return 0;
    return held.sendBuffer.len - held.sendBuffer.lent + held.receiveBuffer.pinned + held.reassembly.cost;
  }

  get sendCapacity(): number {
    return this.#seen.sendCapacity;
  }

  /** Octets queued: unsent and unacknowledged. */
  get sendQueued(): number {
    return this.#held instanceof Tcb ? this.#held.sendBuffer.len : 0;
  }

  /** Octets of the user's that are still referred to. */
  get lent(): number {
    return this.#held instanceof Tcb ? this.#held.sendBuffer.lent : 0;
  }

  /** Octets of payload in one packet of what `emit` filled last: a link that cuts segments cuts to this. */
  get wireMss(): number {
    return this.#seen.wireMss;
  }

  /** Octets still to be read up to the urgent mark; 0 when there is none ahead (RFC 9293 MUST-33). */
  get urgentAhead(): number {
    return urgentAhead(this.#seen);
  }

  /** Nothing is under way, and little of it is held. */
  get isPutAway(): boolean {
    return this.#held instanceof IdleRecord;
  }

  info(): TcpInfo {
    return tcpInfo(this.#seen);
  }

  /** Its variables, to be looked at only; undefined while no more is kept of it than a record. For those who check them. */
  get variables(): Readonly<Tcb> | undefined {
    return this.#held instanceof Tcb ? this.#held : undefined;
  }

  // What happened.

  /** The segment is read during the call only; its ports and addresses were the caller's business. */
  onSegment(seg: TcpSegment, now: Micros): void {
    try {
      segmentArrives(this.#tcb, seg, now);
    } catch (error) {
      this.#breakOff(error, now);
    }
  }

  /** Whether `newer`, which came right behind `older` in the same batch, makes it needless: then it is counted, and that is all. */
  mergeAck(older: TcpSegment, newer: TcpSegment): boolean {
    const held = this.#held;
    if (!(held instanceof Tcb) || !mayMerge(held, older, newer)) return false;
    held.segsIn++;
    return true;
  }

  onTimeout(now: Micros): void {
    try {
      timeouts(this.#tcb, now);
    } catch (error) {
      this.#breakOff(error, now);
    }
  }

  /** `quoted`: sequence number of the segment that the error is about. */
  onIcmpError(code: ErrorCode, quoted: Seq, now: Micros): void {
    try {
      icmpError(this.#tcb, code, quoted, now);
    } catch (error) {
      this.#breakOff(error, now);
    }
  }

  /** The path carries `mss` octets of TCP payload and options in one packet. */
  onPathMss(mss: number, quoted: Seq, now: Micros): void {
    try {
      pathMss(this.#tcb, mss, quoted, now);
    } catch (error) {
      this.#breakOff(error, now);
    }
  }

  /** In TIME-WAIT: the SYN is a new connection's, and this one makes room for it (RFC 6191). False: it is an old duplicate. */
  giveWay(seg: TcpSegment, now: Micros): boolean {
    return giveWay(this.#tcb, seg, now);
  }

  /** In TIME-WAIT: where an incarnation that follows may begin. */
  get nextIss(): Seq {
    return seqAdd(this.#past.sndNxt, INCARNATION_GAP);
  }

  /** In TIME-WAIT: timestamps have moved on since its last segment, so that PAWS tells the next incarnation from this one. */
  isOldEnough(now: Micros): boolean {
    const { timestampsAgreed, tsRecentAt } = this.#past;
    return timestampsAgreed && now - tsRecentAt > seconds(1);
  }

  // What the user asks.

  open(kind: 'active' | 'passive', args: user.OpenArgs, now: Micros): void {
    user.open(this.#tcb, kind, args, now);
  }

  /** Returns how many octets were taken (copied); 0 when the buffer is full or the stream has ended. */
  send(octets: Uint8Array, now: Micros, urgent = false): number {
    return user.send(this.#tcb, octets, now, urgent);
  }

  /** As `send`, but takes all and copies nothing: nobody may write to `octets` before `lent` is 0 (told by `writable`). */
  lend(octets: Uint8Array, now: Micros): number {
    return user.lend(this.#tcb, octets, now);
  }

  /** Copies what is lent, so that it is the user's again; `ifLeft`: unless some of it has not been sent. */
  keepLent(ifLeft = false): void {
    if (this.lent > 0) keepLent(this.#tcb, ifLeft);
  }

  receive(now: Micros): Uint8Array | 'empty' | 'end' {
    // Nothing is unread in one that was put away, and its peer has not closed.
    return this.#held instanceof IdleRecord ? 'empty' : user.receive(this.#tcb, now);
  }

  /** What `receive` will give next. */
  get unread(): Uint8Array | undefined {
    return this.#held instanceof IdleRecord ? undefined : this.#tcb.receiveBuffer.next;
  }

  /** RFC 9293's CLOSE: our FIN follows what is queued; receiving goes on. */
  close(now: Micros): void {
    user.close(this.#tcb, now);
  }

  /** CLOSE, and the user will read no more. */
  release(now: Micros): void {
    user.release(this.#tcb, now);
  }

  /** `error` is what `error` says afterwards: ECONNABORTED unless the cause was not the user. */
  abort(now: Micros, error: ErrorCode = 'ECONNABORTED'): void {
    user.abort(this.#tcb, now, error);
  }

  setOption<K extends keyof SocketOptions>(name: K, value: SocketOptions[K], now: Micros): void {
    user.setOption(this.#tcb, name, value, now);
  }

  /** In TIME-WAIT: a new connection takes its place. */
  reuse(now: Micros): void {
    user.reuse(this.#tcb, now);
  }

  /** The stack is short of memory, or no longer. */
  press(pressed: boolean, now: Micros): void {
    // In TIME-WAIT nothing is held that could be given back; nor in an idle one, whose window is as wide as it was.
    if (this.#held instanceof TimeWait) return;
    if (this.#held instanceof IdleRecord) {
      this.#held.press(pressed, now);
      return;
    }
    try {
      user.press(this.#tcb, pressed, now);
    } catch (error) {
      this.#breakOff(error, now);
    }
  }

  // What it wants.

  /** Fills `out`, but for ports and checksum, with the next segment to leave; false when there is none. */
  emit(now: Micros, out: TcpSegment): boolean {
    // One that was put away had nothing to send.
    if (!(this.#held instanceof Tcb)) return false;
    try {
      return emit(this.#held, now, out);
    } catch (error) {
      this.#breakOff(error, now);
      return emit(this.#tcb, now, out);
    }
  }

  /** `takeEvents` has something to tell. */
  get hasNews(): boolean {
    return this.#held instanceof Tcb && this.#held.happened !== 0;
  }

  /** The user is to be told something, and until then nothing but an ACK is to be sent, which may wait for what the user does. */
  get isUsersTurn(): boolean {
    const tcb = this.#held;
    if (!(tcb instanceof Tcb) || tcb.happened === 0) return false;
    if ((tcb.state !== 'ESTABLISHED' && tcb.state !== 'CLOSE-WAIT') || tcb.sendBuffer.len > 0) return false;
    // Who sends in bulk hears at once: a window may be all that the sender waits for.
    return tcb.ackOwed !== 'now' || this.isNew || seqDiff(tcb.rcvNxt, tcb.lastAckSent) <= 2 * tcb.ackPolicy.rcvMss;
  }

  /** It has become one, and the user has not been told. */
  get isNew(): boolean {
    return this.#held instanceof Tcb && (this.#held.happened & Happened.connected) !== 0;
  }

  /** An ACK is owed for something that came before its turn: the peer's recovery counts on one for each arrival. */
  get isInDisorder(): boolean {
    const tcb = this.#held;
    return tcb instanceof Tcb && tcb.ackOwed === 'now' && !tcb.reassembly.isEmpty;
  }

  /** Everything was sent, and something of it is not acknowledged. */
  get awaitsAnswer(): boolean {
    const tcb = this.#held;
    if (!(tcb instanceof Tcb) || tcb.sndUna === tcb.sndNxt) return false;
    // SYN and FIN are in the sequence, but not in the buffer.
    return seqDiff(tcb.sndNxt, tcb.sndUna) >= tcb.sendBuffer.len;
  }

  /** `emit` has nothing more for now: see lending.ts. */
  settle(): void {
    if (this.#held instanceof Tcb) settleLent(this.#held);
  }

  /** When `onTimeout` is next wanted; NEVER when no timer runs. */
  nextTimeout(): Micros {
    if (this.#held instanceof Tcb) return this.#held.timers.next();
    return this.#held instanceof TimeWait ? this.#held.endsAt : this.#held.nextTimeout;
  }

  /** What has happened since the last call, as bits of `Happened`. */
  takeEvents(): number {
    const tcb = this.#held;
    if (!(tcb instanceof Tcb)) return 0;
    const { happened } = tcb;
    tcb.happened = 0;
    if (tcb.state === 'TIME-WAIT' && tcb.userGone && tcb.ackOwed === 'none') this.#held = new TimeWait(tcb);
    return happened;
  }

  /** If it is idle, keeps no more of it than a small record; false: it is not. Whatever comes next makes it whole again. */
  putAway(): boolean {
    const tcb = this.#held;
    if (!(tcb instanceof Tcb) || !isIdle(tcb)) return false;
    this.#held = new IdleRecord(tcb);
    return true;
  }

  /** In TIME-WAIT. */
  get #past(): Tcb | TimeWait {
    return this.#held instanceof IdleRecord ? this.#tcb : this.#held;
  }

  /** A bug of ours, for which neither peer nor user is to blame: this connection ends by RST, and no other is touched. */
  #breakOff(error: unknown, now: Micros): void {
    const tcb = this.#tcb;
    this.#defect ??= error instanceof Error ? error : new Error(String(error));
    if (tcb.tracer.enabled)
      tcb.tracer.record({ t: now, conn: tcb.id, type: 'error', code: 'EPROTO', message: this.#defect.message });
    user.abort(tcb, now, 'EPROTO');
  }
}
