/** Probes of the receiver: when it acknowledges and with what. RFC 9293 §3.8.6.3, RFC 5681 §4.2, RFC 2018, 2883, 6093. */
import type { Bench } from '../bench.ts';
import { ANSWER, type Established, filler, isPureAck, isReset, type Seen, sackOf } from '../line.ts';
import { CannotTell, expectMember, type Finding, numberIn, type Probe } from '../model.ts';
import { plural, spanText } from '../words.ts';

/**
 * Octets of a segment. Linux takes a segment of 88 or more, that is not pushed, for a full one when two of them come: so it
 * tells how full segments are acknowledged, without a kilobyte of nonsense each.
 */
const PIECE = 100;
/** An ACK that took no longer was not delayed. */
const AT_ONCE = 15_000;
/** Delays to be seen before they are believed. */
const ENOUGH = 5;
const MOST_PIECES = 40;

interface Acks {
  /** Acknowledged at once, one after the other, from the beginning. */
  readonly quick: number;
  /** Of those after, microseconds; round trip taken off. */
  readonly delays: readonly number[];
}

/** One segment after the other, each when the one before is acknowledged. */
async function acksOf(bench: Bench): Promise<Acks> {
  return bench.with({}, async (line) => {
    let quick = 0;
    const delays: number[] = [];
    for (let i = 0; i < MOST_PIECES && delays.length < ENOUGH; i++) {
      const from = line.mark();
      const wanted = line.sndNxt + PIECE;
      const sentAt = await line.say({ data: filler(PIECE) });
      const ack = await line.next((s) => s.ack >= wanted || isReset(s), ANSWER, from);
      if (ack === undefined) throw new CannotTell('data is not acknowledged');
      if (isReset(ack)) throw new CannotTell('the peer does not take what was sent');
      const delay = Math.max(0, ack.t - sentAt - line.rtt);
      if (delay < AT_ONCE && delays.length === 0) quick++;
      else delays.push(delay);
    }
    return { quick, delays };
  });
}

const quickAck: Probe = {
  name: 'quick-ack',
  title: 'segments acknowledged at once',
  group: 'Receiving',
  clause: 'RFC 9293 §3.8.6.3',
  how: 'segments one by one from the beginning of a connection: how many ACKs come before the first delayed one',
  lane: 'moment',
  settings: ['tcp_rmem'],
  async run(bench) {
    const { quick, delays } = await acksOf(bench);
    const all = delays.length === 0;
    return { value: all ? 'all' : `the first ${quick}`, data: { quick, all } };
  },
};

const delayedAck: Probe = {
  name: 'delayed-ack',
  title: 'delayed ACK',
  group: 'Receiving',
  clause: 'RFC 9293 §3.8.6.3',
  how: 'a single segment once that is over: how long its ACK takes, half a second at most',
  lane: 'moment',
  settings: [],
  async run(bench) {
    const { delays } = await acksOf(bench);
    if (delays.length === 0) return { value: 'none', data: { delay: 0 } };
    const sorted = [...delays].sort((a, b) => a - b);
    const [least, delay, most] = [sorted[0]!, sorted[sorted.length >> 1]!, sorted.at(-1)!];
    // Where it grows, the range says more than what lies in the middle.
    const value = most > 1.5 * least ? `${spanText(least)} to ${spanText(most)}` : spanText(delay);
    return { value, data: { delay, least, most } };
  },
};

const BURST = 8;
/** Full by anybody's measure, where nothing is known of the path (RFC 9293 §3.7.1). */
const FULL = 536;
/** Far enough for the peer's user to read each, and all of them within the shortest delay of an ACK. */
const BURST_GAP = 3_000;

const ackEvery: Probe = {
  name: 'ack-every',
  title: 'ACKs of a burst',
  group: 'Receiving',
  clause: 'RFC 9293 §3.8.6.3',
  how: `${BURST} segments within ${(BURST * BURST_GAP) / 1000} ms, when ACKs are delayed: one for every second of them is due`,
  lane: 'moment',
  settings: [],
  run: (bench) =>
    bench.with({}, async (line) => {
      await untilDelayed(line, FULL);
      const from = line.mark();
      const wanted = line.sndNxt + BURST * FULL;
      for (let i = 0; i < BURST; i++) {
        await line.say({ data: filler(FULL) });
        await bench.sleep(BURST_GAP);
      }
      await line.next((s) => s.ack >= wanted, ANSWER, from);
      const acks = line.seen.slice(from).filter(isPureAck).length;
      return { value: `${plural(acks, 'ACK')} for ${BURST} segments`, data: { acks, segments: BURST } };
    }),
};

/** Ends the phase of quick ACKs. */
async function untilDelayed(line: Established, len = PIECE): Promise<void> {
  for (let i = 0; i < MOST_PIECES; i++) {
    const from = line.mark();
    const wanted = line.sndNxt + len;
    const sentAt = await line.say({ data: filler(len) });
    const ack = await line.next((s) => s.ack >= wanted, ANSWER, from);
    if (ack === undefined) throw new CannotTell('data is not acknowledged');
    if (ack.t - sentAt - line.rtt >= AT_ONCE) return;
  }
}

const outOfOrder: Probe = {
  name: 'out-of-order',
  title: 'ACK of a segment out of order',
  group: 'Receiving',
  clause: 'RFC 5681 §4.2',
  how: 'a segment beyond a gap: a duplicate ACK is due at once',
  lane: 'moment',
  settings: [],
  run: (bench) =>
    bench.with({}, async (line) => {
      await untilDelayed(line);
      const from = line.mark();
      const sentAt = await line.say({ seq: line.sndNxt + PIECE, data: filler(PIECE) });
      const ack = await line.next(isPureAck, ANSWER, from);
      if (ack === undefined) return { value: 'none', data: { answered: false } };
      const delay = Math.max(0, ack.t - sentAt - line.rtt);
      const atOnce = delay < AT_ONCE;
      return { value: atOnce ? 'at once' : `after ${spanText(delay)}`, data: { answered: true, atOnce } };
    }),
};

const HOLES = 4;

const sackBlocks: Probe = {
  name: 'sack-blocks',
  title: 'SACK blocks',
  group: 'Receiving',
  clause: 'RFC 2018 §4',
  how: `${HOLES} segments, each beyond another gap: how many blocks the ACK has, and which stands first`,
  lane: 'moment',
  settings: ['tcp_sack', 'tcp_timestamps'],
  expected(setting) {
    const sack = numberIn(setting, 'tcp_sack');
    const ts = numberIn(setting, 'tcp_timestamps');
    if (sack === undefined || ts === undefined) return undefined;
    const blocks = sack === 0 ? 0 : ts === 0 ? 4 : 3;
    return expectMember(`tcp_sack=${sack}, tcp_timestamps=${ts}: ${blocks}`, 'blocks', blocks);
  },
  run: (bench) =>
    bench.with({}, async (line) => {
      let last: Seen | undefined;
      let newest = 0;
      for (let i = 0; i < HOLES; i++) {
        const from = line.mark();
        newest = line.sndNxt + (2 * i + 1) * PIECE;
        await line.say({ seq: newest, data: filler(PIECE) });
        last = await line.next(isPureAck, ANSWER, from);
      }
      if (last === undefined) throw new CannotTell('no ACK of what is out of order');
      const blocks = sackOf(last, line.iss);
      const latestFirst = blocks[0]?.[0] === newest && blocks[0]?.[1] === newest + PIECE;
      if (blocks.length === 0) return { value: 'none', data: { blocks: 0 } };
      return {
        value: `${blocks.length}, ${latestFirst ? 'latest first' : 'latest not first'}`,
        data: { blocks: blocks.length, latestFirst },
      };
    }),
};

const dsack: Probe = {
  name: 'dsack',
  title: 'data that came twice',
  group: 'Receiving',
  clause: 'RFC 2883 §4',
  how: 'a segment once more: the ACK names it in a first SACK block below its own number',
  lane: 'moment',
  settings: ['tcp_sack', 'tcp_dsack'],
  expected(setting) {
    const sack = numberIn(setting, 'tcp_sack');
    const on = numberIn(setting, 'tcp_dsack');
    if (sack === undefined || on === undefined) return undefined;
    return expectMember(`tcp_sack=${sack}, tcp_dsack=${on}`, 'dsack', sack !== 0 && on !== 0);
  },
  run: (bench) => bench.with({}, saidTwice),
};

async function saidTwice(line: Established): Promise<Finding> {
  let from = line.mark();
  await line.say({ data: filler(PIECE) });
  if ((await line.next((s) => s.ack === PIECE + 1, ANSWER, from)) === undefined)
    throw new CannotTell('data is not acknowledged');
  from = line.mark();
  await line.say({ seq: 1, data: filler(PIECE) });
  const ack = await line.next(isPureAck, ANSWER, from);
  if (ack === undefined) return { value: 'nothing', data: { dsack: false, answered: false } };
  const [first] = sackOf(ack, line.iss);
  const named = first?.[0] === 1 && first[1] === PIECE + 1;
  return { value: named ? 'ACK with DSACK' : 'ACK without DSACK', data: { dsack: named, answered: true } };
}

const urgent: Probe = {
  name: 'urgent',
  title: 'urgent data',
  group: 'Receiving',
  clause: 'RFC 9293 §3.8.5',
  how: 'ten octets with URG: they are acknowledged like others',
  lane: 'moment',
  settings: [],
  run: (bench) =>
    bench.with({}, async (line) => {
      const from = line.mark();
      const wanted = line.sndNxt + 10;
      await line.say({ flags: 'P.U', data: filler(10), urg: 10 });
      const ack = await line.next((s) => s.ack >= wanted || isReset(s), ANSWER, from);
      const value = ack === undefined ? 'not acknowledged' : isReset(ack) ? 'RST' : 'acknowledged';
      return { value, data: { answer: value } };
    }),
};

const window: Probe = {
  name: 'beyond-window',
  title: 'data beyond the window',
  group: 'Receiving',
  clause: 'RFC 9293 §3.10.7.4',
  how: 'ten octets far beyond the window: to be dropped, with an ACK',
  lane: 'moment',
  settings: [],
  run: (bench) =>
    bench.with({}, async (line) => {
      const from = line.mark();
      await line.say({ seq: line.sndNxt + 2 ** 30, data: filler(10) });
      const answer = await line.next(() => true, ANSWER, from);
      const value = answer === undefined ? 'silence' : isReset(answer) ? 'RST' : 'dropped, ACK';
      return { value, data: { answer: value } };
    }),
};

export const RECEIVING: readonly Probe[] = [
  quickAck,
  delayedAck,
  ackEvery,
  outOfOrder,
  sackBlocks,
  dsack,
  urgent,
  window,
];
