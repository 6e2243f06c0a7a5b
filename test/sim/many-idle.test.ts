/** Very many connections in one process, idle: what each of them costs, and that all are still there. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { micros, ms, seconds } from '../../src/base/time.ts';
import type { Endpoint } from '../../src/stack/endpoint.ts';
import { pattern } from '../support/harness.ts';
import { report, scaled } from '../support/scale.ts';
import { plainPair } from '../support/sim.ts';

const COUNT = scaled(3000, 100_000);
/** Ports to connect to: each may have a connection from every source port. */
const PORTS = 10;

setFlagsFromString('--expose-gc');
// the function that V8 puts there
const collect = runInNewContext('gc') as () => void;

function heap(): number {
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

test(`${COUNT} idle connections take little, answer when they are spoken to, and leave nothing`, {
  timeout: scaled(60_000, 600_000),
}, () => {
  const { time, a, b } = plainPair();
  const pass = (us: number): void => time.runUntil(micros(time.now + us));
  const theirs: Endpoint[] = [];
  for (let port = 1; port <= PORTS; port++) {
    const listener = b.listen({ port });
    listener.onConnection = () => {
      const e = listener.accept()!;
      theirs.push(e);
      e.onEvent = () => {
        const octets = e.receive();
        if (octets === 'end') e.shutdown();
        else if (octets !== 'empty') e.send(octets);
      };
    };
  }
  const ours: Endpoint[] = [];
  const open = (count: number): void => {
    for (let i = 0; i < count; i++) {
      ours.push(a.connect({ address: b.address, port: 1 + (ours.length % PORTS) }));
      if (i % 100 === 99) pass(ms(20));
    }
    pass(seconds(1));
  };
  // What the first ones bring with them is there already.
  open(200);
  const before = heap();
  open(COUNT);
  pass(seconds(30));
  const each = (heap() - before) / COUNT / 2;
  report(`${COUNT} idle connections: ${each.toFixed(0)} octets for each end`);
  expect(ours.length).toBe(COUNT + 200);
  expect(theirs.length).toBe(COUNT + 200);
  expect([...ours, ...theirs].every((e) => e.state === 'ESTABLISHED' && e.connection.isPutAway)).toBe(true);
  expect(each).toBeLessThan(900);

  const asked = ours.filter((_, i) => i % 7 === 0);
  const got = new Map<Endpoint, number>();
  for (const e of asked) {
    e.onEvent = () => {
      const octets = e.receive();
      if (typeof octets !== 'string') got.set(e, (got.get(e) ?? 0) + octets.length);
    };
    e.send(pattern(0, 100));
  }
  pass(seconds(1));
  expect(asked.every((e) => got.get(e) === 100)).toBe(true);

  for (const e of ours) e.shutdown();
  pass(seconds(70));
  expect([[...a.endpoints()].length, [...b.endpoints()].length]).toEqual([0, 0]);
  expect(time.nextAt).toBe(Number.POSITIVE_INFINITY);
});
