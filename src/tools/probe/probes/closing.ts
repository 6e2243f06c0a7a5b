/** Probes of the end: they want a peer that closes first. RFC 9293 §3.6, RFC 6191, RFC 1337. */
import type { Bench } from '../bench.ts';
import { ANSWER, type Established, isFin, isReset, isSynAck } from '../line.ts';
import { CannotTell, numberIn, type Probe } from '../model.ts';
import { type Bracket, bracketText, inBracket } from '../words.ts';
import { bracketData, lookedAt } from './opening.ts';

/** Seconds after which a connection is looked at. */
const LOOKS = [1, 2.5, 5, 10, 20, 28, 33, 53, 63, 75];
/** Linux's TIME-WAIT, which no setting changes. */
const TIME_WAIT = 60e6;

/** A connection that the peer has closed, its FIN acknowledged. */
async function closedByPeer<T>(bench: Bench, use: (line: Established) => Promise<T>): Promise<T> {
  const request = bench.closeRequest;
  return bench.with({}, async (line) => {
    await line.say({ flags: 'P.', data: request });
    const until = bench.now() + 2 * ANSWER;
    let from = 0;
    while (!line.seen.some((s) => isFin(s) && s.seq + s.len + 1 <= line.rcvNxt)) {
      const seen = await line.next((s) => s.len > 0 || isFin(s) || isReset(s), until - bench.now(), from);
      if (seen === undefined) throw new CannotTell('the request did not make it close');
      if (isReset(seen)) throw new CannotTell('it closes with a RST');
      from = line.seen.indexOf(seen) + 1;
      await line.say({});
    }
    await line.say({});
    return use(line);
  });
}

/** Our FIN, once or once more; whether it is acknowledged rather than reset. */
async function fin(line: Established, seq: number): Promise<boolean> {
  const from = line.mark();
  await line.say({ flags: 'F.', seq });
  const answer = await line.next((s) => isReset(s) || s.ack === seq + 1, ANSWER, from);
  if (answer === undefined) throw new CannotTell('no answer to a FIN');
  return !isReset(answer);
}

const finWait2: Probe = {
  name: 'fin-wait-2',
  title: 'FIN-WAIT-2 without a user',
  group: 'Closing',
  clause: 'RFC 9293 §3.6',
  how: 'the peer closes, and our FIN comes late, on each connection later: from when on a RST is the answer',
  lane: 'wait',
  needs: 'close',
  settings: ['tcp_fin_timeout'],
  expected(setting) {
    const n = numberIn(setting, 'tcp_fin_timeout');
    if (n === undefined) return undefined;
    return {
      text: `tcp_fin_timeout=${n}: ${n} s`,
      agrees: (data) => inBracket(data as unknown as Bracket, n * 1e6),
    };
  },
  async run(bench) {
    const bracket = await lookedAt(bench, LOOKS, (wait) =>
      closedByPeer(bench, async (line) => {
        await wait();
        return fin(line, line.sndNxt);
      }),
    );
    return { value: bracketText(bracket), data: bracketData(bracket) };
  },
};

/** TIME-WAIT is at the peer: what was the number of our FIN. */
function inTimeWait<T>(bench: Bench, use: (line: Established, finSeq: number) => Promise<T>): Promise<T> {
  return closedByPeer(bench, async (line) => {
    const at = line.sndNxt;
    if (!(await fin(line, at))) throw new CannotTell('a FIN is answered by a RST');
    return use(line, at);
  });
}

const timeWait: Probe = {
  name: 'time-wait',
  title: 'TIME-WAIT',
  group: 'Closing',
  clause: 'RFC 9293 §3.6.1',
  how: 'the peer closes first; our FIN comes again, on each connection later: from when on a RST is the answer',
  lane: 'wait',
  needs: 'close',
  settings: [],
  expected: () => ({
    text: 'fixed in Linux: 60 s',
    agrees: (data) => inBracket(data as unknown as Bracket, TIME_WAIT),
  }),
  async run(bench) {
    const bracket = await lookedAt(bench, LOOKS, (wait) =>
      inTimeWait(bench, async (line, at) => {
        await wait();
        return fin(line, at);
      }),
    );
    return { value: bracketText(bracket), data: bracketData(bracket) };
  },
};

const synInTimeWait: Probe = {
  name: 'time-wait-syn',
  title: 'new SYN in TIME-WAIT',
  group: 'Closing',
  clause: 'RFC 6191 §2',
  how: 'a SYN with a later number and a later timestamp may begin the connection anew',
  lane: 'moment',
  needs: 'close',
  settings: [],
  run: (bench) =>
    inTimeWait(bench, async (line, at) => {
      await bench.sleep(5_000);
      const from = line.mark();
      await line.syn({ seq: at + 100_000, timestamps: line.hasTimestamps });
      const answer = await line.next(() => true, ANSWER, from);
      const value =
        answer === undefined ? 'silence' : isSynAck(answer) ? 'taken' : isReset(answer) ? 'RST' : 'challenge ACK';
      return { value, data: { answer: value } };
    }),
};

const rstInTimeWait: Probe = {
  name: 'time-wait-rst',
  title: 'RST in TIME-WAIT',
  group: 'Closing',
  clause: 'RFC 1337 §3',
  how: 'a RST with the exact number, then our FIN once more: answered by a RST if TIME-WAIT is over',
  lane: 'moment',
  needs: 'close',
  settings: ['tcp_rfc1337'],
  expected(setting) {
    const n = numberIn(setting, 'tcp_rfc1337');
    if (n === undefined) return undefined;
    const wanted = n !== 0;
    return {
      text: `tcp_rfc1337=${n}: ${wanted ? 'ignored' : 'ends it'}`,
      agrees: (data) => (data as { readonly stays?: boolean }).stays === wanted,
    };
  },
  run: (bench) =>
    inTimeWait(bench, async (line, at) => {
      await line.say({ flags: 'R', seq: at + 1 });
      await bench.sleep(20_000);
      const stays = await fin(line, at);
      return { value: stays ? 'ignored' : 'ends it', data: { stays } };
    }),
};

const ackOfFin: Probe = {
  name: 'half-close',
  title: 'our FIN',
  group: 'Closing',
  clause: 'RFC 9293 §3.6',
  how: 'we close first: how soon our FIN is acknowledged',
  lane: 'moment',
  settings: [],
  run: (bench) =>
    bench.with({}, async (line) => {
      const from = line.mark();
      const at = line.sndNxt;
      await line.say({ flags: 'F.' });
      const ack = await line.next((s) => s.ack === at + 1 || isReset(s), ANSWER, from);
      if (ack === undefined) return { value: 'not acknowledged', data: { answer: 'none' } };
      if (isReset(ack)) return { value: 'RST', data: { answer: 'RST' } };
      await bench.sleep(200_000);
      const own = line.seen.slice(from).some(isFin);
      return {
        value: own ? 'acknowledged, its FIN follows' : 'acknowledged, goes on sending',
        data: { answer: 'ACK', fin: own },
      };
    }),
};

export const CLOSING: readonly Probe[] = [ackOfFin, finWait2, timeWait, synInTimeWait, rstInTimeWait];
