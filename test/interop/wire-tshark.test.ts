/**
 * wire/ and pcap/ against tshark and tcpdump: what we write they read as we meant it, with good checksums, and what a
 * kernel wrote (fixtures/kernel.pcap, made with tcpdump on a veth without offloads) we read as they do. tshark is told to
 * verify checksums, and shown bad ones to see that it does.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { Gather } from '../../src/base/gather.ts';
import { seqInt, toSeq } from '../../src/base/seq.ts';
import { micros } from '../../src/base/time.ts';
import { readPcapFile } from '../../src/pcap/pcap-reader.ts';
import { LinkType, pcapHeader, pcapRecord } from '../../src/pcap/pcap-writer.ts';
import { ArpOp, ArpPacket, encodeArp } from '../../src/wire/arp.ts';
import { foldChecksum, pseudoHeaderSum, sumGather, sumOctets } from '../../src/wire/checksum.ts';
import { EthernetHeader, EtherType, encodeEthernet, MAC_BROADCAST, parseMac } from '../../src/wire/ethernet.ts';
import { encodeIcmp, IcmpMessage, IcmpType, UnreachableCode } from '../../src/wire/icmp.ts';
import { decodeIpv4, encodeIpv4, IpProtocol, Ipv4Flag, Ipv4Header, ipv4Text, parseIpv4 } from '../../src/wire/ipv4.ts';
import { writeU16 } from '../../src/wire/octets.ts';
import { decodeTcp, encodeTcp, TcpFlag, TcpSegment } from '../../src/wire/tcp.ts';
import { optionsText, type RelativeTo, segmentText, textSegment } from '../../src/wire/tcp-text.ts';
import { run } from '../support/lab.ts';
import { segments } from '../unit/wire/support.ts';
import { CHECKSUM_BAD, CHECKSUM_GOOD, ourFields, tsharkFields } from './tshark.ts';

const KERNEL_CAPTURE = fileURLToPath(new URL('../fixtures/kernel.pcap', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tcpx-wire-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Fixed, so that a failure shows the same packet again. */
const SEED = 9293;
const SRC = parseIpv4('10.0.0.1')!;
const DST = parseIpv4('10.0.0.2')!;
const HERE = parseMac('02:00:00:00:00:01')!;
const THERE = parseMac('02:00:00:00:00:02')!;

function writeCapture(name: string, linkType: number, packets: readonly Uint8Array[]): string {
  const path = join(folder, name);
  writeFileSync(
    path,
    Buffer.concat([pcapHeader(linkType), ...packets.map((packet, i) => pcapRecord(micros(1_000_000 + i), packet))]),
  );
  return path;
}

function frame(type: number, packet: Uint8Array): Uint8Array {
  const header = new EthernetHeader();
  Object.assign(header, { dst: type === EtherType.ARP ? MAC_BROADCAST : THERE, src: HERE, type });
  const octets = new Uint8Array(Math.max(60, 14 + packet.length));
  octets.set(packet, encodeEthernet(header, octets, 0));
  return octets;
}

/** An IP packet around `transport` octets. */
function packet(protocol: number, transport: Uint8Array, change: Partial<Ipv4Header> = {}): Uint8Array {
  const ip = new Ipv4Header();
  Object.assign(ip, { protocol, ttl: 64, src: SRC, dst: DST, flags: Ipv4Flag.DF, ...change });
  ip.totalLen = 20 + ip.optionsLen + transport.length;
  const octets = new Uint8Array(ip.totalLen);
  octets.set(transport, encodeIpv4(ip, octets, 0));
  return octets;
}

/** The segment's octets with the checksum worked out over header and gathered payload, as the stack does it. */
function segment(seg: TcpSegment): Uint8Array {
  const octets = new Uint8Array(60 + seg.payload.len);
  seg.checksum = 0;
  const headerLen = encodeTcp(seg, octets, 0);
  const pseudo = pseudoHeaderSum(SRC, DST, IpProtocol.TCP, headerLen + seg.payload.len);
  writeU16(octets, 16, foldChecksum(sumGather(sumOctets(pseudo, octets, 0, headerLen), seg.payload)));
  return octets.subarray(0, seg.payload.copyTo(octets, headerLen));
}

function plainSegment(flags: number, payload: Uint8Array = new Uint8Array(0)): TcpSegment {
  const seg = new TcpSegment();
  Object.assign(seg, { srcPort: 40001, dstPort: 40002, flags, wnd: 1000 });
  seg.seq = toSeq(0xfffffff0);
  seg.ack = toSeq(77);
  seg.payload.push(payload, 0, payload.length);
  return seg;
}

/** Every flag, every option, payloads of every kind of length; ports that belong to no dissector. */
function manySegments(): TcpSegment[] {
  const octets = (len: number) => new Uint8Array(len).map((_, i) => i * 7);
  const random = fc.sample(segments, { seed: SEED, numRuns: 500 });
  for (const seg of random) Object.assign(seg, { srcPort: 40001, dstPort: 40002, wscale: Math.min(seg.wscale, 14) });
  return [
    ...Array.from({ length: 256 }, (_, flags) => plainSegment(flags)),
    ...[1, 2, 3, 4, 5, 1459, 1460, 9001, 65000, 65495].map((len) => plainSegment(TcpFlag.ACK, octets(len))),
    ...random,
  ];
}

function icmp(type: number, code: number, payload: Uint8Array, change: Partial<IcmpMessage> = {}): Uint8Array {
  const message = new IcmpMessage();
  Object.assign(message, { type, code }, change);
  const half = payload.length >> 1;
  message.payload.push(payload, 0, half | 1);
  message.payload.push(payload, half | 1, payload.length - (half | 1));
  const octets = new Uint8Array(8 + payload.length);
  message.payload.copyTo(octets, encodeIcmp(message, octets, 0));
  return packet(IpProtocol.ICMP, octets);
}

function manyIcmp(): Uint8Array[] {
  const quoted = packet(IpProtocol.TCP, segment(plainSegment(TcpFlag.ACK))).subarray(0, 28);
  return [
    icmp(IcmpType.ECHO, 0, Uint8Array.of(1, 2, 3), { identifier: 0xc0ff, sequence: 0xfffe }),
    icmp(IcmpType.ECHO_REPLY, 0, new Uint8Array(56).fill(0xff), { identifier: 1, sequence: 2 }),
    ...Object.values(UnreachableCode).map((code) =>
      icmp(
        IcmpType.UNREACHABLE,
        code,
        quoted,
        code === UnreachableCode.FRAGMENTATION_NEEDED ? { nextHopMtu: 1400 } : {},
      ),
    ),
    icmp(IcmpType.SOURCE_QUENCH, 0, quoted),
    icmp(IcmpType.REDIRECT, 1, quoted, { rest: DST }),
    icmp(IcmpType.TIME_EXCEEDED, 0, quoted),
    icmp(IcmpType.TIME_EXCEEDED, 1, quoted),
    icmp(IcmpType.PARAMETER_PROBLEM, 0, quoted, { pointer: 20 }),
  ];
}

function manyArp(): Uint8Array[] {
  const arp = new ArpPacket();
  return [ArpOp.REQUEST, ArpOp.REPLY].map((op) => {
    Object.assign(arp, { op, sha: HERE, spa: SRC, tha: THERE, tpa: DST });
    const octets = new Uint8Array(28);
    encodeArp(arp, octets, 0);
    return octets;
  });
}

const recordRoute = { optionsBuf: Uint8Array.of(7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 1), optionsLen: 12 };
const manyIp = (): Uint8Array[] => [
  packet(IpProtocol.TCP, segment(plainSegment(TcpFlag.SYN)), { ...recordRoute, dscp: 46, ecn: 1, id: 0xfffe, ttl: 1 }),
  packet(IpProtocol.TCP, segment(plainSegment(TcpFlag.SYN)), { dscp: 63, ecn: 3, flags: Ipv4Flag.RESERVED, ttl: 255 }),
  packet(IpProtocol.UDP, new Uint8Array(16), { flags: Ipv4Flag.MF, fragmentOffset: 8 * 0x1001 }),
];

describe('what we write', () => {
  const segs = manySegments();
  const packets = [...segs.map((seg) => packet(IpProtocol.TCP, segment(seg))), ...manyIcmp(), ...manyIp()];

  test('as frames tshark reads field by field as we do, with every checksum good', () => {
    const frames = [...packets.map((p) => frame(EtherType.IPV4, p)), ...manyArp().map((p) => frame(EtherType.ARP, p))];
    const theirs = tsharkFields(writeCapture('frames.pcap', LinkType.EN10MB, frames));
    expect(theirs).toHaveLength(frames.length);
    frames.forEach((octets, i) => {
      expect({ i, ...theirs[i] }).toEqual({ i, ...ourFields(octets, LinkType.EN10MB) });
      for (const status of ['ip.checksum.status', 'tcp.checksum.status', 'icmp.checksum.status']) {
        expect(theirs[i]![status] ?? []).not.toContain(CHECKSUM_BAD);
      }
    });
    expect(theirs.filter((fields) => fields['tcp.checksum.status']?.[0] === CHECKSUM_GOOD)).toHaveLength(
      segs.length + 2,
    );
    expect(theirs.filter((fields) => fields['icmp.checksum.status']?.[0] === CHECKSUM_GOOD)).toHaveLength(23);
  });

  test('as bare IP packets tshark reads the same', () => {
    const some = packets.filter((_, i) => i % 10 === 0);
    const theirs = tsharkFields(writeCapture('bare.pcap', LinkType.RAW, some));
    expect(theirs).toEqual(some.map((octets) => ourFields(octets, LinkType.RAW)));
  });

  test('tshark reads the values that were meant, not only the ones we read back', () => {
    const seg = plainSegment(TcpFlag.SYN | TcpFlag.ACK);
    Object.assign(seg, { mss: 1460, wscale: 7, sackPermitted: true, hasTimestamps: true, tsVal: -1, tsEcr: 5 });
    const [fields] = tsharkFields(
      writeCapture('one.pcap', LinkType.RAW, [packet(IpProtocol.TCP, segment(seg), { id: 258 })]),
    );
    expect(fields).toMatchObject({
      'ip.src': ['10.0.0.1'],
      'ip.id': ['0x0102'],
      'tcp.seq': ['4294967280'],
      'tcp.ack_raw': ['77'],
      'tcp.flags': ['0x0012'],
      'tcp.options.mss_val': ['1460'],
      'tcp.options.wscale.shift': ['7'],
      'tcp.options.timestamp.tsval': ['4294967295'],
      'tcp.options.timestamp.tsecr': ['5'],
    });
  });

  test('tshark reads of ARP and ICMP what was meant, too', () => {
    const [request] = manyArp();
    const tooBig = icmp(IcmpType.UNREACHABLE, UnreachableCode.FRAGMENTATION_NEEDED, new Uint8Array(28), {
      nextHopMtu: 1400,
    });
    const echo = icmp(IcmpType.ECHO, 0, Uint8Array.of(1), { identifier: 513, sequence: 7 });
    const frames = [frame(EtherType.ARP, request!), frame(EtherType.IPV4, tooBig), frame(EtherType.IPV4, echo)];
    const theirs = tsharkFields(writeCapture('meant.pcap', LinkType.EN10MB, frames));
    expect(theirs).toMatchObject([
      {
        'eth.dst': ['ff:ff:ff:ff:ff:ff'],
        'eth.src': ['02:00:00:00:00:01'],
        'arp.opcode': ['1'],
        'arp.src.hw_mac': ['02:00:00:00:00:01'],
        'arp.src.proto_ipv4': ['10.0.0.1'],
        'arp.dst.hw_mac': ['02:00:00:00:00:02'],
        'arp.dst.proto_ipv4': ['10.0.0.2'],
      },
      { 'icmp.type': ['3'], 'icmp.code': ['4'], 'icmp.mtu': ['1400'] },
      { 'icmp.type': ['8'], 'icmp.ident': ['513'], 'icmp.seq': ['7'] },
    ]);
  });

  test('and then corrupt, tshark and we call bad', () => {
    const good = segs.map((seg) => packet(IpProtocol.TCP, segment(seg))).filter((_, i) => i % 7 === 0);
    const [inTcp, inIp] = [16, 10].map((checksumAt, which) =>
      good.map((octets, i) => {
        const corrupt = octets.slice();
        const at = (which === 0 ? 20 : 0) + checksumAt;
        corrupt[at + (i & 1)]! ^= 1 << (i & 7);
        return corrupt;
      }),
    );
    for (const [field, corrupt] of [
      ['tcp.checksum.status', inTcp!],
      ['ip.checksum.status', inIp!],
    ] as const) {
      const theirs = tsharkFields(writeCapture('corrupt.pcap', LinkType.RAW, corrupt));
      expect(theirs.map((fields) => fields[field])).toEqual(corrupt.map(() => [CHECKSUM_BAD]));
      expect(corrupt.map((octets) => ourFields(octets, LinkType.RAW)[field])).toEqual(
        corrupt.map(() => [CHECKSUM_BAD]),
      );
    }
  });
});

describe('what a kernel wrote', () => {
  test('we read field by field as tshark does', async () => {
    const theirs = tsharkFields(KERNEL_CAPTURE);
    let i = 0;
    for await (const { octets, linkType } of readPcapFile(KERNEL_CAPTURE)) {
      expect({ i, ...ourFields(octets, linkType) }).toEqual({ i, ...theirs[i] });
      i++;
    }
    expect(i).toBe(theirs.length);
    expect(i).toBe(96);
    // What the capture is there for: every option, an urgent pointer, ECN, IP options, fragments, an error with a quote.
    const has = (field: string): number => theirs.filter((fields) => fields[field] !== undefined).length;
    expect(has('tcp.options.sack_le')).toBeGreaterThan(15);
    expect(has('tcp.options.mss_val')).toBeGreaterThan(8);
    expect(theirs.some((fields) => fields['tcp.options.sack_le']?.length === 2)).toBe(true);
    expect(theirs.some((fields) => fields['tcp.urgent_pointer']?.[0] === '1')).toBe(true);
    expect(theirs.some((fields) => fields['ip.hdr_len']?.[0] === '32')).toBe(true);
    expect(theirs.some((fields) => fields['ip.src']?.length === 2)).toBe(true);
  });

  test('we encode again to the same octets, checksums included', async () => {
    let count = 0;
    const seg = new TcpSegment();
    const ip = new Ipv4Header();
    for await (const { octets } of readPcapFile(KERNEL_CAPTURE)) {
      if (decodeIpv4(octets, 14, octets.length, ip) !== 'ok' || ip.protocol !== IpProtocol.TCP) continue;
      expect(decodeTcp(octets, ip.payloadAt, ip.payloadEnd, seg)).toBe('ok');
      const again = new Uint8Array(ip.totalLen);
      const tcpAt = encodeIpv4(ip, again, 0);
      const headerLen = encodeTcp(seg, again, tcpAt);
      seg.payload.copyTo(again, tcpAt + headerLen);
      expect(Buffer.from(again).toString('hex')).toBe(
        Buffer.from(octets.subarray(14, 14 + ip.totalLen)).toString('hex'),
      );
      const whole = new Gather();
      whole.push(again, tcpAt, again.length - tcpAt);
      expect(foldChecksum(sumGather(pseudoHeaderSum(ip.src, ip.dst, 6, whole.len), whole))).toBe(0);
      count++;
    }
    expect(count).toBe(86);
  });
});

/** What tcpdump prints of each packet, without time and addresses. */
function tcpdumpLines(path: string, args: readonly string[], addresses: RegExp): string[] {
  const lines = run('tcpdump', ['-n', '-t', '-r', path, ...args, 'tcp and not icmp'])
    .trimEnd()
    .split('\n');
  return lines.map((line) => line.replace(addresses, '').replace(/: HTTP$/, ''));
}

describe('in text', () => {
  test('our segments read as tcpdump prints them', () => {
    const segs = manySegments();
    const path = writeCapture(
      'text.pcap',
      LinkType.RAW,
      segs.map((seg) => packet(IpProtocol.TCP, segment(seg))),
    );
    const theirs = tcpdumpLines(path, ['-S'], /^IP \S+ > \S+: /);
    segs.forEach((seg, i) => {
      expect(`${i} ${segmentText(textSegment(seg))}`).toBe(`${i} ${theirs[i]}`);
    });
    expect(theirs).toHaveLength(segs.length);
  });

  test("a kernel's segments read as tcpdump prints them, relative numbers included", async () => {
    const theirs = tcpdumpLines(KERNEL_CAPTURE, [], /^IP \S+ > \S+: /);
    /** Initial sequence numbers by sender. */
    const isns = new Map<string, number>();
    const seg = new TcpSegment();
    const ip = new Ipv4Header();
    const ours: string[] = [];
    for await (const { octets } of readPcapFile(KERNEL_CAPTURE)) {
      if (decodeIpv4(octets, 14, octets.length, ip) !== 'ok' || ip.protocol !== IpProtocol.TCP) continue;
      decodeTcp(octets, ip.payloadAt, ip.payloadEnd, seg);
      const [from, to] = [`${ipv4Text(ip.src)}:${seg.srcPort}`, `${ipv4Text(ip.dst)}:${seg.dstPort}`];
      const isSyn = seg.has(TcpFlag.SYN);
      if (isSyn) isns.set(`${from} ${to}`, seqInt(seg.seq) >>> 0);
      const seqBase = isns.get(`${from} ${to}`);
      const ackBase = isns.get(`${to} ${from}`);
      // tcpdump shows a SYN's numbers as they are, and knows no base for the answer to a refused one but the SYN.
      const relativeTo: RelativeTo | undefined =
        isSyn || seqBase === undefined || ackBase === undefined ? undefined : { seqBase, ackBase };
      const options = optionsText(octets, seg.optionsAt, seg.optionsLen, relativeTo?.ackBase);
      ours.push(segmentText(textSegment(seg), { options, ...(relativeTo && { relativeTo }) }));
    }
    expect(ours).toEqual(theirs);
  });
});
