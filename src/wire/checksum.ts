/**
 * The Internet checksum, RFC 1071, and its incremental form, RFC 1624.
 *
 * A sum here is a running one's complement sum of 16-bit big-endian words, already folded: 0 to 0xffff. It starts at 0
 * or at `pseudoHeaderSum`, is carried through `sumOctets` and `sumGather`, and ends in `foldChecksum`. Octets that are
 * good, checksum field included, end in 0.
 */
import type { Gather } from '../base/gather.ts';
import type { Ipv4 } from './ipv4.ts';

/** From so many octets on it pays to read 32-bit words. */
const LONG_LEN = 128;
/** Octets added as 32-bit words before folding: their sum stays below 2^53, exact in a double. */
const CHUNK_LEN = 0x100000;

/** Folds carries into 16 bits, end around. For sums below 2^32. */
export function foldSum(sum: number): number {
  const once = (sum >>> 16) + (sum & 0xffff);
  return ((once >>> 16) + once) & 0xffff;
}

/** The checksum field that goes with `sum`: folded and complemented, 16 bits. 0 when the octets summed held a good one. */
export function foldChecksum(sum: number): number {
  return ~foldSum(sum) & 0xffff;
}

/**
 * `sum` with the `len` octets at `at` of `buf` added, the first of them as the high half of a word. An odd octet at the
 * end counts as if a zero followed, so only the last part of a sum may be odd: chain parts through `sumGather`.
 */
export function sumOctets(sum: number, buf: Uint8Array, at: number, len: number): number {
  let total = sum;
  let i = at;
  const end = at + len;
  while (end - i >= LONG_LEN) {
    const stop = Math.min(i + CHUNK_LEN, end - ((end - i) & 15));
    total = sumWords(total, buf, i, stop);
    i = stop;
  }
  // High and low octets are added apart, and shifted once at the end.
  let high = 0;
  let low = 0;
  for (const unrolled = end - 3; i < unrolled; i += 4) {
    high += buf[i]! + buf[i + 2]!;
    low += buf[i + 1]! + buf[i + 3]!;
  }
  for (; i + 1 < end; i += 2) {
    high += buf[i]!;
    low += buf[i + 1]!;
  }
  if (i < end) high += buf[i]!;
  return foldSum(total + (high << 8) + low);
}

/** The octets of the last long sum as words. One is kept, so that segments cut from one buffer allocate nothing. */
let words: DataView = new DataView(new ArrayBuffer(0));

/** `sum` with `[at, end)` of `buf` added, a multiple of 16 octets and at most CHUNK_LEN. 2^32 is 1 modulo 2^16 - 1. */
function sumWords(sum: number, buf: Uint8Array, at: number, end: number): number {
  if (words.buffer !== buf.buffer) words = new DataView(buf.buffer);
  let a = 0;
  let b = 0;
  const last = buf.byteOffset + end;
  for (let i = buf.byteOffset + at; i < last; i += 16) {
    a += words.getUint32(i) + words.getUint32(i + 4);
    b += words.getUint32(i + 8) + words.getUint32(i + 12);
  }
  const high = Math.floor((a + b) / 2 ** 32);
  return foldSum(sum + foldSum(high) + foldSum(a + b - high * 2 ** 32));
}

/** `sum` with every part of `gather` added; a part that starts at an odd octet of the whole is swapped (RFC 1071 §2.B). */
export function sumGather(sum: number, gather: Gather): number {
  let total = sum;
  let odd = false;
  for (let i = 0; i < gather.count; i++) {
    const len = gather.lens[i]!;
    if (odd) {
      const part = sumOctets(0, gather.bufs[i]!, gather.ats[i]!, len);
      total = foldSum(total + (((part & 0xff) << 8) | (part >>> 8)));
    } else {
      total = sumOctets(total, gather.bufs[i]!, gather.ats[i]!, len);
    }
    if (len & 1) odd = !odd;
  }
  return total;
}

/**
 * The sum of the pseudo-header of RFC 9293 §3.1. `transportLen`: octets of transport header and payload. Also what a
 * sender leaves, not complemented, in the field of a checksum that hardware is to complete.
 */
export function pseudoHeaderSum(src: Ipv4, dst: Ipv4, protocol: number, transportLen: number): number {
  const addresses = (src >>> 16) + (src & 0xffff) + (dst >>> 16) + (dst & 0xffff);
  return foldSum(addresses + protocol + (transportLen >>> 16) + (transportLen & 0xffff));
}

/** The checksum field after one aligned 16-bit word it covers went from `before` to `after` (RFC 1624 §3, equation 3). */
export function updateChecksum(checksum: number, before: number, after: number): number {
  return foldChecksum((~checksum & 0xffff) + (~before & 0xffff) + after);
}
