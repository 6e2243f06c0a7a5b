/** Stacks on a segment that lives in virtual time: every frame reaches every other station. */
import { describe, expect, test } from 'vitest';
import { Gather } from '../../../src/base/gather.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { ms, seconds } from '../../../src/base/time.ts';
import { VirtualTime } from '../../../src/base/virtual-time.ts';
import { NO_PROBE_TIMING, QUICK_TIMING } from '../../../src/ip/address-claim.ts';
import type { FrameLink, FrameReceiver } from '../../../src/link/frames.ts';
import type { LinkError, PacketOut } from '../../../src/link/link.ts';
import { EthernetLink } from '../../../src/stack/ethernet-link.ts';
import { Stack } from '../../../src/stack/stack.ts';
import { ArpPacket as Arp, ArpOp, type ArpPacket, decodeArp, encodeArp } from '../../../src/wire/arp.ts';
import {
  decodeEthernet,
  EthernetHeader,
  EtherType,
  encodeEthernet,
  MAC_BROADCAST,
  MAC_NONE,
  type Mac,
  macText,
  toMac,
} from '../../../src/wire/ethernet.ts';
import { encodeIcmp, IcmpMessage, IcmpType } from '../../../src/wire/icmp.ts';
import { encodeIpv4, IpProtocol, type Ipv4, Ipv4Header, ipv4Text, parseIpv4 } from '../../../src/wire/ipv4.ts';

const address = (text: string): Ipv4 => parseIpv4(text)!;
const A = address('10.0.0.1');
const B = address('10.0.0.2');
const MAC_A = toMac(0x02000000000a);
const MAC_B = toMac(0x02000000000b);
const MAC_C = toMac(0x02000000000c);
const header = new EthernetHeader();

interface Station extends FrameLink {
  /** Puts a frame on the segment. */
  put(frame: Uint8Array): void;
  up(): void;
}

class Segment {
  readonly time = new VirtualTime();
  /** Every frame, in words. */
  readonly log: string[] = [];
  readonly #receivers = new Map<object, FrameReceiver>();

  station(mac: Mac): Station {
    const station: Station = {
      driver: 'packet',
      interface: 'test0',
      mac,
      mtu: 1500,
      receiveMtu: 65_535,
      maxGsoPayload: 0,
      completesChecksum: false,
      counters: { packetsIn: 0, packetsOut: 0, octetsIn: 0, octetsOut: 0, ignoredIn: 0, errorsOut: 0 },
      drops: () => 0,
      start: (receiver) => this.#receivers.set(station, receiver),
      send: (ethernet, packet) => {
        const frame = new Uint8Array(ethernet.length + packet.headerLen + packet.payload.len);
        frame.set(ethernet);
        frame.set(packet.header.subarray(0, packet.headerLen), ethernet.length);
        packet.payload.copyTo(frame, ethernet.length + packet.headerLen);
        station.put(frame);
        return 'sent';
      },
      put: (frame) => {
        this.log.push(describeFrame(frame));
        for (const [other] of this.#receivers) if (other !== station) this.#deliver(other, frame);
      },
      up: () => this.#receivers.get(station)?.onUp?.(),
      flush() {},
      close: () => void this.#receivers.delete(station),
    };
    return station;
  }

  #deliver(to: object, frame: Uint8Array): void {
    this.time.schedule(this.time.now, () => {
      const receiver = this.#receivers.get(to);
      const whole = { bytes: frame, at: 0, end: frame.length, checksum: 'unverified', owned: false } as const;
      receiver?.onFrame({ ...whole, gsoSize: 0, waited: 0 });
      receiver?.onBatchEnd();
    });
  }

  run(until = seconds(120)): void {
    this.time.runUntil(until);
  }

  /** Frames of a kind, e.g. 'who-has'. */
  count(kind: string): number {
    return this.log.filter((line) => line.includes(kind)).length;
  }
}

function describeFrame(frame: Uint8Array): string {
  decodeEthernet(frame, 0, frame.length, header);
  const to = header.dst === MAC_BROADCAST ? 'all' : macText(header.dst).slice(-2);
  const arp = new Arp();
  if (header.type === EtherType.ARP && decodeArp(frame, 14, frame.length, arp) === 'ok')
    return `${to}: ${arpText(arp)}`;
  return `${to}: ip ${frame[14 + 9]}`;
}

function arpText(arp: ArpPacket): string {
  const tpa = ipv4Text(arp.tpa);
  if (arp.op === ArpOp.REPLY) return `${ipv4Text(arp.spa)} is-at ${macText(arp.sha).slice(-2)}`;
  if (arp.spa === arp.tpa) return `announce ${tpa}`;
  return arp.spa === 0 ? `probe ${tpa}` : `who-has ${tpa} tell ${ipv4Text(arp.spa)}`;
}

interface Host {
  readonly link: EthernetLink;
  readonly stack: Stack;
  readonly errors: LinkError[];
  readonly claims: ('claimed' | Mac)[];
}

function host(
  segment: Segment,
  mac: Mac,
  ip: Ipv4,
  o: { timing?: typeof QUICK_TIMING; nextHop?: (to: Ipv4) => Ipv4 | undefined; station?: Station } = {},
): Host {
  const errors: LinkError[] = [];
  const claims: ('claimed' | Mac)[] = [];
  const random = seededRandom(ip);
  const link = new EthernetLink({
    frames: o.station ?? segment.station(mac),
    clock: segment.time.clock(),
    address: ip,
    mac,
    nextHop: o.nextHop ?? ((to) => to),
    own: { random, timing: o.timing ?? NO_PROBE_TIMING, onClaim: (outcome) => claims.push(outcome) },
  });
  const clock = segment.time.clock();
  const stack = new Stack({ clock, random, link, address: ip, onLinkError: (error) => errors.push(error) });
  return { link, stack, errors, claims };
}

function pair(): { segment: Segment; a: Host; b: Host } {
  const segment = new Segment();
  const a = host(segment, MAC_A, A);
  const b = host(segment, MAC_B, B);
  segment.run(ms(1));
  segment.log.length = 0;
  return { segment, a, b };
}

/** A frame with an IP packet of that protocol from B. */
function frameTo(dst: Mac, protocol: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(14 + 20 + payload.length);
  encodeEthernet(Object.assign(new EthernetHeader(), { dst, src: MAC_B, type: EtherType.IPV4 }), frame, 0);
  const ip = new Ipv4Header();
  ip.src = B;
  ip.dst = A;
  ip.ttl = 64;
  ip.protocol = protocol;
  ip.totalLen = 20 + payload.length;
  encodeIpv4(ip, frame, 14);
  frame.set(payload, 34);
  return frame;
}

function arpFrame(fields: Partial<ArpPacket>): Uint8Array {
  const frame = new Uint8Array(14 + 28);
  const sha = fields.sha ?? MAC_C;
  encodeEthernet(Object.assign(new EthernetHeader(), { dst: MAC_BROADCAST, src: sha, type: EtherType.ARP }), frame, 0);
  encodeArp({ op: ArpOp.REQUEST, sha, spa: A, tha: MAC_NONE, tpa: A, ...fields }, frame, 14);
  return frame;
}

describe('two hosts on a segment', () => {
  test('find each other, connect and transfer; the neighbour is asked for once', () => {
    const { segment, a, b } = pair();
    const listener = b.stack.listen({ port: 7 });
    let received = 0;
    listener.onConnection = () => {
      const endpoint = listener.accept()!;
      endpoint.onEvent = () => {
        for (let octets = endpoint.receive(); octets instanceof Uint8Array; octets = endpoint.receive())
          received += octets.length;
      };
    };
    const endpoint = a.stack.connect({ address: B, port: 7 });
    segment.run(ms(10));
    expect(endpoint.state).toBe('ESTABLISHED');
    expect(segment.log.slice(0, 3)).toEqual([
      'all: who-has 10.0.0.2 tell 10.0.0.1',
      '0a: 10.0.0.2 is-at 0b',
      '0b: ip 6',
    ]);
    endpoint.send(new Uint8Array(50_000));
    segment.run(seconds(5));
    expect(received).toBe(50_000);
    expect(segment.count('who-has')).toBe(1);
    expect(a.errors).toEqual([]);
  });

  test('that go on talking need not ask again', () => {
    const { segment, a, b } = pair();
    b.stack.listen({ port: 7 });
    const endpoint = a.stack.connect({ address: B, port: 7 });
    for (let at = 1; at <= 120; at++) {
      segment.run(seconds(at));
      endpoint.send(new Uint8Array(10));
    }
    expect(endpoint.info().bytes_acked).toBeGreaterThan(1000);
    expect(segment.count('who-has')).toBe(1);
  });

  test('a host that is not there is unreachable after three requests, as Linux says it', () => {
    const { segment, a } = pair();
    const endpoint = a.stack.connect({ address: address('10.0.0.77'), port: 7 });
    segment.run(ms(2900));
    expect(endpoint.state).toBe('SYN-SENT');
    segment.run(ms(3100));
    expect([endpoint.state, endpoint.error]).toEqual(['CLOSED', 'EHOSTUNREACH']);
    expect(segment.count('who-has 10.0.0.77 tell 10.0.0.1')).toBe(3);
  });

  test('without a next hop a packet is an error, and nothing is asked', () => {
    const segment = new Segment();
    const a = host(segment, MAC_A, A, { nextHop: () => undefined });
    segment.run(ms(1));
    segment.log.length = 0;
    a.stack.connect({ address: address('192.0.2.1'), port: 7 });
    segment.run(ms(500));
    expect(a.errors).toMatchObject([{ code: 'ENETUNREACH', fatal: false }]);
    expect(segment.log).toEqual([]);
  });

  test('what is off-link goes to the gateway', () => {
    const segment = new Segment();
    const a = host(segment, MAC_A, A, { nextHop: () => B });
    host(segment, MAC_B, B);
    segment.run(ms(1));
    segment.log.length = 0;
    a.stack.connect({ address: address('192.0.2.1'), port: 7 });
    segment.run(ms(500));
    expect(segment.log).toEqual(['all: who-has 10.0.0.2 tell 10.0.0.1', '0a: 10.0.0.2 is-at 0b', '0b: ip 6']);
  });
});

test('a route that changes is followed', () => {
  const segment = new Segment();
  let gateway = B;
  const a = host(segment, MAC_A, A, { nextHop: () => gateway });
  segment.run(ms(1));
  a.link.send(anyPacket());
  gateway = address('10.0.0.3');
  segment.run(seconds(6));
  a.link.send(anyPacket());
  segment.run(seconds(7));
  expect(segment.count('who-has 10.0.0.3')).toBeGreaterThan(0);
});

describe('frames', () => {
  const syn = (): Uint8Array =>
    Uint8Array.from([0x80, 1, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]);

  test.each([
    ['to all', MAC_BROADCAST],
    ['to a group', toMac(0x01005e000001)],
    ['to another station', MAC_C],
  ])('%s are never handed to TCP', (_, dst) => {
    const { segment, a } = pair();
    segment.station(MAC_B).put(frameTo(dst, IpProtocol.TCP, syn()));
    segment.run(seconds(1));
    expect(segment.count(': ip')).toBe(1);
    expect([a.link.counters.packetsIn, a.link.counters.ignoredIn]).toEqual([0, 1]);
  });

  test('that are cut short are counted and dropped', () => {
    const { segment, a } = pair();
    const station = segment.station(MAC_C);
    station.put(frameTo(MAC_A, IpProtocol.TCP, syn()).subarray(0, 13));
    station.put(arpFrame({ spa: B }).subarray(0, 41));
    segment.run(seconds(1));
    expect([a.link.counters.packetsIn, a.link.counters.ignoredIn]).toEqual([0, 2]);
  });
});

describe('an address of our own', () => {
  test('is probed for before it is used, and answers for itself afterwards', () => {
    const segment = new Segment();
    const a = host(segment, MAC_A, A, { timing: QUICK_TIMING });
    const asker = segment.station(MAC_C);
    asker.put(arpFrame({ spa: B }));
    expect(a.link.send(anyPacket())).toBe('error');
    segment.run(ms(100));
    expect(a.claims).toEqual([]);
    expect(segment.count('is-at')).toBe(0);
    segment.run(seconds(5));
    expect(a.claims).toEqual(['claimed']);
    expect(segment.log.slice(1)).toEqual([
      ...Array.from({ length: 3 }, () => 'all: probe 10.0.0.1'),
      ...Array.from({ length: 2 }, () => 'all: announce 10.0.0.1'),
    ]);
    asker.put(arpFrame({ spa: B }));
    asker.put(arpFrame({ spa: address('0.0.0.0') }));
    segment.run(seconds(6));
    expect(segment.count('0c: 10.0.0.1 is-at 0a')).toBe(2);
  });

  test('that another host has is refused, with who it is', () => {
    const segment = new Segment();
    host(segment, MAC_B, A);
    segment.run(ms(1));
    const a = host(segment, MAC_A, A, { timing: QUICK_TIMING });
    segment.run(seconds(60));
    expect(a.claims).toEqual([MAC_B]);
    expect(a.link.send(anyPacket())).toBe('error');
  });

  test('is defended once, and given up when the other goes on: every connection ends', () => {
    const { segment, a } = pair();
    const endpoint = a.stack.connect({ address: B, port: 7 });
    const other = segment.station(MAC_C);
    other.put(arpFrame({}));
    segment.run(ms(2));
    expect(segment.count('announce 10.0.0.1')).toBe(2);
    expect(a.errors).toEqual([]);
    other.put(arpFrame({}));
    segment.run(ms(3));
    expect(a.errors).toMatchObject([{ code: 'EADDRINUSE', fatal: true }]);
    expect(a.errors[0]!.message).toContain('02:00:00:00:00:0c');
    expect(endpoint.state).toBe('CLOSED');
    expect(a.link.send(anyPacket())).toBe('error');
  });

  test('answers pings, and the stack sees none of them', () => {
    const { segment, a } = pair();
    const icmp = new IcmpMessage();
    icmp.type = IcmpType.ECHO;
    const message = new Uint8Array(1400);
    icmp.payload.push(message, 8, message.length - 8);
    encodeIcmp(icmp, message, 0);
    segment.station(MAC_B).put(frameTo(MAC_A, IpProtocol.ICMP, message));
    segment.run(seconds(1));
    expect(segment.count('0b: ip 1')).toBe(1);
    expect(a.stack.counters.malformed).toBe(0);
  });

  test('is announced again when the interface has come back', () => {
    const segment = new Segment();
    const station = segment.station(MAC_A);
    host(segment, MAC_A, A, { station });
    segment.run(seconds(10));
    segment.log.length = 0;
    station.up();
    segment.run(seconds(20));
    expect(segment.log).toEqual(['all: announce 10.0.0.1', 'all: announce 10.0.0.1']);
  });

  test('verifies its neighbours when the interface has come back', () => {
    const segment = new Segment();
    const station = segment.station(MAC_A);
    const a = host(segment, MAC_A, A, { station, nextHop: () => B });
    segment.run(ms(1));
    a.link.send(anyPacket());
    const silent = segment.station(MAC_C);
    silent.put(arpFrame({ op: ArpOp.REPLY, spa: B, tha: MAC_A }));
    segment.run(seconds(4));
    a.link.send(anyPacket());
    segment.run(seconds(9.5));
    expect(segment.count('0c: who-has')).toBe(0);
    station.up();
    a.link.send(anyPacket());
    segment.run(seconds(15));
    expect(segment.count('0c: who-has')).toBe(1);
  });

  test('answers a segment for a closed port with a RST, whatever the port', () => {
    const { segment, a, b } = pair();
    for (const port of [1, 80, 65_535]) b.stack.connect({ address: A, port });
    segment.run(seconds(1));
    expect(a.stack.counters.resetsOut).toBe(3);
    expect(b.stack.counters.resetsOut).toBe(0);
  });
});

function anyPacket(): PacketOut {
  const bytes = new Uint8Array(40);
  new DataView(bytes.buffer).setInt32(16, B);
  return {
    header: bytes,
    headerLen: 40,
    payload: new Gather(),
    gsoSize: 0,
    transportAt: 20,
    checksumPartial: false,
  };
}
