/**
 * TCP Fast Open, RFC 7413: data on the SYN of a repeated connection. A cookie, got on the first one, shows that the
 * client can receive at its address; with it the server takes the data at once, and may answer at once.
 */
import { seqAdd, seqDiff, seqLt } from '../base/seq.ts';
import type { Micros } from '../base/time.ts';
import type { TcpSegment } from '../wire/tcp.ts';
import { textSegment } from '../wire/tcp-text.ts';
import { takeCumulative, work } from './recovery/delivered.ts';
import { onFirstSent } from './recovery/on-send.ts';
import { resendAll } from './recovery/on-timeout.ts';
import { Happened, type Tcb } from './tcb.ts';

/** Octets that the longest options of a SYN take, cookie included. */
const SYN_OPTIONS_LEN = 40;

/** The option, and with a cookie the data, on a SYN that leaves for the first time. Never again: some networks drop it (§4.1.3). */
export function addFastOpen(tcb: Tcb, out: TcpSegment, isAnswer: boolean, now: Micros): void {
  const cookie = tcb.tfoCookie;
  if (cookie === undefined || tcb.synRetransmits > 0) return;
  setCookie(out, cookie);
  if (isAnswer || cookie === '') return;
  const len = Math.min(tcb.sendBuffer.len, tcb.tfoMss - SYN_OPTIONS_LEN);
  if (len <= 0) return;
  tcb.sendBuffer.gather(0, len, out.payload);
  tcb.sndNxt = seqAdd(tcb.iss, 1 + len);
  onFirstSent(tcb, seqAdd(tcb.iss, 1), len, 0, now);
  tcb.bytesSent += len;
  tcb.dataSegsOut++;
}

/** The client's side, on the SYN-ACK: a cookie for next time, and the data again that the server did not take (§4.2.1). */
export function takeSynAckOfFastOpen(tcb: Tcb, seg: TcpSegment, now: Micros): void {
  if (tcb.tfoCookie === undefined) return;
  if (seg.fastOpenLen > 0) {
    tcb.tfoGranted = textSegment(seg).tfo;
    tcb.happened |= Happened.cookie;
  } else if (seg.ack === seqAdd(tcb.iss, 1)) fastOpenFailed(tcb);
  const acked = seqDiff(seg.ack, seqAdd(tcb.iss, 1));
  tcb.sendBuffer.dropTo(acked);
  tcb.bytesAcked += acked;
  work.begin(tcb);
  takeCumulative(tcb, now);
  if (!seqLt(tcb.sndUna, tcb.sndNxt)) return;
  resendAll(tcb);
}

/** Data went on the SYN, and nobody took it: to be remembered, so that the next connection does not try (§4.1.3.1). */
export function fastOpenFailed(tcb: Tcb): void {
  if (!tcb.tfoCookie) return;
  tcb.tfoGranted = '';
  tcb.happened |= Happened.cookie;
}

/** The server's side, §4.2.2: the data on a SYN with a good cookie is the user's at once, and so is the connection. */
export function takeSynData(tcb: Tcb, seg: TcpSegment): void {
  // From here on a reset is the user's to hear of: there is no way back to LISTEN.
  tcb.isPassive = false;
  const { payload } = seg;
  const len = Math.min(payload.len, tcb.receiveBuffer.free);
  if (len > 0) {
    const at = payload.ats[0]!;
    tcb.receiveBuffer.copy(payload.bufs[0]!, at, len);
    tcb.rcvNxt = seqAdd(tcb.rcvNxt, len);
    tcb.rcvAdv = tcb.rcvNxt;
    tcb.bytesReceived += len;
  }
  tcb.happened |= Happened.connected | Happened.readable | Happened.writable;
}

function setCookie(out: TcpSegment, hex: string): void {
  out.fastOpenLen = hex.length / 2;
  for (let i = 0; i < out.fastOpenLen; i++) out.fastOpenCookie[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
}
