/**
 * Captures written by hand, a line a segment:
 *
 *     0.010 > S seq 0 win 64240 mss 1460 sackOK wscale 7
 *     0.020 < . seq 1 ack 1461 win 501 sack 2921:4381
 *
 * Seconds, direction ('>' from the client), tcpdump's letters, then fields. Numbers are relative to each side's SYN, which
 * is number 0; `ack` counts from the other's. `port N` is the client's, 40000 otherwise; `isn N` begins anew.
 */
import { seqAdd, toSeq } from '../../src/base/seq.ts';
import { micros, seconds } from '../../src/base/time.ts';
import { foldChecksum, pseudoHeaderSum, sumOctets } from '../../src/wire/checksum.ts';
import { encodeIpv4, IpProtocol, Ipv4Header } from '../../src/wire/ipv4.ts';
import { writeU16 } from '../../src/wire/octets.ts';
import { encodeTcp, TcpFlag, TcpSegment } from '../../src/wire/tcp.ts';
import { flagsFromText } from '../../src/wire/tcp-text.ts';
import { type CapturedAt, CLIENT, SERVER } from './virtual.ts';

/** Close to the end of the numbers: every capture wraps. */
const ISN = { '>': 0xffff_f000, '<': 0xffff_fa00 } as const;
const START = seconds(1_700_000_000);

export function writtenCapture(text: string): readonly CapturedAt[] {
  const isn = { ...ISN };
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      const [at, dir, flags, ...fields] = line.split(/\s+/);
      if (dir !== '>' && dir !== '<') throw new Error(`no direction in '${line}'`);
      return { t: micros(START + Math.round(Number(at) * 1e6)), octets: packet(dir, flags!, fields, isn) };
    });
}

function packet(
  dir: '>' | '<',
  flags: string,
  fields: readonly string[],
  isn: { '>': number; '<': number },
): Uint8Array {
  const seg = new TcpSegment();
  const values = new Map<string, string>();
  for (let i = 0; i < fields.length; i++) {
    if (fields[i] === 'sackOK') seg.sackPermitted = true;
    else values.set(fields[i]!, fields[++i]!);
  }
  const number = (name: string): number => Number(values.get(name) ?? 0);
  if (values.has('isn')) isn[dir] = number('isn');
  const other = dir === '>' ? '<' : '>';
  const clientPort = values.has('port') ? number('port') : 40_000;
  seg.srcPort = dir === '>' ? clientPort : 80;
  seg.dstPort = dir === '>' ? 80 : clientPort;
  seg.flags = flagsFromText(flags)!;
  seg.seq = seqAdd(toSeq(isn[dir]), number('seq'));
  if (seg.has(TcpFlag.ACK)) seg.ack = seqAdd(toSeq(isn[other]), number('ack'));
  seg.wnd = values.has('win') ? number('win') : 502;
  if (values.has('mss')) seg.mss = number('mss');
  if (values.has('wscale')) seg.wscale = number('wscale');
  for (const block of values.get('sack')?.split(',') ?? []) {
    const [left, right] = block.split(':').map(Number);
    seg.sack[2 * seg.sackCount] = seqAdd(toSeq(isn[other]), left!);
    seg.sack[2 * seg.sackCount + 1] = seqAdd(toSeq(isn[other]), right!);
    seg.sackCount++;
  }
  return inIp(seg, number('len'), dir === '>');
}

function inIp(seg: TcpSegment, len: number, fromClient: boolean): Uint8Array {
  const tcp = new Uint8Array(60 + len);
  const headerLen = encodeTcp(seg, tcp, 0);
  tcp.fill(0x61, headerLen, headerLen + len);
  const ip = new Ipv4Header();
  ip.protocol = IpProtocol.TCP;
  ip.ttl = 64;
  ip.src = fromClient ? CLIENT : SERVER;
  ip.dst = fromClient ? SERVER : CLIENT;
  ip.totalLen = 20 + headerLen + len;
  const octets = new Uint8Array(ip.totalLen);
  encodeIpv4(ip, octets, 0);
  const sum = sumOctets(pseudoHeaderSum(ip.src, ip.dst, ip.protocol, headerLen + len), tcp, 0, headerLen + len);
  writeU16(tcp, 16, foldChecksum(sum));
  octets.set(tcp.subarray(0, headerLen + len), 20);
  return octets;
}
