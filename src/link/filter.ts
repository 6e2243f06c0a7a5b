/**
 * Which frames the kernel hands to a packet socket, as programs of classic BPF (Linux's
 * Documentation/networking/filter.rst). They run on the frame with its Ethernet header.
 */
import { ETHERNET_HEADER_LEN, EtherType, type Mac } from '../wire/ethernet.ts';
import { IpProtocol, type Ipv4, Ipv4At } from '../wire/ipv4.ts';
import { TcpFlag } from '../wire/tcp.ts';
import { LITTLE } from './netlink.ts';

export interface FrameFilter {
  /** Frames to this station alone; ARP to all stations is taken as well. Absent on loopback, where there are none. */
  readonly mac?: Mac;
  /** IPv4 packets to one of them; 1 to 200. */
  readonly addresses: readonly Ipv4[];
  /** TCP to these; absent, and no ranges either: to any. ICMP, and later fragments, which have no ports, are taken in any case. */
  readonly ports?: readonly number[];
  /** TCP to those in one of them. */
  readonly portRanges?: readonly PortRange[];
  /** Of the TCP segments this part alone: of several sockets, each of whose filters names another, one takes each connection. */
  readonly share?: FrameShare;
  /** 'only': of the TCP segments those with SYN and neither ACK nor RST; 'never': all but those. Absent: both. */
  readonly firstSyns?: 'only' | 'never';
  readonly arp: boolean;
  /** False: no ICMP, and no later fragments either. */
  readonly icmp?: boolean;
}

/** Both ends included. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/**
 * The `index`-th of `of` parts, counted from 0. Which part a segment is in follows from the peer's address and port, so that
 * a connection stays in its part however many sockets there are; PACKET_FANOUT's parts move when a socket leaves, and it
 * gives ARP and ICMP to one socket only.
 */
export interface FrameShare {
  readonly index: number;
  readonly of: number;
}

const Op = {
  LOAD_WORD: 0x20,
  LOAD_HALF: 0x28,
  LOAD_OCTET: 0x30,
  LOAD_HALF_X: 0x48,
  LOAD_OCTET_X: 0x50,
  /** X = 4 * (octet & 0xf): an IPv4 header's length. */
  LOAD_HEADER_LEN_X: 0xb1,
  IF_EQUAL: 0x15,
  IF_ANY_BIT: 0x45,
  IF_GREATER: 0x25,
  IF_NOT_LESS: 0x35,
  JUMP: 0x05,
  AND: 0x54,
  MULTIPLY: 0x24,
  SHIFT_RIGHT: 0x74,
  REMAINDER: 0x94,
  XOR_X: 0xac,
  A_TO_X: 0x07,
  RETURN: 0x06,
} as const;
/** Where a load finds what is beside the octets: SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT. */
const VLAN_TAG_PRESENT = 0xffff_f000 + 48;
const WHOLE_FRAME = 0x40000;
const ETHER_TYPE_AT = 12;
const IP_AT = ETHERNET_HEADER_LEN;
const TCP_FLAGS_AT = 13;
/** 2^32 over the golden ratio (Knuth): near peers come to lie in different parts. */
const SPREAD = 0x9e37_79b1;
const INSTRUCTION_LEN = 8;
/** BPF_MAXINSNS is 4096, and a port takes two. */
export const MOST_FILTER_PORTS = 1800;
export const MOST_FILTER_ADDRESSES = 200;

/** Octets for Addon.packetOpen. Throws RangeError above MOST_FILTER_PORTS ports (ranges count one and a half) or 200 addresses. */
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
  program.load(Op.LOAD_OCTET, IP_AT + Ipv4At.PROTOCOL);
  if (f.icmp !== false) program.unlessEqual(IpProtocol.ICMP, 1).accept();
  program.requireEqual(IpProtocol.TCP);
  const { ports = [], portRanges = [], share, firstSyns } = f;
  const anyPort = f.ports === undefined && f.portRanges === undefined;
  if (ports.length + 1.5 * portRanges.length > MOST_FILTER_PORTS)
    throw new RangeError(`a filter takes ${MOST_FILTER_PORTS} ports at most`);
  if (anyPort && share === undefined && firstSyns === undefined) return program.accept().take();

  program.load(Op.LOAD_HALF, IP_AT + Ipv4At.FRAGMENT).unlessAnyBit(0x1fff, 1);
  if (f.icmp !== false) program.accept();
  else program.refuse();
  program.load(Op.LOAD_HEADER_LEN_X, IP_AT);
  if (!anyPort) program.load(Op.LOAD_HALF_X, IP_AT + 2).requirePort(ports, portRanges);
  if (firstSyns !== undefined) {
    program.load(Op.LOAD_OCTET_X, IP_AT + TCP_FLAGS_AT).reckon(Op.AND, TcpFlag.SYN | TcpFlag.ACK | TcpFlag.RST);
    if (firstSyns === 'only') program.requireEqual(TcpFlag.SYN);
    else program.unlessEqual(TcpFlag.SYN, 1).refuse();
  }
  if (share !== undefined) {
    program
      .load(Op.LOAD_HALF_X, IP_AT)
      .reckon(Op.A_TO_X)
      .load(Op.LOAD_WORD, IP_AT + Ipv4At.SRC)
      .reckon(Op.XOR_X)
      .reckon(Op.MULTIPLY, SPREAD)
      .reckon(Op.SHIFT_RIGHT, 16)
      .reckon(Op.REMAINDER, share.of)
      .requireEqual(share.index);
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

  /** Refuses the frame unless what was loaded is one of the ports, or in one of the ranges. */
  requirePort(ports: readonly number[], ranges: readonly PortRange[]): this {
    // Instructions from here to what follows.
    let left = 2 * ports.length + 3 * ranges.length + 1;
    for (const port of ports) {
      left -= 2;
      this.unlessEqual(port, 1).#put(Op.JUMP, 0, 0, left);
    }
    for (const { from, to } of ranges) {
      this.#put(Op.IF_NOT_LESS, 0, 2, from);
      this.#put(Op.IF_GREATER, 1, 0, to);
      left -= 3;
      this.#put(Op.JUMP, 0, 0, left);
    }
    return this.refuse();
  }

  requireOneOf(values: readonly number[]): this {
    values.forEach((value, i) => {
      this.#put(Op.IF_EQUAL, values.length - i, 0, value);
    });
    return this.refuse();
  }

  /** Works on what was loaded. */
  reckon(op: number, operand = 0): this {
    return this.#put(op, 0, 0, operand);
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
