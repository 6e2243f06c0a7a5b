import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import { Gather } from '../../../src/base/gather.ts';
import { Batch, type BatchReceiver } from '../../../src/link/batch.ts';
import { type Addon, type Handle, MOST_PARTS, Ready, SEND_FIELDS } from '../../../src/link/native.ts';

/** The addon, as far as batches need it: what is "sent" is copied out as the kernel would, what "comes" is put into slots. */
class FakeAddon {
  slots: Uint8Array[] = [];
  sent: Uint8Array[] = [];
  full = false;
  arrives: Uint8Array[] = [];
  ready: (events: number) => void = () => {};
  #lens: Int32Array = new Int32Array(0);
  #headers: Uint8Array = new Uint8Array(0);
  #stride = 0;
  #sends: Int32Array = new Int32Array(0);

  batchAttach(...a: Parameters<Addon['batchAttach']>): void {
    this.slots = [...a[1]];
    this.#lens = a[2];
    this.#headers = a[3];
    this.#stride = a[4];
    this.#sends = a[5];
    this.ready = (events) => a[6](events, 0);
  }
  batchWatch(): void {}
  batchLend(_handle: Handle, i: number, slot: Uint8Array): void {
    this.slots[i] = slot;
  }
  batchReceive(): number {
    const all = this.arrives.splice(0);
    all.forEach((octets, i) => {
      this.slots[i]!.set(octets);
      this.#lens[i] = octets.length;
    });
    return all.length;
  }
  batchSend(_handle: Handle, first: number, count: number, parts: readonly Uint8Array[]): number {
    if (this.full) return -constants.errno.EAGAIN;
    for (let i = first; i < first + count; i++) {
      const at = i * SEND_FIELDS;
      const pieces = [...this.#headers.subarray(i * this.#stride, i * this.#stride + this.#sends[at]!)];
      for (let p = 0; p < this.#sends[at + 1]!; p++) {
        const from = this.#sends[at + 3 + 2 * p]!;
        pieces.push(...parts[i * MOST_PARTS + p]!.subarray(from, from + this.#sends[at + 4 + 2 * p]!));
      }
      this.sent.push(Uint8Array.from(pieces));
    }
    return count;
  }
}

const HANDLE = {} as Handle; // the addon's own

function opened(receiver: Partial<BatchReceiver> = {}): { addon: FakeAddon; batch: Batch } {
  const addon = new FakeAddon();
  const all = { onBatch() {}, onRoom() {}, onSocketError() {}, ...receiver };
  // what of it a batch uses
  return { addon, batch: new Batch(HANDLE, 65_600, all, false, addon as unknown as Addon) };
}

const filled = (len: number, octet: number): Uint8Array => new Uint8Array(len).fill(octet);

function put(batch: Batch, payload: Uint8Array): void {
  const at = batch.begin();
  batch.headers[at] = 1;
  const gather = new Gather();
  gather.push(payload, 0, payload.length);
  batch.put(1, gather, 0);
}

describe('a batch', () => {
  test('that leaves refers to the payload where it lies', () => {
    const { addon, batch } = opened();
    const payload = filled(1000, 7);
    put(batch, payload);
    payload.fill(8);
    expect(batch.flush(() => {})).toBe(1);
    expect(addon.sent).toEqual([Uint8Array.of(1, ...filled(1000, 8))]);
  });

  test('that finds the socket full keeps a copy: the payload’s owner may overwrite it', () => {
    const { addon, batch } = opened({ onRoom: () => batch.flush(() => {}) });
    const payloads = [filled(1000, 7), filled(1000, 8)];
    addon.full = true;
    put(batch, payloads[0]!);
    expect(batch.flush(() => {})).toBe(0);
    put(batch, payloads[1]!);
    batch.flush(() => {});
    for (const p of payloads) p.fill(0xee);
    addon.full = false;
    addon.ready(Ready.WRITE);
    expect(addon.sent).toEqual([Uint8Array.of(1, ...filled(1000, 7)), Uint8Array.of(1, ...filled(1000, 8))]);
  });

  test('slots that are given away are not written to again, the others are', () => {
    const seen: Uint8Array[] = [];
    const { addon, batch } = opened({
      onBatch(count) {
        for (let i = 0; i < count; i++) seen.push(batch.slots[i]!.subarray(0, batch.lens[i]));
        if (seen.length === 2) batch.giveAway(0);
      },
    });
    addon.arrives = [filled(50_000, 1), filled(50_000, 2)];
    addon.ready(Ready.READ);
    addon.arrives = [filled(50_000, 3), filled(50_000, 4)];
    addon.ready(Ready.READ);
    expect(seen.map((octets) => octets[49_999])).toEqual([1, 4, 3, 4]);
  });
});
