/**
 * Octets by which a receiver can tell that nothing was lost, repeated or moved: octet i is i ^ i>>8 ^ i>>16, of which the
 * lowest eight bits count. It begins anew after 16 MiB.
 */
const BLOCK = 65_536;
/** Block k is block 0 with every octet xored with k: made when first wanted, 16 MiB when all are. */
const blocks: Uint8Array[] = [];

/** Octets [at, at + len), `len` at most to the end of their block of 64 KiB. Shared: not to be written to. */
export function patternPiece(at: number, len: number): Uint8Array {
  const start = at % BLOCK;
  return block(Math.floor(at / BLOCK) & 0xff).subarray(start, Math.min(start + len, BLOCK));
}

function block(k: number): Uint8Array {
  let octets = blocks[k];
  if (octets === undefined) {
    octets = new Uint8Array(BLOCK);
    for (let i = 0; i < BLOCK; i++) octets[i] = i ^ (i >>> 8) ^ k;
    blocks[k] = octets;
  }
  return octets;
}
