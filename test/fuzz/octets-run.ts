/**
 * A whole stack that is given octets: packets a peer could send, those with something wrong in them, and mere noise.
 * Nothing may throw, what is damaged may change nothing, and what leaves must be well formed.
 *
 * A run is its seed and its steps, in hexadecimal: it can be played again, and shrunk.
 */
import { seededRandom } from '../../src/base/random.ts';
import { seqInt } from '../../src/base/seq.ts';
import { type Clock, type Micros, micros, NEVER, seconds } from '../../src/base/time.ts';
import type { Endpoint } from '../../src/stack/endpoint.ts';
import type { Listener } from '../../src/stack/listener.ts';
import { Stack } from '../../src/stack/stack.ts';
import { type Ipv4, readIpv4, toIpv4 } from '../../src/wire/ipv4.ts';
import { type Left, US, Wire } from '../unit/stack/wire.ts';
import { violationOf } from './alone.ts';
import { Violation } from './model.ts';
import { OctetsGenerator } from './octets-generate.ts';
import { drawSetup } from './setup.ts';

/** What must hold of a stack, beside that nothing throws. */
export const OCTETS_RULES = [
  'no throw',
  'no connection ends by a defect',
  'what is damaged changes nothing',
  'a few packets answer one',
  'no RST answers a RST',
  'nobody is answered whom nobody can be',
] as const;
export type OctetsRule = (typeof OCTETS_RULES)[number];

export type OctetsStep =
  /** `more`: the next is of the same batch. `is`: what the one who made it knows of it. */
  | { readonly do: 'packet'; readonly hex: string; readonly more?: true; readonly is?: 'damaged' | 'reset' }
  | { readonly do: 'wait'; readonly us: number }
  | { readonly do: 'connect' | 'accept' }
  /** Of the `n`th connection, counted round. */
  | { readonly do: 'send' | 'receive' | 'shutdown' | 'close' | 'abort'; readonly n: number };

export interface OctetsRun {
  readonly seed: number;
  readonly steps: readonly OctetsStep[];
}

export interface OctetsOutcome {
  readonly run: OctetsRun;
  readonly violation: Violation | undefined;
  readonly segmentsIn: number;
  readonly segmentsOut: number;
}

export interface OctetsOptions {
  /** Makes the stack, where it is to be one with a fault. */
  readonly make?: (...args: ConstructorParameters<typeof Stack>) => Stack;
}

const STEPS = 150;
/** Segments that one packet, call or timer may bring about, beside those of a window. */
const MOST_ANSWERS = 6;

/** Draws run `number` and plays it. */
export function drawOctets(number: number, o: OctetsOptions = {}): OctetsOutcome {
  const seed = number >>> 0;
  const rig = new Rig(seed, o);
  const generator = new OctetsGenerator(seededRandom(number + 0.5));
  const steps: OctetsStep[] = [];
  return played(rig, seed, steps, () => {
    while (steps.length < STEPS) {
      const step = generator.next();
      steps.push(step);
      for (const left of rig.take(step)) generator.saw(left);
    }
  });
}

/** Plays a run that is known. */
export function playOctets({ seed, steps }: OctetsRun, o: OctetsOptions = {}): OctetsOutcome {
  const rig = new Rig(seed, o);
  return played(rig, seed, steps, () => {
    for (const step of steps) rig.take(step);
  });
}

function played(rig: Rig, seed: number, steps: readonly OctetsStep[], play: () => void): OctetsOutcome {
  let violation: Violation | undefined;
  try {
    play();
    rig.finish();
  } catch (error) {
    violation = violationOf(error);
  }
  const { segmentsIn, segmentsOut } = rig.stack.counters;
  return { run: { seed, steps }, violation, segmentsIn, segmentsOut };
}

/** The fewest steps that break the same rule. */
export function shrinkOctets(run: OctetsRun, rule: string, o: OctetsOptions = {}): OctetsRun {
  let best = run;
  for (let size = run.steps.length >> 1; size > 0; size >>= 1) {
    for (let at = best.steps.length - size; at > -size; at -= size) {
      const steps = best.steps.toSpliced(Math.max(0, at), size);
      const candidate = { ...best, steps };
      if (playOctets(candidate, o).violation?.rule === rule) best = candidate;
    }
  }
  return best;
}

class Rig {
  readonly stack: Stack;
  readonly #wire = new Wire();
  readonly #clock = new HandClock();
  readonly #listener: Listener;
  readonly #endpoints: Endpoint[] = [];
  #batch: OctetsStep[] = [];

  constructor(seed: number, { make = (...args) => new Stack(...args) }: OctetsOptions) {
    const random = seededRandom(seed);
    const { profile, sysctl } = drawSetup(random);
    this.stack = make({ clock: this.#clock, random, link: this.#wire, address: US, profile, sysctl });
    this.#listener = this.stack.listen({ port: 80, backlog: 8 });
  }

  /** What left. Throws Violation. */
  take(step: OctetsStep): readonly Left[] {
    try {
      this.#do(step);
    } catch (error) {
      if (error instanceof Violation) throw error;
      broken('no throw', error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    const left = this.#wire.take();
    if (this.stack.counters.defects > 0) broken('no connection ends by a defect', this.#defect());
    const bare = left.filter((seg) => seg.len === 0).length;
    if (bare > MOST_ANSWERS * (this.#batch.length + 1) && step.do !== 'wait')
      broken('a few packets answer one', `${bare} segments without data`);
    for (const { dst } of left) if (!isSomebody(dst)) broken('nobody is answered whom nobody can be', String(dst));
    if (!('more' in step)) this.#batch = [];
    return left;
  }

  finish(): void {
    this.take({ do: 'wait', us: 300e6 });
  }

  #do(step: OctetsStep): void {
    // A user comes between batches.
    if (step.do !== 'packet' && this.#batch.length > 0) this.#endBatch();
    switch (step.do) {
      case 'packet':
        this.#batch.push(step);
        this.#arrive(step.hex, step.more === true, step.is);
        return;
      case 'wait':
        this.#clock.pass(step.us);
        return;
      case 'connect':
        this.#endpoints.push(this.stack.connect({ address: PEER, port: 80 }));
        return;
      case 'accept': {
        const endpoint = this.#listener.accept();
        if (endpoint !== undefined) this.#endpoints.push(endpoint);
        return;
      }
      default: {
        const endpoint = this.#endpoints[step.n % Math.max(1, this.#endpoints.length)];
        if (endpoint === undefined) return;
        if (step.do === 'send') endpoint.send(SOME);
        else endpoint[step.do]();
      }
    }
  }

  #arrive(hex: string, more: boolean, is: 'damaged' | 'reset' | undefined): void {
    const bytes = new Uint8Array(Buffer.from(hex, 'hex'));
    // The rest of a batch has its own answers.
    const before = is === undefined || more || this.#batch.length > 1 ? undefined : this.#state();
    this.#wire.give(bytes, 'unverified');
    if (!more) this.#wire.receiver.onBatchEnd();
    // A driver's buffer is written to again.
    bytes.fill(0xdd);
    if (before === undefined) return;
    const left = this.#wire.take();
    if (is === 'damaged' && (left.length > 0 || before !== this.#state()))
      broken('what is damaged changes nothing', `${left.length} segments left; ${before} became ${this.#state()}`);
    if (is === 'reset' && left.some((seg) => seg.flags.includes('R')))
      broken('no RST answers a RST', `${left.length} segments left`);
  }

  #endBatch(): void {
    this.#batch = [];
    this.#wire.receiver.onBatchEnd();
  }

  #state(): string {
    const { segmentsIn, icmpErrors } = this.stack.counters;
    const each = [...this.stack.endpoints()].map((e) => {
      const t = e.connection.variables;
      return [e.id, e.state, ...(t === undefined ? [] : [t.rcvNxt, t.sndUna, t.sndNxt].map(seqInt))].join(' ');
    });
    return [segmentsIn, icmpErrors, ...each].join(', ');
  }

  #defect(): string {
    const defect = [...this.#endpoints].find((e) => e.connection.defect !== undefined)?.connection.defect;
    return defect?.stack ?? 'of a connection that nobody has accepted';
  }
}

class HandClock implements Clock {
  #time: Micros = seconds(1000);
  #at: Micros = NEVER;
  #wake: () => void = () => {};

  now(): Micros {
    return this.#time;
  }

  wakeAt(at: Micros, wake: () => void): void {
    this.#at = at;
    this.#wake = wake;
  }

  pass(us: number): void {
    const until = micros(this.#time + us);
    for (let n = 0; this.#at <= until; n++) {
      if (n > 20_000) broken('no throw', 'alarms for ever');
      this.#time = micros(Math.max(this.#at, this.#time));
      this.#at = NEVER;
      this.#wake();
    }
    this.#time = until;
  }
}

const PEER: Ipv4 = readIpv4(new Uint8Array([10, 0, 0, 2]), 0);
const SOME = new Uint8Array(3000).fill(7);

const isSomebody = (a: Ipv4): boolean => a !== toIpv4(0) && a !== toIpv4(-1) && a >>> 28 !== 14;

function broken(rule: OctetsRule, message: string): never {
  throw new Violation(rule, message);
}
