/** Explicit congestion notification, RFC 3168. ECN field: 2 is ECT(0), 3 is CE. */
import { describe, expect, test } from 'vitest';
import { ms, seconds } from '../../src/base/time.ts';
import {
  ack,
  closed,
  data,
  established,
  type Harness,
  type HarnessOptions,
  listening,
  RTO,
  syn,
  synAck,
} from '../support/harness.ts';

const asking = (o: HarnessOptions = {}): Harness => closed({ mss: 1000, ...o, sysctl: { tcp_ecn: 1 } }).open('active');
/** Established with ECN agreed, window of ten segments. */
const agreed = (): Harness =>
  asking()
    .expect(syn({ flags: 'SEW' }))
    .advance(ms(100))
    .inject(synAck({ flags: 'S.E', mss: 1000 }))
    .expect(ack(0));

describe('agreement (§6.1.1)', () => {
  test('a SYN asks by ECE and CWR, a SYN-ACK agrees by ECE', () => {
    const h = agreed();
    h.write(1000);
    h.expect(data(0, 1000, { ecn: 2 }));
  });

  test.each(['S.', 'S.EW', 'S.W'])('%s does not agree', (flags) => {
    const h = asking()
      .skip()
      .inject(synAck({ flags, mss: 1000 }))
      .expect(ack(0));
    h.write(1000);
    h.expect(data(0, 1000, { ecn: 0 }));
  });

  test('by default we agree when asked, and do not ask', () => {
    const server = listening({ mss: 1000 })
      .inject(syn({ flags: 'SEW', mss: 1000 }))
      .expect(synAck({ flags: 'S.E' }))
      .inject(ack(0));
    server.write(10);
    server.expect(data(0, 10, { ecn: 2 }));
    listening({ mss: 1000 })
      .inject(syn({ flags: 'SE', mss: 1000 }))
      .expect(synAck());
    const client = established({ mss: 1000 });
    client.write(10);
    client.expect(data(0, 10, { ecn: 0 }));
  });

  test('with tcp_ecn 0 never', () => {
    listening({ sysctl: { tcp_ecn: 0 } })
      .inject(syn({ flags: 'SEW', mss: 1460 }))
      .expect(synAck());
  });

  test('a SYN sent again does not ask, and then the SYN-ACK’s word counts for nothing', () => {
    const h = asking()
      .expect(syn({ flags: 'SEW' }))
      .after(seconds(1))
      .expect(syn())
      .inject(synAck({ flags: 'S.E', mss: 1000 }))
      .expect(ack(0));
    h.write(10);
    h.expect(data(0, 10, { ecn: 0 }));
  });
});

describe('what is marked', () => {
  test('new data only: no ACK, no retransmission, no FIN alone (§6.1.4, §6.1.5)', () => {
    const h = agreed();
    h.write(1000);
    h.expect(data(0, 1000, { ecn: 2 }))
      .inject(data(0, 10))
      .expect(ack(10, { ecn: 0 }));
    h.after(RTO).expect(data(0, 1000, { ecn: 0, note: 'retransmission' }));
    h.inject(ack(1000)).close().expect({ flags: 'F.', seq: 1000, ecn: 0 });
  });
});

describe('the receiver (§6.1.3)', () => {
  test('reports CE on every ACK, at once, until CWR comes', () => {
    const h = agreed();
    h.inject(data(0, 10, { ecn: 3 })).expect(ack(10, { flags: '.E' }));
    h.inject(data(10, 10, { ecn: 2 })).expect(ack(20, { flags: '.E' }));
    h.write(5);
    h.expect(data(0, 5, { flags: 'P.E' }));
    h.inject(data(20, 10, { flags: 'P.W', ecn: 2, ack: 5 }))
      .after(ms(40))
      .expect(ack(30));
  });

  test('CE on the segment with CWR begins anew', () => {
    const h = agreed()
      .inject(data(0, 10, { ecn: 3 }))
      .expect(ack(10, { flags: '.E' }));
    h.inject(data(10, 10, { flags: '.W', ecn: 3 })).expect(ack(20, { flags: '.E' }));
  });

  test('without agreement nothing is reported', () => {
    established()
      .inject(data(0, 10, { ecn: 3 }))
      .expect(ack(10));
  });
});

describe('the sender (§6.1.2)', () => {
  test('halves its window once for all marks of a window of data, and says so once by CWR', () => {
    const h = agreed();
    h.write(40_000);
    expect(h.takeLeft()).toHaveLength(10);
    h.inject(ack(1000, { flags: '.E' })).expectNothing();
    expect(h.info).toMatchObject({ snd_cwnd: 5000, snd_ssthresh: 5000 });
    h.inject(ack(2000, { flags: '.E' })).expectNothing();
    // A window of 5 is acknowledged: it grows by one.
    h.inject(ack(5000, { flags: '.E' })).expect(data(10_000, 1000, { flags: '.W' }));
    expect(h.info).toMatchObject({ snd_cwnd: 6000, snd_ssthresh: 5000 });
    h.inject(ack(6000, { flags: '.E' })).expect(data(11_000, 1000));
    expect(h.info.snd_ssthresh).toBe(5000);
  });

  test('halves again when what was sent since is marked', () => {
    const h = agreed();
    h.write(40_000);
    h.skip()
      .inject(ack(1000, { flags: '.E' }))
      .skip()
      .inject(ack(10_000))
      .skip();
    h.inject(ack(11_000, { flags: '.E' })).skip();
    expect(h.info.snd_ssthresh).toBeLessThan(5000);
  });

  test('without agreement ECE is nothing', () => {
    const h = established({ mss: 1000 });
    h.write(40_000);
    h.skip()
      .inject(ack(1000, { flags: '.E' }))
      .skip();
    expect(h.info.snd_ssthresh).toBe(-1);
  });
});
