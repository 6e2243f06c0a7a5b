import { expect, test } from 'vitest';
import { prrOnAck } from '../../../../src/tcp/recovery/prr.ts';
import type { Tcb } from '../../../../src/tcp/tcb.ts';

interface Sums {
  readonly delivered: number;
  readonly out: number;
  readonly pipe: number;
}

/** The window after an ACK that delivers `delivered` octets, where `out` have left since the episode began. */
function windowAfter({ delivered, out, pipe }: Sums): number {
  const loss = { prrActive: true, prrDelivered: 0, prrOut: out, prrCwnd: 7, recoverFs: 20_000 };
  prrOnAck({ loss, board: { pipe }, smss: 1000, congestion: { ssthresh: 10_000 } } as unknown as Tcb, delivered, false);
  return loss.prrCwnd;
}

test('what delivers nothing leaves the window as it is, once an octet went again', () => {
  expect(windowAfter({ delivered: 0, out: 1, pipe: 5000 })).toBe(7);
  expect(windowAfter({ delivered: 0, out: 0, pipe: 5000 })).toBe(6000);
});

test('what delivers an octet moves it, and makes room for a whole segment only before the first goes again', () => {
  expect(windowAfter({ delivered: 1, out: 0, pipe: 5000 })).toBe(6000);
  expect(windowAfter({ delivered: 1, out: 1, pipe: 5000 })).toBe(5001);
});
