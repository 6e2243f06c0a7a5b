import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HalfSipHash } from '../../../src/base/half-siphash.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { type Demuxed, DemuxTable } from '../../../src/stack/demux.ts';
import { type Ipv4, toIpv4 } from '../../../src/wire/ipv4.ts';

class Entry implements Demuxed<Entry> {
  readonly localAddress: Ipv4;
  readonly localPort: number;
  readonly remoteAddress: Ipv4;
  readonly remotePort: number;
  next: Entry | undefined = undefined;

  constructor(local: number, localPort: number, remote: number, remotePort: number) {
    this.localAddress = toIpv4(local);
    this.localPort = localPort;
    this.remoteAddress = toIpv4(remote);
    this.remotePort = remotePort;
  }
}

const table = (): DemuxTable<Entry> => new DemuxTable(new HalfSipHash(seededRandom(1)));
const find = (t: DemuxTable<Entry>, e: Entry): Entry | undefined =>
  t.find(e.localAddress, e.localPort, e.remoteAddress, e.remotePort);

describe('the table of connections', () => {
  test('finds by all four of the tuple', () => {
    const t = table();
    const e = new Entry(1, 2, 3, 4);
    t.add(e);
    expect(find(t, e)).toBe(e);
    for (const other of [new Entry(9, 2, 3, 4), new Entry(1, 9, 3, 4), new Entry(1, 2, 9, 4), new Entry(1, 2, 3, 9)])
      expect(find(t, other)).toBeUndefined();
    expect(find(t, new Entry(3, 4, 1, 2))).toBeUndefined();
  });

  test('holds thousands, and forgets those that are removed', () => {
    const t = table();
    const all = Array.from({ length: 5000 }, (_, i) => new Entry(1, 80, i >> 4, 1024 + (i & 15)));
    for (const e of all) t.add(e);
    expect(t.size).toBe(5000);
    expect(new Set(t).size).toBe(5000);
    for (const e of all) expect(find(t, e)).toBe(e);
    for (const e of all.filter((_, i) => i % 2 === 0)) t.remove(e);
    expect(t.size).toBe(2500);
    all.forEach((e, i) => {
      expect(find(t, e)).toBe(i % 2 === 0 ? undefined : e);
    });
  });

  test('grows a little at a time: whoever was added is found at every size', () => {
    const t = table();
    const all = Array.from({ length: 600 }, (_, i) => new Entry(1, 80, 7, 1 + i));
    all.forEach((e, i) => {
      t.add(e);
      expect(all.slice(0, i + 1).every((known) => find(t, known) === known)).toBe(true);
    });
    expect(new Set(t)).toEqual(new Set(all));
  });

  test('removing what is not there changes nothing', () => {
    const t = table();
    const e = new Entry(1, 2, 3, 4);
    t.remove(e);
    t.add(e);
    t.remove(new Entry(1, 2, 3, 4));
    expect(t.size).toBe(1);
    expect(find(t, e)).toBe(e);
  });

  test('does what a map does', () => {
    const port = fc.integer({ min: 1, max: 3 });
    const step = fc.record({ add: fc.boolean(), tuple: fc.tuple(port, port, port, port) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const t = table();
        const map = new Map<string, Entry>();
        for (const { add, tuple } of steps) {
          const known = map.get(tuple.join());
          if (add && known === undefined) {
            const e = new Entry(...tuple);
            map.set(tuple.join(), e);
            t.add(e);
          } else if (!add && known !== undefined) {
            t.remove(known);
            map.delete(tuple.join());
          }
          expect(t.size).toBe(map.size);
          expect(find(t, new Entry(...tuple))).toBe(map.get(tuple.join()));
        }
        expect(new Set(t)).toEqual(new Set(map.values()));
      }),
    );
  });
});
