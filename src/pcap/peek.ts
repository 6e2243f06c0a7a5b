/** The first octets of a stream, looked at without being taken. */
export interface Peeked {
  /** So many as were asked for, or all there are. */
  readonly head: Uint8Array;
  /** The stream from its beginning. */
  readonly all: AsyncGenerator<Uint8Array, void, void>;
}

/** A chunk that `source` gave is not looked at any more when the next one is asked for. */
export async function peeked(source: AsyncIterable<Uint8Array>, len: number): Promise<Peeked> {
  const chunks = source[Symbol.asyncIterator]();
  let first: Uint8Array = new Uint8Array(0);
  while (first.length < len) {
    const next = await chunks.next();
    if (next.done === true) break;
    first = first.length === 0 && next.value.length >= len ? next.value : joined(first, next.value);
  }
  // A Buffer's own slice would be no copy.
  return { head: new Uint8Array(first.subarray(0, len)), all: followed(first, chunks) };
}

async function* followed(first: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  try {
    if (first.length > 0) yield first;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

/** A copy of both, one behind the other. */
export function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
