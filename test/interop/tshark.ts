/** tshark as an oracle: the fields it reads from a capture, and the same fields as our decoders read them. */
import { type Seq, seqText } from '../../src/base/seq.ts';
import { LinkType } from '../../src/pcap/pcap-writer.ts';
import { ArpPacket, decodeArp } from '../../src/wire/arp.ts';
import { foldChecksum, pseudoHeaderSum, sumOctets } from '../../src/wire/checksum.ts';
import { decodeEthernet, ETHERNET_HEADER_LEN, EthernetHeader, EtherType, macText } from '../../src/wire/ethernet.ts';
import {
  decodeIcmp,
  decodeIcmpQuote,
  IcmpMessage,
  IcmpQuote,
  IcmpType,
  icmpChecksumGood,
  isIcmpError,
  UnreachableCode,
} from '../../src/wire/icmp.ts';
import { decodeIpv4, IpProtocol, Ipv4Header, ipv4ChecksumGood, ipv4Text } from '../../src/wire/ipv4.ts';
import { ABSENT, decodeTcp, TcpSegment } from '../../src/wire/tcp.ts';
import { run } from '../support/lab.ts';

/** Values by tshark's field name, in the order of appearance: a quoted header's after the outer one's. */
export type Fields = Readonly<Record<string, readonly string[]>>;

const FIELDS = [
  ...['eth.dst', 'eth.src', 'eth.type'],
  ...['arp.opcode', 'arp.src.hw_mac', 'arp.src.proto_ipv4', 'arp.dst.hw_mac', 'arp.dst.proto_ipv4'],
  ...[
    'ip.hdr_len',
    'ip.dsfield.dscp',
    'ip.dsfield.ecn',
    'ip.len',
    'ip.id',
    'ip.flags',
    'ip.frag_offset',
    'ip.ttl',
    'ip.proto',
    'ip.checksum',
  ],
  ...['ip.checksum.status', 'ip.src', 'ip.dst'],
  ...[
    'icmp.type',
    'icmp.code',
    'icmp.checksum',
    'icmp.checksum.status',
    'icmp.ident',
    'icmp.seq',
    'icmp.mtu',
    'icmp.pointer',
  ],
  ...[
    'tcp.srcport',
    'tcp.dstport',
    'tcp.seq',
    'tcp.ack_raw',
    'tcp.hdr_len',
    'tcp.flags',
    'tcp.window_size_value',
    'tcp.checksum',
  ],
  ...[
    'tcp.checksum.status',
    'tcp.urgent_pointer',
    'tcp.len',
    'tcp.options.mss_val',
    'tcp.options.wscale.shift',
    'tcp.options.sack_perm',
  ],
  ...['tcp.options.timestamp.tsval', 'tcp.options.timestamp.tsecr', 'tcp.options.sack_le', 'tcp.options.sack_re'],
] as const;

type FieldName = (typeof FIELDS)[number];

/** tshark's word for a checksum it verified. */
export const CHECKSUM_GOOD = '1';
export const CHECKSUM_BAD = '0';
/** A fragment holds no checksum that could be verified. */
const CHECKSUM_UNVERIFIED = '2';

/** What tshark reads from the capture at `path`, one entry a packet. */
export function tsharkFields(path: string): Fields[] {
  const options = [
    'tcp.check_checksum:TRUE',
    'ip.check_checksum:TRUE',
    'tcp.relative_sequence_numbers:FALSE',
    'ip.defragment:FALSE',
  ];
  const out = run('tshark', [
    ...['-n', '-r', path, '-T', 'fields', '-E', 'occurrence=a', '-E', 'aggregator=,', '-E', 'separator=;'],
    ...options.flatMap((option) => ['-o', option]),
    ...FIELDS.flatMap((field) => ['-e', field]),
  ]);
  return out.trimEnd().split('\n').map(lineFields);
}

function lineFields(line: string): Fields {
  const values = line.split(';');
  const fields: Record<string, string[]> = {};
  FIELDS.forEach((field, i) => {
    const value = values[i] ?? '';
    if (value !== '') fields[field] = value.split(',');
  });
  // Shown in both byte orders.
  for (const field of ['icmp.ident', 'icmp.seq'] as const) if (fields[field]) fields[field].length = 1;
  return fields;
}

/** Collects values under tshark's names. */
class Collector {
  readonly fields: Record<string, string[]> = {};

  add(field: FieldName, value: string | number): void {
    this.fields[field] ??= [];
    this.fields[field].push(String(value));
  }

  addHex(field: FieldName, value: number, digits: number): void {
    this.add(field, `0x${value.toString(16).padStart(digits, '0')}`);
  }
}

/** The same from our decoders. Throws when one of them refuses the packet. */
export function ourFields(octets: Uint8Array, linkType: number): Fields {
  const to = new Collector();
  if (linkType === LinkType.RAW) {
    addIp(octets, 0, to);
    return to.fields;
  }
  const ethernet = new EthernetHeader();
  expectOk(decodeEthernet(octets, 0, octets.length, ethernet));
  to.add('eth.dst', macText(ethernet.dst));
  to.add('eth.src', macText(ethernet.src));
  to.addHex('eth.type', ethernet.type, 4);
  if (ethernet.type === EtherType.ARP) addArp(octets, to);
  else addIp(octets, ETHERNET_HEADER_LEN, to);
  return to.fields;
}

function expectOk(outcome: string): void {
  if (outcome !== 'ok') throw new Error(outcome);
}

function addArp(octets: Uint8Array, to: Collector): void {
  const arp = new ArpPacket();
  expectOk(decodeArp(octets, ETHERNET_HEADER_LEN, octets.length, arp));
  to.add('arp.opcode', arp.op);
  to.add('arp.src.hw_mac', macText(arp.sha));
  to.add('arp.src.proto_ipv4', ipv4Text(arp.spa));
  to.add('arp.dst.hw_mac', macText(arp.tha));
  to.add('arp.dst.proto_ipv4', ipv4Text(arp.tpa));
}

function addIp(octets: Uint8Array, at: number, to: Collector): void {
  const ip = new Ipv4Header();
  expectOk(decodeIpv4(octets, at, octets.length, ip));
  addIpHeader(octets, at, ip, to);
  if (ip.fragmentOffset > 0) return;
  if (ip.protocol === IpProtocol.TCP) addTcp(octets, ip, to);
  if (ip.protocol === IpProtocol.ICMP) addIcmp(octets, ip, to);
}

function addIpHeader(octets: Uint8Array, at: number, ip: Ipv4Header, to: Collector): void {
  to.add('ip.hdr_len', ip.ihl * 4);
  to.add('ip.dsfield.dscp', ip.dscp);
  to.add('ip.dsfield.ecn', ip.ecn);
  to.add('ip.len', ip.totalLen);
  to.addHex('ip.id', ip.id, 4);
  to.addHex('ip.flags', ip.flags, 2);
  to.add('ip.frag_offset', ip.fragmentOffset / 8);
  to.add('ip.ttl', ip.ttl);
  to.add('ip.proto', ip.protocol);
  to.addHex('ip.checksum', ip.checksum, 4);
  to.add('ip.checksum.status', ipv4ChecksumGood(octets, at, ip) ? CHECKSUM_GOOD : CHECKSUM_BAD);
  to.add('ip.src', ipv4Text(ip.src));
  to.add('ip.dst', ipv4Text(ip.dst));
}

function addTcp(octets: Uint8Array, ip: Ipv4Header, to: Collector): void {
  const seg = new TcpSegment();
  const len = ip.payloadEnd - ip.payloadAt;
  expectOk(decodeTcp(octets, ip.payloadAt, ip.payloadEnd, seg));
  addPorts(seg.srcPort, seg.dstPort, seg.seq, to);
  to.add('tcp.ack_raw', seqText(seg.ack));
  to.add('tcp.hdr_len', len - seg.payload.len);
  to.addHex('tcp.flags', (seg.reserved << 8) | seg.flags, 4);
  to.add('tcp.window_size_value', seg.wnd);
  to.addHex('tcp.checksum', seg.checksum, 4);
  const checksum = foldChecksum(
    sumOctets(pseudoHeaderSum(ip.src, ip.dst, ip.protocol, len), octets, ip.payloadAt, len),
  );
  to.add('tcp.checksum.status', checksum === 0 ? CHECKSUM_GOOD : CHECKSUM_BAD);
  to.add('tcp.urgent_pointer', seg.urgentPointer);
  to.add('tcp.len', seg.payload.len);
  if (seg.mss !== ABSENT) to.add('tcp.options.mss_val', seg.mss);
  if (seg.wscale !== ABSENT) to.add('tcp.options.wscale.shift', seg.wscale);
  if (seg.sackPermitted) to.add('tcp.options.sack_perm', '0402');
  if (seg.hasTimestamps) to.add('tcp.options.timestamp.tsval', seg.tsVal >>> 0);
  if (seg.hasTimestamps) to.add('tcp.options.timestamp.tsecr', seg.tsEcr >>> 0);
  for (let i = 0; i < seg.sackCount; i++) {
    to.add('tcp.options.sack_le', seqText(seg.sack[2 * i]!));
    to.add('tcp.options.sack_re', seqText(seg.sack[2 * i + 1]!));
  }
}

function addPorts(srcPort: number, dstPort: number, seq: Seq, to: Collector): void {
  to.add('tcp.srcport', srcPort);
  to.add('tcp.dstport', dstPort);
  to.add('tcp.seq', seqText(seq));
}

function addIcmp(octets: Uint8Array, ip: Ipv4Header, to: Collector): void {
  const message = new IcmpMessage();
  expectOk(decodeIcmp(octets, ip.payloadAt, ip.payloadEnd, message));
  to.add('icmp.type', message.type);
  to.add('icmp.code', message.code);
  to.addHex('icmp.checksum', message.checksum, 4);
  const status = icmpChecksumGood(octets, ip.payloadAt, ip.payloadEnd) ? CHECKSUM_GOOD : CHECKSUM_BAD;
  to.add('icmp.checksum.status', ip.isFragment ? CHECKSUM_UNVERIFIED : status);
  if (message.type === IcmpType.ECHO || message.type === IcmpType.ECHO_REPLY) {
    to.add('icmp.ident', message.identifier);
    to.add('icmp.seq', message.sequence);
  }
  if (message.type === IcmpType.UNREACHABLE && message.code === UnreachableCode.FRAGMENTATION_NEEDED)
    to.add('icmp.mtu', message.nextHopMtu);
  if (message.type === IcmpType.PARAMETER_PROBLEM) to.add('icmp.pointer', message.pointer);
  if (!isIcmpError(message.type)) return;
  const quote = new IcmpQuote();
  expectOk(decodeIcmpQuote(octets, message.quotedAt, message.quotedEnd, quote));
  addIpHeader(octets, message.quotedAt, quote.ip, to);
  if (quote.ip.protocol === IpProtocol.TCP) addPorts(quote.srcPort, quote.dstPort, quote.seq, to);
}
