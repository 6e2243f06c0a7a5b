/**
 * A stream of chunks read as runs of octets of a wanted length, with the offset kept for error messages. Each octet
 * is copied at most once, however the chunks are cut.
 */
export class OctetReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunks: Uint8Array[] = [];
  /** Octets in #chunks. */
  #held = 0;
  #offset = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Octets taken so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Octets that can be taken without waiting. */
  get held(): number {
    return this.#held;
  }

  /** Waits until `len` octets can be taken; false when the stream ends before. */
  async has(len: number): Promise<boolean> {
    while (this.#held < len) {
      const next = await this.#source.next();
      if (next.done === true) return false;
      if (next.value.length === 0) continue;
      this.#chunks.push(next.value);
      this.#held += next.value.length;
    }
    return true;
  }

  /** The next `len` octets, which `held` or `has` said are there: a view of the chunk they came in, where they came in one. */
  take(len: number): Uint8Array {
    const first = this.#chunks[0];
    this.#offset += len;
    this.#held -= len;
    if (first !== undefined && first.length > len) {
      this.#chunks[0] = first.subarray(len);
      return first.subarray(0, len);
    }
    if (first !== undefined && first.length === len) {
      this.#chunks.shift();
      return first;
    }
    return this.#join(len);
  }

  #join(len: number): Uint8Array {
    const octets = new Uint8Array(len);
    let at = 0;
    let whole = 0;
    while (at < len) {
      const chunk = this.#chunks[whole]!;
      const part = chunk.length > len - at ? chunk.subarray(0, len - at) : chunk;
      octets.set(part, at);
      at += part.length;
      if (part === chunk) whole++;
      else this.#chunks[whole] = chunk.subarray(part.length);
    }
    this.#chunks = this.#chunks.slice(whole);
    return octets;
  }

  /** No more will be taken: the source may close its file. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }
}
