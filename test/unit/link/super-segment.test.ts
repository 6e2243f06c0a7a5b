import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seqText } from '../../../src/base/seq.ts';
import { SuperSegment } from '../../../src/link/super-segment.ts';
import { decodeIpv4, Ipv4Header, ipv4ChecksumGood } from '../../../src/wire/ipv4.ts';
import { decodeTcp, TcpFlag, TcpSegment } from '../../../src/wire/tcp.ts';
import { checksumOf, tcpPacket } from './packets.ts';

const { FIN, PSH, ACK, CWR, ECE, SYN, RST } = TcpFlag;

function superPacket(o: { payload: readonly number[]; flags?: number; seq?: number }): Uint8Array {
  const packet = tcpPacket({ ...o, partial: true });
  const bytes = new Uint8Array(packet.headerLen + packet.payload.len);
  bytes.set(packet.header.subarray(0, packet.headerLen));
  packet.payload.copyTo(bytes, packet.headerLen);
  return bytes;
}

interface Piece {
  readonly seq: string;
  readonly flags: number;
  readonly id: number;
  readonly payload: number[];
}

/** Each piece as a receiver reads it; a checksum that is not good, or a length that is not right, throws. */
function cut(bytes: Uint8Array, mss: number, mtu = 1500): Piece[] {
  const merged = new SuperSegment();
  const room = new Uint8Array(9 + mtu);
  merged.begin(bytes, 0, bytes.length, mss, mtu);
  return Array.from({ length: merged.count }, (_, i) => {
    const len = merged.write(i, room, 9);
    const octets = room.slice(9, 9 + len);
    const ip = new Ipv4Header();
    const seg = new TcpSegment();
    expect(decodeIpv4(octets, 0, len, ip)).toBe('ok');
    expect(ipv4ChecksumGood(octets, 0, ip)).toBe(true);
    expect(ip.totalLen).toBe(len);
    expect(checksumOf(octets)).toBe('good');
    expect(decodeTcp(octets, ip.payloadAt, ip.payloadEnd, seg)).toBe('ok');
    const payload = new Uint8Array(seg.payload.len);
    seg.payload.copyTo(payload, 0);
    return { seq: seqText(seg.seq), flags: seg.flags, id: ip.id, payload: [...payload] };
  });
}

test('a merged segment is cut at the MSS, numbers counting on, the rest in the last', () => {
  const pieces = cut(superPacket({ payload: [1, 2, 3, 4, 5, 6, 7], seq: 100 }), 3);
  expect(pieces).toEqual([
    { seq: '100', flags: ACK, id: 0, payload: [1, 2, 3] },
    { seq: '103', flags: ACK, id: 1, payload: [4, 5, 6] },
    { seq: '106', flags: ACK, id: 2, payload: [7] },
  ]);
});

test('sequence numbers and identifications wrap', () => {
  const bytes = superPacket({ payload: [1, 2, 3, 4], seq: 0xffff_fffe });
  bytes.set([0xff, 0xff], 4);
  expect(cut(bytes, 2).map((p) => [p.seq, p.id])).toEqual([
    ['4294967294', 0xffff],
    ['0', 0],
  ]);
});

test('FIN and PSH are on the last piece alone, CWR on the first, ECE on all', () => {
  const pieces = cut(superPacket({ payload: [1, 2, 3], flags: FIN | PSH | ACK | CWR | ECE }), 1);
  expect(pieces.map((p) => p.flags)).toEqual([ACK | ECE | CWR, ACK | ECE, ACK | ECE | PSH | FIN]);
});

test('where only the MTU is known, pieces are as large as it allows', () => {
  const pieces = cut(superPacket({ payload: new Array(100).fill(7) }), 0, 80);
  expect(pieces.map((p) => p.payload.length)).toEqual([40, 40, 20]);
});

test('what it is cut into is what went in, for any payload and MSS', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(255), { minLength: 1, maxLength: 300 }),
      fc.integer({ min: 1, max: 120 }),
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      (payload, mss, seq) => {
        const pieces = cut(superPacket({ payload, seq }), mss);
        expect(pieces.flatMap((p) => p.payload)).toEqual(payload);
        expect(pieces.length).toBe(Math.ceil(payload.length / mss));
      },
    ),
  );
});

test('a SYN, a RST, a fragment, another protocol and an empty segment are none of its business', () => {
  const merged = new SuperSegment();
  const count = (bytes: Uint8Array): number => merged.begin(bytes, 0, bytes.length, 2, 1500);
  const payload = [1, 2, 3];
  expect(count(superPacket({ payload }))).toBe(2);
  expect(count(superPacket({ payload, flags: SYN }))).toBe(0);
  expect(count(superPacket({ payload, flags: RST }))).toBe(0);
  expect(count(superPacket({ payload: [] }))).toBe(0);
  const fragment = superPacket({ payload });
  fragment[6] = 0x20;
  expect(count(fragment)).toBe(0);
  const udp = superPacket({ payload });
  udp[9] = 17;
  expect(count(udp)).toBe(0);
});
