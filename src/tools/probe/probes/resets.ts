/** Probes of what could be an attack: RST, SYN and ACK where none belongs, and how often they are answered. RFC 5961, RFC 9293 §3.10.7.4, RFC 7323 §5. */
import type { Bench } from '../bench.ts';
import { ANSWER, type Established, filler, isPureAck, isReset, type Saying, type Seen } from '../line.ts';
import { CannotTell, type Finding, member, numberIn, type Probe } from '../model.ts';
import { plural, spanText } from '../words.ts';

/** For what may be answered by silence. */
const SILENCE = 300_000;
/** Linux counts its challenges by the second. */
const CHALLENGE_PERIOD = 1_100_000;

/** Sends it on a connection of its own: what came for it, and whether the connection is still there. */
function afterIt(
  bench: Bench,
  s: (line: Established) => Saying,
): Promise<{ answer: Seen | undefined; alive: boolean }> {
  return bench.with({}, async (line) => {
    const from = line.mark();
    await line.say(s(line));
    const answer = await line.next(() => true, SILENCE + line.rtt, from);
    return { answer, alive: await line.isAlive() };
  });
}

const answerText = (answer: Seen | undefined): string =>
  answer === undefined ? 'silence' : isReset(answer) ? 'RST' : 'ACK';

function finding({ answer, alive }: { answer: Seen | undefined; alive: boolean }): Finding {
  const text = answerText(answer);
  return { value: `${text}, connection ${alive ? 'stays' : 'gone'}`, data: { answer: text, alive } };
}

const exactReset: Probe = {
  name: 'rst-exact',
  title: 'RST at RCV.NXT',
  group: 'Resets and challenges',
  clause: 'RFC 5961 §3.2',
  how: 'a RST with exactly the number that is due, then an octet of data',
  lane: 'moment',
  settings: [],
  run: async (bench) => finding(await afterIt(bench, () => ({ flags: 'R' }))),
};

const resetInWindow: Probe = {
  name: 'rst-window',
  title: 'RST in the window',
  group: 'Resets and challenges',
  clause: 'RFC 5961 §3.2',
  how: 'a RST 100 octets ahead of the number that is due; a challenge ACK is the answer',
  lane: 'moment',
  settings: ['tcp_challenge_ack_limit'],
  run: async (bench) => finding(await afterIt(bench, (line) => ({ flags: 'R', seq: line.sndNxt + 100 }))),
};

const resetOutside: Probe = {
  name: 'rst-outside',
  title: 'RST beyond the window',
  group: 'Resets and challenges',
  clause: 'RFC 9293 §3.10.7.4',
  how: 'a RST a gigabyte ahead: to be ignored',
  lane: 'moment',
  settings: [],
  run: async (bench) => finding(await afterIt(bench, (line) => ({ flags: 'R', seq: line.sndNxt + 2 ** 30 }))),
};

const ackOfTheFuture: Probe = {
  name: 'ack-future',
  title: 'ACK of what was not sent',
  group: 'Resets and challenges',
  clause: 'RFC 9293 §3.10.7.4',
  how: 'an ACK 100 octets beyond SND.NXT: an ACK is due, and the segment is dropped',
  lane: 'moment',
  settings: ['tcp_challenge_ack_limit'],
  run: async (bench) => finding(await afterIt(bench, (line) => ({ ack: line.rcvNxt + 100 }))),
};

const ackOfThePast: Probe = {
  name: 'ack-past',
  title: 'ACK of long ago',
  group: 'Resets and challenges',
  clause: 'RFC 5961 §5.2',
  how: 'an ACK a gigabyte below SND.UNA, on data: a challenge ACK is due, and the data is dropped',
  lane: 'moment',
  settings: ['tcp_challenge_ack_limit'],
  run: (bench) =>
    bench.with({}, async (line) => {
      const from = line.mark();
      await line.say({ seq: 1, ack: line.rcvNxt - 2 ** 30, data: filler(10) });
      line.sndNxt = 1;
      const answer = await line.next(() => true, SILENCE + line.rtt, from);
      const text = answerText(answer);
      const taken = line.acked > 1;
      return { value: `${text}, data ${taken ? 'taken' : 'dropped'}`, data: { answer: text, taken } };
    }),
};

/** So many SYNs, so far apart. */
const CHALLENGES = 60;
const CHALLENGE_GAP = 20_000;

const challenge: Probe = {
  name: 'challenge-ack',
  title: 'SYN in a connection',
  group: 'Resets and challenges',
  clause: 'RFC 5961 §4.2',
  how: `SYNs into a connection, one each ${CHALLENGE_GAP / 1000} ms: challenge ACKs are due, and how often they come`,
  lane: 'moment',
  settings: ['tcp_invalid_ratelimit', 'tcp_challenge_ack_limit'],
  expected(setting) {
    const limit = numberIn(setting, 'tcp_invalid_ratelimit');
    const most = numberIn(setting, 'tcp_challenge_ack_limit');
    if (limit === undefined || most === undefined) return undefined;
    const text = limit === 0 ? 'tcp_invalid_ratelimit=0: each' : `tcp_invalid_ratelimit=${limit}: one in ${limit} ms`;
    return {
      text,
      agrees: (data) => {
        const gap = Number(member(data, 'gap') ?? Number.NaN);
        // Fewer where all connections together may have few.
        if (most < CHALLENGES) return Number.isNaN(gap) || gap >= limit * 1000 - 5_000;
        if (limit === 0) return gap < 2 * CHALLENGE_GAP;
        if (limit * 1000 > CHALLENGES * CHALLENGE_GAP) return member(data, 'answers') === 1;
        return gap >= limit * 1000 - 5_000 && gap < limit * 1000 + 5 * CHALLENGE_GAP;
      },
    };
  },
  run: (bench) =>
    bench.with({}, async (line) => {
      const from = line.mark();
      for (let i = 0; i < CHALLENGES; i++) {
        await line.say({ flags: 'S', seq: line.sndNxt + 10 });
        line.sndNxt = 1;
        await bench.sleep(CHALLENGE_GAP);
      }
      await bench.sleep(line.rtt + 50_000);
      const seen = line.seen.slice(from);
      const acks = seen.filter(isPureAck);
      if (seen.some(isReset)) return { value: 'RST', data: { answers: 0, reset: true } };
      if (acks.length === 0) return { value: 'none', data: { answers: 0 } };
      const gaps = acks.slice(1).map((s, i) => s.t - acks[i]!.t);
      const gap = gaps.length === 0 ? undefined : gaps.sort((a, b) => a - b)[gaps.length >> 1]!;
      const data = { answers: acks.length, ...(gap !== undefined && { gap }) };
      if (acks.length > CHALLENGES * 0.9) return { value: 'ACK, each', data };
      return { value: gap === undefined ? 'ACK, one' : `ACK, one in ${spanText(gap)}`, data };
    }),
};

const CHALLENGED = 10;

const challengeLimit: Probe = {
  name: 'challenge-limit',
  title: 'challenges in one second',
  group: 'Resets and challenges',
  clause: 'RFC 5961 §7',
  how: `a SYN into each of ${CHALLENGED} connections at once: how many are challenged`,
  lane: 'moment',
  settings: ['tcp_challenge_ack_limit'],
  expected(setting) {
    const limit = numberIn(setting, 'tcp_challenge_ack_limit');
    if (limit === undefined) return undefined;
    // Linux draws each second's limit from the upper half and what is above: from half to one and a half times the setting.
    const [least, most] = [Math.ceil(limit / 2), Math.ceil(limit / 2) + limit - 1];
    const text = limit >= 2 ** 31 - 1 ? 'no limit' : `tcp_challenge_ack_limit=${limit}: ${least} to ${most}`;
    return {
      text,
      agrees: (data) => {
        const n = Number(member(data, 'challenged'));
        return n >= Math.min(CHALLENGED, least) && n <= most;
      },
    };
  },
  run: async (bench) => {
    const lines = await Promise.all(Array.from({ length: CHALLENGED }, () => bench.connect()));
    try {
      // Where nobody accepts them, some are not connections yet.
      const alive = await Promise.all(lines.map((line) => line.isAlive().catch(() => false)));
      const asked = lines.filter((_, i) => alive[i]);
      // A second of its own for all of them at once.
      await bench.sleep(CHALLENGE_PERIOD);
      const marks = asked.map((line) => line.mark());
      for (const line of asked) {
        await line.say({ flags: 'S', seq: line.sndNxt + 10 });
        line.sndNxt = 2;
      }
      await bench.sleep(SILENCE + lines[0]!.rtt);
      const challenged = asked.filter((line, i) => line.seen.slice(marks[i]!).some(isPureAck)).length;
      return {
        value: `${challenged} of ${plural(asked.length, 'connection')}`,
        data: { challenged, of: asked.length },
      };
    } finally {
      for (const line of lines) await line.end();
    }
  },
};

const oldTimestamp: Probe = {
  name: 'paws',
  title: 'old timestamp',
  group: 'Resets and challenges',
  clause: 'RFC 7323 §5.3',
  how: 'data whose timestamp is a minute behind the last one: to be dropped, with an ACK',
  lane: 'moment',
  settings: ['tcp_timestamps'],
  run: (bench) =>
    bench.with({}, async (line) => {
      if (!line.hasTimestamps) return { value: 'no timestamps', data: { timestamps: false } };
      const from = line.mark();
      await line.say({ data: filler(10), tsVal: (line.tsVal - 60_000) >>> 0 });
      line.sndNxt = 1;
      const answer = await line.next(() => true, SILENCE + line.rtt, from);
      const taken = line.acked > 1;
      const text = answerText(answer);
      return {
        value: taken ? 'data taken' : `data dropped, ${text}`,
        data: { timestamps: true, taken, answer: text },
      };
    }),
};

const KEEP_ALIVES_APART = 1_200_000;

const clock: Probe = {
  name: 'timestamp-clock',
  title: 'timestamp clock',
  group: 'Resets and challenges',
  clause: 'RFC 7323 §5.4',
  how: 'two ACKs asked for more than a second apart; how far the value went',
  lane: 'moment',
  settings: ['tcp_timestamps'],
  run: (bench) =>
    bench.with({}, async (line) => {
      if (!line.hasTimestamps) return { value: 'no timestamps', data: { timestamps: false } };
      const first = await keepAlive(line);
      await bench.sleep(KEEP_ALIVES_APART);
      const second = await keepAlive(line);
      const ticks = (second.ts - first.ts) >>> 0;
      const us = (second.t - first.t) / ticks;
      const tick = roundTick(us);
      return { value: ticks === 0 ? 'stands still' : `${spanText(tick)} a tick`, data: { timestamps: true, tick } };
    }),
};

/** The octet before the next once more, which has to be answered (RFC 9293 §3.8.4). */
async function keepAlive(line: Established): Promise<{ t: number; ts: number }> {
  const from = line.mark();
  await line.say({ seq: line.sndNxt - 1 });
  const answer = await line.next(isPureAck, ANSWER, from);
  if (answer === undefined) throw new CannotTell('no answer to a keep-alive');
  return { t: answer.t, ts: line.tsRecent };
}

/** To the nearest of 1, 2, 4, 5 and 10 of a power of ten: clocks of computers are. */
function roundTick(us: number): number {
  const power = 10 ** Math.floor(Math.log10(us));
  const steps = [1, 2, 4, 5, 10].map((n) => n * power);
  return steps.reduce((best, n) => (Math.abs(n - us) < Math.abs(best - us) ? n : best));
}

export const RESETS: readonly Probe[] = [
  exactReset,
  resetInWindow,
  resetOutside,
  ackOfTheFuture,
  ackOfThePast,
  challenge,
  challengeLimit,
  oldTimestamp,
  clock,
];
