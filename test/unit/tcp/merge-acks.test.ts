import { describe, expect, test } from 'vitest';
import { toSeq } from '../../../src/base/seq.ts';
import { isPureAck, mayMerge } from '../../../src/tcp/merge-acks.ts';
import type { Tcb } from '../../../src/tcp/tcb.ts';
import { NO_TRACE } from '../../../src/tcp/trace.ts';
import { TcpSegment } from '../../../src/wire/tcp.ts';
import { flagsFromText } from '../../../src/wire/tcp-text.ts';
import { established } from '../../support/harness.ts';

/** Ten segments are out; nobody writes a trace. */
function flight(o: object = {}): Tcb {
  const h = established({ mss: 1000, sack: true });
  h.write(10_000);
  h.skip();
  return Object.create(h.connection.variables!, Object.getOwnPropertyDescriptors({ tracer: NO_TRACE, ...o })) as Tcb;
}

/** An ACK of the first `acked` octets. */
function ackOf(
  tcb: Tcb,
  acked: number,
  o: { seq?: number; flags?: string; ts?: number; len?: number; sack?: true } = {},
) {
  const seg = new TcpSegment();
  seg.clear();
  seg.flags = flagsFromText(o.flags ?? '.')!;
  seg.seq = toSeq((tcb.rcvNxt as unknown as number) + (o.seq ?? 0));
  seg.ack = toSeq((tcb.sndUna as unknown as number) + acked);
  seg.hasTimestamps = o.ts !== undefined;
  seg.tsVal = o.ts ?? 0;
  if (o.len !== undefined) seg.payload.push(new Uint8Array(o.len), 0, o.len);
  if (o.sack) seg.sackCount = 1;
  return seg;
}

describe('two ACKs right behind each other are one', () => {
  const merges = (a: number, b: number, o: object = {}): boolean => {
    const tcb = flight(o);
    return mayMerge(tcb, ackOf(tcb, a), ackOf(tcb, b));
  };

  test('when the second says more, up to all that was sent', () => {
    expect([merges(1000, 2000), merges(1, 2), merges(9999, 10_000)]).toEqual([true, true, true]);
  });

  test('not when it says no more, or less', () => {
    expect([merges(2000, 2000), merges(3000, 2000)]).toEqual([false, false]);
  });

  test('not when one says nothing new, or too much', () => {
    expect([merges(0, 1000), merges(1000, 10_001)]).toEqual([false, false]);
  });

  test('not in the middle of an episode, of a closing, or of a trace', () => {
    expect(merges(1000, 2000, { recovery: 'recovery' })).toBe(false);
    expect(merges(1000, 2000, { state: 'FIN-WAIT-1' })).toBe(false);
    expect(merges(1000, 2000, { tracer: { enabled: true } })).toBe(false);
  });

  test('not when one is elsewhere in the peer’s stream', () => {
    const tcb = flight();
    expect(mayMerge(tcb, ackOf(tcb, 1000, { seq: 1 }), ackOf(tcb, 2000))).toBe(false);
    expect(mayMerge(tcb, ackOf(tcb, 1000), ackOf(tcb, 2000, { seq: -1 }))).toBe(false);
  });

  test('not when stamps go back, or one has none', () => {
    const tcb = flight();
    const merged = (a: number | undefined, b: number | undefined): boolean =>
      mayMerge(
        tcb,
        ackOf(tcb, 1000, a === undefined ? {} : { ts: a }),
        ackOf(tcb, 2000, b === undefined ? {} : { ts: b }),
      );
    expect([merged(5, 5), merged(5, 6), merged(0x7fff_ffff, -0x8000_0000)]).toEqual([true, true, true]);
    expect([merged(5, 4), merged(5, undefined), merged(undefined, 5)]).toEqual([false, false, false]);
  });
});

test('a pure ACK has nothing but ACK', () => {
  const tcb = flight();
  expect(isPureAck(ackOf(tcb, 1))).toBe(true);
  expect(isPureAck(ackOf(tcb, 1, { flags: 'P.' }))).toBe(false);
  expect(isPureAck(ackOf(tcb, 1, { flags: '.E' }))).toBe(false);
  expect(isPureAck(ackOf(tcb, 1, { len: 1 }))).toBe(false);
  expect(isPureAck(ackOf(tcb, 1, { sack: true }))).toBe(false);
});
