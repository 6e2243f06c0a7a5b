/** Round trips to the first octet of the answer: TCP, TLS, their resumption, Fast Open, and HTTP/3 as arithmetic. */
import { ms } from '../../../base/time.ts';
import { type Claim, text } from '../claim.ts';
import { type Entry, type How, measure, startServer } from '../ledger.ts';

/** Milliseconds there and back. */
const RTT = 160;

interface Case {
  readonly name: string;
  readonly how: How;
  /** Whole round trips to the first octet. */
  readonly trips: number;
  /** Uses the session of the case so named. */
  readonly after?: string;
}

const plain = { http: '1.1' } as const;
const CASES: readonly Case[] = [
  { name: 'TCP', how: { ...plain, transport: 'tcp' }, trips: 2 },
  { name: 'TCP, Fast Open', how: { ...plain, transport: 'tcp', fastOpen: true }, trips: 1 },
  { name: 'TLS 1.3', how: { ...plain, transport: 'TLS 1.3' }, trips: 3 },
  { name: 'TLS 1.3, resumed', how: { ...plain, transport: 'TLS 1.3' }, trips: 3, after: 'TLS 1.3' },
  { name: 'TLS 1.3, Fast Open', how: { ...plain, transport: 'TLS 1.3', fastOpen: true }, trips: 2 },
  { name: 'TLS 1.2', how: { ...plain, transport: 'TLS 1.2' }, trips: 4 },
  { name: 'TLS 1.2, resumed', how: { ...plain, transport: 'TLS 1.2' }, trips: 3, after: 'TLS 1.2' },
];

export const twoRtt: Claim = {
  name: 'two-rtt',
  group: 'between',
  title: text('round trips to the first octet of an answer', '到响应第一个字节的往返数'),
  claim: text(
    'HTTP over a fresh TCP connection needs two round trips to the first octet, three with TLS 1.3, four with TLS 1.2; a first HTTP/3 connection two (not fewer than plain TCP), a resumed one with 0-RTT one.',
    '新建 TCP 连接上的 HTTP 需要两个往返才能得到第一个字节，TLS 1.3 三个，TLS 1.2 四个；首次 HTTP/3 连接两个（并不比纯 TCP 少），0-RTT 恢复一个。',
  ),
  written: ['RFC 9293 §3.5', 'RFC 8446 §2', 'RFC 5246 §7.3', 'RFC 7413', 'RFC 9001 §4.6 (arithmetic)'],
  seconds: 10,
  timed: true,
  lab: {
    sysctls: { peer: { 'net.ipv4.tcp_fastopen': 1027 } },
    faults: { local: { delay: ms(RTT / 2) }, peer: { delay: ms(RTT / 2) } },
    snapLen: 100,
  },
  sabotage: { rules: [{ from: 'local', is: 'S', port: 444, count: 99, fate: { delay: ms(200) } }] },
  async run(stage) {
    for (const port of [80, 443, 444]) stage.hiddenPorts.add(port);
    const tcpx = await stage.open();
    await startServer(stage);
    await stage.say(
      `One request each, by Node's clients over tcpx, over a path of ${RTT} ms there and back.`,
      `每种方式一个请求，由运行于 tcpx 之上的 Node 客户端发出，往返 ${RTT} ms。`,
    );
    // The neighbour's address, a Fast Open cookie, and code that runs for the first time.
    for (const transport of ['tcp', 'TLS 1.2', 'TLS 1.3'] as const)
      await measure(stage, tcpx, { ...plain, transport, fastOpen: true }, ms(RTT), 1);
    const entries = new Map<string, Entry>();
    for (const { name, how, after, trips } of CASES) {
      const session = after === undefined ? undefined : entries.get(after)?.session;
      // A busy machine can be late by a round trip; the path can't be early by one.
      for (let tries = 0; tries < 3; tries++) {
        const entry = await measure(stage, tcpx, { ...how, session }, ms(RTT), 1);
        if (entry.firstByte < (entries.get(name)?.firstByte ?? Number.POSITIVE_INFINITY)) entries.set(name, entry);
        if (Math.floor(entry.firstByte) === trips) break;
      }
    }
    const rows = CASES.map(({ name, trips }) => {
      const e = entries.get(name)!;
      return `${name.padEnd(22)}${String(trips).padStart(4)}${e.firstByte.toFixed(2).padStart(10)}${String(e.resumed).padStart(9)}`;
    });
    stage.table({
      en: [
        'over                  trips  measured  resumed',
        ...rows,
        'HTTP/3, first            2  arithmetic',
        'HTTP/3, 0-RTT            1  arithmetic',
      ],
      zh: [
        '承载                  往返  实测      恢复',
        ...rows,
        'HTTP/3 首次              2  推算',
        'HTTP/3 0-RTT             1  推算',
      ],
    });
    for (const { name, trips, after } of CASES) {
      const e = entries.get(name)!;
      stage.check(
        e.firstByte >= trips * 0.98 && e.firstByte < trips + 0.95 && (after === undefined || e.resumed === 1),
        `${name}: first octet after ${e.firstByte.toFixed(2)} round trips, so ${trips}`,
        `${name}：第一个字节在 ${e.firstByte.toFixed(2)} 个往返后到达，即 ${trips} 个`,
      );
    }
    const said = CASES.map(({ name }) => `${name} ${entries.get(name)!.firstByte.toFixed(2)}`).join('; ');
    stage.show(
      `round trips to the first octet: ${said}; HTTP/3 2, with 0-RTT 1 (arithmetic)`,
      `到第一个字节的往返数：${said}；HTTP/3 2，0-RTT 1（推算）`,
    );
  },
};
