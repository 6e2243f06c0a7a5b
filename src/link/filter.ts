/**
 * Which frames the kernel hands to a packet socket, as programs of classic BPF (Linux's
 * Documentation/networking/filter.rst). They run on the frame with its Ethernet header.
 */
import { ETHERNET_HEADER_LEN, EtherType, type Mac } from '../wire/ethernet.ts';
import { IpProtocol, type Ipv4, Ipv4At } from '../wire/ipv4.ts';
import { LITTLE } from './netlink.ts';

export interface FrameFilter {
  /** Frames to this station alone; ARP to all stations is taken as well. Absent on loopback, where there are none. */
  readonly mac?: Mac;
  /** IPv4 packets to one of them; 1 to 200. */
  readonly addresses: readonly Ipv4[];
  /** TCP to these; absent: to any. ICMP, and later fragments, which have no ports, are taken in any case. */
  readonly ports?: readonly number[];
  readonly arp: boolean;
}

const Op = {
  LOAD_WORD: 0x20,
  LOAD_HALF: 0x28,
  LOAD_OCTET: 0x30,
  LOAD_HALF_X: 0x48,
  /** X = 4 * (octet & 0xf): an IPv4 header's length. */
  LOAD_HEADER_LEN_X: 0xb1,
  IF_EQUAL: 0x15,
  IF_ANY_BIT: 0x45,
  RETURN: 0x06,
} as const;
/** Where a load finds what is beside the octets: SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT. */
const VLAN_TAG_PRESENT = 0xffff_f000 + 48;
const WHOLE_FRAME = 0x40000;
const ETHER_TYPE_AT = 12;
const IP_AT = ETHERNET_HEADER_LEN;
const INSTRUCTION_LEN = 8;
/** BPF_MAXINSNS is 4096, and a port takes two. */
export const MOST_FILTER_PORTS = 1800;
export const MOST_FILTER_ADDRESSES = 200;

/** Octets for Addon.packetOpen. Throws RangeError above MOST_FILTER_PORTS ports or 200 addresses. */
export function frameFilter(f: FrameFilter): Uint8Array {
  const program = new Program();
  // A jump is 255 instructions at most.
  if (f.addresses.length > MOST_FILTER_ADDRESSES)
    throw new RangeError(`a filter takes ${MOST_FILTER_ADDRESSES} addresses at most`);
  // A tag the hardware took off belongs to another interface.
  program.load(Op.LOAD_WORD, VLAN_TAG_PRESENT).requireEqual(0);
  if (f.arp) {
    program.load(Op.LOAD_HALF, ETHER_TYPE_AT).unlessEqual(EtherType.ARP, 1).accept();
  }
  program.load(Op.LOAD_HALF, ETHER_TYPE_AT).requireEqual(EtherType.IPV4);
  if (f.mac !== undefined) {
    program.load(Op.LOAD_WORD, 0).requireEqual(Math.floor(f.mac / 0x1_0000));
    program.load(Op.LOAD_HALF, 4).requireEqual(f.mac % 0x1_0000);
  }
  program.load(Op.LOAD_WORD, IP_AT + Ipv4At.DST).requireOneOf(f.addresses);
  program
    .load(Op.LOAD_OCTET, IP_AT + Ipv4At.PROTOCOL)
    .unlessEqual(IpProtocol.ICMP, 1)
    .accept();
  program.requireEqual(IpProtocol.TCP);
  if (f.ports !== undefined) {
    if (f.ports.length > MOST_FILTER_PORTS) throw new RangeError(`a filter takes ${MOST_FILTER_PORTS} ports at most`);
    program
      .load(Op.LOAD_HALF, IP_AT + Ipv4At.FRAGMENT)
      .unlessAnyBit(0x1fff, 1)
      .accept();
    program.load(Op.LOAD_HEADER_LEN_X, IP_AT).load(Op.LOAD_HALF_X, IP_AT + 2);
    for (const port of f.ports) program.unlessEqual(port, 1).accept();
    program.refuse();
  }
  return program.accept().take();
}

/** struct sock_filter by struct sock_filter: code, two jumps, an operand, in the machine's order. */
class Program {
  readonly #octets: number[] = [];

  load(op: number, operand: number): this {
    return this.#put(op, 0, 0, operand);
  }

  /** Refuses the frame unless what was loaded is `value`. */
  requireEqual(value: number): this {
    return this.#put(Op.IF_EQUAL, 1, 0, value).refuse();
  }

  requireOneOf(values: readonly number[]): this {
    values.forEach((value, i) => {
      this.#put(Op.IF_EQUAL, values.length - i, 0, value);
    });
    return this.refuse();
  }

  /** Skips `count` instructions unless what was loaded is `value`. */
  unlessEqual(value: number, count: number): this {
    return this.#put(Op.IF_EQUAL, 0, count, value);
  }

  unlessAnyBit(mask: number, count: number): this {
    return this.#put(Op.IF_ANY_BIT, 0, count, mask);
  }

  accept(): this {
    return this.#put(Op.RETURN, 0, 0, WHOLE_FRAME);
  }

  refuse(): this {
    return this.#put(Op.RETURN, 0, 0, 0);
  }

  take(): Uint8Array {
    return Uint8Array.from(this.#octets);
  }

  #put(op: number, ifTrue: number, ifFalse: number, operand: number): this {
    const instruction = new DataView(new ArrayBuffer(INSTRUCTION_LEN));
    instruction.setUint16(0, op, LITTLE);
    instruction.setUint8(2, ifTrue);
    instruction.setUint8(3, ifFalse);
    instruction.setUint32(4, operand, LITTLE);
    for (let i = 0; i < INSTRUCTION_LEN; i++) this.#octets.push(instruction.getUint8(i));
    return this;
  }
}
