/**
 * Receive slots that a reader is through with: the next frame may land in one, where a new one would have to be allocated,
 * filled with pages by the kernel, and collected as garbage, at the cost of the copy itself.
 *
 * What `receive` gives may be given back, since nobody else refers to a slot that changed owner: a part of one is only
 * handed on when it is at least half of it, and headers take the rest (tcp/process-text.ts, tcp/reassembly.ts).
 */
import { isSlabLen } from '../base/slab.ts';
import { loadAddon } from './native.ts';

/** Slots of one size that wait for use; 64 KiB each. */
const MOST_SPARE = 128;
/** A new one of fewer octets costs no more than to keep this one. */
const LEAST_LEN = 16_384;

/**
 * So many new ones, and this process receives in bulk. V8 frees what its reader is through with by the thirty megabytes; what of
 * it lies at the end of the heap goes back to the kernel, and comes back cleared, page after page, for the next slots.
 */
const BULK = 512;
const KEPT_OCTETS = 64 << 20;

/** By size; of a size that no link has, there are none. */
const spare = new Map<number, ArrayBuffer[]>();
let made = 0;

/** Of `len` octets, with anything in them. Not a Buffer: its `slice` copies, as everyone above expects. */
export function takeSlot(len: number): Uint8Array {
  const slots = spare.get(len);
  // What is in a slab has others beside it.
  if (slots === undefined && len >= LEAST_LEN && !isSlabLen(len)) spare.set(len, []);
  return new Uint8Array(slots?.pop() ?? newSlot(len));
}

function newSlot(len: number): ArrayBuffer {
  if (++made === BULK) loadAddon().keepFreed(KEPT_OCTETS);
  // Of its own, and not of shared memory
  return Buffer.allocUnsafeSlow(len).buffer as ArrayBuffer;
}

/** `octets` came from `Endpoint.receive`, and nobody reads or keeps them any more. */
export function giveSlotBack(octets: Uint8Array): void {
  const { buffer } = octets;
  const slots = spare.get(buffer.byteLength);
  if (slots === undefined || slots.length >= MOST_SPARE || 2 * octets.length < buffer.byteLength) return;
  // A view's buffer may be shared memory in general; a slot never is.
  slots.push(buffer as ArrayBuffer);
}
