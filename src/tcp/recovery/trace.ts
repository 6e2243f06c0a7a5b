import type { Tcb } from '../tcb.ts';

/** What has become of the window, and why. */
export function traceCongestion(tcb: Tcb, why: string): void {
  if (!tcb.tracer.enabled) return;
  const { cwnd, ssthresh } = tcb.congestion;
  tcb.tracer.record({ t: tcb.now, conn: tcb.id, type: 'congestion', why, cwnd, ssthresh: finite(ssthresh) });
}

/** JSON knows no infinity: -1 stands for a threshold that was never set. */
const finite = (n: number): number => (Number.isFinite(n) ? n : -1);
