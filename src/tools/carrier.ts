/** A transition that a call made is carried out by a segment; which one tells its flag. */
import type { TraceRecord } from '../tcp/trace.ts';

export type StateRecord = Extract<TraceRecord, { type: 'state' }>;
export type SegmentTrace = Extract<TraceRecord, { type: 'segment' }>;

/** The flag of the segment that carries `record` out, in tcpdump's letter; '' when none does. */
export function carrierOf(record: StateRecord): '' | 'F' | 'R' | 'S' {
  if (record.cause !== 'call') return '';
  if (record.event === 'CLOSE') return record.to === 'CLOSED' ? '' : 'F';
  if (record.event === 'ABORT') return 'R';
  return record.to === 'SYN-SENT' ? 'S' : '';
}

export function carries(segment: SegmentTrace, flag: string): boolean {
  return flag !== '' && segment.dir === 'out' && segment.seg.flags.includes(flag);
}
