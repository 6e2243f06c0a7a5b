/**
 * Initial sequence numbers and timestamp offsets, RFC 6528 and RFC 7323 §7.1: ISN = M + F(addresses, ports, secret),
 * where M steps every 4 µs and F is a keyed hash. A later incarnation of a connection begins ahead of the earlier one,
 * and nobody without the secret can tell where. What names a connection comes as words: no IP version is known here.
 */
import type { SipHash } from '../base/siphash.ts';
import type { Micros } from '../base/time.ts';

/** `ports` holds both, source in the high half. Returns int32. */
export function initialSequence(prf: SipHash, local: number, remote: number, ports: number, now: Micros): number {
  // now / 4 is below 2^51 for as long as clocks run; | 0 takes it modulo 2^32.
  return (Math.floor(now / 4) + prf.hash(local, remote, ports, 0)) | 0;
}

/** Where the timestamps of this connection begin; the same for each incarnation, so that PAWS holds across them. */
export function timestampOffset(prf: SipHash, local: number, remote: number, ports: number): number {
  return prf.hash(local, remote, ports, 1);
}
