import { describe, expect, test } from 'vitest';
import { echoReply, hostUnreachable } from '../../../src/ip/icmp-answers.ts';
import {
  decodeIcmp,
  decodeIcmpQuote,
  encodeIcmp,
  IcmpMessage,
  IcmpQuote,
  IcmpType,
  icmpChecksumGood,
} from '../../../src/wire/icmp.ts';
import {
  decodeIpv4,
  encodeIpv4,
  IpProtocol,
  Ipv4Flag,
  Ipv4Header,
  ipv4ChecksumGood,
  parseIpv4,
} from '../../../src/wire/ipv4.ts';

const US = parseIpv4('10.0.0.9')!;
const PEER = parseIpv4('10.0.0.2')!;
const DATA = Uint8Array.from({ length: 57 }, (_, i) => i);

function request(change: (ip: Ipv4Header, icmp: IcmpMessage) => void = () => {}): Uint8Array {
  const ip = new Ipv4Header();
  const icmp = new IcmpMessage();
  icmp.type = IcmpType.ECHO;
  icmp.identifier = 0x1234;
  icmp.sequence = 7;
  icmp.payload.push(DATA, 0, DATA.length);
  ip.ttl = 3;
  ip.protocol = IpProtocol.ICMP;
  ip.src = PEER;
  ip.dst = US;
  ip.totalLen = 20 + 8 + DATA.length;
  change(ip, icmp);
  const packet = new Uint8Array(20 + 8 + DATA.length);
  encodeIpv4(ip, packet, 0);
  encodeIcmp(icmp, packet, 20);
  icmp.payload.copyTo(packet, 28);
  return packet;
}

function replyTo(packet: Uint8Array): Uint8Array | undefined {
  const framed = new Uint8Array(packet.length + 14 + 5);
  framed.set(packet, 14);
  return echoReply(framed, 14, framed.length, US);
}

describe('an echo request', () => {
  test('comes back with its identifier, sequence and data, from us, with a TTL of its own', () => {
    const reply = replyTo(request())!;
    const ip = new Ipv4Header();
    const icmp = new IcmpMessage();
    expect(decodeIpv4(reply, 0, reply.length, ip)).toBe('ok');
    expect(ipv4ChecksumGood(reply, 0, ip)).toBe(true);
    expect([ip.src, ip.dst, ip.ttl, ip.totalLen]).toEqual([US, PEER, 64, reply.length]);
    expect(icmpChecksumGood(reply, 20, reply.length)).toBe(true);
    decodeIcmp(reply, 20, reply.length, icmp);
    expect([icmp.type, icmp.code, icmp.identifier, icmp.sequence]).toEqual([IcmpType.ECHO_REPLY, 0, 0x1234, 7]);
    expect(reply.subarray(28)).toEqual(DATA);
  });

  test.each<[string, (ip: Ipv4Header, icmp: IcmpMessage) => void]>([
    ['to another', (ip) => (ip.dst = PEER)],
    ['that is a fragment', (ip) => (ip.flags = Ipv4Flag.MF)],
    ['that is a reply', (_, icmp) => (icmp.type = IcmpType.ECHO_REPLY)],
    ['that is no ICMP', (ip) => (ip.protocol = IpProtocol.UDP)],
    ['longer than the frame', (ip) => (ip.totalLen += 6)],
  ])('%s is not answered', (_, change) => {
    expect(replyTo(request(change))).toBeUndefined();
  });

  test('with a bad checksum is not answered', () => {
    for (const at of [8, 40]) {
      const packet = request();
      packet[at]! ^= 0x10;
      expect(replyTo(packet)).toBeUndefined();
    }
  });
});

test('a packet that could not be delivered comes back as host unreachable, from its sender to itself, and quotes ports', () => {
  const ip = new Ipv4Header();
  ip.src = US;
  ip.dst = PEER;
  ip.protocol = IpProtocol.TCP;
  ip.totalLen = 40;
  const packet = new Uint8Array(40);
  encodeIpv4(ip, packet, 0);
  packet.set([0x80, 0x01, 0x00, 0x50, 1, 2, 3, 4], 20);
  const error = hostUnreachable(packet)!;
  const outer = new Ipv4Header();
  const icmp = new IcmpMessage();
  const quote = new IcmpQuote();
  expect(decodeIpv4(error, 0, error.length, outer)).toBe('ok');
  expect([outer.src, outer.dst, ipv4ChecksumGood(error, 0, outer)]).toEqual([US, US, true]);
  decodeIcmp(error, 20, error.length, icmp);
  expect([icmp.type, icmp.code, icmpChecksumGood(error, 20, error.length)]).toEqual([IcmpType.UNREACHABLE, 1, true]);
  expect(decodeIcmpQuote(error, icmp.quotedAt, icmp.quotedEnd, quote)).toBe('ok');
  expect([quote.ip.dst, quote.srcPort, quote.dstPort, quote.seq]).toEqual([PEER, 0x8001, 80, 0x01020304]);
});
