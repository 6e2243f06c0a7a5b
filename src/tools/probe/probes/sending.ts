/** Probes of the sender: they ask for data, and do not acknowledge it as a friend would. RFC 6928, 6298, 8985, 5681, RFC 9293 §3.8.6.1. */
import type { Bench } from '../bench.ts';
import { ANSWER, type Established, hasData, type OpenOptions, type Seen } from '../line.ts';
import {
  CannotTell,
  type Expected,
  expectMember,
  type Finding,
  member,
  numberIn,
  type Probe,
  type ReadSetting,
} from '../model.ts';
import { isBackOff, plural, scheduleText, spanText } from '../words.ts';

/** Linux's least RTO where there is no setting for it. */
const RTO_MIN = 200_000;
/** Without SACK there is no tail loss probe, and no loss but by duplicate ACKs and the RTO. */
const PLAIN: OpenOptions = { sack: false };
/** A window that full segments fill to the last octet: there is no room for new data behind them. */
const FOUR_SEGMENTS: OpenOptions = { wnd: 4 * 1460, scaling: false };
/** Retransmissions that show a schedule. */
const ENOUGH = 7;
const LONGEST = 30e6;

/** A connection on which the peer has begun to send. */
function asking<T>(bench: Bench, o: OpenOptions, use: (line: Established, first: Seen) => Promise<T>): Promise<T> {
  const request = bench.dataRequest;
  return bench.with(o, async (line) => {
    // Timestamps make segments smaller, and the window with them.
    if (o.scaling === false && o.wnd !== undefined) line.wnd = (o.wnd / 1460) * sizeOf(line);
    await line.say({ flags: 'P.', data: request });
    // Some begin without being asked.
    const first = await line.next(hasData, 2 * ANSWER, 0);
    if (first === undefined) throw new CannotTell('the request brought no data');
    return use(line, first);
  });
}

/** Of a SACK-less connection whose data nobody acknowledges: the first segment once more. */
const isAgain =
  (first: Seen) =>
  (s: Seen): boolean =>
    s.len > 0 && s.seq === first.seq && s.t > first.t;

const initialWindow: Probe = {
  name: 'initial-window',
  title: 'initial window',
  group: 'Sending',
  clause: 'RFC 6928 §2',
  how: 'data is asked for and not acknowledged: how much comes before it is sent again',
  lane: 'moment',
  needs: 'data',
  settings: ['tcp_timestamps'],
  run: (bench) =>
    asking(bench, { ...PLAIN, wnd: 4 << 20 }, async (line, first) => {
      await line.next(isAgain(first), 150_000 + line.rtt, 0);
      const fresh = line.seen.filter((s) => s.len > 0 && !isAgain(first)(s));
      const octets = Math.max(...fresh.map((s) => s.seq + s.len)) - 1;
      const size = Math.min(Math.max(...fresh.map((s) => s.len)), sizeOf(line));
      const segments = Math.ceil(octets / size);
      return { value: `${plural(segments, 'segment')}, ${octets} octets`, data: { segments, octets } };
    }),
};

/** Octets of a full segment: what arrives merged is larger. */
const sizeOf = (line: Established): number => 1460 - (line.hasTimestamps ? 12 : 0);

/** What Linux's settings make of a timer that backs off. */
function backOffOf(setting: ReadSetting, patience: number, least: number, count: number): Expected {
  const min = numberIn(setting, 'tcp_rto_min_us') ?? RTO_MIN;
  const max = (numberIn(setting, 'tcp_rto_max_ms') ?? 120_000) * 1000;
  const first = Math.max(min, least);
  const gaps: number[] = [];
  let sum = 0;
  for (let gap = first; gaps.length < count; gap = Math.min(2 * gap, max)) {
    sum += gap;
    if (sum > Math.min(patience, LONGEST)) break;
    gaps.push(gap);
  }
  return {
    text: `tcp_rto_min_us=${min}: ${scheduleText(gaps)}`,
    agrees: (data) => {
      const found = member(data, 'gaps') as readonly number[];
      // The last one may fall to either side of the end.
      return found.length > 0 && Math.abs(gaps.length - found.length) <= 1 && isBackOff(found, first, max);
    },
  };
}

const rto: Probe = {
  name: 'rto',
  title: 'RTO and its back-off',
  group: 'Sending',
  clause: 'RFC 6298 §5',
  how: 'data is asked for and never acknowledged: after how long each the first segment comes again',
  lane: 'wait',
  needs: 'data',
  settings: ['tcp_rto_min_us', 'tcp_rto_max_ms'],
  expected: (setting, patience) => backOffOf(setting, patience, 0, ENOUGH),
  run: (bench) =>
    asking(bench, PLAIN, async (line, first) => {
      const again = isAgain(first);
      const count = (): number => line.seen.filter(again).length;
      await line.until(() => count() >= ENOUGH, Math.min(bench.patience, LONGEST));
      const times = [first.t, ...line.seen.filter(again).map((s) => s.t)];
      const gaps = times.slice(1).map((t, i) => t - times[i]!);
      if (gaps.length === 0) return { value: 'never sent again', data: { gaps } };
      return { value: scheduleText(gaps), data: { gaps } };
    }),
};

const tailLoss: Probe = {
  name: 'tail-probe',
  title: 'tail loss probe',
  group: 'Sending',
  clause: 'RFC 8985 §7',
  how: 'with SACK, a full window of data that is not acknowledged: its last segment comes again before the RTO, or its first at it',
  lane: 'moment',
  needs: 'data',
  settings: ['tcp_early_retrans', 'tcp_sack'],
  expected(setting) {
    const n = numberIn(setting, 'tcp_early_retrans');
    const on = numberIn(setting, 'tcp_sack');
    if (n === undefined || on === undefined) return undefined;
    return expectMember(`tcp_early_retrans=${n}, tcp_sack=${on}`, 'probe', n >= 3 && on !== 0);
  },
  run: (bench) =>
    asking(bench, FOUR_SEGMENTS, async (line, first) => {
      let probe: Seen | undefined;
      await line.until(() => {
        probe = firstAgain(line.seen);
        return probe !== undefined;
      }, 2 * ANSWER);
      if (probe === undefined) throw new CannotTell('nothing was sent again');
      const isTail = probe.seq > first.seq;
      const before = line.seen.filter((s) => s.len > 0 && s !== probe && s.t <= probe!.t).at(-1)!;
      const after = probe.t - before.t;
      return {
        value: isTail ? `yes, after ${spanText(after)}` : `no: RTO after ${spanText(probe.t - first.t)}`,
        data: { probe: isTail, after },
      };
    }),
};

/** The first segment with nothing new in it. */
function firstAgain(seen: readonly Seen[]): Seen | undefined {
  let high = 0;
  return seen.find((s) => {
    const isOld = s.len > 0 && s.seq + s.len <= high;
    if (s.len > 0) high = Math.max(high, s.seq + s.len);
    return isOld;
  });
}

/** All of them before the least RTO there is, each with time for an answer. */
const MOST_DUPLICATES = 8;
const DUPLICATE_GAP = 22_000;
/** After the segment came, when Linux's least RTO is about to end. */
const TIMER_NEAR = 190_000;
const MOST_ATTEMPTS = 3;

const threshold: Probe = {
  name: 'dupack-threshold',
  title: 'duplicate ACKs for a loss',
  group: 'Sending',
  clause: 'RFC 5681 §3.2',
  how: 'without SACK, duplicate ACKs of data one by one: after which the first segment comes again',
  lane: 'moment',
  needs: 'data',
  settings: ['tcp_reordering'],
  expected(setting) {
    const n = numberIn(setting, 'tcp_reordering');
    return n === undefined ? undefined : expectMember(`tcp_reordering=${n}`, 'duplicates', n);
  },
  async run(bench) {
    for (let attempt = 1; ; attempt++) {
      const found = await duplicatesWanted(bench);
      if (found !== 'too late') return found;
      if (attempt === MOST_ATTEMPTS) throw new CannotTell("packets take so long that the peer's timer is first");
    }
  },
};

/** 'too late': what came again may have done so for the timer. */
function duplicatesWanted(bench: Bench): Promise<Finding | 'too late'> {
  return asking(bench, { ...PLAIN, mss: 536 }, async (line, first) => {
    // Another window than before, so that this one counts for nobody, and those after it for everybody.
    line.wnd -= 100;
    await line.say({ ack: first.seq });
    await bench.sleep(10_000);
    for (let n = 1; n <= MOST_DUPLICATES; n++) {
      const from = line.mark();
      await line.say({ ack: first.seq });
      const again = await line.next((s) => s.len > 0 && s.seq === first.seq, DUPLICATE_GAP + line.rtt, from);
      if (again !== undefined && again.t - first.t >= TIMER_NEAR) return 'too late';
      if (again !== undefined) return { value: `${n}`, data: { duplicates: n } };
    }
    return { value: 'none before the RTO', data: { duplicates: null } };
  });
}

const PROBES_ENOUGH = 6;

const zeroWindow: Probe = {
  name: 'zero-window',
  title: 'probes of a shut window',
  group: 'Sending',
  clause: 'RFC 9293 §3.8.6.1',
  how: 'what came is acknowledged, and the window shut; each probe is answered with the same',
  lane: 'wait',
  needs: 'data',
  settings: ['tcp_rto_min_us', 'tcp_rto_max_ms'],
  // Linux takes no less than its least RTO of old, whatever the setting.
  expected: (setting, patience) => backOffOf(setting, patience, RTO_MIN, PROBES_ENOUGH),
  run: (bench) =>
    asking(bench, { ...PLAIN, ...FOUR_SEGMENTS }, async (line) => {
      await line.until(() => false, 20_000 + line.rtt);
      const from = line.mark();
      const shutAt = await line.say({ wnd: 0 });
      const times = [shutAt];
      let form = '';
      const until = bench.now() + Math.min(bench.patience, LONGEST);
      for (let at = from; times.length <= PROBES_ENOUGH && bench.now() < until; ) {
        const probe = await line.next(() => true, until - bench.now(), at);
        if (probe === undefined) break;
        at = line.mark();
        times.push(probe.t);
        form ||= probe.len === 0 ? 'no data, old number' : `${plural(probe.len, 'octet')}`;
        await line.say({ wnd: 0, ack: line.rcvNxt });
      }
      const gaps = times.slice(1).map((t, i) => t - times[i]!);
      if (gaps.length === 0) return { value: 'none', data: { gaps, form: '' } };
      return { value: scheduleText(gaps), data: { gaps, form } };
    }),
};

const zeroWindowForm: Probe = {
  name: 'zero-window-form',
  title: 'what such a probe is',
  group: 'Sending',
  clause: 'RFC 9293 §3.8.6.1',
  how: 'the first probe of a shut window: an octet of new data, or an old number that has to be answered',
  lane: 'moment',
  needs: 'data',
  settings: [],
  run: (bench) =>
    asking(bench, { ...PLAIN, ...FOUR_SEGMENTS }, async (line) => {
      await line.until(() => false, 20_000 + line.rtt);
      const from = line.mark();
      await line.say({ wnd: 0 });
      const probe = await line.next(() => true, 2 * ANSWER, from);
      if (probe === undefined) return { value: 'none', data: { octets: null } };
      const offset = probe.seq - line.rcvNxt;
      const isOld = probe.len === 0 && offset < 0;
      return {
        value: isOld ? `no data, SND.UNA${offset}` : `${plural(probe.len, 'octet')} of data`,
        data: { octets: probe.len, old: isOld },
      };
    }),
};

/**
 * The size of a segment as it is sent again: on its own, and never merged with others on the way. The first one is passed
 * over, since an answer may begin with a short one.
 */
const sizeWith = (bench: Bench, o: OpenOptions): Promise<number> =>
  asking(bench, { ...PLAIN, timestamps: false, ...o }, async (line, first) => {
    await bench.sleep(10_000);
    const at = first.seq + first.len;
    await line.say({ ack: at });
    const from = line.mark();
    const isNext = (s: Seen): boolean => s.len > 0 && s.seq === at;
    const isSeen = line.seen.some(isNext);
    const fresh = isSeen ? undefined : await line.next(isNext, ANSWER, from);
    if (!isSeen && fresh === undefined) throw new CannotTell('the answer is too short');
    const again = await line.next((s) => isNext(s) && s !== fresh, 3 * ANSWER, from);
    if (again === undefined) throw new CannotTell('nothing was sent again');
    return again.len;
  });

const floor: Probe = {
  name: 'mss-floor',
  title: 'least segment size',
  group: 'Sending',
  clause: 'RFC 9293 §3.7.1',
  how: 'an MSS of 10 is offered: the size of what comes anyway',
  lane: 'moment',
  needs: 'data',
  settings: ['tcp_min_snd_mss'],
  expected(setting) {
    const n = numberIn(setting, 'tcp_min_snd_mss');
    return n === undefined ? undefined : expectMember(`tcp_min_snd_mss=${n}`, 'octets', n);
  },
  async run(bench) {
    const octets = await sizeWith(bench, { mss: 10 });
    return { value: plural(octets, 'octet'), data: { octets } };
  },
};

const defaultMss: Probe = {
  name: 'mss-default',
  title: 'segment size without an MSS',
  group: 'Sending',
  clause: 'RFC 9293 §3.7.1',
  how: 'no MSS is offered: 536 octets are to be assumed',
  lane: 'moment',
  needs: 'data',
  settings: [],
  async run(bench) {
    const octets = await sizeWith(bench, { mss: 'none' });
    return { value: plural(octets, 'octet'), data: { octets } };
  },
};

export const SENDING: readonly Probe[] = [
  initialWindow,
  rto,
  tailLoss,
  threshold,
  zeroWindow,
  zeroWindowForm,
  floor,
  defaultMss,
];
