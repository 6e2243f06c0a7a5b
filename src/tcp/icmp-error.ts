/** ICMP errors, RFC 9293 §3.9.2.2 and RFC 5927: which one ends a connection, and when it is only remembered. */
import { type Seq, seqInt, seqInWindow } from '../base/seq.ts';
import type { Micros } from '../base/time.ts';
import { endConnection } from './ending.ts';
import { setSmss } from './path-mtu.ts';
import { resendAll } from './recovery/on-timeout.ts';
import { type ErrorCode, Happened, type Tcb } from './tcb.ts';

/** An ICMP error that quoted our segment at sequence number `quoted`; `code` as the kernel would report it. */
export function icmpError(tcb: Tcb, code: ErrorCode, quoted: Seq, now: Micros): void {
  begin(tcb, now, code, { seq: seqInt(quoted) >>> 0 });
  if (!isOutstanding(tcb, quoted)) return;
  switch (tcb.state) {
    case 'SYN-SENT':
    case 'SYN-RECEIVED':
      // Linux ends a connection that isn't one yet on any of them; the RFC asks for patience with the soft ones (MUST-56).
      if (!tcb.isRfc || HARD.has(code)) endConnection(tcb, 'ICMP error', code);
      else remember(tcb, code);
      return;
    case 'CLOSED':
    case 'LISTEN':
    case 'TIME-WAIT':
      return;
    default:
      // A synchronized connection survives them all (RFC 5927 §5.2): whoever can forge one must not be able to end it.
      remember(tcb, code);
  }
}

/** Protocol and port unreachable (RFC 9293 §3.9.2.2; the third, fragmentation needed, is path MTU discovery's). */
const HARD: ReadonlySet<ErrorCode> = new Set(['ENOPROTOOPT', 'ECONNREFUSED']);

function remember(tcb: Tcb, code: ErrorCode): void {
  tcb.softError = code;
  tcb.happened |= Happened.softError;
}

/** A router can't carry what we sent: `mss` octets of TCP payload and options fit (RFC 1191). */
export function pathMss(tcb: Tcb, mss: number, quoted: Seq, now: Micros): void {
  begin(tcb, now, 'EMSGSIZE', { mss, seq: seqInt(quoted) >>> 0 });
  if (!isOutstanding(tcb, quoted)) return;
  const before = tcb.smss;
  tcb.pathMtu.tooBig(Math.max(mss, tcb.config.sysctl.tcp_min_snd_mss), now);
  setSmss(tcb);
  if (tcb.smss < before && tcb.synAcked) resendAll(tcb);
}

/** RFC 5927 §4.1: an error about what is not in flight is old, or forged. */
function isOutstanding(tcb: Tcb, quoted: Seq): boolean {
  return seqInWindow(quoted, tcb.sndUna, tcb.flightSize);
}

function begin(tcb: Tcb, now: Micros, error: string, args: Readonly<Record<string, unknown>>): void {
  tcb.now = now;
  tcb.cause = 'icmp';
  if (tcb.tracer.enabled) tcb.tracer.record({ t: now, conn: tcb.id, type: 'icmp', error, args });
}
