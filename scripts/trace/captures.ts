/** All cases in one capture, each in a network of its own and after the one before, so that tshark runs once. */
import { writeFileSync } from 'node:fs';
import { type Micros, micros, seconds } from '../../src/base/time.ts';
import { pcapHeader, pcapRecord } from '../../src/pcap/pcap-writer.ts';
import { foldChecksum, pseudoHeaderSum, sumOctets } from '../../src/wire/checksum.ts';
import { decodeIpv4, Ipv4At, Ipv4Header } from '../../src/wire/ipv4.ts';
import { writeU16 } from '../../src/wire/octets.ts';
import type { TraceCase } from './cases.ts';

/** Where a case's records are: from `first` on, counted from 1. */
export interface Part {
  readonly name: string;
  readonly trouble: string;
  readonly first: number;
  readonly count: number;
}

export function writeCases(path: string, cases: readonly TraceCase[]): readonly Part[] {
  const octets: Uint8Array[] = [pcapHeader()];
  const parts: Part[] = [];
  let record = 1;
  let zero: Micros = seconds(1_700_000_000);
  cases.forEach(({ name, trouble, packets }, n) => {
    const captured = packets();
    const begin = captured[0]?.t ?? micros(0);
    for (const packet of captured)
      octets.push(pcapRecord(micros(zero + packet.t - begin), inNetwork(packet.octets, n)));
    parts.push({ name, trouble, first: record, count: captured.length });
    record += captured.length;
    zero = micros(zero + ((captured.at(-1)?.t ?? begin) - begin) + seconds(60));
  });
  writeFileSync(path, Buffer.concat(octets));
  return parts;
}

/** The same packet between 10.0.`n`.1 and .2. */
function inNetwork(packet: Uint8Array, n: number): Uint8Array {
  const octets = packet.slice();
  octets[Ipv4At.SRC + 2] = n;
  octets[Ipv4At.DST + 2] = n;
  const ip = new Ipv4Header();
  if (decodeIpv4(octets, 0, octets.length, ip) !== 'ok') throw new Error('a case holds a packet that is none');
  writeU16(octets, Ipv4At.CHECKSUM, 0);
  writeU16(octets, Ipv4At.CHECKSUM, foldChecksum(sumOctets(0, octets, 0, ip.payloadAt)));
  const len = ip.payloadEnd - ip.payloadAt;
  writeU16(octets, ip.payloadAt + 16, 0);
  const sum = sumOctets(pseudoHeaderSum(ip.src, ip.dst, ip.protocol, len), octets, ip.payloadAt, len);
  writeU16(octets, ip.payloadAt + 16, foldChecksum(sum));
  return octets;
}
