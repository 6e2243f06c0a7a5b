import { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { endOf } from '../../../src/tools/perf/json.ts';
import { type Interval, intervalOf, type PerfPlan, type Reading } from '../../../src/tools/perf/model.ts';
import { connected, type PerfResult, PerfRun } from '../../../src/tools/perf/run.ts';
import type { PerfSocket } from '../../../src/tools/perf/socket.ts';
import { patternBuffer } from '../../../src/tools/perf/stream.ts';
import { bitRateText, intervalText, octetsText, rttText, summaryText } from '../../../src/tools/perf/text.ts';

const reading = (octetsOut: number, octetsIn: number, retransmits = 0, cwnd = 0, rtt = 0): Reading => ({
  octetsOut,
  octetsIn,
  tcp: { retransmits, cwnd, rtt },
});

describe('a row', () => {
  const before = [reading(1000, 50, 2), reading(0, 0)];
  const after = [reading(126_000, 100_050, 5, 14_480, 300), reading(250_000, 0, 1, 28_960, 500)];

  test('of sending is what was acknowledged between two readings, with the window and round trip at its end', () => {
    expect(intervalOf('send', 1, 2, before, after)).toEqual({
      from: 1,
      to: 2,
      streams: [
        { octets: 125_000, bitsPerSecond: 1_000_000, retransmits: 3, cwnd: 14_480, rtt: 300 },
        { octets: 250_000, bitsPerSecond: 2_000_000, retransmits: 1, cwnd: 28_960, rtt: 500 },
      ],
      sum: { octets: 375_000, bitsPerSecond: 3_000_000, retransmits: 4, cwnd: 43_440, rtt: 400 },
    });
  });

  test('of an echo is what came back, and of receiving knows neither window nor round trip', () => {
    expect(intervalOf('echo', 0, 1, before, after).streams[0]).toMatchObject({ octets: 100_000, retransmits: 3 });
    expect(intervalOf('receive', 0, 1, before, after).streams[0]).toEqual({
      octets: 100_000,
      bitsPerSecond: 800_000,
      retransmits: null,
      cwnd: null,
      rtt: null,
    });
  });

  test("of the kernel's sockets says what is not known by null", () => {
    const of = (octetsOut: number): Reading => ({ octetsOut, octetsIn: 0, tcp: undefined });
    const { sum } = intervalOf('send', 0, 2, [of(0)], [of(1000)]);
    expect(sum).toEqual({ octets: 1000, bitsPerSecond: 4000, retransmits: null, cwnd: null, rtt: null });
  });
});

test('sizes, rates and times have three digits and never 1000 of a unit', () => {
  expect([0, 999, 1000, 999_499, 999_500, 12_345_678, 1.005e9].map(octetsText)).toEqual([
    '0 B',
    '999 B',
    '1.00 kB',
    '999 kB',
    '1.00 MB',
    '12.3 MB',
    '1.00 GB',
  ]);
  expect([8, 9.4e9, 1e12].map(bitRateText)).toEqual(['8 bit/s', '9.40 Gbit/s', '1.00 Tbit/s']);
  expect([45, 1240, 20_000, 1_500_000].map(rttText)).toEqual(['45 us', '1.24 ms', '20 ms', '1.5 s']);
});

test('rows stand in columns, and several streams have a sum', () => {
  const one = intervalOf('send', 0, 1, [reading(0, 0)], [reading(1_250_000, 0, 7, 14_480, 320)]);
  expect(intervalText(one)).toEqual(['    1    0.00-1.00          1.25 MB   10.0 Mbit/s      7   14.5 kB   320 us']);
  const two = intervalOf('send', 9, 10, [reading(0, 0), reading(0, 0)], [reading(1e6, 0), reading(2e6, 0)]);
  expect(intervalText(two).map((line) => line.slice(0, 36))).toEqual([
    '    1    9.00-10.00         1.00 MB ',
    '    2    9.00-10.00         2.00 MB ',
    '  sum    9.00-10.00         3.00 MB ',
  ]);
});

/** A socket in this process: what is written arrives after a turn of the event loop, and comes back from an echo. */
class FakeSocket extends Duplex {
  acked = 0;
  readonly #echo: ((octets: Buffer) => Buffer) | undefined;
  readonly #deaf: boolean;
  aborted = false;

  constructor(o: { echo?: (octets: Buffer) => Buffer; deaf?: boolean } = {}) {
    super({ allowHalfOpen: true });
    this.#echo = o.echo;
    this.#deaf = o.deaf === true;
  }

  override _read(): void {}

  override _write(octets: Buffer, _: BufferEncoding, done: () => void): void {
    setImmediate(() => {
      if (!this.#deaf) this.acked += octets.length;
      if (this.#echo !== undefined) this.push(this.#echo(octets));
      done();
    });
  }

  asPerf(): PerfSocket {
    return {
      stream: this,
      knowsAcks: true,
      octetsOut: () => this.acked,
      tcp: () => ({ retransmits: 0, cwnd: 1000, rtt: 10 }),
      facts: () => ({ local: 'here', congestion: 'reno', mss: 1000 }),
      abort: () => {
        this.aborted = true;
        this.destroy();
      },
    };
  }
}

const PLAN: PerfPlan = { mode: 'send', seconds: undefined, octets: undefined, interval: 0, length: 1000 };

async function measure(
  plan: Partial<PerfPlan>,
  sockets: readonly FakeSocket[],
  meanwhile: (run: PerfRun) => void = () => {},
): Promise<{ readonly result: PerfResult; readonly intervals: readonly Interval[] }> {
  const intervals: Interval[] = [];
  const run = new PerfRun(
    sockets.map((s) => s.asPerf()),
    { ...PLAN, ...plan },
    { onInterval: (interval) => intervals.push(interval) },
  );
  const running = run.run();
  meanwhile(run);
  return { result: await running, intervals };
}

describe('a measurement', () => {
  test('by the count writes just so much in all streams together, and ends when all of it has arrived', async () => {
    const sockets = [new FakeSocket(), new FakeSocket()];
    const { result } = await measure({ octets: 123_456 }, sockets);
    expect(result.outcome).toEqual({ how: 'done' });
    const written = result.streams.map((s) => s.written);
    expect(written[0]! + written[1]!).toBe(123_456);
    expect(result.streams.map((s) => s.reading.octetsOut)).toEqual(written);
    expect(Math.min(...written)).toBeGreaterThan(50_000);
    expect(endOf({ mode: 'send' }, result).arrived.octets).toBe(123_456);
  });

  test('by the clock has a row for each interval, and its rows are of what arrived until its end', async () => {
    const { result, intervals } = await measure({ seconds: 0.35, interval: 0.1 }, [new FakeSocket()]);
    expect(result.outcome).toEqual({ how: 'done' });
    expect(result.seconds).toBeGreaterThanOrEqual(0.349);
    expect(intervals.length).toBeGreaterThanOrEqual(1);
    expect(intervals[0]!.from).toBe(0);
    for (const [i, row] of intervals.slice(1).entries()) expect(row.from).toBe(intervals[i]!.to);
    const sum = intervals.reduce((n, row) => n + row.sum.octets, 0);
    expect(sum).toBeGreaterThan(0);
    expect(sum).toBeLessThanOrEqual(result.streams[0]!.written);
  });

  test('of receiving takes what was asked for and leaves by RST', async () => {
    const socket = new FakeSocket();
    const { result } = await measure({ mode: 'receive', octets: 5000 }, [socket], () => {
      for (let i = 0; i < 10; i++) socket.push(Buffer.alloc(1000));
    });
    expect(result.outcome).toEqual({ how: 'done' });
    expect(result.streams[0]!.reading.octetsIn).toBeGreaterThanOrEqual(5000);
    expect([result.streams[0]!.written, socket.aborted]).toEqual([0, true]);
  });

  test('of a source that ends is over when the source is', async () => {
    const socket = new FakeSocket();
    const { result } = await measure({ mode: 'receive', seconds: 60 }, [socket], () => {
      socket.push(Buffer.alloc(1234));
      socket.push(null);
    });
    expect(result).toMatchObject({ outcome: { how: 'done' }, streams: [{ reading: { octetsIn: 1234 } }] });
  });

  test('fails when the source ends before so much as was asked for', async () => {
    const socket = new FakeSocket();
    const { result } = await measure({ mode: 'receive', octets: 5000 }, [socket], () => {
      socket.push(Buffer.alloc(1234));
      socket.push(null);
    });
    expect(result.outcome).toEqual({ how: 'failed', stream: 1, trouble: { why: 'peer closed' } });
  });

  test('of an echo compares every octet, and ends when all have come back', async () => {
    // As an echo may cut what it sends back.
    const { result } = await measure({ mode: 'echo', octets: 70_001, length: 900 }, [
      new FakeSocket({ echo: (octets) => Buffer.from(octets) }),
    ]);
    expect(result.outcome).toEqual({ how: 'done' });
    expect(result.streams[0]).toMatchObject({ written: 70_001, reading: { octetsIn: 70_001 } });
  });

  test('of an echo names the first octet that differs', async () => {
    let at = 0;
    const spoil = (octets: Buffer): Buffer => {
      const copy = Buffer.from(octets);
      if (at <= 2345 && 2345 < at + copy.length) copy[2345 - at]! ^= 1;
      at += copy.length;
      return copy;
    };
    const socket = new FakeSocket({ echo: spoil });
    const { result } = await measure({ mode: 'echo', octets: 70_000 }, [socket]);
    expect(result.outcome).toEqual({ how: 'failed', stream: 1, trouble: { why: 'echo differs', at: 2345 } });
    expect(socket.destroyed).toBe(true);
  });

  test('that nothing comes back from says so rather than how much is missing', async () => {
    const { result } = await measure({ mode: 'echo', seconds: 0.1 }, [new FakeSocket()], (run) =>
      // What it would wait for after its end does not come either.
      setTimeout(() => run.stop(), 200),
    );
    expect(result.outcome.how).toBe('stopped');
    const silent = await measure({ mode: 'receive', seconds: 0.1 }, [new FakeSocket()]);
    expect(silent.result.outcome).toEqual({ how: 'silence' });
  });

  test('ends with the error of any of its streams, named by its number', async () => {
    const sockets = [new FakeSocket(), new FakeSocket()];
    const { result } = await measure({ seconds: 60 }, sockets, () =>
      sockets[1]!.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })),
    );
    expect(result.outcome).toEqual({
      how: 'failed',
      stream: 2,
      trouble: { why: 'error', code: 'ECONNRESET', message: 'read ECONNRESET' },
    });
    expect(sockets.map((s) => s.destroyed)).toEqual([true, true]);
  });

  test('can be stopped, and again for good', async () => {
    const deaf = new FakeSocket({ deaf: true });
    const { result } = await measure({ seconds: 60 }, [deaf], (run) => {
      setTimeout(() => run.stop(), 20);
      setTimeout(() => run.stop(), 60);
    });
    expect(result.outcome).toEqual({ how: 'stopped' });
    expect(result.streams[0]!.written).toBeGreaterThan(0);
    expect([result.streams[0]!.reading.octetsOut, deaf.aborted]).toEqual([0, true]);
  });
});

test('connecting fails with the first error, or when the time is up', async () => {
  const refused = new FakeSocket();
  const waiting = connected([new FakeSocket().asPerf(), refused.asPerf()], undefined);
  refused.destroy(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }));
  await expect(waiting).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await expect(connected([new FakeSocket().asPerf()], 0.02)).rejects.toMatchObject({ code: 'ETIMEDOUT' });
});

test('the buffer that is written again and again is the pattern, across its blocks', () => {
  const buffer = patternBuffer(150_000);
  for (const i of [0, 1, 255, 65_535, 65_536, 149_999])
    expect(buffer[i], `octet ${i}`).toBe((i ^ (i >>> 8) ^ (i >>> 16)) & 0xff);
});

test('the summary has what was written, what arrived, and what that cost', () => {
  const result: PerfResult = {
    outcome: { how: 'done' },
    seconds: 10,
    deliveredSeconds: 10.5,
    streams: [{ id: 1, written: 2e9, reading: reading(2e9, 0, 12) }],
    cpu: { user: 3, system: 1 },
  };
  expect(summaryText('send', result)).toEqual([
    '    1    0.00-10.00         2.00 GB   1.60 Gbit/s     12                     written',
    '    1    0.00-10.50         2.00 GB   1.52 Gbit/s      -                     arrived',
    'CPU of this process: 40 % of a core (user 30 %, system 10 %), 2.00 s per GB',
  ]);
  expect(endOf({ mode: 'send' }, result)).toMatchObject({
    written: { octets: 2e9, seconds: 10, bitsPerSecond: 1.6e9 },
    arrived: { octets: 2e9, seconds: 10.5 },
    retransmits: 12,
  });
});
