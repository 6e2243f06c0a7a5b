import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeIpv4,
  decodeQuotedIpv4,
  encodeIpv4,
  Ipv4Flag,
  Ipv4Header,
  inPrefix,
  ipv4ChecksumGood,
  ipv4Text,
  isBroadcast,
  isDirectedBroadcast,
  isLoopback,
  isMulticast,
  isUnspecified,
  parseIpv4,
  toIpv4,
} from '../../../src/wire/ipv4.ts';
import { hex, int32, octet, octetsLike, placements, uint16 } from './support.ts';

const ip = (text: string) => parseIpv4(text)!;

describe('addresses', () => {
  test('any address survives being written and parsed', () => {
    fc.assert(fc.property(int32, (n) => parseIpv4(ipv4Text(toIpv4(n))) === n));
    expect(parseIpv4('255.255.255.255')).toBe(-1);
    expect(parseIpv4('127.0.0.1')).toBe(0x7f000001);
  });

  test.each([
    '',
    '1',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.',
    '1..2.3',
    ' 1.2.3.4',
    '1.2.3.4\n',
    '1.2.3.0x4',
    '1.2.3.-4',
    '+1.2.3.4',
    '1e1.2.3.4',
    '٣.1.1.1',
    '0000.1.1.1',
  ])('%j is no address', (text) => {
    expect(parseIpv4(text)).toBeUndefined();
  });

  test('kinds are told apart', () => {
    expect([ip('224.0.0.1'), ip('239.255.255.255')].every(isMulticast)).toBe(true);
    expect([ip('223.255.255.255'), ip('240.0.0.0')].some(isMulticast)).toBe(false);
    expect([ip('127.0.0.0'), ip('127.255.255.255')].every(isLoopback)).toBe(true);
    expect([ip('126.255.255.255'), ip('128.0.0.0')].some(isLoopback)).toBe(false);
    expect([isBroadcast(ip('255.255.255.255')), isBroadcast(ip('255.255.255.254'))]).toEqual([true, false]);
    expect([isUnspecified(ip('0.0.0.0')), isUnspecified(ip('0.0.0.1'))]).toEqual([true, false]);
  });

  test.each([
    ['10.1.2.3', '10.1.0.0', 16, true],
    ['10.2.2.3', '10.1.0.0', 16, false],
    ['10.1.2.3', '10.1.9.9', 16, true],
    ['200.1.2.3', '10.0.0.0', 0, true],
    ['200.1.2.3', '200.1.2.3', 32, true],
    ['200.1.2.2', '200.1.2.3', 32, false],
    ['200.1.2.2', '200.1.2.3', 31, true],
    ['255.0.0.0', '127.0.0.0', 1, false],
  ])('%s in %s/%i: %s', (a, network, len, expected) => {
    expect(inPrefix(ip(a), ip(network), len)).toBe(expected);
  });

  test.each([
    ['10.1.255.255', '10.1.0.0', 16, true],
    ['10.1.255.254', '10.1.0.0', 16, false],
    ['10.2.255.255', '10.1.0.0', 16, false],
    ['10.0.0.3', '10.0.0.0', 30, true],
    ['10.0.0.1', '10.0.0.0', 31, false],
    ['10.0.0.1', '10.0.0.1', 32, false],
  ])('%s is the broadcast address of %s/%i: %s', (a, network, len, expected) => {
    expect(isDirectedBroadcast(ip(a), ip(network), len)).toBe(expected);
  });
});

const headers: fc.Arbitrary<Ipv4Header> = fc
  .record({
    dscp: fc.nat(63),
    ecn: fc.nat(3),
    id: uint16,
    flags: fc.nat(7),
    fragment: fc.nat(0x1fff),
    ttl: octet,
    protocol: octet,
    src: int32,
    dst: int32,
    options: fc.uint8Array({ maxLength: 40, size: 'max' }),
    payloadLen: fc.nat(50),
  })
  .map((x) => {
    const header = new Ipv4Header();
    const { dscp, ecn, id, flags, ttl, protocol } = x;
    Object.assign(header, { dscp, ecn, id, flags, ttl, protocol });
    header.fragmentOffset = x.fragment * 8;
    header.src = toIpv4(x.src);
    header.dst = toIpv4(x.dst);
    header.optionsBuf = x.options;
    header.optionsLen = x.options.length & ~3;
    header.totalLen = 20 + header.optionsLen + x.payloadLen;
    return header;
  });

/** Every field as plain values, offsets from the packet's start. */
function fields(header: Ipv4Header, at = 0) {
  const { dscp, ecn, totalLen, id, flags, fragmentOffset, ttl, protocol, src, dst } = header;
  const options = header.optionsBuf.slice(header.optionsAt, header.optionsAt + header.optionsLen);
  return {
    dscp,
    ecn,
    totalLen,
    id,
    flags,
    fragmentOffset,
    ttl,
    protocol,
    src,
    dst,
    options,
    payload: [header.payloadAt - at, header.payloadEnd - at],
  };
}

function encoded(header: Ipv4Header): Uint8Array {
  const packet = new Uint8Array(header.totalLen).fill(0x99);
  encodeIpv4(header, packet, 0);
  return packet;
}

describe('the header', () => {
  test('as the kernel sends it', () => {
    const packet = hex('4500003c1c46 4000 40 06 b1e6 ac100a63 ac100a0c'.padEnd(140, '0'));
    const header = new Ipv4Header();
    expect(decodeIpv4(packet, 0, packet.length, header)).toBe('ok');
    expect(fields(header)).toMatchObject({
      totalLen: 60,
      id: 0x1c46,
      flags: Ipv4Flag.DF,
      ttl: 64,
      protocol: 6,
      payload: [20, 60],
    });
    expect([ipv4Text(header.src), ipv4Text(header.dst)]).toEqual(['172.16.10.99', '172.16.10.12']);
    expect(ipv4ChecksumGood(packet, 0, header)).toBe(true);
    packet[8] = 63;
    expect(ipv4ChecksumGood(packet, 0, header)).toBe(false);
    packet[8] = 64;
    const again = new Uint8Array(60);
    expect(encodeIpv4(header, again, 0)).toBe(20);
    expect(again).toEqual(packet.subarray(0, 60));
  });

  test('gives back every field that was encoded, with a good checksum', () => {
    const back = new Ipv4Header();
    fc.assert(
      fc.property(headers, fc.nat(7), (header, offset) => {
        const packet = encoded(header);
        for (const { bytes, at, end } of placements(packet, offset)) {
          expect(decodeIpv4(bytes, at, end, back)).toBe('ok');
          expect(fields(back, at)).toEqual({ ...fields(header), payload: [20 + header.optionsLen, header.totalLen] });
          expect(back.ihl).toBe(5 + header.optionsLen / 4);
          expect(ipv4ChecksumGood(bytes, at, back)).toBe(true);
        }
      }),
    );
  });

  test('of any octets is read without throwing and without looking around', () => {
    fc.assert(
      fc.property(octetsLike(hex('4f00 0048')), fc.nat(7), fc.boolean(), (octets, offset, zeroMeansAll) => {
        const results = placements(octets, offset).map(({ bytes, at, end }) => {
          const header = new Ipv4Header();
          const outcome = decodeIpv4(bytes, at, end, header, zeroMeansAll);
          if (outcome === 'ok') expect(header.payloadEnd <= end && header.payloadAt <= header.payloadEnd).toBe(true);
          return outcome === 'ok'
            ? { outcome, ...fields(header, at), good: ipv4ChecksumGood(bytes, at, header) }
            : outcome;
        });
        for (const result of results) expect(result).toEqual(results[0]);
      }),
      { numRuns: 2000 },
    );
  });

  test('options are padded with zeros', () => {
    const header = new Ipv4Header();
    header.totalLen = 24;
    header.optionsBuf = hex('ff 0144 ff');
    header.optionsAt = 1;
    header.optionsLen = 2;
    const packet = encoded(header);
    expect(packet.subarray(20)).toEqual(hex('01440000'));
    expect(packet[0]).toBe(0x46);
  });

  test('touches nothing beyond itself', () => {
    const to = new Uint8Array(30).fill(0xee);
    expect(encodeIpv4(new Ipv4Header(), to, 5)).toBe(20);
    expect([to[4], to[25]]).toEqual([0xee, 0xee]);
  });
});

describe('lengths', () => {
  const packet = (change: (octets: Uint8Array) => void = () => {}): Uint8Array => {
    const octets = hex('4500 0018 0000 0000 4006 0000 0a000001 0a000002 01020304');
    change(octets);
    return octets;
  };
  const outcome = (octets: Uint8Array, zeroMeansAll = false): string =>
    decodeIpv4(octets, 0, octets.length, new Ipv4Header(), zeroMeansAll);

  test.each([
    ['nothing', 'ip-truncated', new Uint8Array(0)],
    ['19 octets', 'ip-truncated', packet().subarray(0, 19)],
    ['another version', 'ip-not-version-4', packet((o) => o.fill(0x65, 0, 1))],
    ['another version, short', 'ip-not-version-4', Uint8Array.of(0x60)],
    ['a header of 16 octets', 'ip-bad-ihl', packet((o) => o.fill(0x44, 0, 1))],
    ['a header longer than the packet', 'ip-truncated', packet((o) => o.fill(0x47, 0, 1))],
    ['a total length inside the header', 'ip-bad-length', packet((o) => o.fill(19, 3, 4))],
    ['a total length inside the options', 'ip-bad-length', packet((o) => o.fill(0x46, 0, 1).fill(22, 3, 4))],
    ['a total length of 0', 'ip-bad-length', packet((o) => o.fill(0, 3, 4))],
    ['a total length beyond the octets', 'ip-truncated', packet((o) => o.fill(25, 3, 4))],
    ['a total length that fits', 'ok', packet()],
    ['a total length without payload', 'ok', packet((o) => o.fill(20, 3, 4))],
  ])('%s: %s', (_, expected, octets) => {
    expect(outcome(octets)).toBe(expected);
  });

  test("the frame's padding is no payload", () => {
    const header = new Ipv4Header();
    const padded = Uint8Array.of(...packet(), 0, 0, 0);
    expect(decodeIpv4(padded, 0, padded.length, header)).toBe('ok');
    expect([header.payloadAt, header.payloadEnd]).toEqual([20, 24]);
  });

  test('a total length of 0 is the whole of a merged frame, when that is asked for', () => {
    const header = new Ipv4Header();
    const merged = new Uint8Array(70000);
    merged.set(packet((o) => o.fill(0, 3, 4)));
    expect(decodeIpv4(merged, 0, merged.length, header, true)).toBe('ok');
    expect(header.payloadEnd).toBe(70000);
    expect(header.totalLen).toBe(0);
  });

  test('a quoted packet may be cut', () => {
    const header = new Ipv4Header();
    const cut = packet((o) => o.fill(200, 3, 4));
    expect(decodeQuotedIpv4(cut, 0, cut.length, header)).toBe('ok');
    expect([header.totalLen, header.payloadAt, header.payloadEnd]).toEqual([200, 20, 24]);
  });
});

test('a fragment is known by its offset or by more to come', () => {
  const header = new Ipv4Header();
  expect(header.isFragment).toBe(false);
  header.flags = Ipv4Flag.DF;
  expect(header.isFragment).toBe(false);
  header.flags = Ipv4Flag.MF;
  expect(header.isFragment).toBe(true);
  header.flags = 0;
  header.fragmentOffset = 8;
  expect(header.isFragment).toBe(true);
});

test('clearing leaves nothing', () => {
  const header = new Ipv4Header();
  fc.assert(
    fc.property(headers, (filled) => {
      const packet = encoded(filled);
      decodeIpv4(packet, 0, packet.length, header);
      header.clear();
      expect(header).toEqual(new Ipv4Header());
    }),
  );
});
