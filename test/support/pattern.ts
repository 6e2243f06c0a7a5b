/**
 * The octets that test transfers carry: no two windows of a transfer look alike for its first 16 MiB, so a piece that is
 * lost, repeated or out of place changes the digest. The same rule is in kernel-peer.mjs.
 */
import { createHash } from 'node:crypto';

/** The octet at offset `i` of a transfer. */
export const patternOctet = (i: number): number => (i ^ (i >>> 8) ^ (i >>> 16)) & 0xff;

/** `len` octets from offset `at`. */
export function pattern(len: number, at = 0): Uint8Array {
  const octets = new Uint8Array(len);
  for (let i = 0; i < len; i++) octets[i] = patternOctet(at + i);
  return octets;
}

/** SHA-256, hexadecimal. */
export const sha256 = (octets: Uint8Array): string => createHash('sha256').update(octets).digest('hex');

/** SHA-256 of the first `len` octets, hexadecimal; without holding them all. */
export function patternDigest(len: number): string {
  const hash = createHash('sha256');
  for (let at = 0; at < len; at += 1 << 20) hash.update(pattern(Math.min(1 << 20, len - at), at));
  return hash.digest('hex');
}
