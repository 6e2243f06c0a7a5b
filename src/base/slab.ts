/**
 * Copies of what came in small pieces. They are cut from a slab in the order in which they come, whoever's they are: a piece
 * costs a view, where a buffer of its own would cost the allocator and the collector several times as much; and those that
 * follow one another on one connection mostly lie side by side, so that its reader can have them as one. Who keeps a piece
 * keeps its slab.
 */

/** Octets: of a slab for pieces less than BULK, and of one for others. */
const SMALL_SLAB_LEN = 8192;
const BULK_SLAB_LEN = 32_768;
const BULK = 1024;
/** What is longer gets a buffer of its own. */
const MOST = 8192;
/** Octets from which on one call is cheaper than a loop. */
const LONG = 64;

class Slab {
  readonly #len: number;
  #octets = new Uint8Array(0);
  #fill = 0;

  constructor(len: number) {
    this.#len = len;
  }

  copy(bytes: Uint8Array, at: number, len: number): Uint8Array {
    if (this.#fill + len > this.#octets.length) {
      this.#octets = new Uint8Array(this.#len);
      this.#fill = 0;
    }
    const copy = this.#octets.subarray(this.#fill, this.#fill + len);
    this.#fill += len;
    if (len < LONG) for (let i = 0; i < len; i++) copy[i] = bytes[at + i]!;
    else copy.set(bytes.subarray(at, at + len));
    return copy;
  }
}

const small = new Slab(SMALL_SLAB_LEN);
const bulk = new Slab(BULK_SLAB_LEN);

/** A copy of the `len` octets at `at` of `bytes`. */
export function copyOf(bytes: Uint8Array, at: number, len: number): Uint8Array {
  if (len > MOST) return bytes.slice(at, at + len);
  return (len < BULK ? small : bulk).copy(bytes, at, len);
}

/** Octets of memory that `octets` hold on to: of a slab, which they share with as many as fill it, their part. */
export function memoryOf(octets: Uint8Array): number {
  const { byteLength } = octets.buffer;
  return isSlabLen(byteLength) ? octets.length : byteLength;
}

/** A buffer of so many octets may be a slab. */
export const isSlabLen = (len: number): boolean => len === BULK_SLAB_LEN || len === SMALL_SLAB_LEN;
