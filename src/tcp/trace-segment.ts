/** A segment as the trace keeps it. Called only when someone traces: it allocates. */
import type { Micros } from '../base/time.ts';
import type { TcpSegment } from '../wire/tcp.ts';
import { textSegment } from '../wire/tcp-text.ts';
import type { Tcb } from './tcb.ts';
import type { SendNote } from './trace.ts';

export function traceSegment(tcb: Tcb, dir: 'in' | 'out', seg: TcpSegment, now: Micros, note?: SendNote): void {
  if (!tcb.tracer.enabled) return;
  const text = textSegment(seg);
  const record = {
    t: now,
    conn: tcb.id,
    type: 'segment',
    dir,
    seg: seg.ecn === 0 ? text : { ...text, ecn: seg.ecn },
  } as const;
  tcb.tracer.record(note === undefined ? record : { ...record, note });
}
