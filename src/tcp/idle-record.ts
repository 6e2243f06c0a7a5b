/**
 * An idle connection as a small record. ESTABLISHED, nothing queued, unacknowledged, unread or out of order, no timer but
 * keep-alive: of the whole connection a few hundred octets matter. When a segment or a call comes it is made again as it
 * was, in every variable; time-wait.ts does the same for connections that are over.
 *
 * The lists below say of every variable what becomes of it; one that is in none of them is kept as it is, and a test
 * says so. What is "at rest" in an idle connection is kept beside the record in the rare case that it is not.
 */
import { Keeper } from '../base/keeper.ts';
import { type Seq, seqAdd, seqDiff } from '../base/seq.ts';
import type { Micros } from '../base/time.ts';
import type { ConnectionConfig, SocketOptions } from './config.ts';
import type { CongestionControl } from './congestion/controller.ts';
import { Tcb } from './tcb.ts';
import { Timer } from './timers.ts';
import { NO_TRACE, type Tracer } from './trace.ts';
import { tracePress } from './user-calls.ts';

type NamesOf<T> = { [K in keyof Tcb]: Tcb[K] extends T ? (T extends Tcb[K] ? K : never) : never }[keyof Tcb];

/** Sequence numbers of ours, as distances from SND.NXT, and of the peer's, as distances from RCV.NXT: most are short. */
const BASES = ['sndNxt', 'rcvNxt'] as const satisfies readonly NamesOf<Seq>[];
// biome-ignore format: a list
const OUR_SEQS = [
  'sndUna', 'sndWl2', 'sndUp', 'iss', 'recover', 'ecnRecover',
] as const satisfies readonly NamesOf<Seq>[];
// biome-ignore format: a list
const PEER_SEQS = [
  'sndWl1', 'rcvAdv', 'rcvUp', 'irs', 'lastAckSent', 'dsackLeft', 'dsackRight',
] as const satisfies readonly NamesOf<Seq>[];

/** Numbers, as they are. */
// biome-ignore format: a list
const NUMBERS = [
  'sndWnd', 'maxSndWnd', 'sndWscale', 'rcvWscale', 'peerMss', 'smss', 'wireMss', 'tfoMss', 'tsOffset', 'tsRecent',
  'flightBeforeDups', 'synRetransmits', 'rtxStamp', 'synWnd', 'segsIn', 'segsOut', 'dataSegsIn', 'dataSegsOut', 'bytesSent',
  'bytesRetrans', 'bytesAcked', 'bytesReceived', 'totalRetrans', 'dupSegsIn', 'oooSegsIn',
] as const satisfies readonly NamesOf<number>[];

/** Instants, as distances from the one at which the peer was last heard. */
// biome-ignore format: a list
const TIMES = [
  'tsRecentAt', 'firstTimeoutAt', 'timedAt', 'lastSentAt', 'lastInvalidAckAt',
] as const satisfies readonly NamesOf<Micros>[];

/** As they are. */
// biome-ignore format: a list
const FLAGS = [
  'isPassive', 'wscaleAgreed', 'timestampsAgreed', 'sackAgreed', 'ecnOffered', 'ecnAgreed', 'tfoAccepted', 'fromCookie',
  'synSent', 'synAcked', 'isTiming', 'cwndLimited', 'ecnEcho', 'cwrDue', 'windowMayHaveOpened',
] as const satisfies readonly NamesOf<boolean>[];

/** Objects that put their own variables away. */
// biome-ignore format: a list
const PARTS = [
  'rtt', 'ackPolicy', 'pathMtu', 'sendBuffer', 'receiveBuffer', 'rack', 'rate', 'loss',
] as const satisfies readonly (keyof Tcb)[];

/** As in a fresh connection, or else kept beside the record. */
// biome-ignore format: a list
const AT_REST = [
  'urgentToSend', 'hasUrgent', 'tfoCookie', 'tfoGranted', 'finQueued', 'closePending', 'userGone', 'error', 'softError',
  'happened', 'userWaitsForRoom', 'recovery', 'dupAcks', 'inflation', 'rtxNote', 'timeouts', 'synDue', 'probeDue',
  'probeOctetDue', 'overrideDue', 'probeCount', 'probesUnanswered', 'keepAliveDue', 'keepAlivesUnanswered', 'ackOwed',
  'ackNote', 'rcvFin', 'rcvFinReached', 'hasDsack', 'pendingReset',
] as const satisfies readonly (keyof Tcb)[];

/**
 * Fields of the record, first in it, or empty: `machine` is in ESTABLISHED, `reassembly` and `board`
 * hold nothing, `timers` keep-alive alone.
 */
// biome-ignore format: a list
const ELSEWHERE = [
  'id', 'config', 'options', 'tracer', 'machine', 'timers', 'reassembly', 'board', 'congestion', 'pressed', 'lastHeardAt',
] as const satisfies readonly (keyof Tcb)[];

/** Set anew by whatever comes next, before anyone looks. */
const FORGOTTEN = ['now', 'cause'] as const satisfies readonly (keyof Tcb)[];

/** Every variable that somebody has decided on. For the test that looks for others. */
export const DECIDED: readonly (keyof Tcb)[] = [
  ...[...BASES, ...OUR_SEQS, ...PEER_SEQS, ...NUMBERS, ...TIMES, ...FLAGS, ...PARTS],
  ...[...AT_REST, ...ELSEWHERE, ...FORGOTTEN],
];

const KEPT: ReadonlySet<string> = new Set([
  ...[...BASES, ...OUR_SEQS, ...PEER_SEQS, ...NUMBERS, ...TIMES, ...FLAGS, ...PARTS],
  ...[...ELSEWHERE, ...FORGOTTEN],
]);

/** A variable that is not at rest, and what it is. */
type Odd = readonly [name: string, value: unknown];

const keeper = new Keeper();

/** A fresh connection: what "at rest" means. The variables compared with it depend on no setting. */
let fresh: Tcb | undefined;
let mayBeOdd: readonly string[] | undefined;

export class IdleRecord {
  readonly id: number;
  readonly config: ConnectionConfig;
  readonly options: Readonly<SocketOptions>;
  readonly tracer: Tracer;
  readonly #packed: string;
  /** One that can't be put away stays as it is. */
  readonly #congestion: CongestionControl | undefined;
  readonly #odd: readonly Odd[] | undefined;
  #pressed: boolean;

  /** Of a connection that `isIdle`. */
  constructor(tcb: Tcb) {
    this.id = tcb.id;
    this.config = tcb.config;
    this.options = tcb.options;
    this.tracer = tcb.tracer;
    this.#pressed = tcb.pressed;
    const { congestion } = tcb;
    this.#congestion = congestion.keep === undefined ? congestion : undefined;
    keeper.pack();
    keep(tcb, keeper);
    congestion.keep?.(keeper);
    this.#packed = keeper.packed();
    this.#odd = oddOf(tcb);
  }

  /** Of keep-alive; NEVER when it is off. */
  get nextTimeout(): Micros {
    keeper.unpack(this.#packed);
    return keeper.number(0) as Micros;
  }

  /** The stack is short of memory, or no longer: an idle connection holds none, and has only to know. */
  press(pressed: boolean, now: Micros): void {
    if (this.#pressed === pressed) return;
    this.#pressed = pressed;
    tracePress(this, pressed, now);
  }

  /** The connection as it was. */
  revive(): Tcb {
    const tcb = new Tcb(this.id, this.config, this.tracer, 'ESTABLISHED');
    tcb.options = this.options;
    tcb.pressed = this.#pressed;
    keeper.unpack(this.#packed);
    keep(tcb, keeper);
    if (this.#congestion !== undefined) tcb.congestion = this.#congestion;
    else {
      tcb.congestion = tcb.newCongestion();
      tcb.congestion.keep?.(keeper);
    }
    for (const [name, value] of this.#odd ?? []) Object.assign(tcb, { [name]: value });
    return tcb;
  }
}

/** Nothing is under way in either direction, nobody waits for anything, and no timer will change that. */
export function isIdle(tcb: Tcb): boolean {
  return (
    tcb.state === 'ESTABLISHED' &&
    tcb.sndUna === tcb.sndNxt &&
    tcb.sendBuffer.len === 0 &&
    tcb.receiveBuffer.unread === 0 &&
    tcb.reassembly.isEmpty &&
    tcb.happened === 0 &&
    tcb.ackOwed === 'none' &&
    tcb.timers.isAlone(Timer.keepAlive)
  );
}

function keep(tcb: Tcb, k: Keeper): void {
  const at = k.number(tcb.timers.at(Timer.keepAlive)) as Micros;
  if (at !== tcb.timers.at(Timer.keepAlive)) tcb.timers.set(Timer.keepAlive, at);
  for (const name of BASES) tcb[name] = k.seq(tcb[name]);
  for (const name of OUR_SEQS) tcb[name] = seqAdd(tcb.sndNxt, k.number(seqDiff(tcb[name], tcb.sndNxt)));
  for (const name of PEER_SEQS) tcb[name] = seqAdd(tcb.rcvNxt, k.number(seqDiff(tcb[name], tcb.rcvNxt)));
  for (const name of NUMBERS) tcb[name] = k.number(tcb[name]);
  tcb.lastHeardAt = k.number(tcb.lastHeardAt) as Micros;
  for (const name of TIMES) tcb[name] = (tcb.lastHeardAt + k.number(tcb[name] - tcb.lastHeardAt)) as Micros;
  for (const name of FLAGS) tcb[name] = k.flag(tcb[name]);
  for (const name of PARTS) tcb[name].keep(k);
}

function oddOf(tcb: Tcb): readonly Odd[] | undefined {
  fresh ??= new Tcb(0, tcb.config, NO_TRACE);
  mayBeOdd ??= Object.keys(fresh).filter((name) => !KEPT.has(name));
  let odd: Odd[] | undefined;
  for (const name of mayBeOdd) {
    // by name, whatever the type: it is put back as it was
    const value = tcb[name as keyof Tcb];
    if (value === fresh[name as keyof Tcb]) continue;
    odd ??= [];
    odd.push([name, value]);
  }
  return odd;
}
