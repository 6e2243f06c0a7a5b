/** Hours in virtual time, with thousands of connections of every kind through changing weather; in `npm run soak` a day and a million. */
import { expect, test } from 'vitest';
import { report, scaled } from '../support/scale.ts';
import { Watch } from '../support/sim.ts';
import { VirtualDay } from '../support/virtual-day.ts';

const HOURS = scaled(1, 24);
const CONNECTIONS = scaled(5000, 1_000_000);
const OCTETS = scaled(20_000_000, 1_000_000_000);

test(`${CONNECTIONS} connections in ${HOURS} h: every octet arrives, every one ends as it was to, and nothing is left`, () => {
  const beganAt = performance.now();
  const day = new VirtualDay({ seed: 1, hours: HOURS, connections: CONNECTIONS, octets: OCTETS }).run();
  const took = (performance.now() - beganAt) / 1000;
  report(
    `${day.connections} connections, ${day.octets} octets, ${day.segments} segments (${day.retransmitted} retransmitted) in ${day.virtualSeconds} s of virtual time: ${took.toFixed(1)} s, ${Math.round(day.connections / took)} connections/s, ${Math.round(day.octets / took / 1e6)} MB/s`,
  );
  expect(day.failed.slice(0, 5)).toEqual([]);
  const { whole, aborted, refused } = day.ended;
  expect(whole + aborted + refused).toBe(CONNECTIONS);
  expect([whole, aborted, refused].every((n) => n > 0)).toBe(true);
  expect(day.octets).toBeGreaterThanOrEqual(OCTETS);
  expect([day.defects, day.left]).toEqual([0, 0]);
  const { lost, duplicated, reordered, corrupted } = day.faults;
  for (const count of [lost, duplicated, reordered, corrupted, day.retransmitted]) expect(count).toBeGreaterThan(10);
}, 1_800_000);

test.each([
  ['with every option', {}],
  // What is repeated then is cut differently, and comes in pieces that were there in part.
  ['without any option', { tcp_sack: false, tcp_timestamps: false, tcp_window_scaling: false }],
])(
  'every segment of a thousand connections keeps to the rules, in every weather, %s',
  (_, sysctl) => {
    const tracer = (): Watch => new Watch();
    const day = new VirtualDay({ seed: 2, hours: 6, connections: 1000, octets: 4_000_000, sysctl, tracer }).run();
    expect([day.failed.slice(0, 5), day.defects, day.left]).toEqual([[], 0, 0]);
  },
  120_000,
);
