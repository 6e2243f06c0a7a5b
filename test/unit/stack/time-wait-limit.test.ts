import { expect, test } from 'vitest';
import { micros, seconds } from '../../../src/base/time.ts';
import type { Endpoint } from '../../../src/stack/endpoint.ts';
import { B, Sim } from '../../support/sim.ts';

/** Connections whose A closes first. */
function closed(sim: Sim, count: number): readonly Endpoint[] {
  return Array.from({ length: count }, () => {
    const a = sim.a.stack.connect({ address: B, port: 80 });
    sim.until(() => a.state === 'ESTABLISHED');
    a.shutdown();
    sim.until(() => a.state === 'TIME-WAIT' || a.state === 'CLOSED');
    return a;
  });
}

function listening(sim: Sim): void {
  const listener = sim.b.stack.listen({ port: 80 });
  listener.onConnection = () => {
    const b = listener.accept()!;
    b.onEvent = () => {
      if (b.receive() === 'end') b.shutdown();
    };
  };
}

test('beyond tcp_max_tw_buckets a connection has no TIME-WAIT, which is counted, and nobody hears of an error', () => {
  const sim = new Sim({ seed: 1, sysctl: { tcp_max_tw_buckets: 2 } });
  listening(sim);
  const ends = closed(sim, 4);
  expect(ends.map((e) => [e.state, e.error])).toEqual([
    ['TIME-WAIT', undefined],
    ['TIME-WAIT', undefined],
    ['CLOSED', undefined],
    ['CLOSED', undefined],
  ]);
  expect(sim.a.stack.counters.timeWaitOverflow).toBe(2);
  expect(sim.a.stack.counters.resetsOut).toBe(0);
  sim.time.runUntil(micros(sim.time.now + seconds(1)));
  expect([...sim.b.stack.endpoints()]).toEqual([]);
});

test('there is room again when others have left it', () => {
  const sim = new Sim({ seed: 1, sysctl: { tcp_max_tw_buckets: 1 } });
  listening(sim);
  closed(sim, 2);
  sim.time.runUntil(micros(sim.time.now + seconds(61)));
  expect([...sim.a.stack.endpoints()]).toEqual([]);
  expect(closed(sim, 1).map((e) => e.state)).toEqual(['TIME-WAIT']);
});
