/** Full segments that vanish on the way, and the search for what passes: RFC 4821, with Linux's tcp_mtu_probing. */
import { describe, expect, test } from 'vitest';
import { micros, ms, seconds } from '../../src/base/time.ts';
import { ack, data, established, type Harness, type HarnessOptions, RTT } from '../support/harness.ts';

/** Three timeouts: R1. `timeouts` more are to come. */
function swallowed(o: HarnessOptions = {}): Harness {
  const h = established({ mss: 1460, ...o });
  h.write(1460);
  h.skip();
  for (const by of [300, 600, 1200]) h.advance(ms(by));
  return h;
}

describe('a black hole', () => {
  test('after tcp_retries1 timeouts segments shrink to tcp_base_mss', () => {
    const h = swallowed();
    h.expect(data(0, 1460), data(0, 1460), data(0, 1024, { flags: '.' }));
    h.inject(ack(1024)).expect(data(1024, 436));
    expect(h.info.snd_mss).toBe(1024);
  });

  test('then by half, and no further: below 512 octets a path is not narrow but bad', () => {
    const h = swallowed().skip();
    const sizes: number[] = [];
    for (const by of [2400, 4800, 9600, 19_200, 38_400, 76_800]) {
      h.advance(ms(by));
      sizes.push(h.takeLeft()[0]!.seg.len);
    }
    expect(sizes).toEqual([512, 512, 512, 512, 512, 512]);
  });

  test('tcp_retries1 and tcp_base_mss say when and to what', () => {
    const h = established({ mss: 1460, sysctl: { tcp_retries1: 1, tcp_base_mss: 700 } });
    h.write(1460);
    h.skip()
      .after(ms(300))
      .expect(data(0, 700, { flags: '.' }));
  });

  test('with tcp_mtu_probing 0 they stay as they are', () => {
    const h = swallowed({ sysctl: { tcp_mtu_probing: 0 } });
    h.expect(data(0, 1460), data(0, 1460), data(0, 1460));
    expect(h.info.snd_mss).toBe(1460);
  });

  test('segments that are small enough are left alone', () => {
    const h = swallowed({ mss: 1000, peerMss: 900 }).skip();
    expect(h.info.snd_mss).toBe(900);
  });
});

test('at R1 the user hears that delivery is in trouble, once, and the connection lives on (SHLD-9)', () => {
  const h = established();
  h.write(10);
  h.skip()
    .advance(ms(300 + 600))
    .skip();
  expect(h.takeHappened()).not.toContain('softError');
  h.advance(ms(1200)).skip().expectState('ESTABLISHED');
  expect(h.takeHappened()).toContain('softError');
  expect(h.connection.softError).toBe('ETIMEDOUT');
  h.advance(ms(2400)).skip();
  expect(h.takeHappened()).not.toContain('softError');
});

describe('the search', () => {
  /** 1024 octets pass; the search begins. */
  const searching = (o: HarnessOptions = {}): Harness => {
    const h = swallowed(o).skip().inject(ack(1024)).skip().advance(RTT).inject(ack(1460));
    return h.skip();
  };

  test('sends one segment of the size between, and takes it when it is acknowledged', () => {
    const h = searching();
    h.write(8000);
    const lens = h.takeLeft().map(({ seg }) => seg.len);
    // Between 1024 and 1460, rounded up.
    expect(lens[0]).toBe(1242);
    expect(lens[1] ?? 1024).toBe(1024);
    h.advance(RTT).inject(ack(1460 + 1242));
    expect(h.info.snd_mss).toBe(1242);
    h.skip();
  });

  test('does not, where too little waits to notice its loss', () => {
    const h = searching();
    h.write(4000);
    expect(h.takeLeft()[0]!.seg.len).toBe(1024);
  });

  test.each([
    [1242 + 3 * 1024, 1242],
    [1242 + 3 * 1024 - 1, 1024],
  ])(
    'does so only where three segments wait behind it, to notice its loss: of %i octets %i leave first',
    (len, first) => {
      const h = searching();
      h.write(len);
      expect(h.takeLeft()[0]!.seg.len).toBe(first);
    },
  );

  test('does not while the peer repeats itself', () => {
    const h = searching();
    h.write(1024);
    h.skip().inject(ack(1460)).skip();
    h.write(8000);
    expect(h.takeLeft()[0]!.seg.len).toBe(1024);
  });

  test('a probe that is lost says nothing of congestion', () => {
    const h = searching();
    // The window has to hold the probe and three segments for their duplicates.
    for (let at = 2484; at < 8000; at += 1024) {
      h.write(1024);
      h.skip().advance(RTT).inject(ack(at));
    }
    h.write(20_000);
    const left = h.takeLeft().map(({ seg }) => seg);
    const probe = left.find((seg) => seg.len > 1024);
    if (probe === undefined) expect.fail('no probe left');
    const before = h.info;
    h.advance(RTT).inject(ack(probe.seq), ack(probe.seq), ack(probe.seq), ack(probe.seq));
    expect(h.info.snd_mss).toBe(1024);
    expect(h.info.snd_ssthresh).toBe(before.snd_ssthresh);
    expect(h.takeLeft().find(({ seg }) => seg.seq === probe.seq)?.seg.len).toBe(1024);
  });

  /** With SACK: a segment, the probe and more behind it are out. */
  const probing = (): { readonly h: Harness; readonly probe: { readonly seq: number; readonly len: number } } => {
    const h = searching({ sack: true, sysctl: { tcp_early_retrans: 0 } });
    for (let n = 1; n < 12; n++) {
      h.write(4000);
      for (let i = 0; i < 2; i++)
        h.skip()
          .advance(RTT)
          .inject(ack(h.info.bytes_acked + h.info.unacked));
    }
    h.write(1024);
    h.skip().write(20_000);
    const probe = h.takeLeft().find(({ seg }) => seg.len > 1024)?.seg;
    if (probe === undefined) expect.fail('no probe left');
    return { h: h.advance(RTT), probe };
  };

  test('with SACK a probe that is lost says nothing of congestion, either', () => {
    const { h, probe } = probing();
    const { snd_ssthresh } = h.info;
    const end = probe.seq + probe.len;
    h.inject(ack(probe.seq, { sack: [[end, end + 3 * 1024]] }));
    expect(h.info).toMatchObject({ snd_mss: 1024, snd_ssthresh, ca_state: 'Disorder' });
    expect(h.takeLeft()[0]?.seg).toMatchObject({ seq: probe.seq, len: 1024, note: 'fast retransmit' });
  });

  test('with SACK it is a loss as any where the segment before it is lost, too', () => {
    const { h, probe } = probing();
    const end = probe.seq + probe.len;
    h.inject(ack(probe.seq - 1024, { sack: [[end, end + 3 * 1024]] })).skip();
    expect(h.info.ca_state).toBe('Recovery');
  });

  test('a probe that is lost with others is a loss as any', () => {
    const h = searching();
    for (let at = 2484; at < 8000; at += 1024) {
      h.write(1024);
      h.skip().advance(RTT).inject(ack(at));
    }
    h.write(20_000);
    const left = h.takeLeft().map(({ seg }) => seg);
    const probe = left.find((seg) => seg.len > 1024);
    if (probe === undefined) expect.fail('no probe left');
    const past = h.records.length;
    const losses = (): string[] => h.records.slice(past).flatMap((r) => (r.type === 'congestion' ? [r.why] : []));
    const four = (at: number) => [ack(at), ack(at), ack(at), ack(at)];
    h.advance(RTT)
      .inject(...four(probe.seq))
      .skip();
    expect(losses()).toEqual([]);
    // The probe’s octets have arrived; the segment behind them has not.
    h.advance(RTT).inject(...four(probe.seq + probe.len));
    expect(h.takeLeft().map(({ seg }) => seg.note)).toContain('fast retransmit');
    expect(losses()).toEqual(['three duplicate ACKs']);
    h.skip();
  });

  test('a size that passed once, and then no more, is given up again (RFC 4821 §7.8)', () => {
    const h = searching();
    h.write(8000);
    h.skip()
      .advance(RTT)
      .inject(ack(1460 + 1242))
      .skip();
    expect(h.info.snd_mss).toBe(1242);
    // The path has changed: nothing of that size arrives.
    for (let n = 0; n < 3; n++) h.advance(micros(h.info.rto)).skip();
    expect(h.info.snd_mss).toBeLessThanOrEqual(1024);
  });

  test('a router’s word ends it for ten minutes', () => {
    const h = searching();
    h.write(1024);
    h.skip()
      .pathMss(1024, 1460)
      .advance(RTT)
      .inject(ack(1460 + 1024))
      .skip();
    h.write(8000);
    expect(h.takeLeft().every(({ seg }) => seg.len <= 1024)).toBe(true);
    while (h.info.unacked > 0)
      h.advance(RTT)
        .inject(ack(h.info.bytes_acked + h.info.unacked))
        .skip();
    h.advance(seconds(601));
    h.write(8000);
    expect(h.takeLeft()[0]!.seg.len).toBeGreaterThan(1024);
  });
});
