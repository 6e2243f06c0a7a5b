import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { micros, ms } from '../../../src/base/time.ts';
import { VirtualTime } from '../../../src/base/virtual-time.ts';
import type { Faults } from '../../../src/link/faults.ts';
import type { FrameIn, FrameLink, FrameReceiver } from '../../../src/link/frames.ts';
import { ImpairedBridge } from '../../../src/link/impaired-bridge.ts';
import type { LinkError, PacketOut, SendOutcome } from '../../../src/link/link.ts';
import { SuperSegment } from '../../../src/link/super-segment.ts';
import { toMac } from '../../../src/wire/ethernet.ts';
import { readI32 } from '../../../src/wire/octets.ts';
import { checksumOf, tcpPacket } from './packets.ts';

const ETHERNET = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
const IPV4 = [8, 0];
const ARP = [8, 6];

interface Left {
  readonly ethernet: number[];
  readonly octets: Uint8Array;
  readonly gsoSize: number;
  readonly partial: boolean;
}

class FakeInterface implements FrameLink {
  readonly driver = 'fake';
  readonly interface: string;
  readonly mac = toMac(1);
  readonly mtu: number;
  readonly receiveMtu = 65_535;
  readonly maxGsoPayload: number;
  readonly completesChecksum = true;
  readonly counters = { packetsIn: 0, packetsOut: 0, octetsIn: 0, octetsOut: 0, ignoredIn: 0, errorsOut: 0 };
  readonly left: Left[] = [];
  receiver!: FrameReceiver;
  full = false;
  closed = false;
  /** Sent, and not read by the kernel before the flush: octets are copied here only then. */
  #batch: (() => void)[] = [];

  constructor(name: string, o: { mtu?: number; gso?: boolean } = {}) {
    this.interface = name;
    this.mtu = o.mtu ?? 1500;
    this.maxGsoPayload = o.gso === false ? 0 : 65_000;
  }

  drops = (): number => 3;

  start(receiver: FrameReceiver): void {
    this.receiver = receiver;
  }

  send(ethernet: Uint8Array, packet: PacketOut): SendOutcome {
    if (this.full) return 'full';
    const head = [...ethernet];
    const header = packet.header.slice(0, packet.headerLen);
    const { payload, gsoSize, checksumPartial: partial } = packet;
    const parts = payload.bufs
      .slice(0, payload.count)
      .map((b, i) => b.subarray(payload.ats[i], payload.ats[i]! + payload.lens[i]!));
    this.#batch.push(() => {
      this.left.push({ ethernet: head, octets: Uint8Array.from(Buffer.concat([header, ...parts])), gsoSize, partial });
    });
    return 'sent';
  }

  flush(): void {
    for (const each of this.#batch.splice(0)) each();
  }

  close(): void {
    this.closed = true;
  }

  /** A batch of frames arrives, each in a slot that is reused at once. */
  arrive(
    ...frames: { type?: number[]; octets: Uint8Array; gsoSize?: number; partial?: boolean; waited?: number }[]
  ): void {
    for (const { type = IPV4, octets, gsoSize = 0, partial = false, waited = 0 } of frames) {
      const bytes = Uint8Array.from([9, 9, ...ETHERNET, ...type, ...octets, 9]);
      const checksum = partial ? 'partial' : 'unverified';
      const frame: FrameIn = { bytes, at: 2, end: bytes.length - 1, checksum, owned: false, gsoSize, waited };
      this.receiver.onFrame(frame);
      bytes.fill(0xee);
    }
    this.receiver.onBatchEnd();
  }
}

function bridged(o: { ab?: Faults; ba?: Faults; seed?: number; b?: { mtu?: number; gso?: boolean } } = {}) {
  const time = new VirtualTime();
  const [a, b] = [new FakeInterface('a'), new FakeInterface('b', o.b)];
  const errors: [string, LinkError][] = [];
  const bridge = new ImpairedBridge({
    a,
    b,
    ab: o.ab ?? {},
    ba: o.ba ?? {},
    clock: time.clock(),
    random: seededRandom(o.seed ?? 1),
    onError: (link, error) => errors.push([link.interface, error]),
  });
  return { time, a, b, bridge, errors };
}

function segment(o: Parameters<typeof tcpPacket>[0] = {}): Uint8Array {
  const packet = tcpPacket(o);
  const octets = new Uint8Array(packet.headerLen + packet.payload.len);
  octets.set(packet.header.subarray(0, packet.headerLen));
  packet.payload.copyTo(octets, packet.headerLen);
  return octets;
}

const seqOf = (octets: Uint8Array): number => readI32(octets, 24);

/** What the peer's kernel would see on a wire: merged segments cut as the interface would. */
function wire(left: readonly Left[]): Uint8Array[] {
  return left.flatMap(({ octets, gsoSize }) => {
    if (gsoSize === 0) return [octets];
    const merged = new SuperSegment();
    const room = new Uint8Array(1500);
    merged.begin(octets, 0, octets.length, gsoSize, 1500);
    return Array.from({ length: merged.count }, (_, i) => room.slice(0, merged.write(i, room, 0)));
  });
}

test('a frame leaves by the other interface as it came, with its header; in the other direction as well', () => {
  const { a, b, bridge } = bridged();
  const octets = segment({ payload: [1, 2, 3] });
  a.arrive({ octets });
  b.arrive({ octets: Uint8Array.of(1, 2), type: ARP });
  expect(b.left).toEqual([{ ethernet: [...ETHERNET, ...IPV4], octets, gsoSize: 0, partial: false }]);
  expect(a.left.map((l) => [...l.octets])).toEqual([[1, 2]]);
  expect(bridge.ab).toMatchObject({ frames: 1, packets: 1, octets: 14 + octets.length, missed: 3 });
});

test('a checksum left to hardware is completed', () => {
  const { a, b } = bridged();
  a.arrive({ octets: segment({ payload: [1, 2, 3], partial: true }), partial: true });
  expect(checksumOf(b.left[0]!.octets)).toBe('good');
});

const MERGED = {
  octets: segment({ seq: 100, payload: new Array(1000).fill(1), partial: true }),
  gsoSize: 10,
  partial: true,
};

test('a merged segment to which nothing happens stays merged, and counts as the packets it stands for', () => {
  const { a, b, bridge } = bridged();
  a.arrive(MERGED);
  expect(b.left.map((l) => [l.gsoSize, l.partial, l.octets.length])).toEqual([[10, true, 1040]]);
  expect(bridge.ab).toMatchObject({ frames: 1, packets: 100 });
  for (const packet of wire(b.left)) expect(checksumOf(packet)).toBe('good');
});

test('it is cut where the interface cannot do so itself, and on a wire of limited rate', () => {
  for (const o of [{ b: { gso: false } }, { ab: { rate: 1e9, queue: { packets: 200 } } }]) {
    const { time, a, b } = bridged(o);
    a.arrive(MERGED);
    time.runUntil(ms(100));
    expect(b.left).toHaveLength(100);
    for (const { octets, partial } of b.left) expect([checksumOf(octets), partial]).toEqual(['good', false]);
  }
});

test('what happens to a packet is the same whether those around it stay merged or not', () => {
  const ab = { loss: 0.1, duplicate: 0.1, reorder: 0.1, corrupt: 0.1 };
  for (let seed = 0; seed < 30; seed++) {
    const run = (gso: boolean) => {
      const { time, a, b, bridge } = bridged({ ab, seed, b: { gso } });
      for (let i = 0; i < 3; i++) a.arrive(MERGED);
      time.runUntil(ms(100));
      return { counters: bridge.ab, packets: wire(b.left).map((octets) => [seqOf(octets), checksumOf(octets)]) };
    };
    expect(run(true)).toEqual(run(false));
  }
});

test('the delay is each packet’s, and order is kept', () => {
  const { time, a, b, bridge } = bridged({ ab: { delay: ms(5) } });
  a.arrive(MERGED);
  time.runUntil(ms(1));
  a.arrive({ octets: segment({ seq: 7 }) });
  time.runUntil(ms(4));
  expect(b.left).toHaveLength(0);
  time.runUntil(ms(5));
  expect(b.left.map((l) => seqOf(l.octets))).toEqual([100]);
  time.runUntil(ms(6));
  expect(b.left.map((l) => seqOf(l.octets))).toEqual([100, 7]);
  expect(bridge.ab.delayed).toBe(101);
});

test('the delay begins when a frame comes, not when it is taken; one that waited longer passes at once', () => {
  const { time, a, b } = bridged({ ab: { delay: ms(5) } });
  time.runUntil(ms(20));
  a.arrive({ ...MERGED, waited: ms(2) }, { octets: segment({ seq: 7 }), waited: ms(1) });
  time.runUntil(micros(22_999));
  expect(b.left).toHaveLength(0);
  time.runUntil(ms(23));
  expect(b.left.map((l) => seqOf(l.octets))).toEqual([100]);
  time.runUntil(ms(24));
  a.arrive({ octets: segment({ seq: 8 }), waited: ms(6) });
  expect(b.left.map((l) => seqOf(l.octets))).toEqual([100, 7, 8]);
});

test('so does its time on the wire: 1000 octets/ms, and no faster than that for those that waited together', () => {
  const { time, a, b } = bridged({ ab: { rate: 1e6, queue: { packets: 9 } } });
  time.runUntil(ms(20));
  const octets = segment({ payload: new Array(946).fill(1) });
  expect(octets).toHaveLength(1000 - ETHERNET.length - IPV4.length);
  a.arrive({ octets, waited: ms(3) }, { octets, waited: ms(3) }, { octets, waited: ms(1) }, { octets });
  // Since 17, 18 and 19 on the wire; the fourth since just now.
  time.runUntil(micros(20_999));
  expect(b.left).toHaveLength(3);
  time.runUntil(ms(21));
  expect(b.left).toHaveLength(4);
});

test('none comes before the one that it followed, whatever is said of them', () => {
  const { time, a, b, bridge } = bridged({ ab: { rate: 1e6, queue: { packets: 2 } } });
  time.runUntil(ms(20));
  const octets = segment({ payload: new Array(946).fill(1) });
  a.arrive({ octets }, { octets, waited: ms(10) }, { octets, waited: ms(10) });
  time.runUntil(ms(30));
  expect([b.left.length, bridge.ab.overflowed]).toEqual([3, 0]);
});

test('late or not, what is to be overtaken is overtaken', () => {
  const { time, a, b, bridge } = bridged({
    ab: { delay: ms(1), script: (_, n) => (n === 1 ? { delay: ms(2) } : 'pass') },
  });
  time.runUntil(ms(20));
  a.arrive(...[1, 2].map((seq) => ({ octets: segment({ seq }), waited: ms(9) })));
  time.runUntil(ms(30));
  expect(b.left.map((l) => seqOf(l.octets))).toEqual([2, 1]);
  expect(bridge.ab.reordered).toBe(1);
});

test('what comes late to an interface that is full is kept, as what comes in time', () => {
  const { time, a, b, bridge } = bridged({ ab: { delay: ms(1) } });
  time.runUntil(ms(20));
  b.full = true;
  a.arrive({ octets: segment({ seq: 1 }), waited: ms(2) });
  b.full = false;
  b.receiver.onWritable();
  expect(b.left.map((l) => seqOf(l.octets))).toEqual([1]);
  expect(bridge.ab).toMatchObject({ sendFailures: 0, delayed: 1 });
});

test('frames without IPv4 wait their turn, and nothing else happens to them', () => {
  const ab = { loss: 1, corrupt: 1, duplicate: 1, reorder: 1, delay: ms(1) };
  const { time, a, b, bridge } = bridged({ ab });
  a.arrive({ octets: Uint8Array.of(1, 2, 3), type: ARP }, { octets: segment() });
  time.runUntil(ms(100));
  expect(b.left.map((l) => [...l.octets])).toEqual([[1, 2, 3]]);
  expect(bridge.ab).toMatchObject({ packets: 2, lost: 1, corrupted: 0 });
});

test('what is too large to leave is dropped and counted', () => {
  const { a, b, bridge } = bridged({ b: { mtu: 50 } });
  a.arrive(
    { octets: segment({ payload: new Array(11).fill(1) }) },
    { octets: segment({ payload: new Array(10).fill(1) }) },
  );
  expect(b.left).toHaveLength(1);
  expect(bridge.ab).toMatchObject({ tooLarge: 1, packets: 1 });
});

test('while an interface is full, what waits is kept and what comes is dropped and counted', () => {
  const { time, a, b, bridge } = bridged({ ab: { delay: ms(1) } });
  b.full = true;
  a.arrive({ octets: segment({ seq: 1 }) });
  time.runUntil(ms(2));
  a.arrive({ octets: segment({ seq: 2 }) });
  b.full = false;
  b.receiver.onWritable();
  a.arrive({ octets: segment({ seq: 3 }) });
  time.runUntil(ms(10));
  expect(b.left.map((l) => seqOf(l.octets))).toEqual([1, 3]);
  expect(bridge.ab.sendFailures).toBe(1);
});

test('buffers are not reused while the interface may still read them', () => {
  const { a, b } = bridged();
  // A batch as large as one is: nothing has left before its end.
  a.arrive(...Array.from({ length: 64 }, (_, n) => ({ octets: segment({ seq: n, payload: new Array(300).fill(n) }) })));
  expect(b.left.map((l) => [seqOf(l.octets), l.octets.at(-1)])).toEqual(Array.from({ length: 64 }, (_, n) => [n, n]));
});

test('closed, nothing waits and no alarm is left; errors say whose they are', () => {
  const { time, a, b, bridge, errors } = bridged({ ab: { delay: ms(1) } });
  a.receiver.onError({ code: 'ENETDOWN', message: 'down', fatal: false });
  expect(errors.map(([name, e]) => [name, e.code])).toEqual([['a', 'ENETDOWN']]);
  a.arrive({ octets: segment() });
  bridge.close();
  expect([a.closed, b.closed, time.pending]).toEqual([true, true, 0]);
});

test.for([0, 5])(
  'a packet that a script drops or passes is given back once: those after it keep their octets (delay %i ms)',
  (delay) => {
    const { time, a, b } = bridged({
      ab: { ...(delay > 0 && { delay: ms(delay) }), script: (_, n) => (n % 2 === 1 ? 'drop' : undefined) },
    });
    for (let round = 0; round < 3; round++) {
      a.arrive(...Array.from({ length: 6 }, (_, i) => ({ octets: segment({ seq: 10 * round + i }) })));
      time.runUntil(ms(10 * (round + 1)));
    }
    expect(b.left.map(({ octets }) => seqOf(octets))).toEqual([1, 3, 5, 11, 13, 15, 21, 23, 25]);
  },
);
