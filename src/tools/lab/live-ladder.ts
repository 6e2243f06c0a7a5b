/**
 * The ladder of a lab while it grows. Segments are the path's: each once, where it passes the middle, lost ones too. The left
 * end's states are tcpx's own, from its trace, put to the segment that caused them or carries them out; a kernel's states, on
 * the right and where one is on the left, are inferred from what it sent and what reached it.
 */
import { type Micros, micros } from '../../base/time.ts';
import type { Endpoint } from '../../stack/endpoint.ts';
import type { State } from '../../tcp/machine.ts';
import { type Ipv4, ipv4Text } from '../../wire/ipv4.ts';
import { carrierOf, type StateRecord } from '../carrier.ts';
import { StateFollower } from '../infer-states.ts';
import type { LadderRow } from '../ladder.ts';
import { SegmentBases } from '../segment-bases.ts';
import type { RowNote, StepConnection } from './claim.ts';
import type { LabSegment } from './packet.ts';
import type { SeenPacket } from './path.ts';

export interface GrownRow {
  readonly connection: StepConnection;
  readonly row: LadderRow;
  readonly note: RowNote | undefined;
}

interface Draft {
  readonly at: Micros;
  readonly of: Followed;
  row: { -readonly [K in keyof LadderRow]: LadderRow[K] };
  readonly note: RowNote | undefined;
}

interface Followed {
  readonly connection: StepConnection;
  readonly bases: SegmentBases;
  readonly peer: StateFollower;
  /** Of a kernel at the left end. */
  readonly left: StateFollower | undefined;
  /** Ends of what each side has sent, so that a repetition is seen as one. */
  readonly reached: { in: number | undefined; out: number | undefined };
  /** Calls and timers whose segment has not been seen yet. */
  called: { readonly at: Micros; readonly record: StateRecord }[];
}

type Event =
  | { readonly kind: 'packet'; readonly at: Micros; readonly packet: SeenPacket; readonly segment: LabSegment }
  | { readonly kind: 'state'; readonly at: Micros; readonly key: string; readonly record: StateRecord };

export interface LadderSource {
  /** The addresses that a tcpx has. */
  isTcpx(address: Ipv4): boolean;
  /** Somebody listens there, on the peer's side. */
  isListening(port: number): boolean;
  /** Connections that are not to be shown. */
  isHidden(port: number): boolean;
}

/** Microseconds by which a segment's consequences may be later than it: the way there and a busy machine. */
const CONSEQUENCES = 40_000;

export class LiveLadder {
  readonly #source: LadderSource;
  readonly #zero: Micros;
  readonly #oneWay: number;
  readonly #followed = new Map<string, Followed>();
  #events: Event[] = [];

  /** `zero`: of the monotonic clock. `oneWay`: what the path adds, microseconds. */
  constructor(source: LadderSource, zero: Micros, oneWay: number) {
    this.#source = source;
    this.#zero = zero;
    this.#oneWay = oneWay;
  }

  packet(packet: SeenPacket): void {
    const { segment, at } = packet;
    if (segment !== undefined && !this.#isHidden(segment.srcPort, segment.dstPort))
      this.#events.push({ kind: 'packet', at, packet, segment });
  }

  state(endpoint: Endpoint, record: StateRecord, at: Micros): void {
    if (this.#isHidden(endpoint.localPort, endpoint.remotePort)) return;
    const key = keyOf(endpoint.localAddress, endpoint.localPort, endpoint.remotePort);
    this.#events.push({ kind: 'state', at, key, record });
  }

  #isHidden(a: number, b: number): boolean {
    return this.#source.isHidden(a) || this.#source.isHidden(b);
  }

  /** What has happened until then has shown what it led to; of the monotonic clock, as `now`. */
  readyUntil(now: Micros): number {
    return now - CONSEQUENCES - this.#oneWay;
  }

  /** The rows that are ready by `now`; `all`: whatever there is. */
  take(now: Micros, all = false): readonly GrownRow[] {
    const until = all ? Number.POSITIVE_INFINITY : this.readyUntil(now);
    const sorted = this.#events.sort((a, b) => a.at - b.at);
    const ready = sorted.filter((e) => e.at <= until);
    if (ready.length === 0) return [];
    // What they led to may be in the rest: it is looked at, and taken along where it belongs to them.
    this.#events = sorted.slice(ready.length);
    const drafts: Draft[] = [];
    for (const event of ready) {
      if (event.kind === 'packet') drafts.push(this.#segment(event.packet, event.segment));
      else this.#state(event, drafts);
    }
    for (const draft of drafts) this.#lateConsequences(draft);
    return drafts.map(({ of, row, note }) => ({ connection: of.connection, row, note }));
  }

  #segment(packet: SeenPacket, segment: LabSegment): Draft {
    const dir = packet.from === 'local' ? 'out' : 'in';
    const followed = this.#connectionOf(segment, dir);
    followed.bases.learn(dir, segment);
    const note = noteOf(packet, segment, followed, dir);
    const seen = { flags: segment.flags, seq: segment.seq, len: segment.len, ack: ackOf(segment) };
    const arrives = packet.fate !== 'drop' && packet.fate !== 'corrupt';
    let peer: State | undefined;
    let left: State | undefined;
    if (dir === 'in') {
      if (packet.injected !== true) peer = followed.peer.sent(seen).at(-1);
      if (arrives) left = followed.left?.received(seen).at(-1);
    } else {
      if (packet.injected !== true) left = followed.left?.sent(seen).at(-1);
      if (arrives) peer = followed.peer.received(seen).at(-1);
    }
    const carried = dir === 'out' ? this.#carried(followed, segment) : undefined;
    return {
      at: packet.at,
      of: followed,
      note,
      row: {
        t: micros(packet.at - this.#zero),
        ours: carried ?? left,
        peer,
        segment: { dir, seg: followed.bases.relative(dir, segment), note: undefined },
        remark: undefined,
      },
    };
  }

  /** The state that a call or a timer has led to, of which this is the segment. */
  #carried(followed: Followed, segment: LabSegment): State | undefined {
    const found = followed.called.findIndex(({ record }) => segment.flags.includes(carrierOf(record) || '?'));
    if (found < 0) return undefined;
    return followed.called.splice(found, 1)[0]!.record.to;
  }

  #state(event: Extract<Event, { kind: 'state' }>, drafts: Draft[]): void {
    const { record, at } = event;
    // Where it began stands above the ladder.
    if (record.event === 'passive OPEN') return;
    const followed = this.#followed.get(event.key);
    if (record.cause === 'segment' && followed !== undefined) {
      const cause = drafts.findLast((d) => d.of === followed && d.row.segment?.dir === 'in' && d.note !== 'lost');
      if (
        cause !== undefined &&
        (cause.row.ours === undefined || cause === drafts.findLast((d) => d.of === followed))
      ) {
        cause.row.ours = record.to;
        return;
      }
    }
    if (carrierOf(record) !== '') {
      // Its segment comes to the path next.
      const owner = followed ?? this.#expected(event.key);
      owner.called.push({ at, record });
      return;
    }
    if (followed === undefined) return;
    drafts.push({
      at,
      of: followed,
      note: undefined,
      row: { t: micros(at - this.#zero), ours: record.to, peer: undefined, segment: undefined, remark: record.event },
    });
  }

  /** States that the segment of `draft` has led to, and that came after the rows were cut off. */
  #lateConsequences(draft: Draft): void {
    if (draft.row.segment?.dir !== 'in' || draft.row.ours !== undefined || draft.note === 'lost') return;
    const at = this.#events.findIndex(
      (e) => e.kind === 'state' && e.record.cause === 'segment' && this.#followed.get(e.key) === draft.of,
    );
    const event = this.#events[at];
    if (event?.kind !== 'state') return;
    const earlier = this.#events.slice(0, at).some((e) => e.kind === 'packet' && e.packet.from === 'peer');
    if (earlier) return;
    this.#events.splice(at, 1);
    draft.row.ours = event.record.to;
  }

  #connectionOf(segment: LabSegment, dir: 'in' | 'out'): Followed {
    const [local, localPort, remote, remotePort] =
      dir === 'out'
        ? [segment.src, segment.srcPort, segment.dst, segment.dstPort]
        : [segment.dst, segment.dstPort, segment.src, segment.srcPort];
    const key = keyOf(local, localPort, remotePort);
    const known = this.#followed.get(key);
    // A SYN of a new number on the same four is a new incarnation.
    if (known !== undefined && known.connection.remote !== '') return known;
    const passive = dir === 'in' && segment.flags === 'S';
    const left = this.#source.isTcpx(local) ? 'tcpx' : 'kernel';
    const rightStart = !passive && this.#source.isListening(remotePort) ? 'LISTEN' : 'CLOSED';
    const leftStart = passive ? 'LISTEN' : 'CLOSED';
    const followed: Followed = {
      connection: {
        local: ipv4Text(local),
        localPort,
        remote: ipv4Text(remote),
        remotePort,
        left,
        leftStart,
        rightStart,
      },
      bases: new SegmentBases(),
      peer: new StateFollower(rightStart),
      left: left === 'kernel' ? new StateFollower(leftStart) : undefined,
      reached: { in: undefined, out: undefined },
      called: known?.called ?? [],
    };
    this.#followed.set(key, followed);
    return followed;
  }

  /** A connection of which nothing has been on the path yet. */
  #expected(key: string): Followed {
    const connection = {
      local: '',
      localPort: 0,
      remote: '',
      remotePort: 0,
      left: 'tcpx' as const,
      leftStart: '',
      rightStart: '',
    };
    const followed: Followed = {
      connection,
      bases: new SegmentBases(),
      peer: new StateFollower('CLOSED'),
      left: undefined,
      reached: { in: undefined, out: undefined },
      called: [],
    };
    this.#followed.set(key, followed);
    return followed;
  }
}

const keyOf = (local: Ipv4, localPort: number, remotePort: number): string => `${local} ${localPort} ${remotePort}`;

const ackOf = (segment: LabSegment): number | undefined => (segment.flags.includes('.') ? segment.ack : undefined);

function noteOf(packet: SeenPacket, s: LabSegment, followed: Followed, dir: 'in' | 'out'): RowNote | undefined {
  const { fate } = packet;
  const end = (s.seq + s.len + (/S/.test(s.flags) ? 1 : 0) + (/F/.test(s.flags) ? 1 : 0)) >>> 0;
  const before = followed.reached[dir];
  const isAgain = end !== s.seq && before !== undefined && ((end - before) | 0) <= 0;
  if (
    end !== s.seq &&
    packet.injected !== true &&
    (before === undefined || ((end - before) | 0) > 0 || s.flags.includes('S'))
  )
    followed.reached[dir] = end;
  if (fate === 'drop' || fate === 'corrupt') return 'lost';
  if (packet.injected === true) return 'made up';
  if (fate === 'duplicate') return 'twice';
  if (typeof fate === 'object') return 'delay' in fate ? 'late' : 'changed';
  return isAgain ? 'again' : undefined;
}
