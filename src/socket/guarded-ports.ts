/**
 * Source ports shared with this machine's kernel: each is guarded (link/guard.ts) from the first connection that needs it,
 * and serves every destination. A guard costs microseconds and some kilobytes of the kernel's memory, so there are only
 * as many as connections to one destination need, and what is not needed goes back.
 *
 * What the driver takes is widened by whole blocks of ports before one of them is guarded, seldom, and loses nothing.
 */
import { intBelow, type Random } from '../base/random.ts';
import { LinkFailure } from '../link/failure.ts';
import type { PortRange } from '../link/filter.ts';
import type { PortGuard } from '../link/guard.ts';
import { EPHEMERAL_COUNT, FIRST_EPHEMERAL, type PortSource } from '../stack/ports.ts';

export interface GuardedPortsOptions {
  /** Where they are taken from; 32768 to 60999 when absent. */
  readonly range?: PortRange;
  readonly random: Random;
  /** Throws LinkFailure; EADDRINUSE: this one is somebody else's. */
  readonly guard: (port: number) => PortGuard;
  /** From when it returns, what comes for ports in `ranges` reaches the stack. Ranges only ever grow. */
  readonly widen: (ranges: readonly PortRange[]) => void;
}

interface Held {
  readonly guard: PortGuard;
  /** Connections that have it. */
  users: number;
  /** Index in the list. */
  place: number;
}

const LEAST_BLOCK = 64;
/** More guards than this without a connection, and more than there are with one: half of them go. */
const MOST_SPARE = 256;

export class GuardedPorts implements PortSource {
  readonly #o: GuardedPortsOptions;
  readonly #range: PortRange;
  readonly #held = new Map<number, Held>();
  readonly #ports: number[] = [];
  /** What the driver takes, and of it the ports that were not tried, or have gone back. */
  readonly #ranges: PortRange[] = [];
  #untried: number[] = [];
  /** Ports without a connection. */
  #spare = 0;
  /** Where the next block begins: blocks follow each other, in a circle that begins anywhere. */
  #cursor: number;
  #left: number;
  #closed = false;

  /** Nothing is guarded before the first `grow`. */
  constructor(o: GuardedPortsOptions) {
    this.#o = o;
    this.#range = o.range ?? { from: FIRST_EPHEMERAL, to: FIRST_EPHEMERAL + EPHEMERAL_COUNT - 1 };
    this.#left = this.#range.to - this.#range.from + 1;
    this.#cursor = this.#range.from + intBelow(o.random, this.#left);
  }

  get count(): number {
    return this.#ports.length;
  }

  at(i: number): number {
    return this.#ports[i]!;
  }

  /** Any of the guards there are. */
  get first(): PortGuard {
    return this.#held.get(this.at(0))!.guard;
  }

  owns(port: number): boolean {
    return this.#held.has(port);
  }

  /** A quarter more, eight at least. Throws LinkFailure when not even one can be had for another reason than being in use. */
  grow(): boolean {
    if (this.#closed) return false;
    const wanted = Math.max(8, this.#ports.length >> 2);
    let got = 0;
    while (got < wanted) {
      if (this.#untried.length === 0 && !this.#openBlock()) break;
      const outcome = this.#guardOne();
      if (outcome === 'guarded') got++;
      else if (outcome !== 'in use') {
        if (got === 0) throw outcome;
        break;
      }
    }
    return got > 0;
  }

  take(port: number): void {
    const held = this.#held.get(port);
    if (held === undefined) return;
    if (held.users === 0) this.#spare--;
    held.users++;
  }

  release(port: number): void {
    const held = this.#held.get(port);
    if (held === undefined || held.users === 0) return;
    held.users--;
    if (held.users > 0) return;
    this.#spare++;
    if (this.#spare > MOST_SPARE && this.#spare > this.#ports.length / 2) this.#giveBack(this.#spare >> 1);
  }

  /** Every port goes back to the kernel. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const { guard } of this.#held.values()) guard.close();
    this.#held.clear();
    this.#ports.length = 0;
  }

  #guardOne(): 'guarded' | 'in use' | LinkFailure {
    const i = intBelow(this.#o.random, this.#untried.length);
    const port = this.#untried[i]!;
    this.#untried[i] = this.#untried.at(-1)!;
    this.#untried.pop();
    try {
      this.#held.set(port, { guard: this.#o.guard(port), users: 0, place: this.#ports.length });
    } catch (error) {
      if (!(error instanceof LinkFailure)) throw error;
      if (error.code === 'EADDRINUSE') return 'in use';
      this.#untried.push(port);
      return error;
    }
    this.#ports.push(port);
    this.#spare++;
    return 'guarded';
  }

  /** The larger the more there are, so that the filter's program stays short. */
  #openBlock(): boolean {
    if (this.#left === 0) return false;
    let size = LEAST_BLOCK;
    while (size < this.#ports.length) size *= 2;
    const { from, to } = this.#range;
    const block = { from: this.#cursor, to: Math.min(this.#cursor + size - 1, this.#cursor + this.#left - 1, to) };
    this.#o.widen([...this.#ranges, block]);
    this.#ranges.push(block);
    this.#left -= block.to - block.from + 1;
    this.#cursor = block.to === to ? from : block.to + 1;
    for (let port = block.from; port <= block.to; port++) this.#untried.push(port);
    return true;
  }

  #giveBack(count: number): void {
    let left = count;
    for (let i = this.#ports.length - 1; i >= 0 && left > 0; i--) {
      const port = this.#ports[i]!;
      const held = this.#held.get(port)!;
      if (held.users > 0) continue;
      held.guard.close();
      this.#held.delete(port);
      const last = this.#ports.pop()!;
      if (last !== port) {
        this.#ports[held.place] = last;
        this.#held.get(last)!.place = held.place;
      }
      this.#untried.push(port);
      this.#spare--;
      left--;
    }
  }
}
