/**
 * A socket of the addon's that is emptied and filled in batches. In: slots that the kernel writes to, and that whoever
 * wants what is in them takes away. Out: messages of a header, written in place, and payload that stays where it is
 * until the batch leaves.
 */
import { getSystemErrorName } from 'node:util';
import type { Gather } from '../base/gather.ts';
import { type Addon, type Handle, loadAddon, MOST_PARTS, Ready, SEND_FIELDS } from './native.ts';
import { takeSlot } from './spare-slots.ts';

/** Messages in a batch on the way out. */
export const BATCH = 64;
/**
 * Slots of a batch on the way in. Twice as many save no system call worth the name, and what has come in segments of 64 KiB
 * would no longer be in the processor's cache when its reader takes it.
 */
export const RECEIVE_BATCH = 32;
/** Octets of a message that are copied rather than referenced: its headers, and a payload not worth a reference. */
const STRIDE = 512;
const SMALL_PAYLOAD = 256;

export interface BatchReceiver {
  /** `count` slots are filled; those not given away are the kernel's again when it returns. */
  onBatch(count: number): void;
  /** There is room again after `put` or `flush` left something behind. */
  onRoom(): void;
  /** Errno name, of the socket itself. */
  onSocketError(code: string): void;
}

/** The addon holds a callback, which holds the batch: an open one is not collected as garbage. */
export class Batch {
  readonly slots: Uint8Array[];
  /** Octets in each filled slot; more than it has when it was cut. */
  readonly lens = new Int32Array(BATCH);
  /** Microseconds since what is in a filled slot came, where the socket stamps it. */
  readonly waits: Int32Array | undefined;
  /** Headers are written here, from `begin()` on. */
  readonly headers = new Uint8Array(STRIDE * BATCH);
  readonly #addon: Addon;
  readonly #slotLen: number;
  readonly #handle: Handle;
  readonly #sends = new Int32Array(SEND_FIELDS * BATCH);
  readonly #parts: Uint8Array[] = new Array<Uint8Array>(MOST_PARTS * BATCH).fill(NOTHING);
  readonly #receiver: BatchReceiver;
  /** Slots that were given away: others take their place before the kernel is asked for more. */
  readonly #given = new Int32Array(BATCH);
  #givenCount = 0;
  /** Messages `[#first, #end)` are waiting to leave. */
  #first = 0;
  #end = 0;
  /** Messages before it refer to nothing that isn't ours. */
  #ownedTo = 0;
  #watched = 0;
  #blocked = false;
  #closed = false;

  /** `slotLen`: octets of what comes in, at most; 0: it only sends. `stamped`: the socket says when things came. */
  constructor(handle: Handle, slotLen: number, receiver: BatchReceiver, stamped = false, addon: Addon = loadAddon()) {
    const receives = slotLen > 0;
    this.#addon = addon;
    this.#slotLen = slotLen;
    this.#handle = handle;
    this.#receiver = receiver;
    this.slots = Array.from({ length: receives ? RECEIVE_BATCH : 1 }, () => takeSlot(receives ? slotLen : 1));
    this.waits = stamped ? new Int32Array(BATCH) : undefined;
    const onReady = (events: number, errno: number): void => this.#onReady(events, errno);
    addon.batchAttach(handle, this.slots, this.lens, this.headers, STRIDE, this.#sends, onReady, this.waits);
    this.#watch(receives ? Ready.READ : 0);
  }

  /** In `onBatch`: filled slot `i` is the caller's from now on, and the kernel writes to another. */
  giveAway(i: number): void {
    this.#given[this.#givenCount++] = i;
  }

  /** Where in `headers` the next message's header is to be written; -1 when there is no room before the batch leaves. */
  begin(): number {
    return this.#end === BATCH ? -1 : this.#end * STRIDE;
  }

  /** The message begun: `headerLen` octets are written. `destination`: an IPv4 address where the socket needs one, else 0. */
  put(headerLen: number, payload: Gather, destination: number): void {
    const i = this.#end++;
    const at = i * SEND_FIELDS;
    let len = headerLen;
    let partCount = 0;
    if (payload.len <= SMALL_PAYLOAD) {
      len = payload.copyTo(this.headers, i * STRIDE + headerLen) - i * STRIDE;
    } else if (payload.count > MOST_PARTS) {
      const whole = new Uint8Array(payload.len);
      payload.copyTo(whole, 0);
      this.#refer(i, 0, whole, 0, whole.length);
      partCount = 1;
    } else {
      for (; partCount < payload.count; partCount++)
        this.#refer(i, partCount, payload.bufs[partCount]!, payload.ats[partCount]!, payload.lens[partCount]!);
    }
    this.#sends[at] = len;
    this.#sends[at + 1] = partCount;
    this.#sends[at + 2] = destination;
  }

  #refer(message: number, part: number, octets: Uint8Array, from: number, len: number): void {
    const at = message * SEND_FIELDS + 3 + 2 * part;
    this.#parts[message * MOST_PARTS + part] = octets;
    this.#sends[at] = from;
    this.#sends[at + 1] = len;
  }

  /**
   * What waits leaves now, or, when the socket is full, once there is room. `lost` is told the errno name of each message
   * that the kernel refused; the others go on. Returns how many left. A message kept back has its payload copied: the
   * octets that were referred to are their owner's again.
   */
  flush(lost: (code: string) => void): number {
    if (this.#closed) return 0;
    if (this.#blocked) {
      this.#own();
      return 0;
    }
    let left = 0;
    while (this.#first < this.#end) {
      const sent = this.#addon.batchSend(this.#handle, this.#first, this.#end - this.#first, this.#parts);
      if (sent > 0) {
        this.#first += sent;
        left += sent;
        continue;
      }
      const code = getSystemErrorName(sent);
      if (code === 'EAGAIN') {
        this.#blocked = true;
        this.#watch(this.#watched | Ready.WRITE);
        this.#own();
        return left;
      }
      this.#first++;
      lost(code);
    }
    this.#forget();
    return left;
  }

  #own(): void {
    for (let i = Math.max(this.#first, this.#ownedTo); i < this.#end; i++) {
      const fields = i * SEND_FIELDS;
      for (let p = 0; p < this.#sends[fields + 1]!; p++) {
        const from = this.#sends[fields + 3 + 2 * p]!;
        const len = this.#sends[fields + 4 + 2 * p]!;
        const octets = new Uint8Array(len);
        octets.set(this.#parts[i * MOST_PARTS + p]!.subarray(from, from + len));
        this.#refer(i, p, octets, 0, len);
      }
    }
    this.#ownedTo = this.#end;
  }

  /** All have left: what they referred to may be collected. */
  #forget(): void {
    for (let i = 0; i < this.#end; i++) {
      const partCount = this.#sends[i * SEND_FIELDS + 1]!;
      for (let p = 0; p < partCount; p++) this.#parts[i * MOST_PARTS + p] = NOTHING;
    }
    this.#first = 0;
    this.#end = 0;
    this.#ownedTo = 0;
  }

  /** From now on it keeps no process alive. */
  toBackground(): void {
    this.#addon.batchBackground(this.#handle);
  }

  /** Receives what is there without waiting to be told. */
  poll(): void {
    this.#onReady(Ready.READ, 0);
  }

  /** What left last will have an answer, soon if the last one was. */
  awaitAnswer(): void {
    if (!this.#closed) this.#addon.batchAwait(this.#handle);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#addon.close(this.#handle);
  }

  #replaceGiven(): void {
    while (this.#givenCount > 0) {
      const i = this.#given[--this.#givenCount]!;
      const slot = takeSlot(this.#slotLen);
      this.slots[i] = slot;
      this.#addon.batchLend(this.#handle, i, slot);
    }
  }

  #watch(events: number): void {
    this.#watched = events;
    this.#addon.batchWatch(this.#handle, events);
  }

  #onReady(events: number, errno: number): void {
    if (errno !== 0) this.#receiver.onSocketError(getSystemErrorName(-errno));
    if (events & Ready.WRITE && !this.#closed) {
      this.#blocked = false;
      this.#watch(this.#watched & ~Ready.WRITE);
      this.#receiver.onRoom();
    }
    if (events & Ready.READ && !this.#closed) {
      // One batch a wake-up: timers and everything else in this process have their turn in a flood, too.
      this.#replaceGiven();
      const count = this.#addon.batchReceive(this.#handle);
      if (count > 0) this.#receiver.onBatch(count);
      else if (count < 0) this.#receiver.onSocketError(getSystemErrorName(count));
    }
  }
}

const NOTHING = new Uint8Array(0);
