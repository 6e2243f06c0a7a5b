/** Big-endian integers in octets, at any alignment. The caller has checked that they fit. */

export function readU16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

export function readI32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

export function writeU16(to: Uint8Array, at: number, n: number): void {
  to[at] = n >>> 8;
  to[at + 1] = n;
}

/** Signed or not: the low 32 bits of `n`. */
export function writeI32(to: Uint8Array, at: number, n: number): void {
  to[at] = n >>> 24;
  to[at + 1] = n >>> 16;
  to[at + 2] = n >>> 8;
  to[at + 3] = n;
}
