/**
 * Randomness as a value: whoever needs it is given it. What must not be guessed (ISS, ports) gets a source from the
 * operating system; what must be repeatable (faults, tests, simulations) gets a seeded one.
 */
export interface Random {
  /** Uniform over 0 … 2^32 − 1. */
  uint32(): number;
}

/**
 * The same numbers for the same seed, for ever: logs and bug reports quote seeds. Not for secrets.
 * Chris Doty-Humphrey's sfc32 (PractRand): 128 bits of state with a counter in it, so no seed has a short cycle.
 * `seed` is taken as uint32.
 */
export function seededRandom(seed: number): Random {
  let a = spread(seed);
  let b = spread(seed + 1);
  let c = spread(seed + 2);
  let counter = 1;
  const uint32 = (): number => {
    const out = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + out) | 0;
    return out >>> 0;
  };
  // Seeds that differ in one bit need some rounds to go separate ways.
  for (let i = 0; i < 15; i++) uint32();
  return { uint32 };
}

/** True with probability `p`, 0 … 1. Draws nothing at 0 and 1, so a fault that is off leaves the others' sequence alone. */
export function chance(random: Random, p: number): boolean {
  if (p <= 0) return false;
  return p >= 1 || random.uint32() < p * 0x1_0000_0000;
}

/** Uniform over 0 … n − 1, n ≤ 2^32. The bias is below n / 2^32. */
export const intBelow = (random: Random, n: number): number => Math.floor((random.uint32() * n) / 0x1_0000_0000);

/** MurmurHash3's finalizer over a Weyl step: neighbouring seeds give unrelated words. */
function spread(n: number): number {
  let x = Math.imul((n | 0) + 1, 0x9e37_79b9);
  x = Math.imul(x ^ (x >>> 16), 0x85eb_ca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2_ae35);
  return x ^ (x >>> 16);
}
