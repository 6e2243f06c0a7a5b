import { describe, expect, test } from 'vitest';
import { writtenCapture } from '../../../../scripts/trace/written.ts';
import { micros } from '../../../../src/base/time.ts';
import { parseFilter } from '../../../../src/tools/trace/filter.ts';
import { type Reading, SeenSegment } from '../../../../src/tools/trace/seen-segment.ts';
import { Trace } from '../../../../src/tools/trace/trace.ts';
import { ipv6Text, parseIpv6 } from '../../../../src/wire/ipv6.ts';
import { OPEN, traced } from './support.ts';

const [packet] = writtenCapture('0 > S seq 0 win 100 mss 1460').map((p) => p.octets);

function readingOf(octets: Uint8Array, linkType: number, wireLen = octets.length): { reading: Reading; port: number } {
  const seg = new SeenSegment();
  const reading = seg.read(octets, 0, octets.length, wireLen, linkType);
  return { reading, port: reading === 'tcp' ? seg.srcPort : 0 };
}

const behind = (front: readonly number[], ip: Uint8Array): Uint8Array => Uint8Array.of(...front, ...ip);
const MACS = new Array<number>(12).fill(2);

/** The same segment in IPv6, behind extension headers. */
function inIpv6(extension: readonly number[] = [], first = 6): Uint8Array {
  const tcp = packet!.subarray(20);
  const len = extension.length + tcp.length;
  return Uint8Array.of(
    ...[0x60, 0, 0, 0, len >> 8, len & 0xff, extension.length > 0 ? first : 6, 64],
    ...[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    ...[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
    ...extension,
    ...tcp,
  );
}

describe('a segment is found', () => {
  const places: readonly (readonly [string, Uint8Array, number])[] = [
    ['in bare IP', packet!, 101],
    ['in Ethernet', behind([...MACS, 8, 0], packet!), 1],
    ['behind a VLAN tag', behind([...MACS, 0x81, 0, 0, 5, 8, 0], packet!), 1],
    ['behind two tags', behind([...MACS, 0x88, 0xa8, 0, 5, 0x81, 0, 0, 7, 8, 0], packet!), 1],
    ['in Linux cooked', behind([...new Array<number>(14).fill(0), 8, 0], packet!), 113],
    ['in Linux cooked v2', behind([8, 0, ...new Array<number>(18).fill(0)], packet!), 276],
    ['in BSD loopback, either byte order', behind([0, 0, 0, 2], packet!), 0],
    ['in OpenBSD loopback', behind([2, 0, 0, 0], packet!), 108],
    ['in IPv6', inIpv6(), 101],
    ['in IPv6 behind options', inIpv6([6, 0, 1, 4, 0, 0, 0, 0], 0), 229],
    ['with octets of padding behind it', Uint8Array.of(...MACS, 8, 0, ...packet!, 0, 0, 0, 0), 1],
  ];
  test.each(places)('%s', (_name, octets, linkType) => {
    expect(readingOf(octets, linkType)).toEqual({ reading: 'tcp', port: 40_000 });
  });

  test('and what isn’t TCP, whole or known is told apart', () => {
    const changed = (at: number, value: number): Uint8Array => {
      const octets = packet!.slice();
      octets[at] = value;
      return octets;
    };
    expect(readingOf(changed(9, 17), 101).reading).toBe('other');
    expect(readingOf(behind([...MACS, 8, 6], packet!), 1).reading).toBe('other');
    expect(readingOf(changed(6, 0x20), 101).reading).toBe('fragment');
    expect(readingOf(inIpv6([6, 0, 0, 1, 0, 0, 0, 0], 44), 101).reading).toBe('fragment');
    expect(readingOf(packet!.subarray(0, 30), 101, packet!.length).reading).toBe('cut');
    expect(readingOf(packet!.subarray(0, 30), 101).reading).toBe('damaged');
    expect(readingOf(changed(32, 0x10), 101).reading).toBe('damaged');
    expect(readingOf(packet!, 147).reading).toBe('unknown link');
  });

  test('of a cut packet with the length that IP tells', () => {
    const [data] = writtenCapture('0 > . seq 1 ack 1 len 1000').map((p) => p.octets);
    const seg = new SeenSegment();
    expect(seg.read(data!.subarray(0, 60), 0, 60, data!.length, 101)).toBe('tcp');
    expect(seg.len).toBe(1000);
  });
});

test('a SYN with another number, or after the end, begins a new connection', () => {
  const again = traced(`${OPEN}
    1.0 > S seq 0 isn 5000 win 100
    1.1 < S. seq 0 isn 6000 ack 1 win 100
    1.2 > R. seq 1 ack 1
    2.0 > S seq 0 win 100`);
  expect(again.numbers).toEqual([1, 1, 1, 2, 2, 2, 3]);
  expect(again.kinds.filter((kinds) => kinds === 'port-reused')).toHaveLength(2);
  expect(again.retired.map((c) => c.number)).toEqual([1, 2, 3]);
});

test('connections between the same addresses are told apart by their ports', () => {
  const { numbers } = traced(`
    0.0 > S seq 0 win 100 port 1001
    0.1 > S seq 0 win 100 port 1002
    0.2 < S. seq 0 ack 1 win 100 port 1001
    0.3 < S. seq 0 ack 1 win 100 port 1002`);
  expect(numbers).toEqual([1, 2, 1, 2]);
});

test('no more than so many are kept; what is over goes first, then what is idle longest', () => {
  const { retired, trace } = traced(
    `
    0.0 > S seq 0 win 100 port 1
    0.1 > S seq 0 win 100 port 2
    0.2 < R. seq 0 ack 1 port 2
    0.3 > S seq 0 win 100 port 3
    0.4 < S. seq 0 ack 1 win 100 port 1
    0.5 > S seq 0 win 100 port 4
    0.6 > S seq 0 win 100 port 5`,
    { most: 3 },
  );
  expect(retired.map((c) => c.ports[0])).toEqual([2, 3, 1, 4, 5]);
  expect(trace.counts.early).toBe(2);
});

test('a flood of SYNs leaves no more than so many behind', () => {
  const seen: number[] = [];
  const trace = new Trace({ segment: () => {}, retired: (c) => seen.push(c.number) }, { most: 1000 });
  const octets = packet!.slice();
  for (let n = 0; n < 30_000; n++) {
    octets[13] = n >> 16;
    octets[14] = n >> 8;
    octets[15] = n;
    trace.packet(micros(n), octets, 0, octets.length, octets.length, 101);
  }
  expect(seen).toHaveLength(29_000);
  trace.finish();
  expect(trace.counts).toMatchObject({ connections: 30_000, early: 29_000 });
});

describe('filters', () => {
  const { retired } = traced('0 > S seq 0 win 100 port 1001\n1 > S seq 0 win 100 port 1002');
  const picked = (text: string): readonly number[] => retired.filter(parseFilter(text)).map((c) => c.number);

  test('pick connections by address, network and port of either end or of one', () => {
    expect(picked('port 1001')).toEqual([1]);
    expect(picked('port 80')).toEqual([1, 2]);
    expect(picked('client port 80')).toEqual([]);
    expect(picked('server host 10.0.0.2 client port 1002')).toEqual([2]);
    expect(picked('net 10.0.0.0/8 and not port 1001')).toEqual([2]);
    expect(picked('port 1001 or port 1002')).toEqual([1, 2]);
    expect(picked('not (port 1001 or host 10.9.9.9)')).toEqual([2]);
    expect(picked('port 1001 or port 1002 and port 81')).toEqual([1]);
    expect(picked('host 2001:db8::1')).toEqual([]);
  });

  test.each([
    ['', 'a condition is expected', 1],
    ['port', 'a port is missing', 5],
    ['port 80 and', 'a condition is expected', 12],
    ['port 99999', 'not a port', 6],
    ['host 10.0.0', 'not an address', 6],
    ['net 10.0.0.0', 'ADDRESS/LENGTH', 5],
    ['(port 80', "')' is missing", 9],
    ['port 80 )', 'not expected', 9],
  ])("'%s' is refused with the place", (text, message, column) => {
    expect(() => parseFilter(text)).toThrow(
      expect.objectContaining({ column, message: expect.stringContaining(message) }),
    );
  });
});

test('IPv6 addresses are written and read as RFC 5952 has them', () => {
  for (const text of ['::', '::1', '2001:db8::1', '2001:db8:0:1:1:1:1:1', '1::', 'fe80::1:0:0:1'])
    expect(ipv6Text([...parseIpv6(text)!] as [number, number, number, number])).toBe(text);
  for (const text of ['', ':', '1:2', '::1::', '12345::', 'g::', '1:2:3:4:5:6:7:8:9'])
    expect(parseIpv6(text)).toBeUndefined();
});
