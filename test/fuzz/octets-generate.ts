/** The octets that a stack is given, drawn with a look at what it has sent. */
import { chance, intBelow, type Random } from '../../src/base/random.ts';
import { foldChecksum, pseudoHeaderSum, sumOctets } from '../../src/wire/checksum.ts';
import { IcmpType } from '../../src/wire/icmp.ts';
import { type Ipv4, readIpv4 } from '../../src/wire/ipv4.ts';
import { readU16, writeU16 } from '../../src/wire/octets.ts';
import { icmpPacket, type Left, tcpPacket, US } from '../unit/stack/wire.ts';
import type { OctetsStep } from './octets-run.ts';
import { pick } from './setup.ts';

/** One of the stack's peers, as far as it is seen. */
interface Peer {
  readonly address: Ipv4;
  readonly port: number;
  readonly ours: number;
  /** Its next octet, and the next it expects. */
  seq: number;
  ack: number;
}

const ADDRESSES = [2, 3, 9].map((n) => readIpv4(new Uint8Array([10, 0, 0, n]), 0));
const FLAGS = ['.', '.', '.', '.', 'P.', 'F.', 'R', 'R.', 'S', 'S.', '', 'SF', 'FPU', 'SR', 'E.', 'W.', 'U.'] as const;

export class OctetsGenerator {
  readonly #random: Random;
  readonly #peers: Peer[] = [];
  #last: Uint8Array | undefined;
  #connects = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** A segment has left the stack. */
  saw(left: Left): void {
    this.#last = left.packet;
    let peer = this.#peers.find((p) => p.address === left.dst && p.port === left.dstPort && p.ours === left.srcPort);
    if (peer === undefined) {
      peer = { address: left.dst, port: left.dstPort, ours: left.srcPort, seq: this.#random.uint32(), ack: 0 };
      this.#peers.push(peer);
      if (this.#peers.length > 20) this.#peers.shift();
    }
    const { flags, len } = left;
    if (flags.includes('R')) return;
    peer.ack = (left.seq + len + (/[SF]/.test(flags) ? 1 : 0)) >>> 0;
    if (flags.includes('.')) peer.seq = left.ack;
  }

  next(): OctetsStep {
    const random = this.#random;
    const dice = intBelow(random, 100);
    if (dice < 4 && this.#connects++ < 6) return { do: 'connect' };
    if (dice < 8) return { do: 'accept' };
    if (dice < 20) {
      const what = pick(random, [
        'send',
        'send',
        'receive',
        'receive',
        'receive',
        'shutdown',
        'close',
        'abort',
      ] as const);
      return { do: what, n: intBelow(random, 20) };
    }
    if (dice < 30) return { do: 'wait', us: pick(random, [1, 1000, 50_000, 300_000, 1_100_000, 5e6, 70e6]) };
    const packet = dice < 33 ? this.#noise() : dice < 38 ? this.#icmp() : this.#tcp();
    const is = chance(random, 0.4) ? this.#spoil(packet) : isReset(packet) ? 'reset' : undefined;
    const bytes = is === 'cut' ? packet.subarray(0, intBelow(random, packet.length)) : packet;
    const what = is === 'cut' ? 'damaged' : is;
    return {
      do: 'packet',
      hex: Buffer.from(bytes).toString('hex'),
      ...(chance(random, 0.1) && { more: true as const }),
      ...(what !== undefined && { is: what }),
    };
  }

  #noise(): Uint8Array {
    const random = this.#random;
    const packet = Uint8Array.from({ length: 20 + intBelow(random, 60) }, () => intBelow(random, 256));
    packet[0] = 0x45;
    return packet;
  }

  #icmp(): Uint8Array {
    const random = this.#random;
    if (this.#last === undefined) return this.#noise();
    const type = pick(random, [IcmpType.UNREACHABLE, IcmpType.UNREACHABLE, 11, 12, 4, 0, 200]);
    const mtu = pick(random, [0, 67, 68, 300, 576, 1400, 65_535]);
    return icmpPacket(type, intBelow(random, 16), this.#last, {
      mtu,
      quote: pick(random, [0, 19, 27, 28, 28, 28, 60]),
    });
  }

  #tcp(): Uint8Array {
    const random = this.#random;
    const peer = this.#peers.length > 0 && chance(random, 0.85) ? pick(random, this.#peers) : this.#stranger();
    const isNew = peer.ack === 0;
    const off = (): number =>
      chance(random, 0.8) ? 0 : pick(random, [-1, 1, 100, -100, 1 << 20, 0x7fff_ffff, 0x8000_0000]);
    const flags = isNew ? (chance(random, 0.9) ? 'S' : pick(random, FLAGS)) : pick(random, FLAGS);
    const len = flags.includes('S') || chance(random, 0.5) ? 0 : pick(random, [1, 100, 536, 1400]);
    return tcpPacket(
      {
        srcPort: peer.port,
        dstPort: peer.ours,
        seq: (peer.seq + off()) >>> 0,
        ack: (peer.ack + off()) >>> 0,
        flags,
        wnd: pick(random, [0, 1, 1000, 65_535, 65_535]),
        ...(chance(random, 0.5) && { mss: pick(random, [0, 1, 48, 536, 1460, 65_535]) }),
        ...(chance(random, 0.5) && { wscale: pick(random, [0, 7, 14, 15, 255]) }),
        ...(chance(random, 0.5) && { sackOk: true }),
        ...(chance(random, 0.5) && { ts: [random.uint32() | 0, random.uint32() | 0] as const }),
        payload: new Uint8Array(len).fill(9),
      },
      { src: peer.address, dst: US },
    );
  }

  #stranger(): Peer {
    const random = this.#random;
    return {
      address: pick(random, ADDRESSES),
      port: 1000 + intBelow(random, 5),
      ours: chance(random, 0.9) ? 80 : 81,
      seq: random.uint32(),
      ack: 0,
    };
  }

  /** Makes something wrong with it; what the stack should make of it, where that is certain. */
  #spoil(packet: Uint8Array): 'damaged' | 'cut' | undefined {
    const random = this.#random;
    const headerLen = (packet[0]! & 15) * 4;
    const total = readU16(packet, 2);
    const isWhole = total === packet.length && headerLen >= 20 && total >= headerLen + 20;
    switch (isWhole ? intBelow(random, 9) : 0) {
      case 0:
        if (!isWhole) return undefined;
        return packet.length > 0 ? 'cut' : undefined;
      case 1: {
        const at = intBelow(random, packet.length);
        packet[at]! ^= 1 << intBelow(random, 8);
        // The field itself may come to say that the sender has left it to hardware; and not all of ICMP is looked at.
        const isField = packet[9] !== 6 || (at >= headerLen + 16 && at < headerLen + 18);
        return (isField && at >= 20) || isLeftToHardware(packet) ? undefined : 'damaged';
      }
      case 2:
        for (let i = intBelow(random, 4); i >= 0; i--) packet[intBelow(random, packet.length)]! = intBelow(random, 256);
        break;
      case 3:
        // Options and data offset of TCP.
        packet[headerLen + 12] = intBelow(random, 256);
        for (let at = headerLen + 20; at < Math.min(total, headerLen + 60); at++)
          packet[at] = pick(random, [0, 1, 2, 3, 4, 5, 8, 10, 30, 34, 254, intBelow(random, 256)]);
        break;
      case 4:
        packet[headerLen + 13] = intBelow(random, 256);
        break;
      case 5:
        writeU16(packet, 6, pick(random, [0x2000, 1, 0x2001, 0x1fff]));
        fixChecksums(packet);
        return 'damaged';
      case 6:
        packet.set(
          pick(random, [
            [0, 0, 0, 0],
            [255, 255, 255, 255],
            [224, 0, 0, 1],
            [239, 1, 2, 3],
          ]),
          12,
        );
        fixChecksums(packet);
        return 'damaged';
      case 7:
        packet.set(
          pick(random, [
            [10, 0, 0, 77],
            [255, 255, 255, 255],
            [224, 0, 0, 1],
            [0, 0, 0, 0],
          ]),
          16,
        );
        fixChecksums(packet);
        return 'damaged';
      default:
        packet.copyWithin(12, 16, 20);
        break;
    }
    fixChecksums(packet);
    return undefined;
  }
}

const isReset = (packet: Uint8Array): boolean => packet[9] === 6 && packet.length >= 40 && (packet[33]! & 4) !== 0;

/** As they would be for such octets, as far as they have places for them. */
function fixChecksums(packet: Uint8Array): void {
  const headerLen = (packet[0]! & 15) * 4;
  const len = Math.min(readU16(packet, 2), packet.length) - headerLen;
  if (headerLen < 20 || len < 20) return;
  writeU16(packet, 10, 0);
  writeU16(packet, 10, foldChecksum(sumOctets(0, packet, 0, headerLen)));
  if (packet[9] !== 6) return;
  writeU16(packet, headerLen + 16, 0);
  const pseudo = pseudoHeaderSum(readIpv4(packet, 12), readIpv4(packet, 16), 6, len);
  writeU16(packet, headerLen + 16, foldChecksum(sumOctets(pseudo, packet, headerLen, len)));
}

/** The checksum, right or wrong, is also what stands there until hardware has done it: one in 65 536 is. */
function isLeftToHardware(packet: Uint8Array): boolean {
  const headerLen = (packet[0]! & 15) * 4;
  const sum = pseudoHeaderSum(readIpv4(packet, 12), readIpv4(packet, 16), packet[9]!, packet.length - headerLen);
  return readU16(packet, headerLen + 16) === sum;
}
