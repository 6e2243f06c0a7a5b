import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { micros, ms } from '../../../src/base/time.ts';
import { VirtualTime } from '../../../src/base/virtual-time.ts';
import { newFaultCounters, type Script } from '../../../src/link/faults.ts';
import { type MemoryLinkOptions, memoryLink } from '../../../src/link/memory.ts';
import { type FaultTapOptions, faultTap, onFirst, onNth } from '../../../src/link/taps/fault.ts';
import { decodeTcp, TcpFlag, TcpSegment } from '../../../src/wire/tcp.ts';
import { checksumOf, packetOf, Recorder, tcpPacket } from './packets.ts';

type Options = Pick<FaultTapOptions, 'in' | 'out'> & { readonly seed?: number; readonly link?: MemoryLinkOptions };

/** A tap around one end of a cable, and the bare other end. */
function tapped(o: Options) {
  const time = new VirtualTime();
  const [a, b] = memoryLink(time, o.link);
  const tap = faultTap(a, {
    clock: time.clock(),
    random: seededRandom(o.seed ?? 1),
    ...(o.in && { in: o.in }),
    ...(o.out && { out: o.out }),
  });
  return { time, tap, b, atTap: new Recorder(tap), atB: new Recorder(b) };
}

const firsts = (octets: readonly (readonly number[])[]): number[] => octets.map((o) => o[0]!);

/** Sends `count` numbered packets `gap` apart through the tap and gives the numbers in order of arrival. */
function throughOut(
  o: Options,
  count: number,
  gap = 10,
): { got: number[]; at: number[]; tap: ReturnType<typeof tapped>['tap'] } {
  const { time, tap, atB } = tapped(o);
  const at: number[] = [];
  atB.onEach = () => at.push(time.now);
  for (let n = 1; n <= count; n++) time.schedule(micros(n * gap), () => tap.send(packetOf([n >> 8, n & 255])));
  while (time.step());
  return { got: atB.octets.map((p) => p[0]! * 256 + p[1]!), at, tap };
}

test('a merged segment that arrives is cut as the MTU says, so that loss meets packets of the wire', () => {
  const link = { mtu: 100, maxGsoPayload: 60_000, completesChecksum: true };
  const { time, tap, b, atTap } = tapped({ link, in: { script: onNth([2], 'drop') } });
  const payload = Array.from({ length: 150 }, (_, i) => i);
  b.send({ ...tcpPacket({ payload, partial: true }), gsoSize: 60 });
  b.send(tcpPacket({ payload: [1] }));
  time.runUntil(ms(1));
  expect(atTap.octets.map((o) => [o.length, o[40]])).toEqual([
    [100, 0],
    [70, 120],
    [41, 1],
  ]);
  for (const octets of atTap.octets) expect(checksumOf(octets)).toBe('good');
  expect(atTap.batches).toHaveLength(1);
  expect(tap.faults.in).toMatchObject({ packets: 4, lost: 1 });
});

test('without faults packets pass both ways, untouched and at once', () => {
  const { time, tap, b, atTap, atB } = tapped({});
  tap.send(packetOf([1, 2], [[3]]));
  b.send(packetOf([4]));
  time.runUntil(micros(0));
  expect(atB.octets).toEqual([[1, 2, 3]]);
  expect(atTap.octets).toEqual([[4]]);
  expect(tap.faults.out).toEqual({ ...newFaultCounters(), packets: 1 });
  expect(tap.faults.in.packets).toBe(1);
});

test('the tap looks like the link it wraps, but cuts no segments', () => {
  const { tap } = tapped({ link: { mtu: 900, maxGsoPayload: 60_000, completesChecksum: true } });
  expect([tap.driver, tap.mtu, tap.maxGsoPayload, tap.completesChecksum]).toEqual(['memory', 900, 0, true]);
});

test('of 10 000 packets 2 % are lost, and those are counted', () => {
  const { got, tap } = throughOut({ out: { loss: 0.02 } }, 10_000);
  expect(got.length).toBe(10_000 - tap.faults.out.lost);
  expect(Math.abs(tap.faults.out.lost - 200)).toBeLessThan(50);
  expect(tap.faults.out.packets).toBe(10_000);
});

test('the same seed loses the same packets, another seed others', () => {
  const lossy = (seed: number): number[] => throughOut({ seed, out: { loss: 0.1 } }, 300).got;
  expect(lossy(7)).toEqual(lossy(7));
  expect(lossy(7)).not.toEqual(lossy(8));
});

test('what happens to one direction does not hang on the traffic of the other', () => {
  const run = (answers: boolean): number[] => {
    const { time, tap, b, atB } = tapped({ in: { loss: 0.5 }, out: { loss: 0.5 } });
    for (let n = 1; n <= 100; n++) {
      tap.send(packetOf([n]));
      if (answers) b.send(packetOf([n]));
    }
    time.runUntil(ms(1));
    return firsts(atB.octets);
  };
  expect(run(true)).toEqual(run(false));
});

test('a duplicate follows its original at once', () => {
  const { got, tap } = throughOut({ out: { script: onNth([2], 'duplicate') } }, 3);
  expect(got).toEqual([1, 2, 2, 3]);
  expect(tap.faults.out.duplicated).toBe(1);
});

test('a packet that is reordered leaves when three others have passed', () => {
  const { tap, time, atB } = tapped({ out: { reorder: 1 } });
  tap.send(packetOf([1]));
  expect(tap.faults.out.delayed).toBe(1);
  time.runUntil(ms(10));
  expect(atB.octets).toEqual([[1]]);
  expect(tap.faults.out.reordered).toBe(0);

  const { got, tap: busy } = throughOut({ seed: 3, out: { reorder: 0.05 } }, 1000);
  const jumps = got.flatMap((n, i) =>
    got.slice(0, i).some((m) => m > n) ? [got.slice(0, i).filter((m) => m > n).length] : [],
  );
  expect(busy.faults.out.reordered).toBe(jumps.length);
  expect(jumps.length).toBeGreaterThan(20);
  expect(jumps.filter((j) => j !== 3).length).toBeLessThan(jumps.length / 4);
  expect([...got].sort((x, y) => x - y)).toEqual(Array.from({ length: 1000 }, (_, i) => i + 1));
});

test('a packet that is reordered waits no longer than it may when nothing follows', () => {
  const { got, at } = throughOut({ out: { script: onNth([1], { delay: ms(5) }) } }, 2);
  expect(got).toEqual([2, 1]);
  expect(at).toEqual([20, 5010]);
});

test('a delay holds every packet equally long', () => {
  const { got, at, tap } = throughOut({ out: { delay: ms(20) } }, 3);
  expect(got).toEqual([1, 2, 3]);
  expect(at).toEqual([20_010, 20_020, 20_030]);
  expect(tap.faults.out.delayed).toBe(3);
});

test('jitter varies the delay and keeps the order', () => {
  const { got, at } = throughOut({ out: { delay: ms(1), jitter: ms(1) } }, 200);
  expect(got).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
  const waits = at.map((t, i) => t - (i + 1) * 10);
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(1000);
  expect(Math.max(...waits)).toBeLessThanOrEqual(2000);
  expect(new Set(waits).size).toBeGreaterThan(3);
});

test('packets delayed on their way in arrive as batches of their own', () => {
  const { time, b, atTap } = tapped({ in: { delay: ms(2) } });
  b.send(packetOf([1]));
  b.send(packetOf([2]));
  time.runUntil(ms(1));
  expect(atTap.octets).toEqual([]);
  time.runUntil(ms(2));
  expect(atTap.batches.filter((batch) => batch.length > 0).map((batch) => batch.map((p) => p.octets[0]))).toEqual([
    [1, 2],
  ]);
});

test('a packet that waits is a copy: the sender and the link may reuse theirs', () => {
  const { time, tap, b, atTap, atB } = tapped({ in: { delay: ms(2) }, out: { delay: ms(2) } });
  const packet = packetOf([1], [[2]]);
  tap.send(packet);
  packet.header.fill(0);
  packet.payload.bufs[0]!.fill(0);
  for (const n of [5, 6, 7]) {
    b.send(packetOf([n]));
    time.runUntil(micros(time.now + 1));
  }
  time.runUntil(ms(5));
  expect(atB.octets).toEqual([[1, 2]]);
  expect(atTap.octets).toEqual([[5], [6], [7]]);
});

test('a script loses exactly the SYN-ACK, once', () => {
  const seg = new TcpSegment();
  const isSynAck = onFirst(
    (p) => decodeTcp(p.bytes, p.at + 20, p.end, seg) === 'ok' && seg.flags === (TcpFlag.SYN | TcpFlag.ACK),
    'drop',
  );
  const { time, tap, b, atTap } = tapped({ in: { script: isSynAck } });
  for (const flags of [TcpFlag.ACK, TcpFlag.SYN | TcpFlag.ACK, TcpFlag.ACK, TcpFlag.SYN | TcpFlag.ACK])
    b.send(tcpPacket({ flags }));
  time.runUntil(ms(1));
  expect(atTap.octets.map((o) => o[33])).toEqual([TcpFlag.ACK, TcpFlag.ACK, TcpFlag.SYN | TcpFlag.ACK]);
  expect(tap.faults.in.lost).toBe(1);
});

test('a script that has no opinion leaves the packet to chance', () => {
  const { got } = throughOut({ out: { loss: 1, script: (_p, n) => (n === 2 ? 'pass' : undefined) } }, 3);
  expect(got).toEqual([2]);
});

test('a corrupted segment never has a good checksum, whether it was complete or left to hardware', () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.boolean(),
      fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 40 }),
      (seed, partial, payload) => {
        const link = { completesChecksum: true };
        const out = tapped({ seed, link, out: { corrupt: 1 } });
        const sent = tcpPacket({ payload, partial });
        const before = [...sent.header];
        out.tap.send(sent);
        out.time.runUntil(ms(1));
        expect(checksumOf(out.atB.octets[0]!)).toBe('bad');
        expect(out.atB.batches[0]![0]!.checksum).toBe('unverified');
        expect(out.tap.faults.out.corrupted).toBe(1);
        expect([...sent.header]).toEqual(before);

        const inward = tapped({ seed, link, in: { corrupt: 1 } });
        inward.b.send(tcpPacket({ payload, partial }));
        inward.time.runUntil(ms(1));
        expect(checksumOf(inward.atTap.octets[0]!)).toBe('bad');
        expect(inward.atTap.batches[0]![0]!.checksum).toBe('unverified');
      },
    ),
  );
});

test('corruption changes one octet of the completed segment, now here, now there', () => {
  const complete = flat(tcpPacket({ payload: [1, 2, 3] }));
  const partial = tcpPacket({ payload: [1, 2, 3], partial: true });
  // Said to be partial, and only looking like it: raw drivers can't say.
  for (const packet of [partial, { ...partial, checksumPartial: false }]) {
    const places = new Set<number>();
    for (let seed = 0; seed < 60; seed++) {
      const { time, b, atTap } = tapped({ seed, link: { completesChecksum: true }, in: { corrupt: 1 } });
      b.send(packet);
      time.runUntil(ms(1));
      const changed = complete.flatMap((octet, i) => (octet === atTap.octets[0]![i] ? [] : [i]));
      expect(changed.length).toBe(1);
      places.add(changed[0]!);
    }
    expect(places.size).toBeGreaterThan(15);
    expect(Math.min(...places)).toBeGreaterThanOrEqual(20);
  }
});

test('a checksum that is right and looks as if left to hardware is itself corrupted', () => {
  const tuned = findAmbiguous();
  expect(checksumOf(flat(tuned))).toBe('good');
  for (let seed = 0; seed < 50; seed++) {
    const { time, tap, atB } = tapped({ seed, out: { corrupt: 1 } });
    tap.send(tuned);
    time.runUntil(ms(1));
    expect(checksumOf(atB.octets[0]!)).toBe('bad');
  }
});

function flat(packet: ReturnType<typeof tcpPacket>): number[] {
  const octets = new Uint8Array(packet.headerLen + packet.payload.len);
  octets.set(packet.header.subarray(0, packet.headerLen));
  packet.payload.copyTo(octets, packet.headerLen);
  return [...octets];
}

function findAmbiguous(): ReturnType<typeof tcpPacket> {
  for (let n = 0; n < 65_536; n++) {
    const payload = [n >> 8, n & 255];
    const complete = tcpPacket({ payload });
    const partial = tcpPacket({ payload, partial: true });
    if (complete.header[36] === partial.header[36] && complete.header[37] === partial.header[37]) return complete;
  }
  throw new Error('no payload makes them equal');
}

test('a link that is full keeps what waits, and asks for the rest again', () => {
  const link = { rate: 1_000_000, queue: 100, mtu: 200 };
  const { time, tap, atTap, atB } = tapped({ link, out: { script: (_p, n) => (n === 1 ? 'duplicate' : 'pass') } });
  const big = (n: number) => packetOf([n, ...new Uint8Array(99)]);
  expect(tap.send(big(1))).toBe('sent');
  expect(tap.send(big(2))).toBe('full');
  expect(tap.faults.out.packets).toBe(1);
  time.runWhile(() => atTap.writable === 0, ms(10));
  // The duplicate is on the wire now: the next one's turn comes after it.
  expect(tap.send(big(3))).toBe('full');
  time.runWhile(() => atTap.writable === 1, ms(10));
  expect(tap.send(big(3))).toBe('sent');
  time.runUntil(ms(10));
  expect(firsts(atB.octets)).toEqual([1, 1, 3]);
});

test('a refusal does not use up a number: the packet that comes again has it', () => {
  const link = { rate: 1_000_000, queue: 10, mtu: 200 };
  const seen: number[] = [];
  const script: Script = (_packet, n) => {
    seen.push(n);
    return 'pass';
  };
  const { time, tap, atTap, atB } = tapped({ link, out: { script } });
  const big = (n: number) => packetOf([n, ...new Uint8Array(99)]);
  expect([tap.send(big(1)), tap.send(big(2))]).toEqual(['sent', 'full']);
  time.runWhile(() => atTap.writable === 0, ms(10));
  time.runUntil(ms(1));
  expect(tap.send(big(2))).toBe('sent');
  time.runUntil(ms(10));
  expect(firsts(atB.octets)).toEqual([1, 2]);
  expect(tap.faults.out.packets).toBe(2);
  expect(seen).toEqual([1, 2, 2]);
});

test('a closed tap drops what waits and delivers nothing', () => {
  const { time, tap, b, atTap, atB } = tapped({ in: { delay: ms(1) }, out: { delay: ms(1) } });
  tap.send(packetOf([1]));
  b.send(packetOf([2]));
  time.runUntil(micros(10));
  tap.close();
  expect(tap.send(packetOf([3]))).toBe('error');
  expect(time.pending).toBe(0);
  time.runUntil(ms(10));
  expect([atTap.octets, atB.octets]).toEqual([[], []]);
});

test('errors of the link below are handed up', () => {
  const { tap, atTap } = tapped({ link: { mtu: 50 }, out: {} });
  expect(tap.send(packetOf(new Uint8Array(60)))).toBe('error');
  expect(atTap.errors.map((e) => e.code)).toEqual(['EMSGSIZE']);
});
