/**
 * tshark's verdict on a capture of what was on tcpx's wire: nothing malformed, and no bad checksum on what we sent. That it
 * verifies checksums at all is shown by a copy of the capture in which one of our segments was changed.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { PCAP_HEADER_LEN, PCAP_RECORD_HEADER_LEN } from '../../src/pcap/pcap-writer.ts';
import { run } from './lab.ts';

/** Packets that match, of the capture at `path`. */
function matching(path: string, filter: string): number {
  const options = ['tcp.check_checksum:TRUE', 'ip.check_checksum:TRUE'];
  const reading = ['-n', '-r', path, ...options.flatMap((option) => ['-o', option])];
  const out = run('tshark', [...reading, '-Y', filter, '-T', 'fields', '-e', 'frame.number']);
  return out.split('\n').filter((line) => line !== '').length;
}

const badBy = (address: string): string =>
  `ip.src == ${address} && (tcp.checksum.status == "Bad" || ip.checksum.status == "Bad" || icmp.checksum.status == "Bad")`;

/** `address`: ours. Returns how many packets there are. */
export function expectClean(path: string, address: string): number {
  expect(matching(path, `_ws.malformed && ip.src == ${address}`), 'malformed packets that we sent').toBe(0);
  expect(matching(path, badBy(address)), 'bad checksums on what we sent').toBe(0);
  const control = `${path}.control`;
  writeFileSync(control, withOneOctetChanged(readFileSync(path), address));
  expect(matching(control, badBy(address)), 'the control, with one octet changed').toBe(1);
  return matching(path, 'ip');
}

/** The low octet of the acknowledgment number in the first TCP segment of ours. */
function withOneOctetChanged(capture: Buffer, address: string): Buffer {
  const source = Buffer.from(address.split('.').map(Number));
  const changed = Buffer.from(capture);
  for (let at = PCAP_HEADER_LEN; at < changed.length; ) {
    const len = changed.readUInt32LE(at + 8);
    const ip = at + PCAP_RECORD_HEADER_LEN;
    if (changed[ip + 9] === 6 && changed.subarray(ip + 12, ip + 16).equals(source)) {
      changed[ip + 31]! ^= 1;
      return changed;
    }
    at = ip + len;
  }
  throw new Error('nothing of ours in the capture');
}
