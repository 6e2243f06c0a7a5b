/**
 * Whole connections between two stacks, through faults of every kind. Each case runs with several seeds; the seed is in
 * the test's name, and the same seed gives the same run.
 */
import { describe, expect, test } from 'vitest';
import { ms } from '../../src/base/time.ts';
import type { Faults } from '../../src/link/faults.ts';
import { B, expectOrderly, Sim, type SimOptions, User, type UserOptions } from '../support/sim.ts';

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];

interface Condition {
  readonly name: string;
  readonly sim?: Omit<SimOptions, 'seed'>;
  readonly a?: Partial<UserOptions>;
  readonly b?: Partial<UserOptions>;
}

const faults = (f: Faults): { readonly sim: { readonly faults: Faults } } => ({ sim: { faults: f } });

const CONDITIONS: readonly Condition[] = [
  { name: 'nothing goes wrong' },
  { name: 'nothing goes wrong and no time passes', sim: { delay: ms(0) } },
  { name: 'a tenth is lost', ...faults({ loss: 0.1 }) },
  { name: 'a fifth is lost', ...faults({ loss: 0.2 }) },
  // Or its losses would pass for a black hole, and segments shrink.
  { name: 'a third is lost', sim: { faults: { loss: 0.33 }, sysctl: { tcp_mtu_probing: 0 } } },
  { name: 'a fifth comes twice', ...faults({ duplicate: 0.2 }) },
  { name: 'a third is overtaken', ...faults({ reorder: 0.33 }) },
  { name: 'a tenth is corrupted', ...faults({ corrupt: 0.1 }) },
  { name: 'the delay varies', ...faults({ delay: ms(50), jitter: ms(200) }) },
  {
    name: 'all at once',
    ...faults({ loss: 0.1, duplicate: 0.1, reorder: 0.2, corrupt: 0.05, jitter: ms(30) }),
  },
  {
    name: 'all at once, without any option',
    sim: {
      faults: { loss: 0.1, duplicate: 0.1, reorder: 0.2, corrupt: 0.05 },
      sysctl: { tcp_timestamps: false, tcp_sack: false, tcp_window_scaling: false },
    },
  },
  {
    name: 'one side without any option',
    sim: { faults: { loss: 0.1 }, sysctlB: { tcp_timestamps: false, tcp_sack: false, tcp_window_scaling: false } },
  },
  { name: 'the readers are slow', a: { readPace: 700 }, b: { readPace: 700 } },
  {
    name: 'the readers are slow and windows small, with losses',
    sim: { faults: { loss: 0.1, reorder: 0.1 } },
    a: { readPace: 500, options: { SO_RCVBUF: 3000 } },
    b: { readPace: 500, options: { SO_RCVBUF: 3000 } },
  },
  {
    name: 'windows hold less than a segment',
    sim: { faults: { loss: 0.05 } },
    a: { options: { SO_RCVBUF: 500 }, send: 5000 },
    b: { options: { SO_RCVBUF: 500 }, send: 5000 },
  },
  { name: 'segments are small', sim: { mtu: 120, faults: { loss: 0.05 } }, a: { send: 8000 }, b: { send: 8000 } },
  { name: 'the wire is slow and drops what it can’t queue', sim: { rate: 50_000, queue: 8000 } },
  { name: 'segments leave uncut', sim: { maxGsoPayload: 60_000, completesChecksum: true } },
  { name: 'each small write leaves at once', ...faults({ loss: 0.05 }), a: { options: { TCP_NODELAY: true } } },
  { name: 'one side only sends', b: { send: 0 }, ...faults({ loss: 0.1, reorder: 0.1 }) },
  {
    name: 'one side only receives, and closes last',
    a: { send: 0 },
    b: { closesLast: true },
    ...faults({ loss: 0.1 }),
  },
  { name: 'nobody sends anything', a: { send: 0 }, b: { send: 0 }, ...faults({ loss: 0.2 }) },
];

describe.each(CONDITIONS)('when $name', ({ sim: options, a, b }) => {
  test.each(SEEDS)('all octets arrive in order, once, and both ends close (seed %i)', (seed) => {
    const sim = new Sim({ seed, ...options });
    const mine = { send: 40_000, ...a };
    const theirs = { send: 40_000, ...b };
    expectOrderly(sim, sim.connect(mine, theirs), [mine.send, theirs.send]);
  });
});

describe('both open at once', () => {
  test.each(SEEDS)('and it becomes one connection, with losses (seed %i)', (seed) => {
    const sim = new Sim({ seed, faults: { loss: 0.15, reorder: 0.1, duplicate: 0.1 } });
    const options = { send: 10_000 };
    const b = sim.b.stack.connect({ address: sim.a.stack.address, port: 1000, localPort: 2000 });
    const a = sim.a.stack.connect({ address: B, port: 2000, localPort: 1000 });
    expectOrderly(sim, [new User(sim, a, options), new User(sim, b, options)], [10_000, 10_000]);
  });
});

test('a corrupted segment is noticed by its checksum, every time', () => {
  const sim = new Sim({ seed: 5, faults: { corrupt: 0.2 } });
  expectOrderly(sim, sim.connect({ send: 50_000 }, { send: 50_000 }), [50_000, 50_000]);
  const { faults: a } = sim.a.link;
  expect(a.out.corrupted).toBeGreaterThan(5);
  const { counters } = sim.b.stack;
  expect(counters.badChecksum + counters.malformed + counters.notForUs).toBe(a.out.corrupted);
});

test('the same seed gives the same run, another one another', () => {
  const run = (seed: number): string => {
    const records: string[] = [];
    const sim = new Sim({
      seed,
      faults: { loss: 0.1, reorder: 0.2 },
      onRecord: (r) => records.push(JSON.stringify(r)),
    });
    expectOrderly(sim, sim.connect({ send: 20_000 }, { send: 20_000 }), [20_000, 20_000]);
    return records.join('\n');
  };
  expect(run(3)).toBe(run(3));
  expect(run(3)).not.toBe(run(4));
});

test('without loss nothing is sent twice', () => {
  const sim = new Sim({ seed: 1 });
  const users = sim.connect({ send: 200_000 }, { send: 200_000 });
  expectOrderly(sim, users, [200_000, 200_000]);
  for (const user of users) expect(user.endpoint!.info()).toMatchObject({ total_retrans: 0, rcv_duppack: 0 });
});

test('a million octets through a long path use its capacity', () => {
  const sim = new Sim({ seed: 1, delay: ms(50) });
  const users = sim.connect({ send: 1_000_000 }, { send: 0, closesLast: true });
  const began = sim.time.now;
  sim.until(() => users[1].received === 1_000_000);
  // Slow start from 10 segments: 14, 29, 58 … kB a round trip of 100 ms.
  expect((sim.time.now - began) / 1e6).toBeLessThan(1.5);
  expectOrderly(sim, users, [1_000_000, 0]);
});
