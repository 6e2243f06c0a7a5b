/** What the user asks of a connection, RFC 9293 §3.10.1 to §3.10.6. STATUS is info.ts. */
import { toSeq } from '../base/seq.ts';
import type { Micros } from '../base/time.ts';
import { countInvalidAnew } from './answers.ts';
import type { SocketOptions } from './config.ts';
import { endConnection, owesReset, startSyn } from './ending.ts';
import { updateKeepAlive } from './keep-alive.ts';
import { updatePersist } from './output-rules.ts';
import { type ErrorCode, Happened, type Tcb } from './tcb.ts';
import { Timer } from './timers.ts';
import { markUrgent } from './urgent.ts';

/** What the stack draws for a connection and the core can't know. */
export interface OpenArgs {
  /** Initial send sequence number, RFC 6528. */
  readonly iss: number;
  /** Where our timestamps begin, RFC 7323 §7.1. */
  readonly tsOffset: number;
  /** Made after the fact from a SYN cookie: the SYN that follows is a reconstruction. */
  readonly cookie?: true | undefined;
  /** Fast Open: the cookie for our SYN or SYN-ACK, in hexadecimal; '' asks for one. */
  readonly tfo?: string | undefined;
  /** The MSS the peer announced when it gave the cookie, octets. */
  readonly tfoMss?: number | undefined;
  /** Fast Open: the SYN that follows has a good cookie. */
  readonly tfoAccept?: true | undefined;
}

/** §3.10.1: from CLOSED, or an active OPEN of a connection that was listening. */
export function open(tcb: Tcb, kind: 'active' | 'passive', args: OpenArgs, now: Micros): void {
  tcb.now = now;
  tcb.cause = 'call';
  if (tcb.tracer.enabled) traceOpen(tcb, kind, args);
  tcb.iss = toSeq(args.iss);
  tcb.tsOffset = args.tsOffset | 0;
  tcb.isPassive = kind === 'passive';
  tcb.fromCookie = args.cookie === true;
  tcb.tfoCookie = args.tfo;
  tcb.tfoMss = args.tfoMss ?? 0;
  tcb.tfoAccepted = args.tfoAccept === true;
  if (kind === 'passive') {
    tcb.step('passive OPEN');
    return;
  }
  tcb.step('active OPEN');
  startSyn(tcb);
}

/**
 * §3.10.2: queues octets; returns how many were taken. In LISTEN it makes the open an active one. `urgent`: they, and
 * what is queued before them, are announced as urgent.
 */
export function send(tcb: Tcb, octets: Uint8Array, now: Micros, urgent: boolean): number {
  if (tcb.finQueued || tcb.state === 'CLOSED') return 0;
  const room = tcb.pressed && tcb.sendBuffer.len > 0 ? 0 : tcb.sendCapacity - tcb.sendBuffer.len;
  const taken = Math.max(0, Math.min(octets.length, room));
  if (taken < octets.length) tcb.userWaitsForRoom = true;
  if (taken === 0) return 0;
  traceCall(tcb, now, urgent ? 'SEND urgent' : 'SEND', taken);
  if (tcb.state === 'LISTEN') openActively(tcb);
  tcb.sendBuffer.append(taken === octets.length ? octets : octets.subarray(0, taken));
  if (urgent) markUrgent(tcb);
  updatePersist(tcb, now);
  return taken;
}

/** SEND in LISTEN. */
function openActively(tcb: Tcb): void {
  tcb.step('SEND');
  tcb.isPassive = false;
  startSyn(tcb);
}

/**
 * SEND without a copy: all of `octets` are queued, by reference. The user must not write to them before `sendBuffer.lent`
 * is 0 again; see lending.ts. Returns 0 when the stream has ended.
 */
export function lend(tcb: Tcb, octets: Uint8Array, now: Micros): number {
  if (tcb.finQueued || tcb.state === 'CLOSED' || octets.length === 0) return 0;
  traceCall(tcb, now, 'SEND', octets.length);
  if (tcb.state === 'LISTEN') openActively(tcb);
  tcb.sendBuffer.lend(octets);
  updatePersist(tcb, now);
  return octets.length;
}

/** §3.10.3: the next octets in order; 'end' after the peer's FIN or once closed. */
export function receive(tcb: Tcb, now: Micros): Uint8Array | 'empty' | 'end' {
  const octets = tcb.receiveBuffer.take(now, tcb.rtt.srtt);
  if (octets === undefined) return tcb.rcvFinReached || tcb.state === 'CLOSED' ? 'end' : 'empty';
  traceCall(tcb, now, 'RECEIVE', octets.length);
  tcb.windowMayHaveOpened = true;
  if (tcb.ackOwed === 'delayed' && tcb.receiveBuffer.unread === 0 && tcb.ackPolicy.wantsAckOnceRead)
    tcb.ackOwed = 'now';
  return octets;
}

/**
 * §3.10.4: our FIN follows what is queued; receiving goes on.
 *
 * In SYN-RECEIVED and CLOSE-WAIT the RFC's state moves when what is queued has been segmentized; Linux moves at once,
 * as the RFC itself does in ESTABLISHED. Nothing on the wire depends on it.
 */
export function close(tcb: Tcb, now: Micros): void {
  if (tcb.finQueued || tcb.state === 'CLOSED' || tcb.state === 'TIME-WAIT') return;
  traceCall(tcb, now, 'CLOSE');
  if (tcb.state === 'LISTEN' || tcb.state === 'SYN-SENT') {
    endConnection(tcb, 'CLOSE', undefined);
    return;
  }
  tcb.finQueued = true;
  if (tcb.isRfc && tcb.state !== 'ESTABLISHED') tcb.closePending = true;
  else tcb.step('CLOSE');
  updatePersist(tcb, now);
}

/**
 * The user goes: CLOSE, and no more reading (RFC 9293 §3.6.1, half-duplex close). Octets that were received and not
 * read are lost, so the peer is told by RST (SHLD-3), as Linux does.
 */
export function release(tcb: Tcb, now: Micros): void {
  if (tcb.userGone || tcb.state === 'CLOSED') return;
  if (tcb.receiveBuffer.unread > 0 && tcb.state !== 'TIME-WAIT') {
    abort(tcb, now, 'ECONNABORTED');
    return;
  }
  traceCall(tcb, now, 'RELEASE');
  tcb.userGone = true;
  close(tcb, now);
  if (tcb.state === 'FIN-WAIT-2') startFinWait2(tcb, now);
}

export function startFinWait2(tcb: Tcb, now: Micros): void {
  countInvalidAnew(tcb);
  tcb.timers.set(Timer.finWait2, (now + tcb.config.sysctl.tcp_fin_timeout * 1_000_000) as Micros);
}

/** §3.10.5. A peer that knows of the connection gets a RST; where both have sent FIN there is nobody to tell. */
export function abort(tcb: Tcb, now: Micros, error: ErrorCode): void {
  if (tcb.state === 'CLOSED') return;
  traceCall(tcb, now, 'ABORT', undefined, { error });
  switch (tcb.state) {
    case 'SYN-RECEIVED':
    case 'ESTABLISHED':
    case 'FIN-WAIT-1':
    case 'FIN-WAIT-2':
    case 'CLOSE-WAIT':
      owesReset(tcb);
      break;
    default:
      break;
  }
  endConnection(tcb, 'ABORT', error);
}

/** TIME-WAIT makes room for a new connection of the same addresses and ports (RFC 6191). It had ended well, and its user hears no error. */
export function reuse(tcb: Tcb, now: Micros): void {
  traceCall(tcb, now, 'REUSE');
  endConnection(tcb, 'ABORT', undefined);
}

/** The stack is short of memory, or no longer. */
export function press(tcb: Tcb, pressed: boolean, now: Micros): void {
  if (tcb.pressed === pressed) return;
  tcb.now = now;
  tcb.cause = 'call';
  tracePress(tcb, pressed, now);
  tcb.pressed = pressed;
  if (pressed) return;
  tcb.windowMayHaveOpened = true;
  if (tcb.userWaitsForRoom) tcb.happened |= Happened.writable;
}

/** Socket options that make sense once a connection exists; each takes effect on the next segment. */
export function setOption<K extends keyof SocketOptions>(
  tcb: Tcb,
  name: K,
  value: SocketOptions[K],
  now: Micros,
): void {
  traceCall(tcb, now, 'SETSOCKOPT', undefined, { name, value });
  tcb.options = { ...tcb.options, [name]: value };
  // Nothing is out any more, whatever the sequence numbers say: no timer may start.
  if (tcb.state === 'CLOSED') return;
  if (name === 'SO_RCVBUF') tcb.receiveBuffer.capacity = Math.max(tcb.receiveBuffer.capacity, tcb.options.SO_RCVBUF);
  if (name === 'TCP_USER_TIMEOUT') updateUserTimeout(tcb, now);
  if (name === 'TCP_CONGESTION') tcb.switchCongestion();
  if (name === 'TCP_QUICKACK' && tcb.options.TCP_QUICKACK && tcb.ackOwed === 'delayed') tcb.ackOwed = 'now';
  if (name === 'SO_KEEPALIVE' || name === 'TCP_KEEPIDLE') updateKeepAlive(tcb, now);
  updatePersist(tcb, now);
}

function updateUserTimeout(tcb: Tcb, now: Micros): void {
  const patience = tcb.options.TCP_USER_TIMEOUT;
  if (patience > 0 && tcb.flightSize > 0 && tcb.synAcked) tcb.timers.set(Timer.user, (now + patience * 1000) as Micros);
  else tcb.timers.stop(Timer.user);
}

export function tracePress({ id, tracer }: Pick<Tcb, 'id' | 'tracer'>, pressed: boolean, now: Micros): void {
  if (tracer.enabled) tracer.record({ t: now, conn: id, type: 'call', call: 'PRESS', args: { pressed } });
}

function traceOpen(tcb: Tcb, kind: 'active' | 'passive', args: OpenArgs): void {
  const given = Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined));
  traceCall(tcb, tcb.now, kind === 'active' ? 'active OPEN' : 'passive OPEN', undefined, {
    ...given,
    iss: args.iss >>> 0,
    config: tcb.config,
  });
}

function traceCall(tcb: Tcb, now: Micros, call: string, len?: number, args?: Readonly<Record<string, unknown>>): void {
  tcb.now = now;
  tcb.cause = 'call';
  if (!tcb.tracer.enabled) return;
  tcb.tracer.record({
    t: now,
    conn: tcb.id,
    type: 'call',
    call,
    ...(len !== undefined && { len }),
    ...(args !== undefined && { args }),
  });
}
