/**
 * A connection as a ladder: our states on the left, segments as rungs, the peer's states on the right. This is the
 * model, row by row; how it is drawn is ladder-text.ts's.
 *
 * Our states are the log's. The peer's are inferred from the segments (infer-states.ts). What takes sequence space
 * reached it when it has acknowledged that, and not before: a FIN that crosses ours was sent in ignorance of ours. What
 * takes none is taken to have arrived, after what was sent before it.
 */
import type { SegmentRecord } from '../tcp/trace.ts';
import { carrierOf, carries, type SegmentTrace, type StateRecord } from './carrier.ts';
import { type SeenSegment, StateFollower } from './infer-states.ts';
import type { LogRecord, OpenRecord } from './log-record.ts';
import { SegmentBases } from './segment-bases.ts';

export interface LadderSegment {
  readonly dir: 'in' | 'out';
  /** Numbers counted from each side's beginning. */
  readonly seg: SegmentRecord;
  /** Of the log a SendNote; of a capture what it was found to be. */
  readonly note: string | undefined;
}

export interface LadderRow {
  /** Microseconds since the log began. */
  readonly t: number;
  /** The state we entered with this row; undefined where it stays as it was. */
  readonly ours: string | undefined;
  /** The state the peer entered, inferred. */
  readonly peer: string | undefined;
  readonly segment: LadderSegment | undefined;
  /** What moved us, when it is not to be seen from the segment: a timer, a call, ICMP. */
  readonly remark: string | undefined;
  /** Shown even in a long run of rows without a transition. */
  readonly keep?: boolean;
}

export interface Ladder {
  readonly open: Pick<OpenRecord, 'local' | 'localPort' | 'remote' | 'remotePort'>;
  /** What the ends are called, left and right, where both are seen from outside; else 'us' and 'peer'. */
  readonly names?: readonly [string, string];
  /** Where both began; the peer's is undefined when it never said anything. */
  readonly ourStart: string;
  readonly peerStart: string | undefined;
  readonly rows: readonly LadderRow[];
}

/** The ladder of connection `conn`; undefined when the records hold no such connection. */
export function buildLadder(records: readonly LogRecord[], conn = 1): Ladder | undefined {
  const open = records.find((r): r is OpenRecord => r.type === 'open' && r.conn === conn);
  if (open === undefined) return undefined;
  const mine = records.filter((r) => 'conn' in r && r.conn === conn);
  const segments = mine.filter((r): r is SegmentTrace => r.type === 'segment');
  const builder = new LadderBuilder(segments);
  for (const record of mine) builder.add(record);
  const first = mine.find((r): r is StateRecord => r.type === 'state');
  return { open, ourStart: first?.from ?? 'CLOSED', peerStart: builder.peerStart, rows: builder.finish() };
}

interface Draft {
  t: number;
  ours: string | undefined;
  peer: string | undefined;
  segment: LadderSegment | undefined;
  remark: string | undefined;
}

class LadderBuilder {
  readonly peerStart: 'CLOSED' | 'LISTEN' | undefined;
  readonly #rows: Draft[] = [];
  readonly #bases = new SegmentBases();
  readonly #peer: StateFollower | undefined;
  /** Sent, and not shown to have arrived. */
  #underway: { readonly seen: SeenSegment; readonly row: Draft; readonly end: number | undefined }[] = [];
  /** Index of the last row in which the peer entered a state. */
  #lastPeerRow = -1;
  /** Outgoing segments that were sent again. */
  readonly #lost: ReadonlySet<SegmentTrace>;
  /** A transition whose segment may come next. */
  #called: StateRecord | undefined;

  constructor(segments: readonly SegmentTrace[]) {
    this.peerStart = peerStart(segments);
    this.#peer = this.peerStart === undefined ? undefined : new StateFollower(this.peerStart);
    this.#lost = sentAgain(segments);
  }

  add(record: LogRecord): void {
    if (record.type === 'segment') this.#segment(record);
    else if (record.type === 'state') this.#state(record);
    else if (record.type === 'timer' && record.timer !== 'delayedAck')
      this.#row(record.t, { remark: `${record.timer} timer` });
    else if (record.type === 'icmp') this.#row(record.t, { remark: `ICMP ${record.error}` });
  }

  finish(): readonly LadderRow[] {
    this.#settle();
    // Of what was never acknowledged nothing is claimed; a RST or an ACK after it may well have arrived.
    this.#underway = this.#underway.filter((u) => u.end === undefined);
    this.#deliverFree();
    return this.#rows;
  }

  #segment(record: SegmentTrace): void {
    const called = this.#called;
    const together = called !== undefined && carries(record, carrierOf(called));
    if (together) this.#called = undefined;
    else this.#settle();
    this.#bases.learn(record.dir, record.seg);
    const seen = seenSegment(record.seg);
    const state = record.dir === 'in' ? this.#fromPeer(seen) : undefined;
    const row = this.#row(record.t, {
      ours: together ? called.to : undefined,
      segment: { dir: record.dir, seg: this.#bases.relative(record.dir, record.seg), note: record.note },
    });
    if (state !== undefined) this.#peerEntered(row, state);
    if (record.dir === 'out' && !this.#lost.has(record)) {
      this.#underway.push({ seen, row, end: endOf(seen) });
    }
    this.#deliverFree();
  }

  /** The peer sent `seen`: what it acknowledges had reached it before. Returns the state it is shown to have entered. */
  #fromPeer(seen: SeenSegment): string | undefined {
    const peer = this.#peer;
    if (peer === undefined) return undefined;
    let entered: string | undefined;
    const reached = this.#underway.findLastIndex(
      (u) => u.end !== undefined && seen.ack !== undefined && after(seen.ack, u.end),
    );
    for (const { seen: ours, row } of this.#underway.splice(0, reached + 1)) {
      const state = peer.received(ours).at(-1);
      if (state === undefined) continue;
      // Shown where it was sent, unless the peer has been seen to move since.
      if (this.#rows.indexOf(row) > this.#lastPeerRow) this.#peerEntered(row, state);
      else entered = state;
    }
    return peer.sent(seen).at(-1) ?? entered;
  }

  /** What takes no sequence space and has nothing unacknowledged before it arrives at once. */
  #deliverFree(): void {
    while (this.#underway[0] !== undefined && this.#underway[0].end === undefined) {
      const { seen, row } = this.#underway.shift()!;
      const state = this.#peer?.received(seen).at(-1);
      if (state === undefined) continue;
      if (this.#rows.indexOf(row) > this.#lastPeerRow) this.#peerEntered(row, state);
      else this.#peerEntered(this.#row(this.#rows.at(-1)?.t ?? row.t, { remark: 'our ACK has arrived' }), state);
    }
  }

  #peerEntered(row: Draft, state: string): void {
    row.peer = state;
    this.#lastPeerRow = Math.max(this.#lastPeerRow, this.#rows.indexOf(row));
  }

  #state(record: StateRecord): void {
    this.#settle();
    const last = this.#rows.at(-1);
    if (record.cause === 'segment' && last?.segment?.dir === 'in' && last.ours === undefined) last.ours = record.to;
    else if (record.cause === 'timer' && last !== undefined && last.segment === undefined && last.ours === undefined) {
      // Its timer has a row already; which row of the table that took says more.
      last.ours = record.to;
      last.remark = record.event;
    } else if (carrierOf(record) !== '') this.#called = record;
    else this.#row(record.t, { ours: record.to, remark: record.event });
  }

  #settle(): void {
    const called = this.#called;
    this.#called = undefined;
    if (called !== undefined) this.#row(called.t, { ours: called.to, remark: called.event });
  }

  #row(t: number, row: Partial<Draft>): Draft {
    const draft = { t, ours: undefined, peer: undefined, segment: undefined, remark: undefined, ...row };
    this.#rows.push(draft);
    return draft;
  }
}

/** What the peer's first segment says of its state before; undefined when it sent none. */
function peerStart(segments: readonly SegmentTrace[]): 'CLOSED' | 'LISTEN' | undefined {
  const first = segments.find((s) => s.dir === 'in');
  if (first === undefined) return undefined;
  return first.seg.flags.includes('S') && first.seg.flags.includes('.') ? 'LISTEN' : 'CLOSED';
}

/** Outgoing segments that take sequence space and begin where a later retransmission begins. */
function sentAgain(segments: readonly SegmentTrace[]): ReadonlySet<SegmentTrace> {
  const again = new Set<number>();
  const lost = new Set<SegmentTrace>();
  for (let i = segments.length - 1; i >= 0; i--) {
    const segment = segments[i]!;
    if (segment.dir === 'in' || (segment.seg.len === 0 && !/[SF]/.test(segment.seg.flags))) continue;
    if (again.has(segment.seg.seq)) lost.add(segment);
    if (segment.note === 'retransmission' || segment.note === 'fast retransmit' || segment.note === 'tail loss probe')
      again.add(segment.seg.seq);
  }
  return lost;
}

const after = (a: number, b: number): boolean => ((a - b) | 0) >= 0;

/** The sequence number after a segment that takes sequence space; undefined for one that takes none. */
function endOf(seen: SeenSegment): number | undefined {
  const len = seen.len + (seen.flags.includes('S') ? 1 : 0) + (seen.flags.includes('F') ? 1 : 0);
  return len === 0 || seen.flags.includes('R') ? undefined : (seen.seq + len) >>> 0;
}

const seenSegment = (seg: SegmentRecord): SeenSegment => ({
  flags: seg.flags,
  seq: seg.seq,
  len: seg.len,
  ...(seg.flags.includes('.') && { ack: seg.ack }),
});
