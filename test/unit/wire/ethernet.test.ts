import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ArpOp, ArpPacket, decodeArp, encodeArp } from '../../../src/wire/arp.ts';
import {
  decodeEthernet,
  EthernetHeader,
  EtherType,
  encodeEthernet,
  isGroupMac,
  MAC_BROADCAST,
  macText,
  parseMac,
  toMac,
} from '../../../src/wire/ethernet.ts';
import { parseIpv4, toIpv4 } from '../../../src/wire/ipv4.ts';
import { hex, int32, octetsLike, placements, uint16 } from './support.ts';

const macs = fc.maxSafeNat().map((n) => toMac(n % 2 ** 48));

describe('hardware addresses', () => {
  test('any address survives being written and parsed', () => {
    fc.assert(fc.property(macs, (mac) => parseMac(macText(mac)) === mac));
    expect(macText(MAC_BROADCAST)).toBe('ff:ff:ff:ff:ff:ff');
    expect(macText(toMac(0x02_00_00_00_00_01))).toBe('02:00:00:00:00:01');
    expect(parseMac('2:0:0:0:0:A')).toBe(0x02_00_00_00_00_0a);
  });

  test.each([
    '',
    '02:00:00:00:00',
    '02:00:00:00:00:00:00',
    '02-00-00-00-00-00',
    '02:00:00:00:00:',
    '002:0:0:0:0:0',
    'g:0:0:0:0:0',
    ' 2:0:0:0:0:0',
  ])('%j is none', (text) => {
    expect(parseMac(text)).toBeUndefined();
  });

  test('a group address has its lowest bit of the first octet set', () => {
    expect([MAC_BROADCAST, parseMac('01:00:5e:00:00:01')!, parseMac('33:33:00:00:00:01')!].every(isGroupMac)).toBe(
      true,
    );
    expect([parseMac('02:ff:ff:ff:ff:ff')!, parseMac('fe:ff:ff:ff:ff:ff')!].some(isGroupMac)).toBe(false);
  });
});

describe('Ethernet', () => {
  test('gives back every field that was encoded', () => {
    const header = new EthernetHeader();
    const back = new EthernetHeader();
    fc.assert(
      fc.property(macs, macs, uint16, fc.nat(7), (dst, src, type, offset) => {
        Object.assign(header, { dst, src, type });
        const frame = new Uint8Array(14);
        expect(encodeEthernet(header, frame, 0)).toBe(14);
        for (const { bytes, at, end } of placements(frame, offset)) {
          expect(decodeEthernet(bytes, at, end, back)).toBe('ok');
          expect(back).toEqual(header);
        }
      }),
    );
  });

  test('has the destination first', () => {
    const header = new EthernetHeader();
    const frame = hex('ffffffffffff 020000000001 0806');
    expect(decodeEthernet(frame, 0, 14, header)).toBe('ok');
    expect(header).toEqual({ dst: MAC_BROADCAST, src: parseMac('02:00:00:00:00:01'), type: EtherType.ARP });
  });

  test('refuses what is shorter than its header', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 13, size: 'max' }), fc.nat(7), (octets, offset) => {
        for (const { bytes, at, end } of placements(octets, offset)) {
          expect(decodeEthernet(bytes, at, end, new EthernetHeader())).toBe('ethernet-truncated');
        }
      }),
    );
  });
});

describe('ARP', () => {
  test('gives back every field that was encoded', () => {
    const arp = new ArpPacket();
    const back = new ArpPacket();
    fc.assert(
      fc.property(uint16, macs, int32, macs, int32, fc.nat(7), (op, sha, spa, tha, tpa, offset) => {
        Object.assign(arp, { op, sha, spa: toIpv4(spa), tha, tpa: toIpv4(tpa) });
        const packet = new Uint8Array(28);
        expect(encodeArp(arp, packet, 0)).toBe(28);
        for (const { bytes, at, end } of placements(packet, offset)) {
          expect(decodeArp(bytes, at, end, back)).toBe('ok');
          expect(back).toEqual(arp);
        }
      }),
    );
  });

  test('a request as the kernel sends it', () => {
    const packet = hex('0001 0800 06 04 0001 020000000001 0a4d0001 000000000000 0a4d0002');
    const arp = new ArpPacket();
    expect(decodeArp(packet, 0, packet.length, arp)).toBe('ok');
    expect(arp).toEqual({
      op: ArpOp.REQUEST,
      sha: parseMac('02:00:00:00:00:01'),
      spa: parseIpv4('10.77.0.1'),
      tha: 0,
      tpa: parseIpv4('10.77.0.2'),
    });
  });

  test('of any octets is read without throwing and without looking around', () => {
    fc.assert(
      fc.property(octetsLike(hex('0001 0800 06 04')), fc.nat(7), (octets, offset) => {
        const results = placements(octets, offset).map(({ bytes, at, end }) => {
          const arp = new ArpPacket();
          return { outcome: decodeArp(bytes, at, end, arp), ...arp };
        });
        for (const result of results) expect(result).toEqual(results[0]);
      }),
      { numRuns: 1000 },
    );
  });

  test.each([
    ['27 octets', 'arp-truncated', '0001 0800 06 04 0001 020000000001 0a4d0001 000000000000 0a4d00'],
    ['other hardware', 'arp-not-ethernet-ipv4', '0006 0800 06 04 0001 020000000001 0a4d0001 000000000000 0a4d0002'],
    ['another protocol', 'arp-not-ethernet-ipv4', '0001 86dd 06 04 0001 020000000001 0a4d0001 000000000000 0a4d0002'],
    [
      'a hardware address of 8 octets',
      'arp-not-ethernet-ipv4',
      '0001 0800 08 04 0001 020000000001 0a4d0001 000000000000 0a4d0002',
    ],
    [
      'a protocol address of 16 octets',
      'arp-not-ethernet-ipv4',
      '0001 0800 06 10 0001 020000000001 0a4d0001 000000000000 0a4d0002',
    ],
  ])('refuses %s: %s', (_, expected, text) => {
    const octets = hex(text);
    expect(decodeArp(octets, 0, octets.length, new ArpPacket())).toBe(expected);
  });
});
