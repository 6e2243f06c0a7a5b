/**
 * Two connections of the core on a bad path, each with a user who writes, reads and closes: whatever is lost, doubled,
 * late or out of order, both must come to an end, and one without an error must have brought everything across.
 *
 * Each end is played by actions, as one alone is, and all rules for one hold of it: what it did can be played again
 * without the other, and shrunk.
 */
import { chance, intBelow, type Random, seededRandom } from '../../src/base/random.ts';
import { seqInt } from '../../src/base/seq.ts';
import { Bottleneck, OVERFLOW } from '../../src/link/bottleneck.ts';
import type { State } from '../../src/tcp/machine.ts';
import { ABSENT, TcpFlag, type TcpSegment } from '../../src/wire/tcp.ts';
import { violationOf } from './alone.ts';
import { End, type EndOptions } from './end.ts';
import { type Action, type FuzzSegment, type Run, type Setup, Violation } from './model.ts';
import type { PairSetup, UserPlan } from './pair-setup.ts';

/** What must hold of a pair. */
export const PAIR_RULES = [
  'both ends come to an end',
  'an orderly end is a whole one',
  'nothing ends without a cause',
] as const;
export type PairRule = (typeof PAIR_RULES)[number];

export interface PairOutcome {
  readonly setup: PairSetup;
  readonly violation: Violation | undefined;
  /** The end that broke a rule of its own; undefined when the pair did. */
  readonly culprit: 0 | 1 | undefined;
  readonly runs: readonly [Run, Run];
  readonly digests: readonly [number, number];
  readonly segmentsIn: number;
  readonly segmentsOut: number;
  readonly merged: readonly [number, number];
  /** What each end sent, of `runs` alone. */
  readonly sent: readonly [number, number];
}

/** Steps of a play, and µs: more than any slow path or user needs. */
const MOST_STEPS = 400_000;
const MOST_US = 200_000e6;
/** A connection that nobody will ever talk to again finds out by this. */
const FIND_OUT: readonly Action[] = [
  { do: 'set', name: 'TCP_KEEPIDLE', value: 10 },
  { do: 'set', name: 'TCP_KEEPINTVL', value: 10 },
  { do: 'set', name: 'TCP_KEEPCNT', value: 5 },
  { do: 'set', name: 'SO_KEEPALIVE', value: true },
];

interface Arrival {
  readonly at: number;
  readonly to: 0 | 1;
  readonly what: Action;
}

export function playPair(setup: PairSetup, o: readonly [EndOptions, EndOptions] = [{}, {}]): PairOutcome {
  const play = new PairPlay(setup, o);
  let violation: Violation | undefined;
  try {
    play.run();
  } catch (error) {
    violation = violationOf(error);
  }
  return play.outcome(violation);
}

class PairPlay {
  readonly #setup: PairSetup;
  readonly #random: Random;
  readonly #sides: readonly [Side, Side];
  /** One for each direction, where the path has a rate. */
  readonly #wires: readonly Bottleneck[];
  /** In the order in which they come. */
  readonly #arrivals: Arrival[] = [];
  #steps = 0;
  #acting: 0 | 1 | undefined;

  constructor(setup: PairSetup, o: readonly [EndOptions, EndOptions]) {
    this.#setup = setup;
    this.#random = seededRandom(setup.seed);
    const side = (i: 0 | 1): Side =>
      new Side(setup.ends[i], setup.users[i], seededRandom(this.#random.uint32()), {
        ...o[i],
        onEmit: (out, now) => {
          this.#carry(i, segmentOf(out, setup.ends[i]), now);
          o[i].onEmit?.(out, now);
        },
      });
    this.#sides = [side(0), side(1)];
    const { wire } = setup.path;
    this.#wires = wire === undefined ? [] : [0, 1].map(() => new Bottleneck(wire.rate, { octets: wire.queue }));
  }

  run(): void {
    const [a, b] = this.#sides;
    this.#act(1, { do: 'open', kind: this.#setup.both ? 'active' : 'passive' });
    this.#act(0, { do: 'open', kind: 'active' });
    const begin = a.end.now;
    while (!this.#isOver()) {
      const next = this.#next();
      const late = next === undefined || next.at - begin > MOST_US || ++this.#steps > MOST_STEPS;
      if (late)
        broken('both ends come to an end', `after ${this.#steps} steps ${a.text(next?.at)}; ${b.text(next?.at)}`);
      if (next.what === 'timer')
        this.#act(next.to, { do: 'wait', us: Math.max(0, next.at - this.#sides[next.to].end.now - 1) });
      else this.#at(next.to, next.at, next.what);
    }
    this.#acting = undefined;
    this.#judge();
  }

  outcome(violation: Violation | undefined): PairOutcome {
    const [a, b] = this.#sides;
    return {
      setup: this.#setup,
      violation,
      culprit:
        violation !== undefined && !PAIR_RULES.some((rule) => rule === violation.rule) ? this.#acting : undefined,
      runs: [a.run, b.run],
      digests: [a.end.digest, b.end.digest],
      segmentsIn: a.end.segmentsIn + b.end.segmentsIn,
      segmentsOut: a.end.segmentsOut + b.end.segmentsOut,
      merged: [a.end.merged, b.end.merged],
      sent: [a.end.segmentsOut, b.end.segmentsOut],
    };
  }

  /** What comes first: a timer, a segment, or a user. */
  #next(): { readonly at: number; readonly to: 0 | 1; readonly what: Action | 'timer' | 'user' } | undefined {
    let best: { at: number; to: 0 | 1; what: Action | 'timer' | 'user' } | undefined = this.#arrivals[0];
    for (const to of [0, 1] as const) {
      const { end, userAt } = this.#sides[to];
      const timer = end.connection.nextTimeout();
      if (timer < (best?.at ?? Number.POSITIVE_INFINITY)) best = { at: timer, to, what: 'timer' };
      if (userAt < (best?.at ?? Number.POSITIVE_INFINITY)) best = { at: userAt, to, what: 'user' };
    }
    return best;
  }

  /** Both are closed; or one is, and the other has never heard of it. */
  #isOver(): boolean {
    const [a, b] = this.#sides;
    if (this.#arrivals.length > 0 || Math.min(a.userAt, b.userAt) < Number.POSITIVE_INFINITY) return false;
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      if (one.end.state !== 'CLOSED') continue;
      if (other.end.state === 'CLOSED' || other.end.state === 'LISTEN') return true;
      // What it waits for may never come: it would have found out by itself with something to send.
      const waits =
        other.end.connection.nextTimeout() === Number.POSITIVE_INFINITY && other.userAt === Number.POSITIVE_INFINITY;
      if (waits && one.end.connection.error !== undefined && !other.findsOut) {
        other.findsOut = true;
        for (const action of FIND_OUT) this.#act(other === a ? 0 : 1, action);
      }
    }
    return false;
  }

  #at(to: 0 | 1, at: number, what: Action | 'user'): void {
    const side = this.#sides[to];
    if (at - side.end.now > 2) this.#act(to, { do: 'wait', us: at - side.end.now - 2 });
    if (what === 'user') {
      this.#userActs(to);
      return;
    }
    this.#arrivals.shift();
    if (what.do !== 'segment') {
      this.#act(to, what);
      return;
    }
    if (side.end.state === 'CLOSED') {
      this.#answerClosed(to, what.seg, side.end.now);
      return;
    }
    // Those that come at once are a batch.
    const after = this.#arrivals[0];
    const more =
      after !== undefined && after.to === to && after.what.do === 'segment' && after.at - at <= this.#setup.path.batch;
    this.#act(to, more ? { ...what, more: true } : what);
  }

  #userActs(to: 0 | 1): void {
    const side = this.#sides[to];
    side.userAt = Number.POSITIVE_INFINITY;
    for (const action of side.actions()) this.#act(to, action);
    if (side.hasMore) side.userAt = side.end.now + side.plan.period;
  }

  #act(to: 0 | 1, action: Action): void {
    const side = this.#sides[to];
    this.#acting = to;
    side.log.push(action);
    side.end.apply(action);
    if (side.end.happened === 0) return;
    side.end.happened = 0;
    if (side.userAt === Number.POSITIVE_INFINITY) side.userAt = side.end.now + side.plan.period;
  }

  /** What the path makes of a segment that leaves end `from`. */
  #carry(from: 0 | 1, seg: FuzzSegment, now: number): void {
    const { path } = this.#setup;
    const random = this.#random;
    const to = from === 0 ? 1 : 0;
    const since = now - 1000e6;
    const isOut = since >= path.outage[0] && since < path.outage[1];
    const { connection, setup } = this.#sides[from].end;
    const optionsLen = (seg.ts === undefined ? 0 : 12) + (seg.sack === undefined ? 0 : 4 * seg.sack.length + 4);
    const len = Math.min(seg.len, connection.wireMss || seg.len) + optionsLen;
    if (len > path.mss) {
      const reply: Action = { do: 'path', mss: path.mss, seq: seg.seq };
      if (!path.blackHole && !isOut) this.#arrive({ at: now + path.delay, to: from, what: reply });
      return;
    }
    const left = this.#wires[from]?.take(seg.len, now) ?? now;
    if (isOut || left === OVERFLOW || chance(random, path.loss)) return;
    if (path.mark > 0 && seg.ecn === 2 && chance(random, path.mark)) seg.ecn = 3;
    const owned = seg.len > 0 && setup.path.maxGsoPayload > 0 && chance(random, 0.5);
    for (let i = chance(random, path.duplicate) ? 2 : 1; i > 0; i--) {
      const late = chance(random, path.reorder)
        ? intBelow(random, 4 * path.delay + 1000)
        : intBelow(random, path.jitter + 1);
      this.#arrive({
        at: left + path.delay + late,
        to,
        what: { do: 'segment', seg, ...(owned && { owned: true as const }) },
      });
    }
  }

  /** Behind what comes at the same time. */
  #arrive(arrival: Arrival): void {
    let at = this.#arrivals.length;
    while (at > 0 && this.#arrivals[at - 1]!.at > arrival.at) at--;
    this.#arrivals.splice(at, 0, arrival);
  }

  /** RFC 9293 §3.10.7.1. */
  #answerClosed(at: 0 | 1, seg: FuzzSegment, now: number): void {
    if (seg.flags & TcpFlag.RST) return;
    const { RST, ACK, SYN, FIN } = TcpFlag;
    const end = (seg.seq + seg.len + (seg.flags & SYN ? 1 : 0) + (seg.flags & FIN ? 1 : 0)) | 0;
    const { iss } = this.#setup.ends[at];
    // Without an ACK its number is 0, and the other counts from our ISS.
    const reset: FuzzSegment =
      seg.flags & ACK
        ? { flags: RST, seq: seg.ack, ack: 0, wnd: 0, len: 0 }
        : { flags: RST | ACK, seq: -iss | 0, ack: end, wnd: 0, len: 0 };
    this.#carry(at, reset, now);
  }

  #judge(): void {
    const [a, b] = this.#sides;
    const errors = [a.end.connection.error, b.end.connection.error];
    if (errors[0] === undefined && errors[1] === undefined) {
      for (const [one, other] of [
        [a, b],
        [b, a],
      ] as const)
        if (one.end.rules.read !== other.end.written || other.end.written !== other.plan.octets)
          broken(
            'an orderly end is a whole one',
            `${one.end.rules.read} octets read, ${other.end.written} written, and there were ${other.plan.octets}`,
          );
      return;
    }
    if (!this.#setup.mayFail)
      broken('nothing ends without a cause', `one ended with ${errors[0]}, the other with ${errors[1]}`);
  }
}

/** An end with its user. */
class Side {
  readonly end: End;
  readonly plan: UserPlan;
  readonly log: Action[] = [];
  userAt = Number.POSITIVE_INFINITY;
  findsOut = false;
  #closed = false;
  readonly #setup: Setup;
  readonly #random: Random;

  constructor(setup: Setup, plan: UserPlan, random: Random, o: EndOptions) {
    this.#setup = setup;
    this.plan = plan;
    this.#random = random;
    this.end = new End(setup, o);
  }

  get run(): Run {
    return { setup: this.#setup, actions: this.log };
  }

  /** Of its own accord the user goes on; otherwise when told that something happened. */
  get hasMore(): boolean {
    const { connection, written, state } = this.end;
    if ((connection.variables?.receiveBuffer.unread ?? 0) > 0) return true;
    if (!canWrite(state)) return false;
    return (written < this.plan.octets && connection.sendRoom > 0) || (!this.#closed && this.#mayClose);
  }

  get #mayClose(): boolean {
    const { state, written } = this.end;
    if (written < this.plan.octets || state === 'SYN-SENT' || state === 'LISTEN' || state === 'SYN-RECEIVED')
      return false;
    return !this.plan.closesLast || state === 'CLOSE-WAIT';
  }

  /** What the user does now. */
  actions(): readonly Action[] {
    const random = this.#random;
    const { end, plan } = this;
    const actions: Action[] = [{ do: 'receive', times: plan.reads }];
    if (!canWrite(end.state)) return actions;
    const left = plan.octets - end.written;
    if (left > 0) {
      const len = Math.min(left, 1 + intBelow(random, plan.most));
      actions.push({ do: chance(random, plan.lends) ? 'lend' : 'send', len });
    } else if (!this.#closed && this.#mayClose) {
      this.#closed = true;
      actions.push({ do: 'close' });
    }
    if (chance(random, plan.putsAway)) actions.push({ do: 'put away' });
    return actions;
  }

  text(at: number | undefined): string {
    const { state, written, rules, connection } = this.end;
    const t = connection.variables;
    const next = at === undefined ? 'nothing is due' : `due at ${(at / 1e6).toFixed(3)} s`;
    const out =
      t === undefined ? '' : `, ${t.flightSize} out, ${t.unsent} unsent, window ${t.sndWnd}, cwnd ${t.congestion.cwnd}`;
    return `${state}: ${written} of ${this.plan.octets} octets written, ${rules.read} read${out}, ${next}`;
  }
}

/** A SEND in LISTEN opens actively. */
const canWrite = (state: State): boolean => state !== 'LISTEN' && state !== 'CLOSED';

/** The segment as its receiver's generator would have drawn it. */
function segmentOf(out: TcpSegment, from: Setup): FuzzSegment {
  const hasAck = (out.flags & TcpFlag.ACK) !== 0;
  const seg: FuzzSegment = {
    flags: out.flags,
    seq: (seqInt(out.seq) - from.iss) | 0,
    ack: hasAck ? (seqInt(out.ack) - from.irs) | 0 : 0,
    wnd: out.wnd,
    len: out.payload.len,
  };
  if (out.flags & TcpFlag.URG) seg.urg = out.urgentPointer;
  if (out.ecn !== 0) seg.ecn = out.ecn;
  if (out.mss !== ABSENT) seg.mss = out.mss;
  if (out.wscale !== ABSENT) seg.wscale = out.wscale;
  if (out.sackPermitted) seg.sackOk = true;
  if (out.hasTimestamps) seg.ts = [out.tsVal, out.tsEcr];
  if (out.sackCount > 0)
    seg.sack = Array.from({ length: 2 * out.sackCount }, (_, i) => (seqInt(out.sack[i]!) - from.irs) | 0);
  if (out.fastOpenLen !== ABSENT)
    seg.tfo = Array.from(out.fastOpenCookie.subarray(0, out.fastOpenLen), (n) => n.toString(16).padStart(2, '0')).join(
      '',
    );
  return seg;
}

function broken(rule: PairRule, message: string): never {
  throw new Violation(rule, message);
}
