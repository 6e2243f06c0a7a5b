/** What a full segment of the peer's is taken to be, as Linux's tcp_measure_rcv_mss has it. */
import { expect, test } from 'vitest';
import { ms, seconds } from '../../../src/base/time.ts';
import { AckPolicy } from '../../../src/tcp/ack-policy.ts';
import { TcpFlag, TcpSegment } from '../../../src/wire/tcp.ts';

interface Came {
  readonly len: number;
  readonly sackCount?: number;
  readonly flags?: number;
}

function fullAfter(...segments: readonly Came[]): number {
  const policy = new AckPolicy();
  const seg = new TcpSegment();
  // What was seen first is larger than all that follows.
  for (const { len, sackCount = 0, flags = 0 } of [{ len: 1400 }, ...segments]) {
    seg.clear();
    seg.payload.push(new Uint8Array(len), 0, len);
    seg.sackCount = sackCount;
    seg.flags = flags;
    policy.onData(seconds(1), seg, 65_535, 1460, ms(200));
  }
  return policy.rcvMss;
}

test('two small segments alike are full ones, with the room that SACK blocks took from them', () => {
  expect(fullAfter({ len: 1000 })).toBe(1400);
  expect(fullAfter({ len: 1000 }, { len: 1000 })).toBe(1000);
  expect(fullAfter({ len: 1000 }, { len: 988, sackCount: 1 })).toBe(1000);
  expect(fullAfter({ len: 980, sackCount: 2 }, { len: 988, sackCount: 1 })).toBe(1000);
  expect(fullAfter({ len: 1000 }, { len: 989, sackCount: 1 })).toBe(1400);
});

test('with PSH they are so from 536 octets on', () => {
  const pushed = (len: number): Came => ({ len, flags: TcpFlag.PSH });
  expect(fullAfter(pushed(535), pushed(535))).toBe(1400);
  expect(fullAfter(pushed(536), pushed(536))).toBe(536);
});

test('while no round trip is known an ACK may wait as long as the pauses between segments say', () => {
  const policy = new AckPolicy();
  const seg = new TcpSegment();
  policy.onData(seconds(1), seg, 65_535, 1460, ms(200));
  policy.onDelayExpired();
  expect(policy.delay(0)).toBe(ms(80));
  expect(policy.delay(ms(60))).toBe(ms(60));
});
