/** A segment for which there is no connection, RFC 9293 §3.10.7.1. */
import { seqAdd, toSeq } from '../base/seq.ts';
import { TcpFlag, type TcpSegment } from '../wire/tcp.ts';

/** Fills `out`, ports included, with the RST that answers `seg`; false when `seg` is a RST itself. */
export function answerClosed(seg: TcpSegment, out: TcpSegment): boolean {
  if (seg.has(TcpFlag.RST)) return false;
  out.clear();
  out.srcPort = seg.dstPort;
  out.dstPort = seg.srcPort;
  if (seg.has(TcpFlag.ACK)) {
    out.flags = TcpFlag.RST;
    out.seq = seg.ack;
  } else {
    out.flags = TcpFlag.RST | TcpFlag.ACK;
    out.seq = toSeq(0);
    out.ack = seqAdd(seg.seq, seg.segLen);
  }
  return true;
}
