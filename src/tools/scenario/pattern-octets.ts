/** What both sides of a scenario write: the pattern by which a receiver can tell that every octet is in its place. */
import { patternPiece } from '../pattern.ts';

/** Octets [at, at + len) of the pattern. */
export function patternOctets(at: number, len: number): Uint8Array {
  const octets = new Uint8Array(len);
  for (let done = 0; done < len; ) {
    const piece = patternPiece(at + done, len - done);
    octets.set(piece, done);
    done += piece.length;
  }
  return octets;
}
