/** How far one ACK opens the window in slow start, to the letter (profile rfc): RFC 5681 §3.1, RFC 3465 §2.3, RFC 9406 §4.3. */
import { describe, expect, test } from 'vitest';
import { micros } from '../../src/base/time.ts';
import { ack, established, type Harness, type HarnessOptions, RTT } from '../support/harness.ts';

const MSS = 1000;

/** Ten segments of sixty are out. */
function flight(o: HarnessOptions): Harness {
  const h = established({ mss: MSS, ...o });
  h.write(60_000);
  return h.skip().advance(RTT);
}

const afterOneAck = (o: HarnessOptions): number => flight(o).inject(ack(10_000)).skip().info.snd_cwnd;

const cubic = { tcp_congestion_control: 'cubic' } as const;
const reno = { tcp_congestion_control: 'reno' } as const;

describe('an ACK of ten segments opens the window', () => {
  test('by one under reno (RFC 5681), by all ten as Linux counts', () => {
    expect(afterOneAck({ profile: 'rfc', sysctl: reno })).toBe(11_000);
    expect(afterOneAck({ sysctl: reno })).toBe(20_000);
  });

  test('by L = 8 under HyStart++, by all where segments are paced (RFC 9406)', () => {
    expect(afterOneAck({ profile: 'rfc', sysctl: cubic })).toBe(18_000);
    expect(afterOneAck({ profile: 'rfc', sysctl: { ...cubic, tcp_pacing: true } })).toBe(20_000);
  });
});

test.each(['reno', 'cubic'] as const)('after a timeout %s grows by one segment for each ACK (RFC 3465)', (name) => {
  const h = flight({ profile: 'rfc', sysctl: { tcp_congestion_control: name } });
  h.advance(micros(h.info.rto)).skip();
  expect(h.info.snd_cwnd).toBe(1000);
  const cwnds = [3000, 6000, 9000].map((acked) => h.inject(ack(acked)).skip().info.snd_cwnd);
  expect(cwnds).toEqual([2000, 3000, 4000]);
});
