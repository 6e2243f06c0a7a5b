/** Octets out of order, twice and beyond the window: RFC 9293 §3.10.7.4 seventh, SACK blocks (RFC 2018), DSACK (RFC 2883). */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ack, data, established, type Harness, type Seg } from '../support/harness.ts';

const receiver = (o: Parameters<typeof established>[0] = {}): Harness => established({ mss: 1000, ...o });
const sacking = (): Harness => receiver({ sack: true });

describe('in the end, in order', () => {
  test.each([
    ['3, 2, 1', [200, 100, 0]],
    ['2, 3, 1', [100, 200, 0]],
    ['2, 1, 3', [100, 0, 200]],
    ['1, 3, 2', [0, 200, 100]],
  ])('%s', (_, order) => {
    const h = receiver();
    for (const seq of order) h.inject(data(seq, 100));
    h.skip();
    expect(h.read()).toBe(300);
    expect(h.info.bytes_received).toBe(300);
  });

  test('nothing is readable before the hole is filled', () => {
    const h = receiver().inject(data(100, 100)).skip();
    expect(h.read()).toBe(0);
    expect(h.takeHappened()).toEqual([]);
    h.inject(data(0, 100)).skip();
    expect(h.takeHappened()).toEqual(['readable']);
    expect(h.read()).toBe(200);
  });

  test('one ACK covers all that a filled hole releases (MUST-59)', () => {
    const h = receiver();
    for (let n = 1; n < 10; n++) h.inject(data(n * 1000, 1000));
    h.skip().inject(data(0, 1000)).expect(ack(10_000));
  });

  test('what overlaps counts once', () => {
    const h = receiver().inject(data(0, 100), data(50, 100), data(0, 200), data(150, 20)).skip();
    expect(h.read()).toBe(200);
    expect(h.info.bytes_received).toBe(200);
  });

  test('what overlaps out of order counts once', () => {
    const h = receiver().inject(data(100, 100), data(150, 100), data(50, 100), data(300, 50), data(120, 300)).skip();
    h.inject(data(0, 60)).expect(ack(420));
    expect(h.read()).toBe(420);
  });

  test('any cut, order and repetition gives the stream', () => {
    const piece = fc.record({ seq: fc.nat(3000), len: fc.integer({ min: 1, max: 700 }) });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), fc.boolean(), fc.integer(), (pieces, sack, irs) => {
        const h = receiver({ sack, irs });
        const have = new Set<number>();
        for (const { seq, len } of pieces) {
          h.inject(data(seq, len)).skip();
          for (let i = seq; i < seq + len; i++) have.add(i);
          let next = 0;
          while (have.has(next)) next++;
          expect(h.info.bytes_received).toBe(next);
        }
        let next = 0;
        while (have.has(next)) next++;
        // The harness compares the octets.
        expect(h.read()).toBe(next);
        h.skip();
      }),
      { numRuns: 200 },
    );
  });
});

describe('SACK', () => {
  test('is offered by sackOK, and needs both (RFC 2018 §2)', () => {
    expect(sacking().info.sack).toBe(true);
    receiver().inject(data(1000, 500)).expect(ack(0));
    const refused = established({ mss: 1000, sysctl: { tcp_sack: true } });
    expect(refused.info.sack).toBe(false);
    refused.inject(data(1000, 500)).expect(ack(0));
  });

  test('a block is what is held, up to the octet after it', () => {
    sacking()
      .inject(data(1000, 500))
      .expect(ack(0, { sack: [[1000, 1500]] }));
  });

  test('is gone when the hole is filled', () => {
    sacking().inject(data(1000, 500)).skip().inject(data(0, 1000)).expect(ack(1500));
  });

  test('the block of the newest arrival comes first, then those reported before', () => {
    const h = sacking();
    h.inject(data(1000, 100)).expect(ack(0, { sack: [[1000, 1100]] }));
    h.inject(data(3000, 100)).expect(
      ack(0, {
        sack: [
          [3000, 3100],
          [1000, 1100],
        ],
      }),
    );
    h.inject(data(2000, 100)).expect(
      ack(0, {
        sack: [
          [2000, 2100],
          [3000, 3100],
          [1000, 1100],
        ],
      }),
    );
    h.inject(data(1100, 100)).expect(
      ack(0, {
        sack: [
          [1000, 1200],
          [2000, 2100],
          [3000, 3100],
        ],
      }),
    );
  });

  test('four blocks at most, the oldest fall out (RFC 2018 §3)', () => {
    const h = sacking();
    for (let n = 1; n <= 6; n++) h.inject(data(n * 1000, 10));
    h.skip().inject(data(7000, 10));
    h.expect(
      ack(0, {
        sack: [
          [7000, 7010],
          [6000, 6010],
          [5000, 5010],
          [4000, 4010],
        ],
      }),
    );
  });

  test('three beside timestamps', () => {
    const h = receiver({ sack: true, timestamps: true });
    for (let n = 1; n <= 4; n++) h.inject(data(n * 1000, 10));
    h.skip()
      .inject(data(5000, 10))
      .expect(
        ack(0, {
          sack: [
            [5000, 5010],
            [4000, 4010],
            [3000, 3010],
          ],
        }),
      );
  });

  test('each is told in three ACKs in a row at least', () => {
    const h = receiver({ sack: true, timestamps: true });
    const times = new Map<number, number>();
    for (let n = 1; n <= 8; n++) {
      h.inject(data(n * 1000, 10));
      for (const { seg } of h.takeLeft()) for (const [left] of seg.sack!) times.set(left, (times.get(left) ?? 0) + 1);
    }
    for (let n = 1; n <= 6; n++) expect(times.get(n * 1000)).toBe(3);
  });

  test('blocks that merge are told as one, and leave room for others', () => {
    const h = sacking();
    for (const seq of [1000, 3000, 5000, 7000, 9000]) h.inject(data(seq, 1000));
    h.skip()
      .inject(data(2000, 1000))
      .expect(
        ack(0, {
          sack: [
            [1000, 4000],
            [9000, 10_000],
            [7000, 8000],
            [5000, 6000],
          ],
        }),
      );
  });

  test('what the cumulative ACK has passed is told no more', () => {
    const h = sacking();
    for (const seq of [1000, 3000]) h.inject(data(seq, 1000));
    h.skip()
      .inject(data(0, 1000))
      .expect(ack(2000, { sack: [[3000, 4000]] }));
    h.inject(data(5000, 1000)).expect(
      ack(2000, {
        sack: [
          [5000, 6000],
          [3000, 4000],
        ],
      }),
    );
  });

  test('rides on data and on every ACK while there is a hole', () => {
    const h = sacking().inject(data(1000, 10)).skip();
    h.write(5);
    h.expect(data(0, 5, { sack: [[1000, 1010]] }))
      .inject(data(0, 1))
      .expect(ack(1, { sack: [[1000, 1010]] }));
  });

  test('is right where sequence numbers wrap', () => {
    const h = receiver({ sack: true, irs: 0xffff_ffff - 1200 });
    h.inject(data(1000, 500)).expect(ack(0, { sack: [[1000, 1500]] }));
    h.inject(data(500, 500))
      .expect(ack(0, { sack: [[500, 1500]] }))
      .inject(data(0, 500))
      .expect(ack(1500));
  });
});

describe('DSACK', () => {
  test('a segment that came before is told once, first', () => {
    const h = sacking().inject(data(0, 1000)).skip();
    h.inject(data(0, 1000)).expect(ack(1000, { sack: [[0, 1000]] }));
    h.inject(data(2000, 10)).expect(ack(1000, { sack: [[2000, 2010]] }));
  });

  test('with a hole, the held blocks follow', () => {
    const h = sacking().inject(data(0, 1000), data(2000, 1000)).skip();
    h.inject(data(0, 1000)).expect(
      ack(1000, {
        sack: [
          [0, 1000],
          [2000, 3000],
        ],
      }),
    );
  });

  test('ahead of the hole, its own block comes second (RFC 2883 §4 (4))', () => {
    const h = sacking().inject(data(500, 1000)).skip();
    h.inject(data(1000, 500)).expect(
      ack(0, {
        sack: [
          [1000, 1500],
          [500, 1500],
        ],
      }),
    );
    h.inject(data(3000, 10)).expect(
      ack(0, {
        sack: [
          [3000, 3010],
          [500, 1500],
        ],
      }),
    );
  });

  test('four blocks with it', () => {
    const h = sacking().inject(data(0, 100));
    for (let n = 1; n <= 5; n++) h.inject(data(n * 1000, 10));
    h.skip().inject(data(0, 100));
    h.expect(
      ack(100, {
        sack: [
          [0, 100],
          [5000, 5010],
          [4000, 4010],
          [3000, 3010],
        ],
      }),
    );
  });

  test('of a segment that is partly old, the old part is told (RFC 2883 §4.2)', () => {
    const h = sacking().inject(data(0, 1000)).skip();
    h.inject(data(500, 1000)).expect(ack(1500, { sack: [[500, 1000]] }));
    // Of two such parts the first: example 5.
    const two = sacking().inject(data(0, 500)).skip();
    two.inject(data(1000, 500)).skip().inject(data(2000, 500)).skip();
    two.inject(data(0, 1500)).expect(
      ack(1500, {
        sack: [
          [0, 500],
          [2000, 2500],
        ],
      }),
    );
  });

  test('not of what stands on a SYN: it is challenged, and its octets are of no stream that we know', () => {
    const h = sacking().inject(data(0, 100)).skip();
    h.inject({ flags: 'S', seq: 50, len: 10 }).expect(ack(100, { note: 'duplicate ACK' }));
  });

  test('not without SACK, nor with tcp_dsack off', () => {
    receiver().inject(data(0, 1000)).skip().inject(data(0, 1000)).expect(ack(1000));
    const off = receiver({ sack: true, sysctl: { tcp_dsack: false } })
      .inject(data(0, 1000))
      .skip();
    off.inject(data(0, 1000)).expect(ack(1000));
    off
      .inject(data(2000, 10))
      .skip()
      .inject(data(2000, 10))
      .expect(ack(1000, { sack: [[2000, 2010]] }));
  });

  test('a keep-alive’s garbage octet before the window may be told', () => {
    sacking()
      .inject(data(0, 10))
      .skip()
      .inject(data(9, 1))
      .expect(ack(10, { sack: [[9, 10]] }));
  });
});

test('the counters tell what was out of order, and what came twice', () => {
  const h = receiver();
  const segs: Seg[] = [data(100, 100), data(0, 100), data(0, 100), data(200, 100), data(400, 50)];
  h.inject(...segs).skip();
  expect(h.info).toMatchObject({ rcv_ooopack: 2, rcv_duppack: 1, data_segs_in: 5, bytes_received: 300 });
});

test('pieces too small to be worth their memory are not kept', () => {
  const h = receiver({ options: { SO_RCVBUF: 4000 } });
  for (let n = 0; n < 100; n++) h.inject(data(10 + 2 * n, 1));
  h.skip();
  expect(h.drops).toContain('no memory for what is out of order');
  h.inject(data(0, 10)).skip();
  expect(h.info.bytes_received).toBe(11);
});

test('short of memory, what was reported is kept, and what is not kept is not reported (RFC 2018 §8)', () => {
  const h = sacking()
    .inject(data(1000, 1000))
    .expect(ack(0, { sack: [[1000, 2000]] }));
  h.inject(data(3000, 1000)).expect(
    ack(0, {
      sack: [
        [3000, 4000],
        [1000, 2000],
      ],
    }),
  );
  h.connection.press(true, h.now);
  const reports = (): (readonly [number, number])[] => h.takeLeft().flatMap(({ seg }) => seg.sack ?? []);
  h.inject(data(5000, 1000));
  const reported = reports();
  expect(reported).not.toContainEqual([5000, 6000]);
  expect(reported).toContainEqual([3000, 4000]);
  // The holes are filled: all that was reported is there.
  h.inject(data(0, 1000)).skip();
  h.inject(data(2000, 1000)).skip();
  expect(h.read()).toBe(4000);
  h.skip();
});
