import { expect, test } from 'vitest';
import { micros, ms, seconds } from '../../../src/base/time.ts';
import { VirtualTime } from '../../../src/base/virtual-time.ts';
import type { PacketIn } from '../../../src/link/link.ts';
import { type MemoryLinkOptions, memoryLink } from '../../../src/link/memory.ts';
import { packetOf, Recorder } from './packets.ts';

function cable(o: MemoryLinkOptions = {}) {
  const time = new VirtualTime();
  const [a, b] = memoryLink(time, o);
  return { time, a, b, atA: new Recorder(a), atB: new Recorder(b) };
}

test('a packet arrives whole, header and gathered payload, after the delay', () => {
  const { time, a, atB } = cable({ delay: ms(10) });
  expect(a.send(packetOf([1, 2], [[3], [4, 5]]))).toBe('sent');
  time.runUntil(micros(9_999));
  expect(atB.batches).toEqual([]);
  time.runUntil(ms(10));
  expect(atB.octets).toEqual([[1, 2, 3, 4, 5]]);
});

test('the sender may reuse its buffers at once', () => {
  const { time, a, atB } = cable({ delay: ms(1) });
  const packet = packetOf([1], [[2]]);
  a.send(packet);
  packet.header.fill(0);
  packet.payload.bufs[0]!.fill(0);
  packet.payload.clear();
  time.runUntil(ms(1));
  expect(atB.octets).toEqual([[1, 2]]);
});

test('packets of one instant are one batch, in order; of two instants, two', () => {
  const { time, a, atB } = cable({ delay: ms(1) });
  a.send(packetOf([1]));
  a.send(packetOf([2]));
  time.schedule(micros(1), () => a.send(packetOf([3])));
  time.runUntil(ms(2));
  expect(atB.batches.map((batch) => batch.map((p) => p.octets[0]))).toEqual([[1, 2], [3]]);
});

test('a batch holds no more than it may; the rest follows in the same instant', () => {
  const { time, a, atB } = cable({ delay: ms(1), batch: 2 });
  for (let i = 0; i < 5; i++) a.send(packetOf([i]));
  time.schedule(micros(1), () => a.send(packetOf([9])));
  time.runUntil(ms(1));
  expect(atB.batches.map((batch) => batch.length)).toEqual([2, 2, 1]);
});

test('without delay an answer comes in the same instant, but never inside the call that caused it', () => {
  const { time, a, b, atA, atB } = cable();
  let inside = false;
  atB.onEach = () => {
    inside = true;
    if (atB.batches.length < 3) b.send(packetOf([7]));
    inside = false;
  };
  atA.onEach = () => {
    expect(inside).toBe(false);
    a.send(packetOf([8]));
  };
  a.send(packetOf([8]));
  while (time.step());
  expect(time.now).toBe(0);
  expect([atA.octets.length, atB.octets.length]).toEqual([3, 4]);
});

test('what a receiver keeps without owning it is overwritten', () => {
  const time = new VirtualTime();
  const [a, b] = memoryLink(time);
  const kept: PacketIn[] = [];
  const octets: Uint8Array[] = [];
  b.start({
    onPacket: (p) => {
      kept.push(p);
      octets.push(p.bytes.subarray(p.at, p.end));
    },
    onBatchEnd: () => {},
    onWritable: () => {},
    onError: () => {},
  });
  for (const n of [1, 2]) {
    a.send(packetOf([n]));
    time.runUntil(time.now);
  }
  expect(kept[0]!.owned).toBe(false);
  expect(octets[0]![0]).toBe(2);
});

test('a rate spaces packets by their time on the wire', () => {
  const { time, a, atB } = cable({ rate: 1000, delay: ms(1), mtu: 1000 });
  a.send(packetOf(new Uint8Array(100)));
  a.send(packetOf(new Uint8Array(200)));
  time.runUntil(ms(100));
  expect(atB.octets.length).toBe(0);
  time.runUntil(ms(101));
  expect(atB.octets.length).toBe(1);
  time.runUntil(ms(300));
  expect(atB.octets.length).toBe(1);
  time.runUntil(ms(301));
  expect(atB.octets.length).toBe(2);
});

test('each direction has the rate for itself', () => {
  const { time, a, b, atA, atB } = cable({ rate: 1000 });
  a.send(packetOf(new Uint8Array(100)));
  b.send(packetOf(new Uint8Array(100)));
  time.runUntil(ms(100));
  expect([atA.octets.length, atB.octets.length]).toEqual([1, 1]);
});

test('a full queue says so, and says once when there is room again', () => {
  const { time, a, atA, atB } = cable({ rate: 1000, queue: 200 });
  const packet = packetOf(new Uint8Array(100));
  expect(Array.from({ length: 4 }, () => a.send(packet))).toEqual(['sent', 'sent', 'full', 'full']);
  expect(atA.writable).toBe(0);
  time.runUntil(ms(100));
  expect(atA.writable).toBe(1);
  expect(a.send(packet)).toBe('sent');
  time.runUntil(seconds(1));
  expect(atA.writable).toBe(1);
  expect(atB.octets.length).toBe(3);
  expect(a.counters.packetsOut).toBe(3);
});

test('a packet larger than the queue leaves when the wire is idle', () => {
  const { a } = cable({ rate: 1000, queue: 50 });
  expect(a.send(packetOf(new Uint8Array(100)))).toBe('sent');
  expect(a.send(packetOf(new Uint8Array(100)))).toBe('full');
});

test('a packet beyond the MTU is refused with EMSGSIZE', () => {
  const { time, a, atA, atB } = cable({ mtu: 100 });
  expect(a.send(packetOf(new Uint8Array(40), [new Uint8Array(60)]))).toBe('sent');
  expect(a.send(packetOf(new Uint8Array(40), [new Uint8Array(61)]))).toBe('error');
  time.runUntil(ms(1));
  expect(atA.errors.map((e) => [e.code, e.fatal])).toEqual([['EMSGSIZE', false]]);
  expect(atB.octets.length).toBe(1);
  expect(a.counters.errorsOut).toBe(1);
});

test('a packet to be cut by the driver arrives whole, if its pieces fit the MTU', () => {
  const { time, a, atB } = cable({ mtu: 1500, maxGsoPayload: 60_000 });
  expect(a.send(packetOf(new Uint8Array(40), [new Uint8Array(50_000)], { gsoSize: 1460 }))).toBe('sent');
  expect(a.send(packetOf(new Uint8Array(40), [new Uint8Array(50_000)], { gsoSize: 1461 }))).toBe('error');
  time.runUntil(ms(1));
  expect(atB.octets.map((o) => o.length)).toEqual([50_040]);
});

test('a partial checksum travels as one', () => {
  const { time, a, atB } = cable({ completesChecksum: true });
  a.send(packetOf([1], [], { checksumPartial: true }));
  a.send(packetOf([2]));
  time.runUntil(ms(1));
  expect(atB.batches[0]!.map((p) => p.checksum)).toEqual(['partial', 'unverified']);
});

test('a stack that asks for what the link does not offer is told, not served', () => {
  const { a } = cable();
  expect(() => a.send(packetOf([1], [], { checksumPartial: true }))).toThrow('completesChecksum');
  expect(() => a.send(packetOf([1], [new Uint8Array(9)], { gsoSize: 5 }))).toThrow('maxGsoPayload');
});

test('a closed end neither sends nor receives, not even what was on its way', () => {
  const { time, a, b, atB } = cable({ delay: ms(1) });
  a.send(packetOf([1]));
  b.close();
  b.close();
  a.send(packetOf([2]));
  expect(b.send(packetOf([3]))).toBe('error');
  time.runUntil(ms(5));
  expect(atB.batches).toEqual([]);
});

test('an end that closes in the middle of a batch gets no more of it', () => {
  const { time, a, b, atB } = cable({ delay: ms(1) });
  for (const n of [1, 2, 3]) a.send(packetOf([n]));
  let seen = 0;
  atB.onEach = () => {
    if (++seen === 2) b.close();
  };
  time.runUntil(ms(5));
  expect(seen).toBe(2);
  expect(atB.batches).toEqual([]);
});

test('packets and octets are counted where they leave and where they arrive', () => {
  const { time, a, b } = cable();
  a.send(packetOf([1, 2], [[3]]));
  a.send(packetOf([1]));
  time.runUntil(ms(1));
  expect(a.counters).toMatchObject({ packetsOut: 2, octetsOut: 4, packetsIn: 0 });
  expect(b.counters).toMatchObject({ packetsIn: 2, octetsIn: 4, packetsOut: 0 });
});

test('a packet to an end that has not started is lost and counted', () => {
  const time = new VirtualTime();
  const [a, b] = memoryLink(time);
  a.send(packetOf([1]));
  time.runUntil(ms(1));
  expect(b.counters).toMatchObject({ packetsIn: 0, ignoredIn: 1 });
});

test('a hundred thousand packets in flight stay in order', () => {
  const time = new VirtualTime();
  const [c, d] = memoryLink(time, { delay: seconds(1) });
  const got: number[] = [];
  d.start({
    onPacket: (p) => got.push(p.bytes[p.at]! * 65536 + p.bytes[p.at + 1]! * 256 + p.bytes[p.at + 2]!),
    onBatchEnd: () => {},
    onWritable: () => {},
    onError: () => {},
  });
  for (let i = 0; i < 100_000; i++) {
    time.runUntil(micros(i * 20));
    c.send(packetOf([i >> 16, (i >> 8) & 255, i & 255]));
  }
  time.runUntil(seconds(10));
  expect(got.length).toBe(100_000);
  expect(got.every((n, i) => n === i)).toBe(true);
});
