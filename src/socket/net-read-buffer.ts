/** The option `onread` of `net`: what arrives is copied to a buffer of the user's, who is called instead of 'data'. */
export interface OnRead {
  readonly buffer: Uint8Array | (() => Uint8Array);
  /** False: no more for now, until `resume`. */
  callback(octets: number, buffer: Uint8Array): boolean;
}

/** Undefined when `value` is none that `net` would take for one. */
export function onReadOf(value: unknown): OnRead | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { buffer, callback } = value as Partial<OnRead>;
  const isBuffer = buffer instanceof Uint8Array || typeof buffer === 'function';
  return isBuffer && typeof callback === 'function' ? { buffer, callback } : undefined;
}

export class ReadBuffer {
  readonly #next: (() => Uint8Array) | undefined;
  readonly #callback: OnRead['callback'];
  #buffer: Uint8Array;
  /** What did not fit before the user said stop. */
  #rest: Uint8Array | undefined;

  constructor({ buffer, callback }: OnRead) {
    this.#next = typeof buffer === 'function' ? buffer : undefined;
    this.#buffer = typeof buffer === 'function' ? buffer() : buffer;
    this.#callback = callback;
  }

  /** False: the user wants no more for now. */
  give(octets: Uint8Array): boolean {
    const buffer = this.#buffer;
    for (let at = 0; at < octets.length; ) {
      const into = this.#next === undefined ? buffer : this.#buffer;
      const len = Math.min(into.length, octets.length - at);
      into.set(octets.subarray(at, at + len));
      at += len;
      const goesOn = this.#callback(len, into) !== false;
      if (this.#next !== undefined) this.#buffer = this.#next();
      if (goesOn) continue;
      this.#rest = at < octets.length ? octets.subarray(at) : undefined;
      return false;
    }
    this.#rest = undefined;
    return true;
  }

  /** What was left; false: the user wants no more for now. */
  goOn(): boolean {
    return this.#rest === undefined || this.give(this.#rest);
  }
}
