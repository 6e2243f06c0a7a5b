import { describe, expect, test } from 'vitest';
import { kindsAfterOpen, OPEN, traced } from './support.ts';

describe('segments that come again', () => {
  test('octets that were seen are a retransmission, however soon they come', () => {
    expect(
      kindsAfterOpen(`
        0.021 > . seq 1 ack 1 len 1000
        0.022 > . seq 1001 ack 1 len 1000
        0.023 > . seq 1 ack 1 len 1000`),
    ).toEqual(['', '', 'retransmission']);
  });

  test('what fills a gap within a round trip was overtaken, and what fills an old one was sent again', () => {
    expect(
      kindsAfterOpen(`
        0.021 > . seq 1 ack 1 len 1000
        0.022 > . seq 2001 ack 1 len 1000
        0.025 > . seq 1001 ack 1 len 1000
        0.026 > . seq 4001 ack 1 len 1000
        0.040 > . seq 5001 ack 1 len 1000
        0.047 > . seq 3001 ack 1 len 1000`),
    ).toEqual(['', 'previous-not-captured', 'out-of-order', 'previous-not-captured', '', 'retransmission']);
  });

  test('what two duplicate ACKs ask for is a fast retransmission within 20 ms, and a plain one later', () => {
    const story = (at: string): readonly string[] =>
      kindsAfterOpen(`
        0.021 > . seq 1 ack 1 len 1000
        0.022 > . seq 1001 ack 1 len 1000
        0.023 > . seq 2001 ack 1 len 1000
        0.041 < . seq 1 ack 1001
        0.042 < . seq 1 ack 1001
        0.043 < . seq 1 ack 1001
        ${at} > . seq 1001 ack 1 len 1000`).slice(4);
    expect(story('0.062')).toEqual(['duplicate-ack', 'duplicate-ack', 'retransmission fast-retransmission']);
    expect(story('0.064')).toEqual(['duplicate-ack', 'duplicate-ack', 'retransmission']);
  });

  test('what was acknowledged already is sent again for nothing, and the receiver says so by D-SACK', () => {
    expect(
      kindsAfterOpen(`
        0.021 > . seq 1 ack 1 len 1000
        0.041 < . seq 1 ack 1001
        0.300 > . seq 1 ack 1 len 1000
        0.320 < . seq 1 ack 1001 sack 1:1001`),
    ).toEqual(['', '', 'retransmission spurious-retransmission', 'duplicate-ack d-sack']);
  });

  test('a SYN and a FIN can be sent again too', () => {
    const { kinds } = traced(`
      0.000 > S seq 0 win 1000
      1.000 > S seq 0 win 1000
      1.020 < S. seq 0 ack 1 win 1000
      1.021 > . seq 1 ack 1
      2.000 > F. seq 1 ack 1
      2.300 > F. seq 1 ack 1`);
    expect(kinds).toEqual(['', 'retransmission', '', '', '', 'retransmission']);
  });

  test('a RST far from what was sent before makes nothing after it old', () => {
    expect(kindsAfterOpen('0.1 > R seq 900000\n0.2 > P. seq 1 ack 1 len 10')).toEqual(['', '']);
  });
});

describe('windows', () => {
  test('full, shut, probed with an octet, opened', () => {
    expect(
      kindsAfterOpen(`
        0.021 < . seq 1 ack 1 win 10
        0.022 > . seq 1 ack 1 len 1280
        0.042 < . seq 1 ack 1281 win 0
        0.300 > . seq 1281 ack 1 len 1
        0.320 < . seq 1 ack 1281 win 0
        0.500 < . seq 1 ack 1281 win 10
        0.501 > . seq 1281 ack 1 len 100`),
    ).toEqual([
      'window-update',
      'window-full',
      'zero-window',
      'zero-window-probe',
      'zero-window zero-window-probe-ack',
      'window-update',
      '',
    ]);
  });

  test('an empty segment before a shut window is a probe; before an open one it is a keep-alive', () => {
    expect(
      kindsAfterOpen(`
        0.021 > . seq 1 ack 1 len 100
        0.041 < . seq 1 ack 101 win 0
        0.300 > . seq 100 ack 1
        0.320 < . seq 1 ack 101 win 0
        0.400 < . seq 1 ack 101 win 50
        9.000 > . seq 100 ack 1
        9.020 < . seq 1 ack 101 win 50`).slice(2),
    ).toEqual([
      'zero-window-probe',
      'zero-window zero-window-probe-ack',
      'window-update',
      'keep-alive',
      'keep-alive-ack',
    ]);
  });

  test('the octet of a probe may be taken, and then nothing is missing', () => {
    expect(
      kindsAfterOpen(`
        0.021 > . seq 1 ack 1 len 100
        0.041 < . seq 1 ack 101 win 0
        0.300 > . seq 101 ack 1 len 1
        0.320 < . seq 1 ack 102 win 50
        0.321 > . seq 102 ack 1 len 100
        0.341 < . seq 1 ack 202 win 50`).slice(2),
    ).toEqual(['zero-window-probe', '', '', '']);
  });

  test('without the handshake the scale is not known, and no window is called full', () => {
    const { kinds } = traced('0.0 < . seq 1 ack 1 win 100\n0.1 > . seq 1 ack 1 len 100\n0.2 < . seq 1 ack 101 win 100');
    expect(kinds).toEqual(['', '', '']);
  });
});

describe('what the capture missed', () => {
  test('a gap is told once, and the ACK that covers it', () => {
    expect(
      kindsAfterOpen(`
        0.021 > . seq 1 ack 1 len 1000
        0.022 > . seq 2001 ack 1 len 1000
        0.042 < . seq 1 ack 3001
        0.043 > . seq 3001 ack 1 len 1000
        0.063 < . seq 1 ack 4001`),
    ).toEqual(['', 'previous-not-captured', 'acked-unseen', '', '']);
  });
});

describe('round trips', () => {
  test('are measured from the newest segment that an ACK covers', () => {
    const { rtts } = traced(`${OPEN}
      0.021 > . seq 1 ack 1 len 1000
      0.022 > . seq 1001 ack 1 len 1000
      0.043 < . seq 1 ack 2001`);
    expect(rtts).toEqual([undefined, 20_000, 100, undefined, undefined, 21_000]);
  });

  test('are not measured from what was sent twice, nor from what a gap held back', () => {
    const { rtts } = traced(`${OPEN}
      0.021 > . seq 1 ack 1 len 1000
      0.300 > . seq 1 ack 1 len 1000
      0.320 < . seq 1 ack 1001
      0.400 > . seq 2001 ack 1 len 1000
      0.402 > . seq 1001 ack 1 len 1000
      0.422 < . seq 1 ack 3001`);
    expect(rtts.slice(3)).toEqual([undefined, undefined, undefined, undefined, undefined, 20_000]);
  });
});

test('everything is told the same when the sequence numbers wrap in the middle of it', () => {
  const story = (isn: number): readonly string[] =>
    traced(`
      0.000 > S seq 0 isn ${isn} win 64240 mss 1460 sackOK wscale 7
      0.020 < S. seq 0 isn ${isn + 500} ack 1 win 65160 mss 1460 sackOK wscale 7
      0.021 > . seq 1 ack 1 win 502
      0.022 > . seq 1 ack 1 len 1000
      0.023 > . seq 2001 ack 1 len 1000
      0.041 < . seq 1 ack 1001
      0.042 < . seq 1 ack 1001 sack 2001:3001
      0.043 < . seq 1 ack 1001 sack 2001:3001
      0.044 > . seq 1001 ack 1 len 1000
      0.064 < . seq 1 ack 3001
      0.500 > . seq 1001 ack 1 len 1000
      0.520 < . seq 1 ack 3001 sack 1001:2001`).kinds;
  expect(story(0xffffff00)).toEqual(story(1000));
  expect(story(0xfffff700)).toEqual(story(1000));
  expect(story(0x7ffffb00)).toEqual(story(1000));
  expect(story(1000)).toContain('retransmission spurious-retransmission');
});
