/**
 * What is in flight and what leaves next, RFC 6675 §4 (SetPipe, NextSeg) and RFC 9937 §6.2, counted anew by the test from
 * the segments themselves: by the count of what arrived beyond (tcp_recovery 0) and by time (RACK). The round trip is 100 ms.
 */
import { describe, expect, test } from 'vitest';
import { ms } from '../../src/base/time.ts';
import { ack, data, established, type Harness, type HarnessOptions, RTT, type Seg } from '../support/harness.ts';

const MSS = 1000;
const DUP_THRESH = 3;

const open = (o: HarnessOptions = {}): Harness =>
  established({
    mss: MSS,
    sack: true,
    ...o,
    sysctl: { tcp_congestion_control: 'reno', tcp_early_retrans: 0, ...o.sysctl },
  });

const sack = (n: number, ...blocks: readonly (readonly [number, number])[]): Seg =>
  ack(n * MSS, { sack: blocks.map(([from, to]) => [from * MSS, to * MSS] as const) });
const again = (n: number): Seg => data(n * MSS, MSS, { note: 'fast retransmit' });
const resent = (n: number): Seg => data(n * MSS, MSS, { note: 'retransmission' });
const fresh = (n: number): Seg => data(n * MSS, MSS);
const reasons = (h: Harness): string[] => h.records.flatMap((r) => (r.type === 'congestion' ? [r.why] : []));

/** Runs of segments that have arrived, as blocks. */
function blocksOf(arrived: ReadonlySet<number>, una: number): (readonly [number, number])[] {
  const blocks: [number, number][] = [];
  for (const n of [...arrived].filter((k) => k > una).sort((a, b) => a - b)) {
    const last = blocks.at(-1);
    if (last?.[1] === n) last[1] = n + 1;
    else blocks.push([n, n + 1]);
  }
  return blocks.reverse().slice(0, 4);
}

/**
 * Twenty segments leave, `lost` of them for nothing; every other one arrives, 1 ms apart, and is reported. After each
 * report what the core has in flight is compared with RFC 6675's sum over the segments. Returns the greatest difference.
 */
function compareWithOracle(
  h: Harness,
  lost: ReadonlySet<number>,
  isLost: (n: number, arrived: ReadonlySet<number>) => boolean,
) {
  h.write(20_000);
  h.skip().advance(RTT);
  const arrived = new Set<number>();
  const reported = new Set<number>();
  const again = new Set<number>();
  const wrong: string[] = [];
  let una = 0;
  for (let n = 0; n < 20; n++) {
    h.advance(ms(1));
    if (lost.has(n)) continue;
    arrived.add(n);
    while (arrived.has(una)) una++;
    const blocks = blocksOf(arrived, una);
    for (const [from, to] of blocks) for (let k = from; k < to; k++) reported.add(k);
    h.inject(blocks.length === 0 ? ack(una * MSS) : sack(una, ...blocks));
    for (const { seg } of h.takeLeft()) again.add(seg.seq / MSS);
    let pipe = 0;
    for (let k = una; k < 20; k++) {
      if (reported.has(k)) continue;
      if (!isLost(k, reported)) pipe++;
      if (again.has(k)) pipe++;
    }
    const { unacked, sacked, lost: marked, retrans } = h.info;
    const ours = (unacked - sacked - marked + retrans) / MSS;
    if (ours !== pipe) wrong.push(`after ${n}: ${ours} rather than ${pipe}`);
  }
  expect(again.size).toBeGreaterThan(0);
  expect(wrong).toEqual([]);
}

const LOST = new Set([2, 3, 7, 11, 12]);

describe('octets in flight (SetPipe)', () => {
  test('by count: what is neither reported nor lost, and what was sent again', () => {
    compareWithOracle(open({ sysctl: { tcp_recovery: 0, initcwnd: 20 } }), LOST, (n, arrived) => {
      const beyond = [...arrived].filter((k) => k > n).length;
      return beyond >= DUP_THRESH;
    });
  });

  test('by time: the same sum over what RACK holds for lost', () => {
    const sentAtOnce = open({ sysctl: { initcwnd: 20 } });
    // All left at the same time: what left no later than what has arrived is lost once three are reported (RFC 8985 §6.2).
    compareWithOracle(sentAtOnce, LOST, (n, arrived) => {
      const isReordered = [...arrived].filter((k) => k > 2).length >= DUP_THRESH;
      return isReordered && [...arrived].some((k) => k > n);
    });
  });
});

describe('what leaves next (NextSeg)', () => {
  test('what is lost first, then new data as the pipe empties', () => {
    const h = open({ sysctl: { tcp_recovery: 0 } });
    h.write(30_000);
    h.skip()
      .advance(RTT)
      .inject(sack(0, [2, 5]))
      .expect(again(0));
    // Half of what arrives: first the second hole, and when no hole is left new data.
    h.inject(sack(0, [2, 7])).expect(again(1));
    h.inject(sack(0, [2, 8])).expect(fresh(10));
    h.inject(sack(0, [2, 9])).expect(fresh(11));
    expect(h.info).toMatchObject({ lost: 2000, retrans: 2000 });
  });

  test('what is not proven lost waits, though nothing new is left to send', () => {
    const h = open({ sysctl: { tcp_recovery: 0 } });
    h.write(10_000);
    h.skip()
      .advance(RTT)
      .inject(sack(0, [1, 7], [8, 9]))
      .expect(again(0));
    h.inject(sack(7, [8, 9])).expectNothing();
  });
});

describe('a timeout in recovery (RFC 6675 §5.1)', () => {
  test('ends it, and what is reported of the data before starts no second one', () => {
    const h = open({ sysctl: { tcp_recovery: 0, tcp_frto: 0 } });
    h.write(30_000);
    h.skip()
      .advance(RTT)
      .inject(sack(0, [1, 4]))
      .expect(again(0))
      .advance(ms(600))
      .expect(resent(0));
    expect(reasons(h)).toEqual(['SACK', 'retransmission timeout']);
    h.inject(sack(0, [1, 4], [5, 8])).skip();
    h.inject(sack(4, [5, 9])).skip();
    h.inject(sack(4, [5, 10])).skip();
    expect(reasons(h)).toEqual(['SACK', 'retransmission timeout']);
    expect(h.info.ca_state).toBe('Loss');
    // RecoveryPoint: all that was out when the timer expired.
    h.inject(ack(10_000)).skip();
    expect(reasons(h)).toEqual(['SACK', 'retransmission timeout', 'recovered after timeout']);
  });

  test('comes an RTO after the retransmission of the first, not after the data (§6)', () => {
    const h = open({ sysctl: { tcp_recovery: 0 } });
    h.write(10_000);
    h.skip()
      .advance(ms(250))
      .inject(sack(0, [1, 4]))
      .expect(again(0));
    h.advance(ms(h.info.rto / 1000 - 1)).expectNothing();
    h.after(ms(1)).expect(resent(0));
  });
});
