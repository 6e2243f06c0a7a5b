/**
 * Segments as tests of the core write them. Numbers are relative: octet 0 is the first one after the SYN, which
 * itself stands at -1; `ack(0)` acknowledges the SYN, `data(0, 10)` carries octets 0 to 9.
 *
 * What is left out has a meaning, given in harness.ts: the same as before, or the next in sequence.
 */
import type { SendNote } from '../../src/tcp/trace.ts';
import { segmentText } from '../../src/wire/tcp-text.ts';

export interface Seg {
  /** tcpdump's letters in tcpdump's order: 'S.', 'FP.'. */
  readonly flags?: string;
  readonly seq?: number;
  readonly ack?: number;
  /** The window field, unscaled. */
  readonly wnd?: number;
  readonly len?: number;
  readonly urg?: number;
  readonly mss?: number;
  readonly wscale?: number;
  readonly sackOk?: true;
  readonly ts?: readonly [val: number, ecr: number] | 'none';
  /** The IP header's ECN field: 2 is ECT(0), 3 CE. */
  readonly ecn?: number;
  /** Blocks of [left, right). */
  readonly sack?: readonly (readonly [number, number])[];
  /** Of segments that leave only: what the trace calls it. */
  readonly note?: SendNote;
}

export const syn = (o: Seg = {}): Seg => ({ flags: 'S', seq: -1, ...o });
export const synAck = (o: Seg = {}): Seg => ({ flags: 'S.', seq: -1, ack: 0, ...o });
/** A bare ACK at the next sequence number. */
export const ack = (n: number, o: Seg = {}): Seg => ({ flags: '.', ack: n, ...o });
/** On the way out PSH is expected on what empties the send buffer, and nowhere else. */
export const data = (seq: number, len: number, o: Seg = {}): Seg => ({ seq, len, ...o });
/** A FIN alone. */
export const fin = (seq: number, o: Seg = {}): Seg => ({ flags: 'F.', seq, ...o });
/** With ACK when `ack` is given. */
export const rst = (seq: number, o: Seg = {}): Seg => ({ flags: o.ack === undefined ? 'R' : 'R.', seq, ...o });
/** A zero-window probe for octet `n`: no data, and the sequence number before it. */
export const probe = (n: number, o: Seg = {}): Seg => ({ flags: '.', seq: n - 1, note: 'zero-window probe', ...o });

/** A segment with every field that was left out filled in. */
export interface WholeSeg extends Seg {
  readonly flags: string;
  readonly seq: number;
  readonly ack: number;
  readonly len: number;
}

/** As tcpdump prints it, in relative numbers, and with the sequence number always: tcpdump leaves it out of bare ACKs. */
export function segText(seg: WholeSeg): string {
  const { ts, note, seq, ack: acked, ...rest } = seg;
  let text = segmentText({
    ...rest,
    seq: seq >>> 0,
    ack: acked >>> 0,
    wnd: seg.wnd ?? 0,
    ...(ts !== undefined && ts !== 'none' && { ts }),
  });
  if (!text.includes('], seq ')) text = text.replace('], ', `], seq ${seq}, `);
  if (seg.wnd === undefined) text = text.replace('win 0', 'win any');
  // Below 0 by a little: the SYN, and what comes before the window.
  text = text.replace(/\b42949\d{5}\b/g, (n) => String(Number(n) - 2 ** 32));
  if (seg.ecn !== undefined) text += `, ecn ${seg.ecn}`;
  return note === undefined ? text : `${text}  (${note})`;
}
