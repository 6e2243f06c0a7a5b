/**
 * A day in virtual time: two stacks, a path whose weather changes every ten minutes, and conversations of every kind that
 * begin all day long, in both directions. What each end receives is compared with what the other was given to send, and
 * in the end nothing may be left of any of them.
 */
import { chance, intBelow, type Random, seededRandom } from '../../src/base/random.ts';
import { type Micros, micros, ms, seconds } from '../../src/base/time.ts';
import { VirtualTime } from '../../src/base/virtual-time.ts';
import type { FaultCounters, Faults } from '../../src/link/faults.ts';
import { memoryLink } from '../../src/link/memory.ts';
import { type FaultLink, faultTap } from '../../src/link/taps/fault.ts';
import type { Endpoint } from '../../src/stack/endpoint.ts';
import { Stack } from '../../src/stack/stack.ts';
import type { StackTracer } from '../../src/stack/stack-options.ts';
import type { SocketOptions, Sysctl } from '../../src/tcp/config.ts';
import { type Ipv4, parseIpv4 } from '../../src/wire/ipv4.ts';

export interface DayOptions {
  readonly seed: number;
  readonly hours: number;
  /** Conversations, begun at random times. */
  readonly connections: number;
  /** Those that move much, together. */
  readonly octets: number;
  readonly sysctl?: Partial<Sysctl>;
  /** Sees every segment of side A and B. */
  readonly tracer?: () => StackTracer;
}

export interface DayResult {
  readonly connections: number;
  readonly octets: number;
  /** What became of the conversations; `failed` names each that did not end as it should. */
  readonly ended: Readonly<Record<Ending, number>>;
  readonly failed: readonly string[];
  readonly segments: number;
  readonly retransmitted: number;
  readonly faults: Readonly<FaultCounters>;
  readonly defects: number;
  /** Connections that the stacks still have, after a last hour. */
  readonly left: number;
  readonly virtualSeconds: number;
}

type Ending = 'whole' | 'aborted' | 'refused';

const A = parseIpv4('10.0.0.1')!;
const B = parseIpv4('10.0.0.2')!;
const PORT = 80;
const CLOSED_PORT = 81;
/** Prime, so that no two places that are a window or a segment apart hold the same. */
const PERIOD = 1_000_003;
const WEATHER_LASTS = seconds(600);
const OUTAGE = seconds(20);

/** Each lasts ten minutes; every second time it is calm. */
const WEATHERS: readonly Faults[] = [
  { loss: 0.01 },
  { loss: 0.1 },
  { duplicate: 0.05 },
  { reorder: 0.1 },
  { jitter: ms(30) },
  { corrupt: 0.01 },
  { loss: 0.03, duplicate: 0.03, reorder: 0.1, corrupt: 0.01, jitter: ms(10) },
];
const CALM: Faults = { loss: 0, duplicate: 0, reorder: 0, corrupt: 0, jitter: micros(0) };

export class VirtualDay {
  readonly time = new VirtualTime(seconds(1000));
  readonly random: Random;
  /** Any PERIOD octets in a row, from any place. */
  readonly pattern: Uint8Array;
  readonly #o: DayOptions;
  readonly #faults: { -readonly [K in keyof Faults]: Faults[K] } = { ...CALM };
  readonly #sides: readonly [Side, Side];
  readonly #bulks: number;
  /** By the key of its client: who connects knows what its server is to do. */
  readonly expected = new Map<string, Conversation>();
  readonly #ended: Record<Ending, number> = { whole: 0, aborted: 0, refused: 0 };
  readonly #failed: string[] = [];
  octets = 0;
  retransmitted = 0;
  #begun = 0;

  constructor(o: DayOptions) {
    this.#o = o;
    this.random = seededRandom(o.seed);
    this.#bulks = Math.max(1, Math.round(o.octets / BULK));
    const noise = seededRandom(o.seed + 1);
    this.pattern = new Uint8Array(PERIOD + MOST_PIECE).map(() => noise.uint32());
    this.pattern.copyWithin(PERIOD, 0, MOST_PIECE);
    const links = memoryLink(this.time, { delay: ms(10) });
    this.#sides = [this.#side(A, links[0]), this.#side(B, links[1])];
  }

  run(): DayResult {
    const { time } = this;
    const endsAt = micros(time.now + this.#o.hours * 3_600_000_000);
    const beganAt = time.now;
    this.#changeWeather();
    this.#arrive(endsAt);
    time.runUntil(endsAt);
    Object.assign(this.#faults, CALM);
    this.#over = true;
    // Slow readers, and the longest back-off of those that an outage met.
    time.runUntil(micros(time.now + seconds(3600)));
    const [a, b] = this.#sides;
    for (const c of this.expected.values())
      if (c.plan.abortAfter === undefined) this.#failed.push(`never accepted: ${c.text}`);
    const sum = (of: (side: Side) => number): number => of(a) + of(b);
    return {
      connections: this.#begun,
      octets: this.octets,
      ended: this.#ended,
      failed: this.#failed,
      segments: sum((s) => s.stack.counters.segmentsOut),
      retransmitted: this.retransmitted,
      faults: addUp(a.link.faults.out, b.link.faults.out),
      defects: sum((s) => s.stack.counters.defects),
      left: sum((s) => [...s.stack.endpoints()].length),
      virtualSeconds: (time.now - beganAt) / 1e6,
    };
  }

  #over = false;

  ended(how: Ending): void {
    this.#ended[how]++;
  }

  failed(why: string, c: Conversation): void {
    this.#failed.push(`${why}: ${c.text} at ${this.time.now / 1e6}`);
    this.expected.delete(c.key);
  }

  #side(address: Ipv4, link: ReturnType<typeof memoryLink>[0]): Side {
    const random = seededRandom(this.random.uint32());
    const tap = faultTap(link, { clock: this.time.clock(), random, out: this.#faults });
    const { tracer, sysctl } = this.#o;
    const stack = new Stack({
      clock: this.time.clock(),
      random,
      link: tap,
      address,
      ...(sysctl !== undefined && { sysctl }),
      ...(tracer !== undefined && { tracer: tracer() }),
    });
    const listener = stack.listen({ port: PORT, backlog: 4096 });
    listener.onConnection = () => {
      for (let e = listener.accept(); e !== undefined; e = listener.accept()) this.#accepted(e);
    };
    return { stack, link: tap };
  }

  #accepted(endpoint: Endpoint): void {
    const key = `${endpoint.remoteAddress}:${endpoint.remotePort}`;
    const conversation = this.expected.get(key);
    if (conversation === undefined) this.#failed.push(`a connection that nobody made, from ${key}`);
    else {
      this.expected.delete(key);
      conversation.accept(endpoint);
    }
  }

  #changeWeather(): void {
    if (this.#over) return;
    const { random, time } = this;
    Object.assign(this.#faults, CALM, chance(random, 0.5) ? {} : WEATHERS[intBelow(random, WEATHERS.length)]);
    if (chance(random, 0.1)) {
      const { loss = 0 } = this.#faults;
      this.#faults.loss = 1;
      time.schedule(micros(time.now + OUTAGE), () => {
        this.#faults.loss = loss;
      });
    }
    time.schedule(micros(time.now + WEATHER_LASTS), () => this.#changeWeather());
  }

  /** The next conversation comes after a random while, so that all of them fill the day. */
  #arrive(endsAt: Micros): void {
    const left = this.#o.connections - this.#begun;
    if (left === 0) return;
    // The last ones must have the time to end, whatever the weather.
    const mean = Math.max(1, (endsAt - this.time.now) / left);
    this.time.schedule(micros(this.time.now + (mean * 2 * intBelow(this.random, 1000)) / 1000), () => {
      this.#begin();
      this.#arrive(endsAt);
    });
  }

  #begin(): void {
    const n = this.#begun++;
    const { connections } = this.#o;
    // The large ones are spread evenly among the others.
    const isBulk = Math.floor((n * this.#bulks) / connections) !== Math.floor(((n + 1) * this.#bulks) / connections);
    const [from, to] = chance(this.random, 0.5) ? this.#sides : [this.#sides[1], this.#sides[0]];
    new Conversation(this, drawPlan(this.random, isBulk ? this.#o.octets / this.#bulks : undefined)).begin(
      from.stack,
      to.stack.address,
    );
  }
}

interface Side {
  readonly stack: Stack;
  readonly link: FaultLink;
}

const BULK = 2_000_000;
/** Most octets in one send, and one read that is compared at once. */
const MOST_PIECE = 65_536;

/** Who closes, when. 'each': as soon as its own is sent. */
type Order = 'client first' | 'server first' | 'each';

interface Plan {
  readonly order: Order;
  readonly clientSends: number;
  readonly serverSends: number;
  /** Octets a second that either reads; undefined: all at once. */
  readonly pace: number | undefined;
  /** Silence between the first half and the second, µs. */
  readonly pause: Micros;
  /** The client resets it once it has sent so many. */
  readonly abortAfter: number | undefined;
  readonly refused: boolean;
  /** Buffers are lent rather than copied, and spoiled as soon as they are given back. */
  readonly lends: boolean;
  /** Octets of a write at most. */
  readonly piece: number;
  readonly options: Partial<SocketOptions>;
}

const ORDERS: readonly Order[] = ['client first', 'server first', 'each'];

function drawPlan(random: Random, bulk: number | undefined): Plan {
  const order = ORDERS[intBelow(random, ORDERS.length)]!;
  const lends = chance(random, 0.5);
  const plain = {
    order,
    pace: undefined,
    pause: micros(0),
    abortAfter: undefined,
    refused: false,
    lends,
    piece: MOST_PIECE,
    options: {},
  };
  if (bulk !== undefined) {
    const down = intBelow(random, 3);
    return { ...plain, clientSends: Math.round((bulk * down) / 2), serverSends: Math.round((bulk * (2 - down)) / 2) };
  }
  const clientSends = intBelow(random, chance(random, 0.01) ? 20_000 : 600);
  const serverSends = intBelow(random, chance(random, 0.01) ? 20_000 : 600);
  const small = { ...plain, clientSends, serverSends };
  switch (intBelow(random, 100)) {
    case 0:
      return { ...small, refused: true };
    case 1:
    case 2:
      return { ...small, abortAfter: intBelow(random, clientSends + 1) };
    case 3:
      return { ...small, pace: 2000, options: { SO_RCVBUF: 3000 } };
    case 4:
      return {
        ...small,
        pause: seconds(1 + intBelow(random, 3000)),
        options: { SO_KEEPALIVE: true, TCP_KEEPIDLE: 600 },
      };
    default:
      // Small segments, which go again in larger ones.
      return chance(random, 0.2) ? { ...small, piece: 90, options: { TCP_NODELAY: true } } : small;
  }
}

/** Two ends, and what each is to send, read and close. */
class Conversation {
  readonly day: VirtualDay;
  readonly plan: Plan;
  key = '';
  readonly #client: End;
  readonly #server: End;

  constructor(day: VirtualDay, plan: Plan) {
    this.day = day;
    this.plan = plan;
    const { order, clientSends, serverSends } = plan;
    this.#client = new End(this, clientSends, serverSends, order === 'server first');
    this.#server = new End(this, serverSends, clientSends, order === 'client first');
  }

  get text(): string {
    return `${JSON.stringify(this.plan)} client ${this.#client.text}, server ${this.#server.text}`;
  }

  begin(stack: Stack, to: Ipv4): void {
    const { refused, options } = this.plan;
    const endpoint = stack.connect({ address: to, port: refused ? CLOSED_PORT : PORT, options });
    this.key = `${endpoint.localAddress}:${endpoint.localPort}`;
    // One that is aborted may be accepted when it is over, or never: another takes its place in time.
    if (!refused) this.day.expected.set(this.key, this);
    this.#client.take(endpoint);
  }

  accept(endpoint: Endpoint): void {
    if (this.plan.pace !== undefined) endpoint.setOption('SO_RCVBUF', 3000);
    this.#server.take(endpoint);
  }

  isClient(end: End): boolean {
    return end === this.#client;
  }

  /** One end is done. `error`: what its endpoint ended with. */
  over(end: End, error: string | undefined): void {
    const { day, plan } = this;
    if (plan.refused) {
      if (error === 'ECONNREFUSED') day.ended('refused');
      else day.failed(`${error} instead of ECONNREFUSED`, this);
    } else if (plan.abortAfter !== undefined) {
      // The server may have heard of it as a reset, as data and then a reset, or never have been there.
      if (this.isClient(end)) day.ended('aborted');
    } else if (error !== undefined) day.failed(error, this);
    else if (!end.isWhole) day.failed('ended early', this);
    else if (this.#client.isOver && this.#server.isOver) day.ended('whole');
  }
}

/** One end of a conversation: sends its share, compares what comes, and closes when it is its turn. */
class End {
  readonly #c: Conversation;
  readonly #sends: number;
  readonly #receives: number;
  readonly #closesLast: boolean;
  readonly #pauseAt: number;
  #endpoint: Endpoint | undefined;
  #sent = 0;
  #received = 0;
  #peerEnded = false;
  #closed = false;
  #paused: 'not yet' | 'now' | 'over';
  #reading = false;
  #writing = false;
  #writeAgain = false;
  /** What the connection still refers to. */
  #lent: Uint8Array | undefined;
  isOver = false;

  constructor(c: Conversation, sends: number, receives: number, closesLast: boolean) {
    this.#c = c;
    this.#sends = sends;
    this.#receives = receives;
    this.#closesLast = closesLast;
    this.#pauseAt = sends >> 1;
    this.#paused = c.plan.pause > 0 ? 'not yet' : 'over';
  }

  get isWhole(): boolean {
    return this.#received === this.#receives && this.#peerEnded;
  }

  get text(): string {
    return `${this.#endpoint?.state} sent ${this.#sent} of ${this.#sends}, received ${this.#received} of ${this.#receives}`;
  }

  take(endpoint: Endpoint): void {
    this.#endpoint = endpoint;
    endpoint.onEvent = () => this.#work(endpoint);
    this.#work(endpoint);
  }

  #work(endpoint: Endpoint): void {
    if (this.isOver) return;
    this.#write(endpoint);
    if (this.#c.plan.pace === undefined) while (this.#read(endpoint));
    else if (!this.#reading) this.#readSlowly(endpoint);
    this.#settle(endpoint);
  }

  #settle(endpoint: Endpoint): void {
    if (this.isOver) return;
    const { state, error } = endpoint;
    const hasEnded = state === 'CLOSED' || state === 'TIME-WAIT';
    if (hasEnded && (this.#peerEnded || error !== undefined)) this.#finish(endpoint);
  }

  /** What a call of ours sets off may be told before it returns. */
  #write(endpoint: Endpoint): void {
    this.#writeAgain = true;
    if (this.#writing) return;
    this.#writing = true;
    while (this.#writeAgain) {
      this.#writeAgain = false;
      if (this.#lent !== undefined && endpoint.lent === 0) {
        this.#lent.fill(0xee);
        this.#lent = undefined;
      }
      this.#writeOnce(endpoint);
    }
    this.#writing = false;
  }

  #writeOnce(endpoint: Endpoint): void {
    const { plan, day } = this.#c;
    if (this.#closed || endpoint.state === 'SYN-SENT') return;
    const upTo = this.#paused === 'over' ? this.#sends : this.#pauseAt;
    while (this.#sent < upTo) {
      const at = this.#sent % PERIOD;
      const len = Math.min(upTo - this.#sent, plan.piece);
      const piece = day.pattern.subarray(at, at + len);
      const taken = plan.lends ? this.#lend(endpoint, piece) : endpoint.send(piece);
      this.#sent += taken;
      if (taken < len) break;
    }
    if (plan.abortAfter !== undefined && this.#c.isClient(this) && this.#sent >= plan.abortAfter) {
      this.#closed = true;
      endpoint.abort();
      return;
    }
    if (this.#paused === 'not yet' && this.#sent === upTo) {
      this.#paused = 'now';
      day.time.schedule(micros(day.time.now + plan.pause), () => {
        this.#paused = 'over';
        this.#work(endpoint);
      });
    }
    if (this.#paused !== 'over' || this.#sent < this.#sends || (this.#closesLast && !this.#peerEnded)) return;
    this.#closed = true;
    endpoint.shutdown();
  }

  #lend(endpoint: Endpoint, piece: Uint8Array): number {
    if (this.#lent !== undefined) return 0;
    this.#lent = piece.slice();
    return endpoint.lend(this.#lent);
  }

  /** False when there is no more for now. */
  #read(endpoint: Endpoint): boolean {
    const octets = endpoint.receive();
    if (octets === 'empty' || this.#peerEnded) return false;
    if (octets === 'end') {
      this.#peerEnded = true;
      this.#write(endpoint);
      return false;
    }
    this.#compare(octets);
    return true;
  }

  #readSlowly(endpoint: Endpoint): void {
    const { day, plan } = this.#c;
    this.#reading = true;
    const until = this.#received + plan.pace! / 10;
    while (this.#received < until && this.#read(endpoint));
    if (this.#peerEnded || this.isOver) {
      this.#reading = false;
      this.#settle(endpoint);
    } else day.time.schedule(micros(day.time.now + ms(100)), () => this.#readSlowly(endpoint));
  }

  #compare(octets: Uint8Array): void {
    const { day } = this.#c;
    for (let done = 0; done < octets.length; ) {
      const at = (this.#received + done) % PERIOD;
      const len = Math.min(octets.length - done, MOST_PIECE);
      const same = Buffer.compare(octets.subarray(done, done + len), day.pattern.subarray(at, at + len)) === 0;
      if (!same) throw new Error(`octets from ${this.#received + done} on are not what was sent: ${this.#c.text}`);
      done += len;
    }
    this.#received += octets.length;
    day.octets += octets.length;
  }

  #finish(endpoint: Endpoint): void {
    this.isOver = true;
    endpoint.onEvent = undefined;
    this.#c.day.retransmitted += endpoint.info().total_retrans;
    const { error } = endpoint;
    // Its TIME-WAIT goes on without us.
    if (endpoint.state !== 'CLOSED') endpoint.close();
    this.#c.over(this, error);
  }
}

function addUp(a: Readonly<FaultCounters>, b: Readonly<FaultCounters>): FaultCounters {
  const sum = { ...a };
  for (const name of Object.keys(sum) as (keyof FaultCounters)[]) sum[name] += b[name];
  return sum;
}
