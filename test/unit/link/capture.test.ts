import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { seqInt } from '../../../src/base/seq.ts';
import { ms } from '../../../src/base/time.ts';
import { VirtualTime } from '../../../src/base/virtual-time.ts';
import { type MemoryLinkOptions, memoryLink } from '../../../src/link/memory.ts';
import { captureTap } from '../../../src/link/taps/capture.ts';
import { faultTap } from '../../../src/link/taps/fault.ts';
import { decodeIpv4, Ipv4Header } from '../../../src/wire/ipv4.ts';
import { decodeTcp, TcpFlag, TcpSegment } from '../../../src/wire/tcp.ts';
import { checksumOf, packetOf, Recorder, tcpPacket } from './packets.ts';

interface Shown {
  readonly t: number;
  readonly dir: 'in' | 'out';
  readonly octets: Uint8Array;
  readonly completed: boolean;
}

function captured(o: MemoryLinkOptions = {}) {
  const time = new VirtualTime();
  const [a, b] = memoryLink(time, o);
  const shown: Shown[] = [];
  const tap = captureTap(a, time.clock(), (t, dir, octets, completed) => shown.push({ t, dir, octets, completed }));
  return { time, tap, a, b, shown };
}

test('packets of both directions are shown whole, in order, with their time', () => {
  const { time, tap, b, shown } = captured({ delay: ms(1) });
  const atTap = new Recorder(tap);
  const atB = new Recorder(b);
  atB.onEach = () => b.send(packetOf([9]));
  tap.send(packetOf([1, 2], [[3], [4]]));
  time.runUntil(ms(5));
  expect(shown.map((s) => [s.t, s.dir, [...s.octets]])).toEqual([
    [0, 'out', [1, 2, 3, 4]],
    [2000, 'in', [9]],
  ]);
  expect(atTap.octets).toEqual([[9]]);
  expect(atB.octets).toEqual([[1, 2, 3, 4]]);
});

test('what is shown is a copy that stays as it was', () => {
  const { time, tap, b, shown } = captured();
  new Recorder(tap);
  const packet = packetOf([1], [[2]]);
  tap.send(packet);
  packet.header.fill(0);
  b.send(packetOf([3]));
  time.runUntil(ms(1));
  b.send(packetOf([4]));
  time.runUntil(ms(2));
  expect(shown.map((s) => [...s.octets])).toEqual([[1, 2], [3], [4]]);
});

test('a checksum left to hardware is completed where it is shown, and left as it is where it passes', () => {
  const { time, tap, b, shown } = captured({ completesChecksum: true });
  const atTap = new Recorder(tap);
  const atB = new Recorder(b);
  const payload = [1, 2, 3];
  tap.send(tcpPacket({ payload, partial: true }));
  tap.send(tcpPacket({ payload }));
  b.send(tcpPacket({ payload, partial: true }));
  b.send(tcpPacket({ payload }));
  time.runUntil(ms(1));
  expect(shown.map((s) => [s.dir, checksumOf(s.octets), s.completed])).toEqual([
    ['out', 'good', true],
    ['out', 'good', false],
    ['in', 'good', true],
    ['in', 'good', false],
  ]);
  for (const at of [atTap, atB]) {
    expect(at.batches.flat().map((p) => [checksumOf(p.octets), p.checksum])).toEqual([
      ['partial', 'partial'],
      ['good', 'unverified'],
    ]);
  }
});

test('a bad checksum is shown bad', () => {
  const { time, tap, b, shown } = captured();
  new Recorder(tap);
  const packet = tcpPacket({ payload: [1] });
  packet.header[37]! ^= 1;
  b.send(packet);
  tap.send(packet);
  time.runUntil(ms(1));
  expect(shown.map((s) => [checksumOf(s.octets), s.completed])).toEqual([
    ['bad', false],
    ['bad', false],
  ]);
});

test('a segment that is to be cut is shown as what it becomes, each with its own number and a good checksum', () => {
  const { time, tap, b, shown } = captured({ maxGsoPayload: 1000, completesChecksum: true });
  new Recorder(tap);
  const atB = new Recorder(b);
  const payload = Array.from({ length: 250 }, (_, i) => i);
  const flags = TcpFlag.ACK | TcpFlag.PSH;
  tap.send({ ...tcpPacket({ seq: 1000, payload, flags, partial: true }), gsoSize: 100 });
  tap.send({ ...tcpPacket({ seq: 1250, payload: [1], partial: true }), gsoSize: 100 });
  time.runUntil(ms(1));
  const segments = shown.map(({ octets, completed }) => {
    const ip = new Ipv4Header();
    const seg = new TcpSegment();
    decodeIpv4(octets, 0, octets.length, ip);
    decodeTcp(octets, ip.payloadAt, ip.payloadEnd, seg);
    return [seqInt(seg.seq), seg.payload.len, seg.has(TcpFlag.PSH), checksumOf(octets), completed, octets.at(-1)];
  });
  expect(segments).toEqual([
    [1000, 100, false, 'good', true, 99],
    [1100, 100, false, 'good', true, 199],
    [1200, 50, true, 'good', true, 249],
    [1250, 1, false, 'good', true, 1],
  ]);
  // What passes is as it was.
  expect(atB.octets.map((octets) => octets.length)).toEqual([40 + 250, 41]);
});

test('a packet the link did not take is not shown', () => {
  const { tap, shown } = captured({ rate: 1000, queue: 10, mtu: 100 });
  const atTap = new Recorder(tap);
  expect([
    tap.send(packetOf([1])),
    tap.send(packetOf(new Uint8Array(50))),
    tap.send(packetOf(new Uint8Array(101))),
  ]).toEqual(['sent', 'full', 'error']);
  expect(shown.map((s) => [...s.octets])).toEqual([[1]]);
  expect(atTap.errors.length).toBe(1);
});

test('under a fault tap it shows what was on the wire: no lost packet, every duplicate', () => {
  const { time, tap, shown } = captured();
  const fates = ['drop', 'duplicate', 'pass'] as const;
  const faulty = faultTap(tap, {
    clock: time.clock(),
    random: seededRandom(1),
    out: { script: (_p, n) => fates[n - 1] },
  });
  new Recorder(faulty);
  for (const n of [1, 2, 3]) faulty.send(packetOf([n]));
  expect(shown.map((s) => s.octets[0])).toEqual([2, 2, 3]);
});

test('it looks and closes like the link it wraps', () => {
  const { time, tap, a, b, shown } = captured({ mtu: 777, maxGsoPayload: 5, completesChecksum: true, delay: ms(1) });
  new Recorder(tap);
  expect([tap.driver, tap.mtu, tap.receiveMtu, tap.maxGsoPayload, tap.completesChecksum]).toEqual([
    'memory',
    777,
    a.receiveMtu,
    5,
    true,
  ]);
  expect(tap.counters).toBe(a.counters);
  b.send(packetOf([1]));
  tap.close();
  time.runUntil(ms(2));
  expect(shown).toEqual([]);
});
