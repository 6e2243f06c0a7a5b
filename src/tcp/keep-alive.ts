/**
 * Keep-alive, RFC 9293 §3.8.4: a peer that has been silent is asked whether it is still there, by a segment without
 * data just before SND.NXT (SHLD-12), which it must answer. Off unless the user asks (MUST-24, MUST-25).
 */
import { type Micros, seconds } from '../base/time.ts';
import { endConnection, owesReset } from './ending.ts';
import type { Tcb } from './tcb.ts';
import { Timer } from './timers.ts';

/** The connection is established, or the user has changed its mind. */
export function updateKeepAlive(tcb: Tcb, now: Micros): void {
  if (tcb.options.SO_KEEPALIVE && isSynchronized(tcb)) armFromSilence(tcb, now);
  else tcb.timers.stop(Timer.keepAlive);
}

/** Something arrived: the peer is there. The timer stays as it is and looks at the clock when it expires. */
export function heard(tcb: Tcb, now: Micros): void {
  tcb.lastHeardAt = now;
  tcb.keepAlivesUnanswered = 0;
}

export function keepAliveTimeout(tcb: Tcb, now: Micros): void {
  const { TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT } = tcb.options;
  const silence = now - tcb.lastHeardAt;
  // Unacknowledged data asks the question by itself (MUST-26).
  if (silence < seconds(TCP_KEEPIDLE) || tcb.flightSize > 0 || tcb.unsent > 0) {
    armFromSilence(tcb, now);
    return;
  }
  if (tcb.keepAlivesUnanswered >= TCP_KEEPCNT) {
    owesReset(tcb);
    endConnection(tcb, 'give up', tcb.softError ?? 'ETIMEDOUT');
    return;
  }
  tcb.keepAlivesUnanswered++;
  tcb.keepAliveDue = true;
  tcb.timers.set(Timer.keepAlive, (now + seconds(TCP_KEEPINTVL)) as Micros);
}

function armFromSilence(tcb: Tcb, now: Micros): void {
  const idle = seconds(tcb.options.TCP_KEEPIDLE);
  const at = tcb.lastHeardAt + idle;
  tcb.timers.set(Timer.keepAlive, (at > now ? at : now + idle) as Micros);
}

/** States in which the peer may still send, or owes us an ACK that no timer waits for. */
function isSynchronized(tcb: Tcb): boolean {
  switch (tcb.state) {
    case 'ESTABLISHED':
    case 'FIN-WAIT-1':
    case 'FIN-WAIT-2':
    case 'CLOSE-WAIT':
      return true;
    default:
      return false;
  }
}
