import { expect, test } from 'vitest';
import type { ChecksumState } from '../../../src/link/link.ts';
import { completeChecksum } from '../../../src/link/taps/left-checksum.ts';
import { checksumOf, tcpPacket } from './packets.ts';

/** A segment's octets, somewhere in a larger buffer. */
function octets(o: { partial?: boolean; spoil?: boolean }): { bytes: Uint8Array; at: number; end: number } {
  const packet = tcpPacket({ payload: [1, 2, 3], ...(o.partial && { partial: true }) });
  const bytes = new Uint8Array(200).fill(0x55);
  bytes.set(packet.header.subarray(0, packet.headerLen), 7);
  const end = packet.payload.copyTo(bytes, 7 + packet.headerLen);
  if (o.spoil) bytes[7 + 36]! ^= 4;
  return { bytes, at: 7, end };
}

function completed(o: Parameters<typeof octets>[0], known: ChecksumState): [string, boolean] {
  const { bytes, at, end } = octets(o);
  const did = completeChecksum(bytes, at, end, known);
  return [checksumOf(bytes.subarray(at, end)), did];
}

test('a checksum said to be partial, or looking like it, is completed', () => {
  expect(completed({ partial: true }, 'partial')).toEqual(['good', true]);
  expect(completed({ partial: true }, 'unverified')).toEqual(['good', true]);
});

test('a complete one is left alone', () => {
  for (const known of ['partial', 'unverified', 'verified'] as const)
    expect(completed({}, known)).toEqual(['good', false]);
});

test('a wrong one is no partial one, and stays wrong unless the driver has vouched for the octets', () => {
  expect(completed({ spoil: true }, 'unverified')).toEqual(['bad', false]);
  expect(completed({ spoil: true }, 'verified')).toEqual(['good', true]);
});

test('a fragment, a cut packet and what is not IPv4 are left alone', () => {
  // [offset in the packet, what is written there]: more fragments, version 6, a total length below the headers, GRE.
  const spoils = [
    [6, 0x20],
    [0, 0x65],
    [3, 30],
    [9, 47],
  ] as const;
  for (const [offset, octet] of spoils) {
    const { bytes, at, end } = octets({ partial: true });
    bytes[at + offset] = octet;
    const before = bytes.slice();
    expect(completeChecksum(bytes, at, end, 'partial')).toBe(false);
    expect(bytes).toEqual(before);
  }
});
