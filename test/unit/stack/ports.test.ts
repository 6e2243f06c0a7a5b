import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { SipHash } from '../../../src/base/siphash.ts';
import { ALL_EPHEMERAL, PortChoice, type PortSource } from '../../../src/stack/ports.ts';
import { parseIpv4 } from '../../../src/wire/ipv4.ts';

const THEM = parseIpv4('10.0.0.2')!;
const OTHERS = parseIpv4('10.0.0.3')!;
const choice = (source: PortSource, seed = 1): PortChoice =>
  new PortChoice(source, new SipHash(seededRandom(seed)), seededRandom(seed + 1));

/** `count` ports from 1000 on, and as many again each time up to `most`. */
function growing(count: number, most: number): PortSource & { count: number } {
  return {
    count,
    at: (i) => 1000 + i,
    grow() {
      const more = Math.min(most, Math.max(1, 2 * this.count));
      const grown = more > this.count;
      this.count = more;
      return grown;
    },
    take() {},
    release() {},
  };
}

test('a destination gets every port once before one comes again', () => {
  const ports = choice(ALL_EPHEMERAL);
  const seen = new Set<number>();
  for (let i = 0; i < 28_232; i++) seen.add(ports.choose(THEM, 80, () => true)!);
  expect(seen.size).toBe(28_232);
  expect([Math.min(...seen), Math.max(...seen)]).toEqual([32_768, 60_999]);
});

test('destinations begin at places that depend on the key', () => {
  const firsts = [1, 2, 3].flatMap((seed) => {
    const ports = choice(ALL_EPHEMERAL, seed);
    return [
      ports.choose(THEM, 80, () => true),
      ports.choose(THEM, 81, () => true),
      ports.choose(OTHERS, 80, () => true),
    ];
  });
  expect(new Set(firsts).size).toBe(9);
});

test('there are more ports only when none of the others will do', () => {
  const source = growing(0, 64);
  const ports = choice(source);
  const used = new Set<number>();
  for (let i = 1; i <= 64; i++) {
    const port = ports.choose(THEM, 80, (p) => !used.has(p))!;
    used.add(port);
    expect(used.size).toBe(i);
    expect(source.count).toBeLessThan(2 * i);
  }
  expect(ports.choose(THEM, 80, (p) => !used.has(p))).toBeUndefined();
  expect(ports.choose(OTHERS, 80, () => true)).toBeGreaterThanOrEqual(1000);
});

test('to find the next free port takes few looks, however many are taken', () => {
  const source = growing(0, 20_000);
  const ports = choice(source);
  const used = new Set<number>();
  let looks = 0;
  for (let i = 0; i < 20_000; i++) {
    const free = (p: number): boolean => {
      looks++;
      return !used.has(p);
    };
    used.add(ports.choose(THEM, 80, free)!);
  }
  expect(looks / 20_000).toBeLessThan(5);
});
