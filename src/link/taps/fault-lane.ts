/**
 * One direction of the fault tap: what happens to each packet, and the packets that wait for their time.
 *
 * Two places to wait. The line keeps order: delay and jitter. Aside are those held back while others overtake them:
 * reordering, and a script's delays.
 */
import { chance, intBelow, type Random } from '../../base/random.ts';
import { type Clock, later, type Micros, micros, ms, NEVER } from '../../base/time.ts';
import type { PacketIn, SendOutcome } from '../link.ts';
import { ambiguousChecksumAt, completeChecksum, payloadRange } from './left-checksum.ts';

/** What a script decides about a packet; 'corrupt' and the others exclude each other. `delay`: held back so long. */
export type Fate = 'pass' | 'drop' | 'duplicate' | 'corrupt' | { readonly delay: Micros };
/**
 * Decides about the `n`-th packet of its direction, counted from 1; undefined leaves it to chance.
 * `packet` is a copy, one IP packet whole, valid during the call.
 */
export type Script = (packet: PacketIn, n: number) => Fate | undefined;

/** What goes wrong in one direction. Probabilities are 0 … 1, of each packet, independent of each other; default 0. */
export interface Faults {
  readonly loss?: number;
  readonly duplicate?: number;
  /** Held back until `reorderGap` later ones have passed, or for `reorderDelay` when that ends sooner. */
  readonly reorder?: number;
  /** Default 10 ms. */
  readonly reorderDelay?: Micros;
  /** Packets; default 3. */
  readonly reorderGap?: number;
  /** All packets, in order. */
  readonly delay?: Micros;
  /** Up to so much on top of `delay`, uniform; order is kept. */
  readonly jitter?: Micros;
  /** One to eight bits of one octet of what IP carries are flipped, so that a checksum always shows it. */
  readonly corrupt?: number;
  readonly script?: Script;
}

/** What was done to the packets of one direction. */
export interface FaultCounters {
  /** Seen by the tap, lost ones included. */
  packets: number;
  lost: number;
  duplicated: number;
  /** Delivered after one that came later. */
  reordered: number;
  /** Made to wait, by whatever it was. */
  delayed: number;
  corrupted: number;
}

/** A copy of a packet of either direction. `headerLen` and `transportAt` are of one that leaves. */
export interface Held extends PacketIn {
  checksum: PacketIn['checksum'];
  readonly headerLen: number;
  readonly transportAt: number;
}

/** How a lane handles packets in their own form. */
export interface LaneEnds<P> {
  copy(packet: P): Held;
  /** Untouched. */
  pass(packet: P): SendOutcome;
  emit(held: Held): SendOutcome;
}

interface Waiting {
  readonly held: Held;
  due: Micros;
  /** Number of the packet, counted from 1. */
  readonly n: number;
  overtakenBy: number;
  /** Leaves when so many have overtaken it. */
  readonly gap: number;
}

export class FaultLane<P> {
  readonly counters: FaultCounters = { packets: 0, lost: 0, duplicated: 0, reordered: 0, delayed: 0, corrupted: 0 };
  readonly #faults: Faults;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #ends: LaneEnds<P>;
  #line: Waiting[] = [];
  #lineTaken = 0;
  #lineDue: number = Number.NEGATIVE_INFINITY;
  #aside: Waiting[] = [];
  /** The link below is full: nothing moves until `pump(true)`. */
  #blocked = false;
  /** What was drawn for a packet that the link below had no room for: for the next try, whichever packet makes it. */
  #drawn: Drawn | undefined;

  constructor(faults: Faults, clock: Clock, random: Random, ends: LaneEnds<P>) {
    this.#faults = faults;
    this.#clock = clock;
    this.#random = random;
    this.#ends = ends;
  }

  /** When `pump` has something to do; NEVER when nothing waits or the link below is full. */
  get nextDue(): Micros {
    if (this.#blocked) return NEVER;
    let due = this.#line[this.#lineTaken]?.due ?? NEVER;
    for (const w of this.#aside) if (w.due < due) due = w.due;
    return due;
  }

  take(packet: P): SendOutcome {
    if (this.#blocked) return 'full';
    const n = this.counters.packets + 1;
    const script = this.#faults.script;
    let held = script === undefined ? undefined : this.#ends.copy(packet);
    const byChance = this.#drawn ?? this.#draw();
    const scripted = held === undefined ? undefined : script?.(held, n);
    const drawn = scripted === undefined ? byChance : asScripted(scripted);
    const now = this.#clock.now();
    const due = micros(Math.max(this.#lineDue, now + (this.#faults.delay ?? 0) + drawn.jitter));
    const waits = due > now || drawn.aside > 0 || this.#lineTaken < this.#line.length;
    if (!(waits || drawn.lost || drawn.corrupted || drawn.duplicated)) {
      const outcome = this.#ends.pass(packet);
      this.#drawn = outcome === 'full' ? byChance : undefined;
      if (outcome === 'full') return 'full';
      this.counters.packets = n;
      this.#overtake(n, now);
      if (this.#aside.length > 0) this.pump();
      return outcome;
    }
    this.#drawn = undefined;
    this.counters.packets = n;
    if (drawn.lost) {
      this.counters.lost++;
      return 'sent';
    }
    held ??= this.#ends.copy(packet);
    if (drawn.corrupted) this.#corrupt(held);
    if (due > now || drawn.aside > 0) this.counters.delayed++;
    if (drawn.duplicated) this.counters.duplicated++;
    for (let copies = drawn.duplicated ? 2 : 1; copies > 0; copies--) {
      if (drawn.aside > 0) this.#aside.push({ held, due: later(due, drawn.aside), n, overtakenBy: 0, gap: drawn.gap });
      else this.#line.push({ held, due, n, overtakenBy: 0, gap: 0 });
    }
    if (drawn.aside === 0) this.#lineDue = due;
    this.pump();
    return 'sent';
  }

  /** Passes on what is due; true when anything was. `writable`: the link below has room again. */
  pump(writable = false): boolean {
    if (writable) this.#blocked = false;
    let any = false;
    const now = this.#clock.now();
    while (!this.#blocked) {
      const first = this.#line[this.#lineTaken];
      let next = first !== undefined && first.due <= now ? first : undefined;
      for (const w of this.#aside) if (w.due <= now && (next === undefined || w.due < next.due)) next = w;
      if (next === undefined) break;
      // Out of its place before it goes: whoever receives it may close the tap.
      if (next === first) this.#lineTaken++;
      else this.#aside.splice(this.#aside.indexOf(next), 1);
      if (this.#ends.emit(next.held) === 'full') {
        this.#blocked = true;
        this.#putBack(next);
        break;
      }
      any = true;
      if (next === first) this.#overtake(next.n, now);
      else if (next.overtakenBy > 0) this.counters.reordered++;
    }
    this.#forgetTaken();
    return any;
  }

  get isBlocked(): boolean {
    return this.#blocked;
  }

  clear(): void {
    this.#line = [];
    this.#lineTaken = 0;
    this.#aside = [];
  }

  #putBack(w: Waiting): void {
    if (this.#lineTaken > 0 && this.#line[this.#lineTaken - 1] === w) this.#lineTaken--;
    else this.#aside.push(w);
  }

  #forgetTaken(): void {
    if (this.#lineTaken === this.#line.length) this.#line.length = 0;
    else if (this.#lineTaken > 1024 && this.#lineTaken * 2 > this.#line.length) this.#line.splice(0, this.#lineTaken);
    else return;
    this.#lineTaken = 0;
  }

  /** Packet `n` has gone on: those set aside before it were overtaken, and some have now waited long enough. */
  #overtake(n: number, now: Micros): void {
    for (const w of this.#aside) {
      if (w.n < n && ++w.overtakenBy === w.gap) w.due = now;
    }
  }

  /** The same draws for every packet, so that what happens to the n-th hangs on the seed and n alone. */
  #draw(): Drawn {
    const f = this.#faults;
    return {
      jitter: f.jitter === undefined ? 0 : intBelow(this.#random, f.jitter + 1),
      lost: chance(this.#random, f.loss ?? 0),
      corrupted: chance(this.#random, f.corrupt ?? 0),
      duplicated: chance(this.#random, f.duplicate ?? 0),
      aside: chance(this.#random, f.reorder ?? 0) ? (f.reorderDelay ?? REORDER_DELAY) : micros(0),
      gap: f.reorderGap ?? REORDER_GAP,
    };
  }

  /**
   * A change within one octet changes the Internet checksum, always (RFC 1071); two might cancel out. The IP header is
   * spared: a kernel that sends for us repairs its checksum, and the corruption would go unseen.
   */
  #corrupt(held: Held): void {
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

function asScripted(fate: Fate): Drawn {
  return {
    jitter: 0,
    lost: fate === 'drop',
    corrupted: fate === 'corrupt',
    duplicated: fate === 'duplicate',
    aside: typeof fate === 'object' ? fate.delay : micros(0),
    gap: 0,
  };
}

const REORDER_DELAY = ms(10);
const REORDER_GAP = 3;

interface Drawn {
  readonly lost: boolean;
  readonly corrupted: boolean;
  readonly duplicated: boolean;
  readonly jitter: number;
  readonly aside: Micros;
  readonly gap: number;
}
