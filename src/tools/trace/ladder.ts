/** A captured connection as a ladder's model, for ladder-text.ts: both ends' states are inferred, so both carry a mark. */
import type { Ladder, LadderRow } from '../ladder.ts';
import type { Note, TracedConnection } from './connection.ts';
import { Kind, TROUBLE } from './kinds.ts';
import { addressText, type SeenSegment } from './seen-segment.ts';
import { noteText, relativeSegment } from './text.ts';

/** Rows kept, at most: a ladder is for looking at. */
export const MAX_ROWS = 100_000;

export class LadderCollector {
  readonly #rows: LadderRow[] = [];
  #connection: TracedConnection | undefined;
  /** Where each end was before it was first seen to move. */
  readonly #starts: [string | undefined, string | undefined] = [undefined, undefined];
  #leftOut = 0;

  /** Segments that came after the last that was kept. */
  get leftOut(): number {
    return this.#leftOut;
  }

  /** `t`: microseconds since the capture began. */
  segment(c: TracedConnection, seg: SeenSegment, note: Note, t: number): void {
    this.#connection ??= c;
    for (const move of note.transitions) this.#starts[move.side] ??= move.from;
    if (this.#rows.length >= MAX_ROWS) {
      this.#leftOut++;
      return;
    }
    const entered = (side: 0 | 1): string | undefined => note.transitions.findLast((move) => move.side === side)?.to;
    const said = noteText({ kinds: note.kinds & ~Kind.RTT_SAMPLE, rtt: 0 });
    this.#rows.push({
      t,
      ours: entered(0),
      peer: entered(1),
      segment: {
        dir: note.side === 0 ? 'out' : 'in',
        seg: relativeSegment(c, seg, note.side),
        note: said === '' ? undefined : said,
      },
      remark: undefined,
      keep: (note.kinds & TROUBLE) !== 0,
    });
  }

  /** Undefined when there was no segment. */
  finish(): Ladder | undefined {
    const c = this.#connection;
    if (c === undefined) return undefined;
    return {
      open: {
        local: addressText(c.addresses[0], c.isIpv6),
        localPort: c.ports[0],
        remote: addressText(c.addresses[1], c.isIpv6),
        remotePort: c.ports[1],
      },
      names: ['client', 'server'],
      ourStart: this.#starts[0] ?? c.states.of(0) ?? '?',
      peerStart: this.#starts[1] ?? c.states.of(1),
      rows: this.#rows,
    };
  }
}
