/** How explicit congestion notification and loss recovery go together: CWR after any reduction, and none taken back under ECE. */
import { describe, expect, test } from 'vitest';
import { ms } from '../../src/base/time.ts';
import { ack, closed, data, type Harness, type HarnessOptions, RTT, type Seg, synAck } from '../support/harness.ts';

const MSS = 1000;
const sack = (n: number, ...blocks: readonly (readonly [number, number])[]): Seg =>
  ack(n * MSS, { sack: blocks.map(([from, to]) => [from * MSS, to * MSS] as const) });
const reasons = (h: Harness): string[] => h.records.flatMap((r) => (r.type === 'congestion' ? [r.why] : []));

/** Ten segments of thirty are out, ECN and SACK agreed. */
function flight(o: HarnessOptions = {}): Harness {
  const sysctl = { tcp_ecn: 1, tcp_congestion_control: 'reno', tcp_early_retrans: 0, ...o.sysctl } as const;
  const h = closed({ mss: MSS, sack: true, ...o, sysctl })
    .open('active')
    .skip()
    .advance(RTT)
    .inject(synAck({ flags: 'S.E', mss: MSS, sackOk: true }))
    .skip();
  h.write(30_000);
  return h.skip().advance(RTT);
}

describe('CWR (RFC 3168 §6.1.2)', () => {
  test('follows a fast retransmit, on the first new data', () => {
    const h = flight()
      .inject(sack(0, [1, 4]))
      .expect(data(0, MSS, { flags: '.', ecn: 0, note: 'fast retransmit' }));
    h.inject(ack(10_000));
    expect(h.takeLeft().map(({ seg }) => [seg.flags, seg.ecn])).toEqual([
      ['.W', 2],
      ['.', 2],
      ['.', 2],
      ['.', 2],
      ['.', 2],
    ]);
  });

  test('follows a timeout', () => {
    const h = flight({ sysctl: { tcp_frto: 0 } })
      .after(ms(200))
      .expect(data(0, MSS, { flags: '.', ecn: 0, note: 'retransmission' }));
    h.inject(ack(10_000));
    expect(h.takeLeft().map(({ seg }) => seg.flags)).toEqual(['.W', '.', '.', '.', '.', '.']);
  });

  test('is withdrawn with a reduction that was for nothing', () => {
    const h = flight()
      .inject(sack(0, [1, 4]))
      .skip()
      .inject(sack(4, [0, 1]));
    expect(reasons(h)).toEqual(['RACK', 'undo: DSACK']);
    expect(h.takeLeft().every(({ seg }) => !seg.flags.includes('W'))).toBe(true);
  });
});

describe('what looks needless stays, where the ACK that says so carries ECE (RFC 4015 §3.4)', () => {
  test('after a fast retransmit', () => {
    const h = flight().inject(sack(0, [1, 4]));
    h.skip().inject({ ...sack(4, [0, 1]), flags: '.E' });
    expect(reasons(h)).toEqual(['RACK']);
    expect(h.info).toMatchObject({ ca_state: 'Recovery', snd_ssthresh: 5000, spurious: 0 });
    h.skip();
  });

  test('after a timeout', () => {
    const spurious = (flags: string): Harness => flight().after(ms(200)).skip().inject(ack(3000, { flags })).skip();
    expect(reasons(spurious('.'))).toEqual(['retransmission timeout', 'undo: F-RTO']);
    const h = spurious('.E');
    expect(reasons(h)).toEqual(['retransmission timeout']);
    expect(h.info).toMatchObject({ ca_state: 'Loss', snd_ssthresh: 5000, spurious: 0 });
    expect(h.info.snd_cwnd).toBeLessThan(5000);
  });
});
