/** Into which segments a stream is cut: MSS (RFC 9293 §3.7.1), Nagle and cork (§3.7.4), PSH (checked by the harness on every segment), offload. */
import { describe, expect, test } from 'vitest';
import { micros } from '../../src/base/time.ts';
import { accepted, ack, data, established, fin, type Harness, synAck, synSent } from '../support/harness.ts';

describe('the segment size', () => {
  const first = (h: Harness): number => {
    h.write(20_000);
    return h.takeLeft()[0]!.seg.len;
  };

  test.each([
    ['what both announce', { mss: 1460 }, 1460],
    ['536 when the peer announces none (MUST-15)', { mss: 1460, peerMss: 'none' }, 536],
    ['536 when it announces 0', { mss: 1460, peerMss: 0 }, 536],
    ['the peer’s, when smaller (MUST-16)', { mss: 1460, peerMss: 500 }, 500],
    ['the path’s, when smaller', { mss: 1460, peerMss: 9000 }, 1460],
    ['what the path out carries, however much may come in', { mss: 9000, path: { sendMss: 1400 } }, 1400],
    ['less the timestamps', { mss: 1460, timestamps: true }, 1448],
    ['the peer’s less the timestamps', { mss: 1460, peerMss: 1000, timestamps: true }, 988],
    ['TCP_MAXSEG, when smaller', { mss: 1460, options: { TCP_MAXSEG: 700 } }, 700],
    ['not TCP_MAXSEG, when larger', { mss: 1460, options: { TCP_MAXSEG: 7000 } }, 1460],
    ['what tcp_min_snd_mss leaves, at least', { mss: 1460, peerMss: 1, timestamps: true }, 36],
  ] as const)('is %s', (_, o, len) => {
    expect(first(established(o))).toBe(len);
    const server = accepted(o);
    expect(server.info.snd_mss).toBe(len);
    expect(first(server)).toBe(len);
  });

  test('what we announce is what we can receive, with or without options, and TCP_MAXSEG', () => {
    const announced = (o: Parameters<typeof established>[0]): unknown =>
      established(o).records.flatMap((r) => (r.type === 'segment' && r.dir === 'out' ? [r.seg.mss] : []))[0];
    expect(announced({ mss: 1460, timestamps: true, sack: true })).toBe(1460);
    expect(announced({ mss: 9000, path: { sendMss: 1400 } })).toBe(9000);
    expect(announced({ mss: 1460, options: { TCP_MAXSEG: 700 } })).toBe(700);
  });

  test('an MSS option on anything but a SYN is ignored', () => {
    const h = established({ mss: 1460 }).inject(ack(0, { mss: 100 }));
    expect(first(h)).toBe(1460);
  });

  test('makes room for the SACK blocks that a segment carries', () => {
    const h = established({ mss: 1000, sack: true }).inject(data(1000, 10)).skip();
    expect(first(h)).toBe(1000 - 36);
    const stamped = established({ mss: 1000, sack: true, timestamps: true }).inject(data(1000, 10)).skip();
    expect(first(stamped)).toBe(1000 - 12 - 28);
  });

  test('all segments but the last are full (SHLD-28), whatever the writes were', () => {
    const h = established({ mss: 1000, wnd: 0 });
    for (let n = 0; n < 50; n++) h.write(137);
    h.expectNothing().inject(ack(0, { wnd: 60_000 }));
    h.expect(...[0, 1, 2, 3, 4, 5].map((n) => data(n * 1000, 1000)));
    h.inject(ack(6000)).expect(data(6000, 850));
  });
});

describe('Nagle', () => {
  test('a small segment leaves at once when nothing is out; more wait, and leave together (SHLD-7)', () => {
    const h = established({ mss: 1000 });
    for (let n = 0; n < 10; n++) h.write(1);
    h.expect(data(0, 1, { flags: 'P.' }))
      .inject(ack(1))
      .expect(data(1, 9));
  });

  test('what waits leaves when it fills a segment', () => {
    const h = established({ mss: 1000 });
    h.write(1);
    h.expect(data(0, 1)).write(999);
    h.expectNothing().write(2);
    h.expect(data(1, 1000));
    h.inject(ack(1001)).expect(data(1001, 1));
  });

  test('of a large write the full segments leave, the rest waits', () => {
    const h = established({ mss: 1000 });
    h.write(2500);
    h.expect(data(0, 1000), data(1000, 1000))
      .inject(ack(1000))
      .expectNothing()
      .inject(ack(2000))
      .expect(data(2000, 500));
  });

  test('off, each write leaves (MUST-17)', () => {
    const h = established({ mss: 1000, options: { TCP_NODELAY: true } });
    for (let n = 0; n < 5; n++) {
      h.write(1);
      h.expect(data(n, 1));
    }
    h.write(2500);
    h.expect(data(5, 1000), data(1005, 1000), data(2005, 500));
  });

  test('switched off, what waits leaves', () => {
    const h = established({ mss: 1000 });
    h.write(1);
    h.write(1);
    h.expect(data(0, 1, { flags: 'P.' }))
      .set('TCP_NODELAY', true)
      .expect(data(1, 1));
  });

  test('does not hold what comes before a FIN', () => {
    const h = established({ mss: 1000 });
    h.write(1);
    h.write(5);
    h.expect(data(0, 1, { flags: 'P.' }))
      .close()
      .expect(data(1, 5, { flags: 'FP.' }));
  });
});

describe('TCP_CORK', () => {
  const corked = (): Harness => established({ mss: 1000, options: { TCP_CORK: true } });

  test('holds a partial segment back, even when nothing is out', () => {
    const h = corked();
    h.write(999);
    h.expectNothing().write(1);
    h.expect(data(0, 1000));
    expect(h.connection.nextTimeout()).toBeLessThan(Number.POSITIVE_INFINITY);
  });

  test('off, the rest leaves', () => {
    const h = corked();
    h.write(10);
    h.expectNothing().set('TCP_CORK', false).expect(data(0, 10));
  });

  test('holds it with Nagle off as well', () => {
    const h = corked().set('TCP_NODELAY', true);
    h.write(10);
    h.expectNothing();
  });

  test('lasts for one RTO once nothing is out: a send buffer smaller than a segment would stay full', () => {
    const h = established({ mss: 1000, options: { TCP_CORK: true, SO_SNDBUF: 100 } });
    const rto = h.info.rto;
    expect(h.write(500)).toBe(100);
    h.expectNothing()
      .advance(micros(rto - 1))
      .expectNothing();
    h.advance(micros(1)).expect(data(0, 100));
    h.inject(ack(100));
    expect(h.write(500)).toBe(100);
    h.expectNothing().advance(micros(h.info.rto)).expect(data(100, 100));
  });

  test('a FIN ends it', () => {
    const h = corked();
    h.write(10);
    h.close().expect(data(0, 10, { flags: 'FP.' }));
  });
});

describe('a link that cuts segments itself', () => {
  const offload = (o: Parameters<typeof established>[0] = {}): Harness =>
    established({ mss: 1000, path: { maxGsoPayload: 4500 }, ...o });

  test('is given as many whole segments at once as it takes', () => {
    const h = offload();
    h.write(12_000);
    h.expect(data(0, 4000), data(4000, 4000), data(8000, 2000)).inject(ack(10_000)).expect(data(10_000, 2000));
  });

  test('is counted as what it makes of them', () => {
    const h = offload({ options: { TCP_NODELAY: true } });
    const { segs_out } = h.info;
    h.write(12_500);
    h.skip();
    expect(h.info).toMatchObject({ segs_out: segs_out + 10, data_segs_out: 10 });
    h.inject(ack(10_000)).skip();
    expect(h.info).toMatchObject({ segs_out: segs_out + 13, data_segs_out: 13 });
  });

  test('a rest that could not leave alone stays behind', () => {
    const h = offload();
    h.write(2500);
    h.expect(data(0, 2000)).inject(ack(2000)).expect(data(2000, 500));
    const eager = offload({ options: { TCP_NODELAY: true } });
    eager.write(2500);
    eager.expect(data(0, 2500));
    const last = offload({ wnd: 0 });
    last.write(2500);
    last
      .close()
      .inject(ack(0, { wnd: 9000 }))
      .expect(data(0, 2500, { flags: 'FP.' }));
  });

  test('a corked rest stays behind, Nagle on or off', () => {
    const h = offload({ options: { TCP_CORK: true, TCP_NODELAY: true } });
    h.write(2500);
    h.expect(data(0, 2000)).inject(ack(2000)).expectNothing();
    h.set('TCP_CORK', false).expect(data(2000, 500));
  });

  test('the peer’s window is filled with whole segments', () => {
    const h = offload({ wnd: 3500 });
    h.write(9000);
    h.expect(data(0, 3000)).inject(ack(3000)).expect(data(3000, 3000));
  });

  test('while SACK blocks ride along, it is one segment at a time', () => {
    const h = offload({ sack: true }).inject(data(5000, 10)).skip();
    h.write(3000);
    const lens = h.takeLeft().map(({ seg }) => seg.len);
    expect(lens[0]).toBe(964);
  });

  test('what is sent again is sent one segment at a time', () => {
    const h = offload();
    h.write(4000);
    h.expect(data(0, 4000))
      .inject(ack(0), ack(0), ack(0))
      .expect(data(0, 1000, { note: 'fast retransmit' }));
  });

  test('one that takes less than a segment is given single ones', () => {
    const h = established({ mss: 1000, path: { maxGsoPayload: 900 } });
    h.write(2000);
    h.expect(data(0, 1000), data(1000, 1000));
  });
});

describe('the send buffer', () => {
  test('takes SO_SNDBUF octets, and says when there is room again', () => {
    const h = established({ mss: 1000, wnd: 2000, options: { SO_SNDBUF: 3000 } });
    expect(h.write(5000)).toBe(3000);
    expect(h.write(1)).toBe(0);
    expect(h.connection.sendRoom).toBe(0);
    h.expect(data(0, 1000, { flags: '.' }), data(1000, 1000, { flags: '.' }));
    expect(h.takeHappened()).toEqual([]);
    h.inject(ack(1000)).expect(data(2000, 1000));
    expect(h.takeHappened()).toEqual(['writable']);
    expect(h.connection.sendRoom).toBe(1000);
    expect(h.connection.sendQueued).toBe(2000);
  });

  test('is tcp_wmem’s initial size otherwise, or twice the congestion window, up to tcp_wmem’s most', () => {
    const wmem = [5000, 50_000, 12_000] as const;
    const sizes = wmem.map((initial) => {
      const h = established({
        mss: 1000,
        sysctl: { tcp_wmem: [4096, initial, initial === 12_000 ? 12_000 : 100_000] },
      });
      const taken = h.write(90_000);
      h.skip();
      return taken;
    });
    expect(sizes).toEqual([20_000, 50_000, 12_000]);
  });

  test('holds what was written before the handshake', () => {
    const h = synSent({ mss: 1000, options: { SO_SNDBUF: 1500 } });
    expect(h.write(9000)).toBe(1500);
    h.close();
    h.expectNothing().expectState('CLOSED');
    const open = synSent({ mss: 1000 });
    open.write(1500);
    open
      .inject(synAck({ mss: 1000 }))
      .expect(data(0, 1000))
      .inject(ack(1000))
      .expect(data(1000, 500));
  });

  test('takes nothing after CLOSE', () => {
    const h = established().close().expect(fin(0));
    expect(h.write(10)).toBe(0);
  });

  test('takes an empty write for nothing', () => {
    expect(established().write(0)).toBe(0);
  });
});
