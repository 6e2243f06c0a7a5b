import { expect, test, vi } from 'vitest';
import { copyOf } from '../../../src/base/slab.ts';
import { loadAddon } from '../../../src/link/native.ts';
import { giveSlotBack, takeSlot } from '../../../src/link/spare-slots.ts';

test('a slot that is given back is the next one of its size', () => {
  const slot = takeSlot(65_000);
  giveSlotBack(slot.subarray(70, 64_000));
  expect(takeSlot(65_001).buffer).not.toBe(slot.buffer);
  expect(takeSlot(65_000).buffer).toBe(slot.buffer);
  expect(takeSlot(65_000).buffer).not.toBe(slot.buffer);
});

test('what may be only a part of a slot, or is none, is not taken for one', () => {
  const slot = takeSlot(65_000);
  giveSlotBack(slot.subarray(0, 32_499));
  expect(takeSlot(65_000).buffer).not.toBe(slot.buffer);
  const other = new Uint8Array(50_000);
  giveSlotBack(other);
  expect(takeSlot(50_000).buffer).not.toBe(other.buffer);
});

test('what may be a part of a slab is never taken for a slot', () => {
  const slot = takeSlot(32_768);
  const from = copyOf(new Uint8Array(2000), 0, 2000);
  expect(from.buffer.byteLength).toBe(slot.length);
  giveSlotBack(slot);
  giveSlotBack(new Uint8Array(from.buffer));
  for (let i = 0; i < 2; i++) expect([slot.buffer, from.buffer]).not.toContain(takeSlot(32_768).buffer);
});

test('a process that receives in bulk keeps what it frees: told so once, at its 512th new slot', async () => {
  const keepFreed = vi.spyOn(loadAddon(), 'keepFreed');
  vi.resetModules();
  const fresh = await import('../../../src/link/spare-slots.ts');
  for (let i = 0; i < 511; i++) fresh.takeSlot(16_500);
  expect(keepFreed).not.toHaveBeenCalled();
  for (let i = 0; i < 1000; i++) fresh.takeSlot(16_500);
  expect(keepFreed.mock.calls).toEqual([[64 << 20]]);
});
