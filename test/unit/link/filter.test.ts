/** The programs, run by an interpreter of the few instructions they use. */
import { endianness } from 'node:os';
import { describe, expect, test } from 'vitest';
import { type FrameFilter, frameFilter } from '../../../src/link/filter.ts';
import { EthernetHeader, EtherType, encodeEthernet, MAC_BROADCAST, toMac } from '../../../src/wire/ethernet.ts';
import { encodeIpv4, IpProtocol, Ipv4Header, parseIpv4 } from '../../../src/wire/ipv4.ts';
import { TcpFlag } from '../../../src/wire/tcp.ts';

const US = parseIpv4('10.0.0.1')!;
const ALSO_US = parseIpv4('200.0.0.1')!;
const MAC = toMac(0xf2000000fff1);
const LITTLE = endianness() === 'LE';

/** Octets of the frame that the kernel would hand over. */
function run(program: Uint8Array, frame: Uint8Array, vlan = false): number {
  const code = new DataView(program.buffer, program.byteOffset, program.length);
  const octets = new DataView(frame.buffer, frame.byteOffset, frame.length);
  let a = 0;
  let x = 0;
  for (let pc = 0; ; pc++) {
    const at = pc * 8;
    const k = code.getUint32(at + 4, LITTLE);
    const jump = (taken: boolean): number => code.getUint8(at + (taken ? 2 : 3));
    try {
      switch (code.getUint16(at, LITTLE)) {
        case 0x20:
          a = k === 0xffff_f030 ? Number(vlan) : octets.getUint32(k);
          break;
        case 0x28:
          a = octets.getUint16(k);
          break;
        case 0x48:
          a = octets.getUint16(x + k);
          break;
        case 0x30:
          a = octets.getUint8(k);
          break;
        case 0xb1:
          x = 4 * (octets.getUint8(k) & 0xf);
          break;
        case 0x50:
          a = octets.getUint8(x + k);
          break;
        case 0x54:
          a = (a & k) >>> 0;
          break;
        case 0x24:
          a = Math.imul(a, k) >>> 0;
          break;
        case 0x74:
          a >>>= k;
          break;
        case 0x94:
          a %= k;
          break;
        case 0xac:
          a = (a ^ x) >>> 0;
          break;
        case 0x07:
          x = a;
          break;
        case 0x05:
          pc += k;
          break;
        case 0x25:
          pc += jump(a > k);
          break;
        case 0x35:
          pc += jump(a >= k);
          break;
        case 0x15:
          pc += jump(a === k);
          break;
        case 0x45:
          pc += jump((a & k) !== 0);
          break;
        case 0x06:
          return k;
        default:
          throw new Error(`no instruction ${code.getUint16(at, LITTLE).toString(16)}`);
      }
    } catch (error) {
      // As the kernel does it: a load beyond the frame's end refuses it.
      if (error instanceof RangeError) return 0;
      throw error;
    }
  }
}

interface Shape {
  readonly dst?: number;
  readonly type?: number;
  readonly to?: number;
  readonly protocol?: number;
  readonly offset?: number;
  readonly options?: number;
  readonly port?: number;
  readonly from?: number;
  readonly fromPort?: number;
  readonly flags?: number;
}

function frame(s: Shape = {}): Uint8Array {
  const bytes = new Uint8Array(14 + 60 + 20);
  const dst = toMac(s.dst ?? MAC);
  encodeEthernet(Object.assign(new EthernetHeader(), { dst, type: s.type ?? EtherType.IPV4 }), bytes, 0);
  const ip = new Ipv4Header();
  ip.dst = parseIpv4('10.0.0.1')!;
  if (s.to !== undefined) ip.dst = s.to as typeof ip.dst;
  if (s.from !== undefined) ip.src = s.from as typeof ip.src;
  ip.protocol = s.protocol ?? IpProtocol.TCP;
  ip.fragmentOffset = s.offset ?? 0;
  ip.optionsBuf = new Uint8Array(40);
  ip.optionsLen = s.options ?? 0;
  const len = encodeIpv4(ip, bytes, 14);
  const tcp = new DataView(bytes.buffer, 14 + len);
  tcp.setUint16(0, s.fromPort ?? 40_001);
  tcp.setUint16(2, s.port ?? 80);
  tcp.setUint8(13, s.flags ?? TcpFlag.ACK);
  return bytes;
}

const FILTER: FrameFilter = { mac: MAC, addresses: [US, ALSO_US], ports: [80, 40_000], arp: true };
const takes = (shape: Shape, filter = FILTER, vlan = false): boolean =>
  run(frameFilter(filter), frame(shape), vlan) > 0;

describe('with addresses, ports and a hardware address', () => {
  test.each<[string, Shape]>([
    ['TCP to a port of ours', {}],
    ['TCP to another of them', { port: 40_000 }],
    ['TCP to our other address', { to: ALSO_US }],
    ['TCP behind IP options', { options: 12 }],
    ['a later fragment, whatever stands where the port would be', { offset: 1480, port: 9 }],
    ['ICMP', { protocol: IpProtocol.ICMP, port: 9 }],
    ['ARP to all', { type: EtherType.ARP, dst: MAC_BROADCAST }],
  ])('%s is taken, whole', (_, shape) => {
    expect(run(frameFilter(FILTER), frame(shape))).toBeGreaterThanOrEqual(65_549);
  });

  test.each<[string, Shape]>([
    ['TCP to another port', { port: 81 }],
    ['TCP to another port behind IP options', { port: 81, options: 12 }],
    ['TCP to another address', { to: parseIpv4('10.0.0.2')! }],
    ['what is to another station', { dst: toMac(0xf2000000fff2) }],
    ['what is to another station with the same end', { dst: toMac(0xf3000000fff1) }],
    ['what is to all', { dst: MAC_BROADCAST }],
    ['UDP', { protocol: IpProtocol.UDP }],
    ['IPv6', { type: EtherType.IPV6 }],
  ])('%s is not', (_, shape) => {
    expect(takes(shape)).toBe(false);
  });

  test('nothing is that belongs to a VLAN, though its tag was taken off', () => {
    expect(takes({}, FILTER, true)).toBe(false);
    expect(takes({ type: EtherType.ARP }, FILTER, true)).toBe(false);
  });

  test('a frame that ends before its port is not taken', () => {
    expect(run(frameFilter(FILTER), frame().subarray(0, 36))).toBe(0);
  });
});

test('without ports every port is taken, without a hardware address every station, without ARP none of that', () => {
  expect(takes({ port: 9 }, { addresses: [US], arp: false })).toBe(true);
  expect(takes({ dst: 0 }, { addresses: [US], arp: false })).toBe(true);
  expect(takes({ type: EtherType.ARP }, { addresses: [US], arp: false })).toBe(false);
});

test('two hundred addresses and 1800 ports fit, and more are refused', () => {
  const addresses = Array.from({ length: 200 }, (_, i) => parseIpv4(`10.1.0.${i}`)!);
  const ports = Array.from({ length: 1800 }, (_, i) => 1000 + i);
  const filter: FrameFilter = { mac: MAC, addresses, ports, arp: true };
  expect(frameFilter(filter).length / 8).toBeLessThanOrEqual(4096);
  for (const to of [addresses[0]!, addresses[199]!])
    for (const port of [1000, 2799]) expect(takes({ to, port }, filter)).toBe(true);
  expect(takes({ to: US, port: 1000 }, filter)).toBe(false);
  expect(takes({ to: addresses[7]!, port: 2800 }, filter)).toBe(false);
  expect(() => frameFilter({ ...filter, addresses: [...addresses, US] })).toThrow(RangeError);
  expect(() => frameFilter({ ...filter, ports: [...ports, 1] })).toThrow(RangeError);
});

test('of ranges of ports both ends are taken, beside single ports, and what lies between them is not', () => {
  const filter: FrameFilter = {
    addresses: [US],
    ports: [80],
    portRanges: [
      { from: 32_768, to: 33_023 },
      { from: 65_535, to: 65_535 },
    ],
    arp: false,
  };
  for (const port of [80, 32_768, 32_900, 33_023, 65_535]) expect(takes({ port }, filter), String(port)).toBe(true);
  for (const port of [79, 81, 32_767, 33_024, 65_534]) expect(takes({ port }, filter), String(port)).toBe(false);
  expect(takes({ port: 80 }, { addresses: [US], portRanges: [{ from: 1, to: 79 }], arp: false })).toBe(false);
});

describe('of several parts', () => {
  const part = (index: number, of: number): FrameFilter => ({
    ...{ mac: MAC, addresses: [US], ports: [80], arp: true },
    share: { index, of },
  });
  const peers = Array.from({ length: 500 }, (_, i) => ({ from: 0x0a00_0002 + (i >> 3), fromPort: 32_768 + i }));

  test('each connection is in one, whatever its flags, and each part gets about as many', () => {
    for (const of of [1, 2, 3, 8]) {
      const counts = new Array<number>(of).fill(0);
      for (const peer of peers) {
        const taken = counts.map((_, i) => takes(peer, part(i, of)));
        expect(taken.filter(Boolean)).toHaveLength(1);
        counts[taken.indexOf(true)]!++;
        expect(takes({ ...peer, flags: TcpFlag.SYN, options: 8 }, part(taken.indexOf(true), of))).toBe(true);
      }
      for (const count of counts) expect(count).toBeGreaterThan(peers.length / of / 2);
    }
  });

  test('ICMP, ARP and later fragments are for all, other ports for none', () => {
    for (const index of [0, 1]) {
      expect(takes({ protocol: IpProtocol.ICMP }, part(index, 2))).toBe(true);
      expect(takes({ type: EtherType.ARP, dst: MAC_BROADCAST }, part(index, 2))).toBe(true);
      expect(takes({ offset: 1480 }, part(index, 2))).toBe(true);
    }
    for (const peer of peers) expect(takes({ ...peer, port: 81 }, part(0, 1))).toBe(false);
  });
});

test('without ICMP, that and later fragments are not taken', () => {
  const filter: FrameFilter = { addresses: [US], ports: [80], icmp: false, arp: false };
  expect([takes({}, filter), takes({ protocol: IpProtocol.ICMP }, filter), takes({ offset: 1480 }, filter)]).toEqual([
    ...[true, false, false],
  ]);
});

test('first SYNs alone, and all but those', () => {
  const only: FrameFilter = { addresses: [US], ports: [80], firstSyns: 'only', arp: false };
  const never: FrameFilter = { ...only, firstSyns: 'never' };
  const { SYN, ACK, RST, FIN, ECE, CWR } = TcpFlag;
  for (const flags of [SYN, SYN | ECE | CWR]) {
    expect([takes({ flags }, only), takes({ flags }, never)]).toEqual([true, false]);
    expect([takes({ flags, options: 4 }, only), takes({ flags, port: 81 }, only)]).toEqual([true, false]);
  }
  for (const flags of [ACK, SYN | ACK, SYN | RST, FIN | ACK, RST, 0])
    expect([takes({ flags }, only), takes({ flags }, never)]).toEqual([false, true]);
});
