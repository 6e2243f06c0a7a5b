import { describe, expect, test } from 'vitest';
import type { ChecksumState } from '../../../src/link/link.ts';
import { newCounters, type StackCounters } from '../../../src/stack/counters.ts';
import { type Arrival, IpInput } from '../../../src/stack/ip-input.ts';
import { pseudoHeaderSum } from '../../../src/wire/checksum.ts';
import { IcmpType } from '../../../src/wire/icmp.ts';
import { IpProtocol, type Ipv4, parseIpv4 } from '../../../src/wire/ipv4.ts';
import { writeU16 } from '../../../src/wire/octets.ts';
import { icmpPacket, ipPacket, THEM, tcpPacket, US } from './wire.ts';

/** What became of one packet: how it was taken and which counters moved. */
function take(bytes: Uint8Array, checksum: ChecksumState = 'unverified', at = 0): [Arrival, Partial<StackCounters>] {
  const counters = newCounters();
  const input = new IpInput(US, counters);
  const arrival = input.take({ bytes, at, end: bytes.length, checksum, owned: false });
  const moved = Object.fromEntries(Object.entries(counters).filter(([, n]) => n !== 0));
  return [arrival, moved];
}

const payload = Uint8Array.from({ length: 33 }, (_, i) => i);
const good = (): Uint8Array => tcpPacket({ flags: 'P.', seq: 7, ack: 9, payload });
const address = (text: string): Ipv4 => parseIpv4(text)!;

describe('segments', () => {
  test('a good one is taken, with its fields and its source', () => {
    const counters = newCounters();
    const input = new IpInput(US, counters);
    const bytes = good();
    expect(input.take({ bytes, at: 0, end: bytes.length, checksum: 'unverified', owned: false })).toBe('segment');
    expect(input.source).toBe(THEM);
    expect(input.segment).toMatchObject({ srcPort: 80, dstPort: 40_000, wnd: 65_535 });
    expect(input.segment.payload.len).toBe(33);
    expect(counters).toMatchObject({ segmentsIn: 1, partialChecksum: 0, badChecksum: 0 });
  });

  test('wherever it lies in its buffer', () => {
    expect(take(Uint8Array.from([1, 2, 3, ...good()]), 'unverified', 3)).toEqual(['segment', { segmentsIn: 1 }]);
  });

  test('with IP options before it (MUST-50)', () => {
    const options = Uint8Array.from([148, 4, 0, 0, 1, 1, 1, 0]);
    expect(take(tcpPacket({ flags: 'S' }, { options }))).toEqual(['segment', { segmentsIn: 1 }]);
  });

  test('each octet flipped is noticed, in the header, the pseudo-header’s addresses and the payload', () => {
    for (let i = 0; i < good().length; i++) {
      const bytes = good();
      bytes[i]! ^= 0x20;
      expect(take(bytes)[0], `octet ${i}`).toBe('nothing');
    }
  });

  test('a wrong TCP checksum, a wrong IP checksum', () => {
    const tcp = good();
    tcp[tcp.length - 1]! ^= 1;
    expect(take(tcp)).toEqual(['nothing', { badChecksum: 1 }]);
    const ip = good();
    ip[8]! ^= 1;
    expect(take(ip)).toEqual(['nothing', { badChecksum: 1 }]);
  });

  test('what the driver has verified is not summed again', () => {
    const bytes = good();
    bytes[bytes.length - 1]! ^= 1;
    expect(take(bytes, 'verified')).toEqual(['segment', { segmentsIn: 1 }]);
  });

  test('a checksum left to hardware, as the driver says', () => {
    const bytes = good();
    writeU16(bytes, 20 + 16, 0);
    expect(take(bytes, 'partial')).toEqual(['segment', { segmentsIn: 1, partialChecksum: 1 }]);
  });

  test('a checksum left to hardware, as the field shows: the pseudo-header’s sum alone', () => {
    const bytes = good();
    writeU16(bytes, 20 + 16, pseudoHeaderSum(THEM, US, IpProtocol.TCP, bytes.length - 20));
    expect(take(bytes)).toEqual(['segment', { segmentsIn: 1, partialChecksum: 1 }]);
    writeU16(bytes, 20 + 16, pseudoHeaderSum(THEM, US, IpProtocol.TCP, bytes.length - 20) ^ 1);
    expect(take(bytes)).toEqual(['nothing', { badChecksum: 1 }]);
  });
});

describe('what is no segment for us', () => {
  test('a datagram for another address', () => {
    expect(take(tcpPacket({ flags: 'S' }, { dst: address('10.0.0.9') }))).toEqual(['nothing', { notForUs: 1 }]);
    expect(take(tcpPacket({ flags: 'S' }, { dst: address('255.255.255.255') }))).toEqual(['nothing', { notForUs: 1 }]);
    expect(take(tcpPacket({ flags: 'S' }, { dst: address('224.0.0.1') }))).toEqual(['nothing', { notForUs: 1 }]);
  });

  test.each(['255.255.255.255', '224.0.0.1', '239.1.2.3', '0.0.0.0'])('from %s, where nobody is (MUST-63)', (src) => {
    expect(take(tcpPacket({ flags: 'S' }, { src: address(src) }))).toEqual(['nothing', { notForUs: 1 }]);
  });

  test('a fragment', () => {
    expect(take(tcpPacket({ flags: 'S' }, { flags: 1 }))).toEqual(['nothing', { fragments: 1 }]);
    expect(take(tcpPacket({ flags: 'S' }, { fragmentOffset: 8 }))).toEqual(['nothing', { fragments: 1 }]);
  });

  test('another protocol', () => {
    expect(take(ipPacket(payload, { protocol: IpProtocol.UDP }))).toEqual(['nothing', {}]);
  });

  test('what is cut short, or lies about its lengths', () => {
    expect(take(good().subarray(0, 19))).toEqual(['nothing', { malformed: 1 }]);
    expect(take(good().subarray(0, 30))).toEqual(['nothing', { malformed: 1 }]);
    expect(take(new Uint8Array(0))).toEqual(['nothing', { malformed: 1 }]);
    const offset = good();
    offset[20 + 12] = 0x40;
    expect(take(offset, 'verified')).toEqual(['nothing', { malformed: 1 }]);
    expect(take(ipPacket(new Uint8Array(19)), 'verified')).toEqual(['nothing', { malformed: 1 }]);
  });
});

describe('ICMP', () => {
  const sent = tcpPacket({ srcPort: 40_000, dstPort: 80, seq: 77, flags: 'S' }, { src: US, dst: THEM });

  test('an error about a segment of ours is taken, with what it quotes', () => {
    const counters = newCounters();
    const input = new IpInput(US, counters);
    const bytes = icmpPacket(IcmpType.UNREACHABLE, 1, sent);
    expect(input.take({ bytes, at: 0, end: bytes.length, checksum: 'unverified', owned: false })).toBe('icmp error');
    expect(input.quote).toMatchObject({ srcPort: 40_000, dstPort: 80 });
    expect(input.icmp).toMatchObject({ type: 3, code: 1 });
    expect(counters.icmpErrors).toBe(1);
  });

  test('one with a wrong checksum is not', () => {
    const bytes = icmpPacket(IcmpType.UNREACHABLE, 1, sent);
    bytes[bytes.length - 1]! ^= 1;
    expect(take(bytes)).toEqual(['nothing', { badChecksum: 1 }]);
  });

  test('nor what is no error, or quotes another’s, another protocol’s or too little', () => {
    expect(take(icmpPacket(IcmpType.ECHO, 0, sent))).toEqual(['nothing', {}]);
    const theirs = tcpPacket({ flags: 'S' }, { src: THEM, dst: US });
    expect(take(icmpPacket(IcmpType.UNREACHABLE, 1, theirs))).toEqual(['nothing', {}]);
    const udp = ipPacket(payload, { src: US, dst: THEM, protocol: IpProtocol.UDP });
    expect(take(icmpPacket(IcmpType.UNREACHABLE, 1, udp))).toEqual(['nothing', {}]);
    expect(take(icmpPacket(IcmpType.UNREACHABLE, 1, sent, { quote: 24 }))).toEqual(['nothing', {}]);
    const later = tcpPacket({ flags: 'S' }, { src: US, dst: THEM, fragmentOffset: 8 });
    expect(take(icmpPacket(IcmpType.UNREACHABLE, 1, later))).toEqual(['nothing', {}]);
  });
});
