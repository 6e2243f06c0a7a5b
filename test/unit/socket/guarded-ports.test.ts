import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { LinkFailure } from '../../../src/link/failure.ts';
import type { PortRange } from '../../../src/link/filter.ts';
import type { PortGuard } from '../../../src/link/guard.ts';
import { GuardedPorts } from '../../../src/socket/guarded-ports.ts';
import { parseIpv4 } from '../../../src/wire/ipv4.ts';

interface Rig {
  readonly ports: GuardedPorts;
  readonly guarded: Set<number>;
  readonly ranges: () => readonly PortRange[];
}

function rig(o: { range?: PortRange; inUse?: readonly number[]; most?: number } = {}): Rig {
  const guarded = new Set<number>();
  let ranges: readonly PortRange[] = [];
  const within = (port: number): boolean => ranges.some(({ from, to }) => from <= port && port <= to);
  const guard = (port: number): PortGuard => {
    expect(within(port), `port ${port} before its segments reach us`).toBe(true);
    expect(guarded.has(port)).toBe(false);
    if (o.inUse?.includes(port)) throw new LinkFailure('EADDRINUSE', 'in use', 'another');
    if (guarded.size === o.most) throw new LinkFailure('EMFILE', 'no more descriptors', 'ulimit -n');
    guarded.add(port);
    const address = parseIpv4('10.0.0.1')!;
    return { kind: 'md5', address, port, note: '', close: () => void guarded.delete(port) };
  };
  const widen = (wider: readonly PortRange[]): void => {
    ranges = [...wider];
  };
  const ports = new GuardedPorts({ random: seededRandom(1), guard, widen, ...(o.range && { range: o.range }) });
  return { ports, guarded, ranges: () => ranges };
}

const all = (ports: GuardedPorts): number[] => Array.from({ length: ports.count }, (_, i) => ports.at(i));

test('nothing is guarded until a connection needs it, and then only some', () => {
  const { ports, guarded } = rig();
  expect([ports.count, guarded.size]).toEqual([0, 0]);
  expect(ports.grow()).toBe(true);
  expect(ports.count).toBe(8);
  expect(new Set(all(ports))).toEqual(guarded);
  for (const port of all(ports)) expect(ports.owns(port)).toBe(true);
  expect(ports.owns(1)).toBe(false);
});

test('it grows to every port of the range, each once, with a short list of ranges', () => {
  const { ports, guarded, ranges } = rig();
  while (ports.grow());
  expect(guarded.size).toBe(28_232);
  expect(new Set(all(ports)).size).toBe(28_232);
  expect(Math.min(...all(ports))).toBe(32_768);
  expect(Math.max(...all(ports))).toBe(60_999);
  expect(ranges().length).toBeLessThan(40);
});

test('ports of others are passed over', () => {
  const range = { from: 40_000, to: 40_009 };
  const { ports } = rig({ range, inUse: [40_001, 40_005] });
  while (ports.grow());
  expect(all(ports).toSorted((a, b) => a - b)).toEqual([
    40_000, 40_002, 40_003, 40_004, 40_006, 40_007, 40_008, 40_009,
  ]);
});

describe('ports that no connection has', () => {
  test('go back when there are many, and can be had again', () => {
    const { ports, guarded } = rig({ range: { from: 40_000, to: 40_999 } });
    while (ports.grow());
    for (const port of all(ports)) ports.take(port);
    for (const port of all(ports)) ports.release(port);
    expect(guarded.size).toBeLessThanOrEqual(256);
    expect(new Set(all(ports))).toEqual(guarded);
    while (ports.grow());
    expect(guarded.size).toBe(1000);
  });

  test('but never one that a connection has', () => {
    const { ports, guarded } = rig({ range: { from: 40_000, to: 40_999 } });
    while (ports.grow());
    const every = all(ports);
    for (const port of every) ports.take(port);
    const kept = every.filter((port) => port % 3 === 0);
    for (const port of kept) ports.take(port);
    for (const port of every) ports.release(port);
    for (const port of kept) expect(guarded.has(port)).toBe(true);
  });
});

test('when no more can be guarded it says why, and goes on with those it has', () => {
  const { ports } = rig({ most: 10 });
  expect([ports.grow(), ports.count]).toEqual([true, 8]);
  expect([ports.grow(), ports.count]).toEqual([true, 10]);
  expect(() => ports.grow()).toThrow('no more descriptors');
  expect(ports.count).toBe(10);
});

test('closing gives all of them back', () => {
  const { ports, guarded } = rig();
  ports.grow();
  ports.close();
  expect([guarded.size, ports.grow()]).toEqual([0, false]);
});
