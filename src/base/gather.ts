/**
 * A run of octets that lies in several places: what one segment carries when it spans the writer's buffers.
 * Reused, never reallocated: `clear` and `push` cost nothing per packet.
 */
export class Gather {
  readonly bufs: Uint8Array[] = [];
  readonly ats: number[] = [];
  readonly lens: number[] = [];
  count = 0;
  /** Octets in all parts. */
  len = 0;

  clear(): void {
    for (let i = 0; i < this.count; i++) this.bufs[i] = NOTHING;
    this.count = 0;
    this.len = 0;
  }

  push(buf: Uint8Array, at: number, len: number): void {
    const i = this.count++;
    this.bufs[i] = buf;
    this.ats[i] = at;
    this.lens[i] = len;
    this.len += len;
  }

  /** Copies everything to `to` at `at`; returns the end. */
  copyTo(to: Uint8Array, at: number): number {
    let end = at;
    for (let i = 0; i < this.count; i++) {
      const from = this.ats[i]!;
      const len = this.lens[i]!;
      const buf = this.bufs[i]!;
      if (len < LONG) for (let k = 0; k < len; k++) to[end + k] = buf[from + k]!;
      else to.set(buf.subarray(from, from + len), end);
      end += len;
    }
    return end;
  }
}

/** Octets from which on a view and one call are cheaper than a loop. */
const LONG = 64;

const NOTHING = new Uint8Array(0);
