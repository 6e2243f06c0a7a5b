/**
 * The octets of both streams, each by its place: random, so that no octet passes for its neighbour, and known to whoever
 * knows the place. The peer's go by sequence number, so that segments that overlap agree; ours by place in the stream.
 */
import { seededRandom } from '../../src/base/random.ts';

const PERIOD = 65_536;

/** Twice the period: any run of up to 65536 octets is in one piece. */
function table(seed: number): Uint8Array {
  const random = seededRandom(seed);
  const octets = new Uint8Array(2 * PERIOD);
  for (let i = 0; i < PERIOD; i++) octets[i] = random.uint32() >>> 24;
  octets.copyWithin(PERIOD, 0, PERIOD);
  return octets;
}

const OURS = table(1);
const PEERS = table(2);

export const MOST = PERIOD;

/** `len` octets of ours, at most MOST, from `place`; not to be written to. */
export function ours(place: number, len: number): Uint8Array {
  const at = place & (PERIOD - 1);
  return OURS.subarray(at, at + len);
}

/** The peer's at sequence number `seq` as on the wire. */
export function peers(seq: number, len: number): Uint8Array {
  const at = seq & (PERIOD - 1);
  return PEERS.subarray(at, at + len);
}

/** Index of the first octet of `octets[from, from + len)` that is not ours at `place`; -1 when all are. */
export const differsFromOurs = (octets: Uint8Array, from: number, len: number, place: number): number =>
  differs(OURS, octets, from, len, place);

export const differsFromPeers = (octets: Uint8Array, from: number, len: number, seq: number): number =>
  differs(PEERS, octets, from, len, seq);

function differs(of: Uint8Array, octets: Uint8Array, from: number, len: number, place: number): number {
  for (let i = 0; i < len; i++) if (octets[from + i] !== of[(place + i) & (PERIOD - 1)]) return i;
  return -1;
}
