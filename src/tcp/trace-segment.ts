/** A segment as the trace keeps it. Called only when someone traces: it allocates. */
import { type Seq, seqInt } from '../base/seq.ts';
import type { Micros } from '../base/time.ts';
import { ABSENT, type TcpSegment } from '../wire/tcp.ts';
import { flagsText } from '../wire/tcp-text.ts';
import type { Tcb } from './tcb.ts';
import type { SegmentRecord, SendNote } from './trace.ts';

const uint32 = (s: Seq): number => seqInt(s) >>> 0;

export function segmentRecord(seg: TcpSegment): SegmentRecord {
  const sack: [number, number][] = [];
  for (let i = 0; i < seg.sackCount; i++) sack.push([uint32(seg.sack[2 * i]!), uint32(seg.sack[2 * i + 1]!)]);
  return {
    seq: uint32(seg.seq),
    ack: uint32(seg.ack),
    flags: flagsText(seg.flags),
    wnd: seg.wnd,
    len: seg.payload.len,
    ...(seg.urgentPointer !== 0 && { urg: seg.urgentPointer }),
    ...(seg.ecn !== 0 && { ecn: seg.ecn }),
    ...(seg.mss !== ABSENT && { mss: seg.mss }),
    ...(seg.wscale !== ABSENT && { wscale: seg.wscale }),
    ...(seg.sackPermitted && { sackOk: true as const }),
    ...(seg.hasTimestamps && { ts: [seg.tsVal >>> 0, seg.tsEcr >>> 0] as const }),
    ...(sack.length > 0 && { sack }),
  };
}

export function traceSegment(tcb: Tcb, dir: 'in' | 'out', seg: TcpSegment, now: Micros, note?: SendNote): void {
  if (!tcb.tracer.enabled) return;
  const record = { t: now, conn: tcb.id, type: 'segment', dir, seg: segmentRecord(seg) } as const;
  tcb.tracer.record(note === undefined ? record : { ...record, note });
}
