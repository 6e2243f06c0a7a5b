/**
 * How controllers do on a path, alone and beside others. What takes minutes of a fast path runs on a model that has only
 * controllers, a wire and a queue; whole stacks, with recovery, pacing and delayed ACKs, show that the core is as good.
 * Rates are shares of the wire's, payload only: headers take 3.5 %.
 */
import { describe, expect, test } from 'vitest';
import type { CongestionName } from '../../src/tcp/config.ts';
import { BottleneckSim } from '../support/bottleneck-sim.ts';
import { Path, type PathOptions } from '../support/path-model.ts';

/** Octets per second. */
const MBIT = 125_000;
const LONG: PathOptions = { rate: 100 * MBIT, rtt: 20_000 };
const BDP = 250_000;

/** Shares over `us` after a third of that, on the model. */
function shares(o: PathOptions, names: readonly CongestionName[], us = 60_000_000): readonly number[] {
  const path = new Path(o);
  for (const name of names) path.add(name);
  path.run(us / 3);
  return path.rates(us).map((rate) => rate / o.rate);
}

describe('controllers on a path of 100 Mbit/s and 20 ms with a queue of one bandwidth-delay product', () => {
  test.each([
    ['cubic', 0.97],
    ['reno', 0.85],
    ['bbr', 0.93],
  ] as const)('%s alone fills it', (name, least) => {
    expect(shares(LONG, [name], 20_000_000)[0]).toBeGreaterThan(least);
  });

  test('cubic keeps the queue filled, bbr all but empty', () => {
    const delay = (name: CongestionName): number => {
      const path = new Path(LONG);
      const flow = path.add(name);
      path.run(5_000_000);
      flow.takeMeanRtt();
      path.run(10_000_000);
      return flow.takeMeanRtt() - LONG.rtt;
    };
    expect(delay('bbr')).toBeLessThan(3000);
    expect(delay('cubic')).toBeGreaterThan(8000);
  });

  test.each([
    ['cubic', 'cubic', 0.4, 0.6],
    ['bbr', 'bbr', 0.4, 0.6],
    // CUBIC's 0.7 and its curve against Reno's half.
    ['reno', 'cubic', 0.35, 0.5],
    ['cubic', 'bbr', 0.3, 0.5],
  ] as const)('%s beside %s: neither starves', (a, b, least, most) => {
    for (const seed of [1, 2, 3]) {
      const [first = 0, second = 0] = shares({ ...LONG, seed }, [a, b]);
      expect(first + second).toBeGreaterThan(0.93);
      expect(first / (first + second), `seed ${seed}`).toBeGreaterThan(least);
      expect(first / (first + second), `seed ${seed}`).toBeLessThan(most);
    }
  });

  test.each([0.5, 2, 4])('bbr leaves cubic its living with a queue of %d bandwidth-delay products too', (queue) => {
    const [cubic = 0, bbr = 0] = shares({ ...LONG, queue: queue * BDP }, ['cubic', 'bbr']);
    expect(cubic).toBeGreaterThan(0.15);
    expect(bbr).toBeGreaterThan(0.15);
  });

  test('a flow that comes later gets its share, though a dozen losses may pass until then', () => {
    const path = new Path(LONG);
    path.add('cubic');
    path.run(20_000_000);
    path.add('cubic');
    path.run(60_000_000);
    const [old = 0, young = 0] = path.rates(60_000_000);
    expect(young / (old + young)).toBeGreaterThan(0.38);
  });
});

describe('random loss of 1 % at 10 ms', () => {
  test.each([20, 100, 500])('leaves bbr nine tenths of %i Mbit/s', (mbit) => {
    const o = { rate: mbit * MBIT, rtt: 10_000, loss: 0.01, queue: 1_000_000 };
    expect(shares(o, ['bbr'], 10_000_000)[0]).toBeGreaterThan(0.88);
  });

  test('brings cubic down to what Reno’s law says, √(3/2p) segments a round trip (RFC 9438 §5.1)', () => {
    const o = { rate: 500 * MBIT, rtt: 10_000, loss: 0.01, queue: 1_000_000 };
    const segments = (shares(o, ['cubic'], 30_000_000)[0]! * o.rate * 0.01) / 1448;
    expect(segments / Math.sqrt(1.5 / 0.01)).toBeGreaterThan(0.8);
    expect(segments / Math.sqrt(1.5 / 0.01)).toBeLessThan(1.3);
  });
});

describe('two stacks', () => {
  test.each([
    ['cubic', 0.9],
    ['bbr', 0.85],
  ] as const)('%s fills 100 Mbit/s at 20 ms', (name, least) => {
    const sim = new BottleneckSim(LONG);
    const flow = sim.add(name);
    sim.run(2_500_000);
    expect(sim.rates(2_500_000)[0]! / LONG.rate).toBeGreaterThan(least);
    expect(flow.info.congestion).toBe(name);
    if (name === 'bbr') expect(sim.meanRtt(500_000)).toBeLessThan(24_000);
  });

  test.each([
    ['cubic', 'cubic'],
    ['cubic', 'bbr'],
  ] as const)('%s and %s share 20 Mbit/s at 20 ms', (a, b) => {
    const sim = new BottleneckSim({ rate: 20 * MBIT, rtt: 20_000, queue: 100_000 });
    sim.add(a);
    sim.add(b);
    sim.run(5_000_000);
    const [first = 0, second = 0] = sim.rates(25_000_000);
    expect((first + second) / (20 * MBIT)).toBeGreaterThan(0.9);
    expect(first / (first + second)).toBeGreaterThan(0.25);
    expect(first / (first + second)).toBeLessThan(0.75);
  });

  test('1 % random loss at 10 ms: bbr keeps most of 20 Mbit/s, cubic what its law leaves', () => {
    const rate = (name: CongestionName): number => {
      const sim = new BottleneckSim({ rate: 20 * MBIT, rtt: 10_000, loss: 0.01, queue: 100_000 });
      sim.add(name);
      sim.run(2_000_000);
      return sim.rates(8_000_000)[0]! / (20 * MBIT);
    };
    const [bbr, cubic] = [rate('bbr'), rate('cubic')];
    expect(bbr).toBeGreaterThan(0.8);
    expect(cubic).toBeGreaterThan(0.4);
    expect(bbr).toBeGreaterThan(cubic);
  });

  test('the receiver’s window is ahead of slow start: it doubles each round trip', () => {
    const sim = new BottleneckSim({ rate: 500 * MBIT, rtt: 40_000 });
    const flow = sim.add('cubic');
    // A round for the handshake; then 10, 20, 40… segments of 1448 octets.
    sim.run(2 * 40_000);
    for (let segments = 20; segments <= 640; segments *= 2) {
      sim.run(40_000);
      expect(flow.info.snd_cwnd / 1448).toBeGreaterThan(0.9 * segments);
    }
  });

  test('the controller can be changed on the way: the window goes along', () => {
    const sim = new BottleneckSim({ rate: 20 * MBIT, rtt: 20_000 });
    const flow = sim.add('reno');
    sim.run(2_000_000);
    const { snd_cwnd } = flow.info;
    for (const name of ['bbr', 'cubic'] as const) {
      flow.endpoint.setOption('TCP_CONGESTION', name);
      expect(flow.info).toMatchObject({ congestion: name });
      expect(flow.info.snd_cwnd).toBeGreaterThan(0.5 * snd_cwnd);
      sim.run(1_000_000);
      expect(sim.rates(2_000_000)[0]! / (20 * MBIT)).toBeGreaterThan(0.8);
    }
  });
});
