/** Probes of the opening: what a SYN is answered with, and for how long an answer is waited for. RFC 9293 §3.5, RFC 7323, 2018, 3168, 7413. */
import { TcpFlag } from '../../../wire/tcp.ts';
import type { OptionSpec } from '../../scenario/model.ts';
import { hexOctets } from '../../scenario/option-octets.ts';
import type { Bench } from '../bench.ts';
import { ANSWER, filler, isReset, isSynAck, type Seen } from '../line.ts';
import { CannotTell, expectMember, type Json, member, numberIn, type Probe } from '../model.ts';
import { type Bracket, bracketText, closeTo, inBracket, scheduleText, secondsText } from '../words.ts';

const synAck = (bench: Bench, o: Parameters<Bench['connect']>[0] = {}): Promise<Seen> =>
  bench.withLine((line) => line.synAck(o));

const hasOption = (seen: Seen, kind: OptionSpec['kind']): boolean => seen.options.some((o) => o.kind === kind);

/** The number that an option of that kind carries. */
function numberOf(seen: Seen, kind: 'mss' | 'wscale'): number | undefined {
  const option = seen.options.find((o) => o.kind === kind);
  return option?.kind === 'mss' || option?.kind === 'wscale' ? option.n : undefined;
}

const OPTION_NAMES: Readonly<Record<OptionSpec['kind'], string>> = {
  nop: 'nop',
  eol: 'eol',
  mss: 'mss',
  wscale: 'wscale',
  sackOK: 'sackOK',
  sack: 'sack',
  TS: 'TS',
  FO: 'tfo',
  FOEXP: 'tfo',
  hex: '?',
};
const namesOf = (seen: Seen): readonly string[] => seen.options.map((o) => OPTION_NAMES[o.kind]);

const options: Probe = {
  name: 'options',
  title: 'options of a SYN-ACK',
  group: 'Opening',
  clause: 'RFC 9293 §3.1',
  how: 'a SYN offers MSS, SACK, timestamps and window scaling; what comes back, in its order',
  lane: 'moment',
  settings: ['tcp_sack', 'tcp_timestamps', 'tcp_window_scaling'],
  expected(setting) {
    const [sack, ts, scaling] = ['tcp_sack', 'tcp_timestamps', 'tcp_window_scaling'].map((name) =>
      numberIn(setting, name),
    );
    if (sack === undefined || ts === undefined || scaling === undefined) return undefined;
    const names = ['mss'];
    if (ts) names.push(...(sack ? ['sackOK'] : ['nop', 'nop']), 'TS');
    else if (sack) names.push('nop', 'nop', 'sackOK');
    if (scaling) names.push('nop', 'wscale');
    const text = names.join(' ');
    return { text, agrees: (data) => (member(data, 'order') as readonly string[] | undefined)?.join(' ') === text };
  },
  async run(bench) {
    const names = namesOf(await synAck(bench));
    return { value: names.join(' ') || 'none', data: { order: names } };
  },
};

const unasked: Probe = {
  name: 'options-unasked',
  title: 'options nobody offered',
  group: 'Opening',
  clause: 'RFC 7323 §1.3',
  how: 'a SYN without any option; what its answer has beside the MSS was not asked for',
  lane: 'moment',
  settings: [],
  async run(bench) {
    const seen = await synAck(bench, { mss: 'none', sack: false, timestamps: false, scaling: false });
    const extra = namesOf(seen).filter((name) => !['mss', 'nop', 'eol'].includes(name));
    return { value: extra.length === 0 ? 'none' : extra.join(' '), data: { extra } };
  },
};

const mss: Probe = {
  name: 'mss',
  title: 'MSS announced',
  group: 'Opening',
  clause: 'RFC 9293 §3.7.1',
  how: 'the MSS option of the SYN-ACK',
  lane: 'moment',
  settings: [],
  async run(bench) {
    const n = numberOf(await synAck(bench), 'mss');
    return { value: n === undefined ? 'none: 536' : `${n} octets`, data: { mss: n ?? null } };
  },
};

const window: Probe = {
  name: 'window',
  title: 'first receive window',
  group: 'Opening',
  clause: 'RFC 9293 §3.8.6',
  how: 'the window field of the SYN-ACK, which is never scaled',
  lane: 'moment',
  settings: ['tcp_rmem', 'tcp_timestamps'],
  async run(bench) {
    const { wnd } = await synAck(bench);
    return { value: `${wnd} octets`, data: { window: wnd } };
  },
};

const scaling: Probe = {
  name: 'window-scale',
  title: 'window scaling',
  group: 'Opening',
  clause: 'RFC 7323 §2',
  how: 'the shift count of the SYN-ACK',
  lane: 'moment',
  settings: ['tcp_window_scaling', 'tcp_rmem'],
  expected(setting) {
    const on = numberIn(setting, 'tcp_window_scaling');
    const most = Number(setting('tcp_rmem')?.trim().split(/\s+/)[2]);
    if (on === undefined || Number.isNaN(most)) return undefined;
    if (on === 0) return expectMember('tcp_window_scaling=0: none', 'shift', null);
    // As in tcp_select_initial_window: the least shift with which 64 KiB reach the largest buffer there may be.
    const largest = Math.max(most, numberIn(setting, 'core/rmem_max') ?? 0);
    const shift = Math.max(0, Math.min(14, Math.floor(Math.log2(largest)) - 15));
    return expectMember(`buffers up to ${largest}: shift ${shift}`, 'shift', shift);
  },
  async run(bench) {
    const shift = numberOf(await synAck(bench), 'wscale');
    return { value: shift === undefined ? 'none' : `shift ${shift}`, data: { shift: shift ?? null } };
  },
};

const timestamps: Probe = {
  name: 'timestamps',
  title: 'timestamps',
  group: 'Opening',
  clause: 'RFC 7323 §3.2',
  how: 'the SYN-ACK has the option, and echoes the value of the SYN',
  lane: 'moment',
  settings: ['tcp_timestamps'],
  expected(setting) {
    const on = numberIn(setting, 'tcp_timestamps');
    return on === undefined ? undefined : expectMember(`tcp_timestamps=${on}`, 'agreed', on !== 0);
  },
  run: (bench) =>
    bench.withLine(async (line) => {
      const before = line.tsVal;
      const ts = (await line.synAck()).options.find((o) => o.kind === 'TS');
      if (ts?.kind !== 'TS') return { value: 'declined', data: { agreed: false } };
      const echoed = (line.tsVal - ts.ecr) >>> 0 <= (line.tsVal - before) >>> 0;
      return { value: `agreed, echo ${echoed ? 'right' : 'wrong'}`, data: { agreed: true, echoed } };
    }),
};

const sack: Probe = {
  name: 'sack',
  title: 'selective acknowledgment',
  group: 'Opening',
  clause: 'RFC 2018 §2',
  how: 'the SYN-ACK has SACK-permitted',
  lane: 'moment',
  settings: ['tcp_sack'],
  expected(setting) {
    const on = numberIn(setting, 'tcp_sack');
    return on === undefined ? undefined : expectMember(`tcp_sack=${on}`, 'agreed', on !== 0);
  },
  async run(bench) {
    const agreed = hasOption(await synAck(bench), 'sackOK');
    return { value: agreed ? 'agreed' : 'declined', data: { agreed } };
  },
};

const ecn: Probe = {
  name: 'ecn',
  title: 'ECN',
  group: 'Opening',
  clause: 'RFC 3168 §6.1.1',
  how: 'a SYN with ECE and CWR; ECE alone in the answer agrees',
  lane: 'moment',
  settings: ['tcp_ecn'],
  expected(setting) {
    const n = numberIn(setting, 'tcp_ecn');
    return n === undefined ? undefined : expectMember(`tcp_ecn=${n}`, 'agreed', n !== 0);
  },
  async run(bench) {
    const { flags } = await synAck(bench, { flags: 'EW' });
    const agreed = (flags & (TcpFlag.ECE | TcpFlag.CWR)) === TcpFlag.ECE;
    return { value: agreed ? 'agreed' : 'declined', data: { agreed } };
  },
};

/** RFC 9768 table 2: AE, CWR and ECE of a SYN-ACK that answers to AccECN. */
const ACCURATE: ReadonlySet<number> = new Set([0b010, 0b011, 0b100, 0b110]);

const accurateEcn: Probe = {
  name: 'accecn',
  title: 'accurate ECN',
  group: 'Opening',
  clause: 'RFC 9768 §3.1.1',
  how: 'a SYN with AE, CWR and ECE; the three bits of the answer say which of the two ECNs is spoken',
  lane: 'moment',
  settings: ['tcp_ecn'],
  expected(setting) {
    const n = numberIn(setting, 'tcp_ecn');
    if (n === undefined) return undefined;
    const wanted = n === 0 ? 'declined' : n >= 3 ? 'accurate' : 'classic only';
    return expectMember(`tcp_ecn=${n}: ${wanted}`, 'answer', wanted);
  },
  async run(bench) {
    const { flags, reserved } = await synAck(bench, { flags: 'EW', reserved: 1 });
    const bits = ((reserved & 1) << 2) | (flags & TcpFlag.CWR ? 2 : 0) | (flags & TcpFlag.ECE ? 1 : 0);
    const answer = ACCURATE.has(bits) ? 'accurate' : bits === 1 ? 'classic only' : 'declined';
    return { value: answer, data: { answer, bits } };
  },
};

const fastOpen: Probe = {
  name: 'fast-open',
  title: 'Fast Open',
  group: 'Opening',
  clause: 'RFC 7413 §4.1',
  how: 'a SYN asks for a cookie; with the cookie, a second one has data',
  lane: 'moment',
  settings: ['tcp_fastopen'],
  expected(setting) {
    const n = numberIn(setting, 'tcp_fastopen');
    return n === undefined ? undefined : expectMember(`tcp_fastopen=${n}`, 'cookie', (n & 2) !== 0 ? 8 : 0);
  },
  async run(bench) {
    const first = await synAck(bench, { fastOpen: new Uint8Array(0) });
    const option = first.options.find((o) => o.kind === 'FO');
    const cookie = Uint8Array.from(hexOctets(option?.kind === 'FO' ? option.cookie : ''));
    if (cookie.length === 0) return { value: 'no cookie', data: { cookie: 0 } };
    const { ack } = await synAck(bench, { fastOpen: cookie, data: filler(5) });
    const taken = ack === 6;
    return {
      value: `cookie of ${cookie.length}, data ${taken ? 'taken' : 'not taken'}`,
      data: { cookie: cookie.length, taken },
    };
  },
};

const dataOnSyn: Probe = {
  name: 'data-on-syn',
  title: 'data on a plain SYN',
  group: 'Opening',
  clause: 'RFC 9293 §3.10.7.2',
  how: 'five octets on a SYN without Fast Open; the answer acknowledges them or not',
  lane: 'moment',
  settings: [],
  async run(bench) {
    const { ack } = await synAck(bench, { data: filler(5) });
    return { value: ack > 1 ? 'taken' : 'to be sent again', data: { taken: ack > 1 } };
  },
};

const ip: Probe = {
  name: 'ip',
  title: 'IP header of a SYN-ACK',
  group: 'Opening',
  clause: 'RFC 791 §3.1',
  how: 'TTL on arrival, DF and identification',
  lane: 'moment',
  settings: ['ip_default_ttl'],
  expected(setting) {
    const ttl = numberIn(setting, 'ip_default_ttl');
    // A packet this small has DF on Linux whatever ip_no_pmtu_disc says.
    return ttl === undefined ? undefined : expectMember(`ip_default_ttl=${ttl}`, 'ttl', ttl);
  },
  async run(bench) {
    const { ttl, df, ipId } = await synAck(bench);
    const id = ipId === 0 ? 'id 0' : 'id not 0';
    return { value: `TTL ${ttl}, ${df ? 'DF' : 'no DF'}, ${id}`, data: { ttl, df, idIsZero: ipId === 0 } };
  },
};

const wrongAck: Probe = {
  name: 'wrong-ack',
  title: 'wrong ACK of a SYN-ACK',
  group: 'Opening',
  clause: 'RFC 9293 §3.10.7.4',
  how: 'in SYN-RECEIVED an ACK of what was never sent; a RST with its number is due',
  lane: 'moment',
  settings: [],
  run: (bench) =>
    bench.withLine(async (line) => {
      await line.synAck();
      const from = line.mark();
      await line.say({ seq: 1, ack: 5000 });
      const answer = await line.next((s) => isReset(s) || !isSynAck(s), ANSWER, from);
      if (answer === undefined) return { value: 'nothing', data: { answer: 'nothing' } };
      if (!isReset(answer)) return { value: 'ACK', data: { answer: 'ACK' } };
      const exact = answer.seq === 5000;
      return { value: `RST${exact ? ', seq = its ack' : ''}`, data: { answer: 'RST', exact } };
    }),
};

const strayAck: Probe = {
  name: 'stray-ack',
  title: 'ACK to a listener',
  group: 'Opening',
  clause: 'RFC 9293 §3.10.7.2',
  how: 'an ACK of no connection at all; a RST with its number is due',
  lane: 'moment',
  settings: [],
  run: (bench) =>
    bench.withLine(async (line) => {
      line.irs = 0;
      await line.say({ seq: 1, ack: 7000 });
      const answer = await line.next(() => true, ANSWER, 0);
      if (answer === undefined) return { value: 'nothing', data: { answer: 'nothing' } };
      const exact = isReset(answer) && answer.seq === 7000;
      return {
        value: isReset(answer) ? `RST${exact ? ', seq = its ack' : ''}` : 'not a RST',
        data: { answer: isReset(answer) ? 'RST' : 'other', exact },
      };
    }),
};

/** The RTO of a SYN-ACK begins at a second, RFC 6298 §2.1, and doubles. */
const backOff = (retries: number, most: number): readonly number[] =>
  Array.from({ length: retries }, (_, i) => Math.min(2 ** i * 1e6, most));

const retries: Probe = {
  name: 'synack-retries',
  title: 'SYN-ACK sent again',
  group: 'Opening',
  clause: 'RFC 9293 §3.8.1',
  how: 'a SYN, and silence; how often and after how long each the SYN-ACK comes again',
  lane: 'wait',
  settings: ['tcp_synack_retries'],
  expected(setting, patience) {
    const n = numberIn(setting, 'tcp_synack_retries');
    if (n === undefined) return undefined;
    const gaps = backOff(n, 120e6);
    return {
      text: `tcp_synack_retries=${n}: ${n === 0 ? 'never' : scheduleText(gaps)}`,
      agrees: (data) => {
        const found = member(data, 'gaps') as readonly number[];
        const sum = (count: number): number => gaps.slice(0, count).reduce((all, gap) => all + gap, 0);
        // The next one did not fit in, be it as late as timers may be.
        const isAll = found.length === n || sum(found.length + 1) * 1.13 + 300_000 > patience;
        return isAll && closeTo(found, gaps.slice(0, found.length));
      },
    };
  },
  run: (bench) =>
    bench.withLine(async (line) => {
      const until = bench.now() + bench.patience;
      const first = await line.synAck();
      await bench.sleepUntil(until);
      const times = line.seen.filter(isSynAck).map((s) => s.t);
      const gaps = times.slice(1).map((t, i) => t - times[i]!);
      const quiet = until - times.at(-1)!;
      // Not over before the next one would have been late.
      const isOver = quiet > 2.3 * (gaps.at(-1) ?? 1e6);
      const data = { retries: gaps.length, gaps, isOver, first: first.t - (until - bench.patience) };
      if (gaps.length === 0) return { value: isOver ? 'never' : 'not yet', data };
      return { value: `${isOver ? '' : 'at least '}${gaps.length}: ${scheduleText(gaps)}`, data };
    }),
};

const HALF_OPEN_LOOKS = [2, 5, 11, 23, 47, 53, 70];

const halfOpen: Probe = {
  name: 'half-open',
  title: 'half-open for',
  group: 'Opening',
  clause: 'RFC 9293 §3.8.3',
  how: 'connections whose third segment comes late, each later than the one before; from when on a RST is the answer',
  lane: 'wait',
  settings: ['tcp_synack_retries'],
  expected(setting) {
    const n = numberIn(setting, 'tcp_synack_retries');
    if (n === undefined) return undefined;
    const lasts = backOff(n + 1, 120e6).reduce((sum, gap) => sum + gap, 0);
    return {
      text: `tcp_synack_retries=${n}: ${secondsText(lasts)} s`,
      agrees: (data) => inBracket(data as unknown as Bracket, lasts),
    };
  },
  async run(bench) {
    const bracket = await lookedAt(bench, HALF_OPEN_LOOKS, async (wait) =>
      bench.withLine(async (line) => {
        await line.synAck();
        await wait();
        const from = line.mark();
        await line.say({ seq: 1, ack: 1 });
        // An ACK that is taken has no answer: an octet behind it has.
        await line.say({ seq: 1, data: filler(1) });
        const answer = await line.next((s) => isReset(s) || s.ack === 2, ANSWER, from);
        if (answer === undefined) throw new CannotTell('no answer to a late third segment');
        return !isReset(answer);
      }),
    );
    return { value: bracketText(bracket), data: bracketData(bracket) };
  },
};

/** `isThere` on lines of their own, each of which waits until its time has come, in seconds from its beginning. */
export async function lookedAt(
  bench: Bench,
  seconds: readonly number[],
  isThere: (wait: () => Promise<void>) => Promise<boolean>,
): Promise<Bracket> {
  const until = bench.now() + bench.patience;
  const looks = seconds.filter((s) => s * 1e6 < bench.patience - 500_000);
  const found = await Promise.all(
    looks.map((s) =>
      isThere(async () => {
        const beganAt = Math.min(bench.now(), until);
        await bench.sleepUntil(beganAt + s * 1e6);
      }),
    ),
  );
  const gone = found.indexOf(false);
  if (gone < 0) return { from: (looks.at(-1) ?? 0) * 1e6, to: undefined };
  return { from: gone === 0 ? 0 : looks[gone - 1]! * 1e6, to: looks[gone]! * 1e6 };
}

export const bracketData = ({ from, to }: Bracket): Json => ({ from, ...(to !== undefined && { to }) });

export const OPENING: readonly Probe[] = [
  options,
  unasked,
  mss,
  window,
  scaling,
  timestamps,
  sack,
  ecn,
  accurateEcn,
  fastOpen,
  dataOnSyn,
  ip,
  wrongAck,
  strayAck,
  retries,
  halfOpen,
];
