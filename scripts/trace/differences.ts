/**
 * Why our notes and tshark's (4.0) differ: a kept list. Each reason says when it holds, and that is looked up in the capture by
 * plain search, with nothing of the code that is compared. A difference for which none holds is a bug of one of the two.
 */
import { readFileSync } from 'node:fs';
import { CaptureScanner } from '../../src/pcap/capture-scan.ts';
import { Kind } from '../../src/tools/trace/kinds.ts';
import { SeenSegment } from '../../src/tools/trace/seen-segment.ts';
import { TcpFlag } from '../../src/wire/tcp.ts';
import type { Difference } from './tally.ts';

/** A segment as a plain record. */
interface Seg {
  readonly record: number;
  readonly t: number;
  readonly flow: string;
  readonly back: string;
  readonly seq: number;
  readonly end: number;
  readonly ack: number;
  readonly flags: number;
  readonly len: number;
  readonly wnd: number;
}

export class CaptureIndex {
  readonly #flows = new Map<string, Seg[]>();
  readonly #byRecord = new Map<number, Seg>();

  constructor(path: string) {
    let record = 0;
    const seen = new SeenSegment();
    const scanner = new CaptureScanner({
      packet: (t, bytes, at, end, wireLen, linkType) => {
        record++;
        if (seen.read(bytes, at, end, wireLen, linkType) !== 'tcp') return;
        const { seq, ack, flags, len, wnd } = seen;
        const from = `${seen.src.join('.')}:${seen.srcPort}`;
        const to = `${seen.dst.join('.')}:${seen.dstPort}`;
        const seg = { record, t, flow: `${from}>${to}`, back: `${to}>${from}`, seq, ack, flags, len, wnd };
        const whole: Seg = { ...seg, end: (seq + seen.segLen) | 0 };
        const flow = this.#flows.get(whole.flow);
        if (flow === undefined) this.#flows.set(whole.flow, [whole]);
        else flow.push(whole);
        this.#byRecord.set(record, whole);
      },
    });
    scanner.push(readFileSync(path));
    scanner.finish();
  }

  at(record: number): Seg {
    return this.#byRecord.get(record)!;
  }

  /** SYN to the ACK of its answer, microseconds; 3000 where that is not in the capture, as both take it. */
  handshake(seg: Seg): number {
    for (const flow of [this.#flows.get(seg.flow) ?? [], this.#flows.get(seg.back) ?? []]) {
      const third = flow.findIndex((s) => (s.flags & (TcpFlag.SYN | TcpFlag.ACK)) === TcpFlag.ACK);
      const syn = flow[third - 1];
      if (syn !== undefined && (syn.flags & (TcpFlag.SYN | TcpFlag.ACK)) === TcpFlag.SYN) return flow[third]!.t - syn.t;
    }
    return 3000;
  }

  /** Before `seg`, in its direction or the other, oldest first. */
  before(seg: Seg, direction: 'same' | 'other'): readonly Seg[] {
    const flow = this.#flows.get(direction === 'same' ? seg.flow : seg.back) ?? [];
    const end = flow.findIndex((s) => s.record >= seg.record);
    return end < 0 ? flow : flow.slice(0, end);
  }
}

interface Reason {
  readonly title: string;
  /** Who is right, and why. */
  readonly why: string;
  holds(d: Difference, index: CaptureIndex): boolean;
}

const after = (a: number, b: number): boolean => ((a - b) | 0) > 0;
const isIn = (n: number, s: Seg): boolean => !after(s.seq, n) && after(s.end, n);
/** All octets of `seg` are in earlier segments of its direction. */
function wasSeen(seg: Seg, index: CaptureIndex): boolean {
  const earlier = index.before(seg, 'same').filter((s) => (s.flags & TcpFlag.RST) === 0);
  for (let n = seg.seq; n !== seg.end; ) {
    const holder = earlier.find((s) => isIn(n, s));
    if (holder === undefined) return false;
    n = after(holder.end, seg.end) ? seg.end : holder.end;
  }
  return true;
}

/** The last window of the other end was 0. */
const windowIsShut = (seg: Seg, index: CaptureIndex): boolean => index.before(seg, 'other').at(-1)?.wnd === 0;

/** What the other end had sent before `seg`, and what of it `seg` acknowledges: newly, or as its last. */
function acknowledged(seg: Seg, index: CaptureIndex): { readonly sent: readonly Seg[]; readonly news: readonly Seg[] } {
  const sent = index.before(seg, 'other').filter((s) => after(s.end, s.seq));
  const acked = index
    .before(seg, 'same')
    .filter((s) => s.flags & TcpFlag.ACK)
    .at(-1)?.ack;
  return {
    sent,
    news: sent.filter(
      (s) => !after(s.end, seg.ack) && (acked === undefined || after(s.end, acked) || s.end === seg.ack),
    ),
  };
}

const isEither = (d: Difference, bits: number): boolean => (d.bit & bits) !== 0;
const RETRANSMITTED = Kind.RETRANSMISSION | Kind.OUT_OF_ORDER;

export const REASONS: readonly Reason[] = [
  {
    title: 'octets that are in the capture twice are sent again, not out of order',
    why: 'tshark goes by time: what comes within the first round trip of the newest data is out of order to it, even when the same octets stand further up in the file. They do here, so it is a retransmission. Wireshark has looked at that too since 4.2 (merge request 10837).',
    holds: (d, index) =>
      isEither(d, RETRANSMITTED) &&
      (d.our & Kind.RETRANSMISSION) !== 0 &&
      (d.their & Kind.OUT_OF_ORDER) !== 0 &&
      wasSeen(index.at(d.record), index),
  },
  {
    title: 'a gap that is older than a round trip is filled by a retransmission',
    why: 'tshark counts from the newest data, which keeps coming while a loss is repaired; tcpx from when the gap appeared. Nothing is overtaken for longer than it takes to go there and back.',
    holds: (d, index) => {
      if (!isEither(d, RETRANSMITTED) || (d.our & Kind.RETRANSMISSION) === 0 || (d.their & Kind.OUT_OF_ORDER) === 0)
        return false;
      const seg = index.at(d.record);
      const jump = index.before(seg, 'same').find((s) => after(s.seq, seg.seq) && (s.flags & TcpFlag.RST) === 0);
      return jump !== undefined && seg.t - jump.t >= index.handshake(seg);
    },
  },
  {
    title: 'Linux asks a shut window with an empty segment before it',
    why: 'Such a probe has the form of a keep-alive, and tshark calls it one. The window was 0 when it was sent, so it is a probe, and its answer that of a probe.',
    holds: (d, index) => {
      const seg = index.at(d.record);
      if (isEither(d, Kind.ZERO_WINDOW_PROBE | Kind.KEEP_ALIVE))
        return (
          seg.len === 0 &&
          windowIsShut(seg, index) &&
          index.before(seg, 'same').some((s) => s.end === ((seg.seq + 1) | 0))
        );
      return d.bit === Kind.ZERO_WINDOW_PROBE_ACK && seg.wnd === 0 && index.before(seg, 'other').at(-1)?.len === 0;
    },
  },
  {
    title: 'the octet of a probe may be taken',
    why: 'A zero-window probe carries an octet, and its ACK may cover it. tshark forgets that octet: to it the ACK is of octets not captured, and what follows comes after a gap.',
    holds: (d, index) => {
      if (!isEither(d, Kind.ACKED_UNSEEN | Kind.NOT_CAPTURED)) return false;
      const seg = index.at(d.record);
      return [...index.before(seg, 'same'), ...index.before(seg, 'other')].some(
        (s) => s.len === 1 && windowIsShut(s, index),
      );
    },
  },
  {
    title: 'a RST that is not where it should be moves nothing',
    why: 'The number of a RST outside what was sent before is no octet of the stream. tshark counts on from it, and takes the data that follows for old.',
    holds: (d, index) => {
      const seg = index.at(d.record);
      return (
        isEither(d, RETRANSMITTED | Kind.NOT_CAPTURED) &&
        index.before(seg, 'same').some((s) => (s.flags & TcpFlag.RST) !== 0 && after(s.seq, seg.seq))
      );
    },
  },
  {
    title: 'one octet that was not acknowledged is sent again, and keeps nothing alive',
    why: 'tshark takes any segment of one octet just before the next number for a keep-alive. Keep-alives are sent when everything was acknowledged; this octet was not.',
    holds: (d, index) => {
      const seg = index.at(d.record);
      if (!isEither(d, Kind.KEEP_ALIVE | Kind.RETRANSMISSION | Kind.KEEP_ALIVE_ACK | Kind.DUPLICATE_ACK)) return false;
      const probe = isEither(d, Kind.KEEP_ALIVE_ACK | Kind.DUPLICATE_ACK) ? index.before(seg, 'other').at(-1) : seg;
      if (probe === undefined || probe.len !== 1) return false;
      const acks = index.before(probe, 'other').filter((s) => s.flags & TcpFlag.ACK);
      return !acks.some((s) => after(s.ack, probe.seq));
    },
  },
  {
    title: 'what was sent twice gives no RTT sample',
    why: 'An ACK of octets that were sent more than once does not say which time it answers (Karn’s rule, RFC 6298 §3). tshark measures from one of them.',
    holds: (d, index) => {
      if (d.bit !== Kind.RTT_SAMPLE || d.by !== 'theirs') return false;
      const { sent, news } = acknowledged(index.at(d.record), index);
      return news.some((s) => sent.some((o) => o !== s && after(o.end, s.seq) && after(s.end, o.seq)));
    },
  },
  {
    title: 'an ACK that waited for a gap to be filled gives no RTT sample, or another',
    why: 'It answers the segment that filled the gap, not the last one in sequence, which came earlier; and that one was sent before, most likely, unless it came within a round trip. tshark measures from the last one in sequence, and the wait is in its sample.',
    holds: (d, index) => {
      if (d.bit !== Kind.RTT_SAMPLE) return false;
      const seg = index.at(d.record);
      const { news } = acknowledged(seg, index);
      return news.some((s) => index.before(seg, 'other').some((o) => o.record < s.record && after(o.seq, s.seq)));
    },
  },
  {
    title: 'an ACK of octets that the capture missed gives no RTT sample',
    why: 'What it answers is not there to be measured from; tshark measures from what is.',
    holds: (d) => d.bit === Kind.RTT_SAMPLE && d.by === 'theirs' && (d.our & Kind.ACKED_UNSEEN) !== 0,
  },
];

/** The first reason that holds; undefined when none does. */
export const reasonOf = (d: Difference, index: CaptureIndex): Reason | undefined =>
  REASONS.find((r) => r.holds(d, index));
