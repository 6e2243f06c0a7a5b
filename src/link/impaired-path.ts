/**
 * One direction of an impaired path, and the only model of one: the fault tap, the memory link and `tcpx impair` all use it.
 * It owns no clock's alarm, no packet format and no randomness; who uses it says when time has passed.
 *
 * A packet goes through a queue and a wire of limited rate (bottleneck.ts), then it is lost, corrupted or doubled, then it
 * is on its way. Two places to wait: the line keeps order (rate, delay, jitter); aside are those held back while others
 * overtake them (reordering, and a script's delays).
 */
import { Queue } from '../base/queue.ts';
import { chance, intBelow, type Random } from '../base/random.ts';
import { type Clock, later, type Micros, micros, ms, NEVER } from '../base/time.ts';
import { Bottleneck, OVERFLOW } from './bottleneck.ts';
import { DEFAULT_QUEUE, type Fate, type FaultCounters, type Faults, newFaultCounters } from './faults.ts';
import type { PacketIn, SendOutcome } from './link.ts';
import { ambiguousChecksumAt, completeChecksum, payloadRange } from './taps/left-checksum.ts';

/** A packet that is the path's to keep and to change. */
export interface Held extends PacketIn {
  checksum: PacketIn['checksum'];
}

/** How a path handles packets in their user's own form: `P` as they come, `H` as they are kept. */
export interface PathEnds<P, H extends Held> {
  /** Octets that count on the wire. */
  len(packet: P): number;
  copy(packet: P): H;
  /** The same once more, for a duplicate. */
  again(held: H): H;
  /** Delivers one that nothing was done to. */
  pass(packet: P): SendOutcome;
  /** Delivers; `held` is the receiver's unless it says 'full'. */
  emit(held: H): SendOutcome;
  /** Is not to be delivered: lost as it came… */
  lose(packet: P): void;
  /** …or given up after it was kept. */
  drop(held: H): void;
}

interface Waiting<H> {
  /** Undefined in a spare record. */
  held: H | undefined;
  due: Micros;
  /** Number of the packet, counted from 1; of a run of packets that of the last. */
  n: number;
  /** Packets in the run. */
  count: number;
  overtakenBy: number;
  /** Leaves when so many have overtaken it. */
  gap: number;
}

export class ImpairedPath<P, H extends Held> {
  readonly counters: FaultCounters = newFaultCounters();
  readonly #faults: Faults;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #random: Random;
  readonly #ends: PathEnds<P, H>;
  readonly #wire: Bottleneck | undefined;
  readonly #line = new Queue<Waiting<H>>();
  #lineDue: number = Number.NEGATIVE_INFINITY;
  /** When the last packet came: none comes before it. */
  #lastCame = micros(0);
  readonly #aside: Waiting<H>[] = [];
  readonly #spare: Waiting<H>[] = [];
  /** The link below is full: nothing moves until `pump(true)`. */
  #blocked = false;
  /** What chance says of the packet at hand. */
  readonly #drawn: Drawn = { lost: false, corrupted: false, duplicated: false, jitter: 0, aside: micros(0), gap: 0 };
  /** It was drawn for a packet that the link below had no room for: for the next try, whichever packet makes it. */
  #isDrawn = false;

  constructor(faults: Faults, clock: Pick<Clock, 'now'>, random: Random, ends: PathEnds<P, H>) {
    this.#faults = faults;
    this.#clock = clock;
    this.#random = random;
    this.#ends = ends;
    this.#wire = faults.rate === undefined ? undefined : new Bottleneck(faults.rate, faults.queue ?? DEFAULT_QUEUE);
  }

  /** When `pump` has something to do; NEVER when nothing waits or the link below is full. */
  get nextDue(): Micros {
    if (this.#blocked) return NEVER;
    let due = this.#line.first?.due ?? NEVER;
    for (const w of this.#aside) if (w.due < due) due = w.due;
    return due;
  }

  /**
   * How many of the next `most` packets would only be delayed: they may be given to `takeUntouched` as one, and it must be
   * done before anything else is taken. 0 when the next one is to be taken by itself.
   */
  untouched(most: number): number {
    const f = this.#faults;
    if (this.#blocked || this.#wire !== undefined || f.script !== undefined || f.jitter !== undefined) return 0;
    let limit = most;
    // Those aside leave as soon as enough have passed, not later.
    for (const w of this.#aside) if (w.gap > w.overtakenBy) limit = Math.min(limit, w.gap - w.overtakenBy);
    const drawn = this.#drawn;
    for (let count = 0; count < limit; count++) {
      if (!this.#isDrawn) this.#draw();
      this.#isDrawn = drawn.lost || drawn.corrupted || drawn.duplicated || drawn.aside > 0;
      if (this.#isDrawn) return count;
    }
    return limit;
  }

  /** A run of `count` packets in one, after `untouched` has said so; `at` as for `take`. */
  takeUntouched(packet: P, count: number, at?: Micros): SendOutcome {
    if (this.#blocked) return 'full';
    const now = this.#clock.now();
    const came = this.#inOrder(at ?? now);
    const due = micros(Math.max(this.#lineDue, came + (this.#faults.delay ?? 0)));
    const n = this.counters.packets + count;
    if (due <= came && this.#line.count === 0) {
      const outcome = this.#ends.pass(packet);
      if (outcome === 'full') return 'full';
      this.counters.packets = n;
      this.#overtake(n, count, now);
      if (this.#aside.length > 0) this.pump();
      return outcome;
    }
    this.counters.packets = n;
    if (due > came) this.counters.delayed += count;
    this.#wait(this.#ends.copy(packet), due, now, UNTOUCHED, n, count);
    this.pump();
    return 'sent';
  }

  /**
   * `spared`: waits its turn on the wire and on its way, and nothing else happens to it. `at`: when it came, if it had to wait
   * to be taken; its way began then, or with the one before.
   */
  take(packet: P, spared = false, at?: Micros): SendOutcome {
    if (this.#blocked) return 'full';
    const ends = this.#ends;
    const counters = this.counters;
    const n = counters.packets + 1;
    const script = this.#faults.script;
    let held = script === undefined ? undefined : ends.copy(packet);
    if (!this.#isDrawn && !spared) this.#draw();
    const scripted = held === undefined ? undefined : script?.(held, n);
    const drawn = spared ? UNTOUCHED : scripted === undefined ? this.#drawn : asScripted(scripted);
    const now = this.#clock.now();
    const came = this.#inOrder(at ?? now);
    const leaves = this.#wire === undefined ? came : this.#wire.take(ends.len(packet), came);
    const due = micros(Math.max(this.#lineDue, leaves + (this.#faults.delay ?? 0) + drawn.jitter));
    const waits = due > came || drawn.aside > 0 || this.#line.count > 0;
    if (!(waits || leaves === OVERFLOW || drawn.lost || drawn.corrupted || drawn.duplicated)) {
      const outcome = ends.pass(packet);
      this.#isDrawn = outcome === 'full' && !spared;
      if (isCopy(held, packet)) ends.drop(held);
      if (outcome === 'full') return 'full';
      counters.packets = n;
      this.#overtake(n, 1, now);
      if (this.#aside.length > 0) this.pump();
      return outcome;
    }
    this.#isDrawn = false;
    counters.packets = n;
    if (leaves === OVERFLOW || drawn.lost) {
      if (leaves === OVERFLOW) counters.overflowed++;
      else counters.lost++;
      ends.lose(packet);
      if (isCopy(held, packet)) ends.drop(held);
      return 'sent';
    }
    held ??= ends.copy(packet);
    if (drawn.corrupted) this.#corrupt(held);
    if (due > came || drawn.aside > 0) counters.delayed++;
    if (drawn.duplicated) {
      counters.duplicated++;
      this.#wait(ends.again(held), due, now, drawn, n, 1);
    }
    this.#wait(held, due, now, drawn, n, 1);
    this.pump();
    return 'sent';
  }

  /** Passes on what is due; true when anything was. `writable`: the link below has room again. */
  pump(writable = false): boolean {
    if (writable) this.#blocked = false;
    let any = false;
    const now = this.#clock.now();
    while (!this.#blocked) {
      const first = this.#line.first;
      let next = first !== undefined && first.due <= now ? first : undefined;
      for (const w of this.#aside) if (w.due <= now && (next === undefined || w.due < next.due)) next = w;
      if (next === undefined) break;
      const { held, n, count, overtakenBy } = next;
      // Out of its place before it goes: whoever receives it may close the path.
      if (next === first) this.#line.shift();
      else this.#aside.splice(this.#aside.indexOf(next), 1);
      if (held === undefined) continue;
      if (this.#ends.emit(held) === 'full') {
        this.#blocked = true;
        if (next === first) this.#line.unshift(next);
        else this.#aside.push(next);
        break;
      }
      next.held = undefined;
      this.#spare.push(next);
      any = true;
      if (next === first) this.#overtake(n, count, now);
      else if (overtakenBy > 0) this.counters.reordered++;
    }
    return any;
  }

  get isBlocked(): boolean {
    return this.#blocked;
  }

  /** Packets that wait. */
  get waiting(): number {
    return this.#line.count + this.#aside.length;
  }

  clear(): void {
    for (let w = this.#line.shift(); w !== undefined; w = this.#line.shift()) if (w.held) this.#ends.drop(w.held);
    for (const w of this.#aside.splice(0)) if (w.held) this.#ends.drop(w.held);
  }

  #inOrder(at: Micros): Micros {
    if (at > this.#lastCame) this.#lastCame = at;
    return this.#lastCame;
  }

  #wait(held: H, due: Micros, now: Micros, drawn: Readonly<Drawn>, n: number, count: number): void {
    const w = this.#spare.pop() ?? { held, due, n, count, overtakenBy: 0, gap: 0 };
    w.held = held;
    w.n = n;
    w.count = count;
    w.overtakenBy = 0;
    if (drawn.aside > 0) {
      // However late it is: those behind it are to have the time to overtake it.
      w.due = later(micros(Math.max(due, now)), drawn.aside);
      w.gap = drawn.gap;
      this.#aside.push(w);
    } else {
      w.due = due;
      w.gap = 0;
      this.#line.push(w);
      this.#lineDue = due;
    }
  }

  /** The `count` packets up to `n` have gone on: those set aside before were overtaken, and some have waited long enough. */
  #overtake(n: number, count: number, now: Micros): void {
    for (const w of this.#aside) {
      if (w.n >= n) continue;
      w.overtakenBy += Math.min(count, n - w.n);
      if (w.gap > 0 && w.overtakenBy >= w.gap && w.due > now) w.due = now;
    }
  }

  /** The same draws for every packet, so that what happens to the n-th hangs on the seed and n alone. */
  #draw(): void {
    const f = this.#faults;
    const random = this.#random;
    const drawn = this.#drawn;
    drawn.jitter = f.jitter === undefined ? 0 : intBelow(random, f.jitter + 1);
    drawn.lost = chance(random, f.loss ?? 0);
    drawn.corrupted = chance(random, f.corrupt ?? 0);
    drawn.duplicated = chance(random, f.duplicate ?? 0);
    drawn.aside = chance(random, f.reorder ?? 0) ? (f.reorderDelay ?? REORDER_DELAY) : NO_TIME;
    drawn.gap = f.reorderGap ?? REORDER_GAP;
  }

  /**
   * A change within one octet changes the Internet checksum, always (RFC 1071); two might cancel out. The IP header is
   * spared: a kernel that sends for us repairs its checksum, and the corruption would go unseen.
   */
  #corrupt(held: H): void {
    completeChecksum(held.bytes, held.at, held.end, held.checksum);
    held.checksum = 'unverified';
    const [from, to] = payloadRange(held.bytes, held.at, held.end);
    const ambiguous = ambiguousChecksumAt(held.bytes, held.at, held.end);
    const at = from + intBelow(this.#random, to - from);
    const bits = 1 + intBelow(this.#random, 255);
    held.bytes[ambiguous > 0 ? ambiguous : at]! ^= bits;
    this.counters.corrupted++;
  }
}

/** What the script was shown is the packet itself where its user keeps it as it came: then there is nothing more to give back. */
const isCopy = <H>(held: H | undefined, packet: unknown): held is H => held !== undefined && held !== packet;

function asScripted(fate: Fate): Drawn {
  return {
    jitter: 0,
    lost: fate === 'drop',
    corrupted: fate === 'corrupt',
    duplicated: fate === 'duplicate',
    aside: typeof fate === 'object' ? fate.delay : NO_TIME,
    gap: 0,
  };
}

const NO_TIME = micros(0);
const REORDER_DELAY = ms(10);
const REORDER_GAP = 3;

interface Drawn {
  lost: boolean;
  corrupted: boolean;
  duplicated: boolean;
  jitter: number;
  aside: Micros;
  gap: number;
}

const UNTOUCHED: Readonly<Drawn> = asScripted('pass');
