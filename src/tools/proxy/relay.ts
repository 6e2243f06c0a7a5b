/**
 * Two connections joined: what one sends goes to the other, each way by itself. A FIN becomes a FIN, and the other way
 * goes on; an abort becomes an abort. Neither is read faster than the other takes it.
 */
import type { Duplex } from 'node:stream';
import { giveSlotBack } from '../../link/spare-slots.ts';

/** A connected TcpSocket, or one of `net`'s, with allowHalfOpen. */
export interface RelayEnd extends Duplex {
  resetAndDestroy(): unknown;
}

/** Inside is who was served, outside where they wanted to go. */
export type Side = 'inside' | 'outside';

export type RelayEnding =
  /** Both have closed in an orderly way. */
  | { readonly how: 'closed' }
  /** An error of one side, told to the other by a RST. */
  | { readonly how: 'failed'; readonly side: Side; readonly code: string }
  /** Nothing has passed for as long as it may. */
  | { readonly how: 'idle' }
  | { readonly how: 'stopped' };

export interface RelayResult {
  readonly ending: RelayEnding;
  /** Octets. */
  readonly outward: number;
  readonly inward: number;
}

/** Octets from which on a piece may be all of a receive slot. */
const SLOT = 16_384;

export class Relay {
  readonly #inside: RelayEnd;
  readonly #outside: RelayEnd;
  readonly #idleTime: number | undefined;
  readonly #done: (result: RelayResult) => void;
  #idleTimer: NodeJS.Timeout | undefined;
  #outward = 0;
  #inward = 0;
  /** Ways on which the FIN has been passed on. */
  #waysOver = 0;
  #isOver = false;
  readonly ended: Promise<RelayResult>;

  /** `idleTime`: milliseconds without an octet either way; undefined: for ever. */
  constructor(inside: RelayEnd, outside: RelayEnd, idleTime: number | undefined) {
    this.#inside = inside;
    this.#outside = outside;
    this.#idleTime = idleTime;
    let done: (result: RelayResult) => void = () => {};
    this.ended = new Promise((resolve) => {
      done = resolve;
    });
    this.#done = done;
    this.#watch(inside, 'inside');
    this.#watch(outside, 'outside');
    this.#join(inside, outside, (len) => {
      this.#outward += len;
    });
    this.#join(outside, inside, (len) => {
      this.#inward += len;
    });
    this.#touch();
  }

  get outward(): number {
    return this.#outward;
  }

  get inward(): number {
    return this.#inward;
  }

  /** RST to both. */
  stop(): void {
    this.#end({ how: 'stopped' });
  }

  #join(from: RelayEnd, to: RelayEnd, count: (len: number) => void): void {
    const resume = (): void => {
      from.resume();
    };
    const uncork = (): void => to.uncork();
    from.on('data', (octets: Uint8Array) => {
      count(octets.length);
      // What comes in one batch leaves in one call.
      if (to.writableCorked === 0) {
        this.#touch();
        to.cork();
        process.nextTick(uncork);
      }
      const goesOn =
        octets.length < SLOT ? to.write(octets) : to.write(octets, (error) => this.#giveBack(octets, error));
      if (goesOn) return;
      from.pause();
      to.once('drain', resume);
    });
    from.once('end', () => to.end());
    // All that was read is the other side's stack's by now, FIN included.
    to.once('finish', () => this.#wayOver());
  }

  /** Written, so nobody needs it any more; what an error left behind may still be in use. */
  #giveBack(octets: Uint8Array, error: Error | null | undefined): void {
    if (!error) giveSlotBack(octets);
  }

  #wayOver(): void {
    this.#waysOver++;
    if (this.#waysOver === 2) this.#end({ how: 'closed' });
  }

  #watch(end: RelayEnd, side: Side): void {
    end.on('error', (error: Error & { readonly code?: string }) => {
      // Both may fail of one cause: the first counts.
      this.#end({ how: 'failed', side, code: error.code ?? 'EIO' });
    });
    end.once('close', () => {
      // One that is through with both ways may be gone before the other has taken everything.
      if (!end.readableEnded || !end.writableFinished) this.#end({ how: 'failed', side, code: 'ECONNRESET' });
    });
  }

  #touch(): void {
    if (this.#idleTime === undefined) return;
    if (this.#idleTimer === undefined)
      this.#idleTimer = setTimeout(() => this.#end({ how: 'idle' }), this.#idleTime).unref();
    else this.#idleTimer.refresh();
  }

  #end(ending: RelayEnding): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#idleTimer);
    for (const end of [this.#inside, this.#outside]) {
      // Not destroyed with an error: a stack of ours goes on with what is queued, and with TIME-WAIT, by itself.
      if (ending.how === 'closed') end.destroy();
      else if (!end.destroyed) end.resetAndDestroy();
    }
    this.#done({ ending, outward: this.#outward, inward: this.#inward });
  }
}
