/** What each side sets aside at the SYN, the SYN-ACK and the third segment; with SYN cookies nothing until the third. */
import { readFileSync } from 'node:fs';
import { ms } from '../../../base/time.ts';
import { type Claim, text } from '../claim.ts';
import type { LabSocket } from '../peer.ts';
import type { Stage } from '../stage.ts';

/** Milliseconds one way: long enough to look between two segments. */
const ONE_WAY = 150;
type Row = readonly [en: string, zh: string, kernel: string];

export const resources: Claim = {
  name: 'resources',
  group: 'opening',
  title: text('what a server sets aside, segment by segment', '服务器随每个报文段留出的资源'),
  claim: text(
    'At the SYN a server makes a small entry, at the third segment a whole socket that waits for accept(). With SYN cookies it keeps nothing until the third segment, whose acknowledgment number is the entry.',
    '服务器在收到 SYN 时建立一个小条目，在收到第三个报文段时建立完整的套接字，等待 accept()。使用 SYN cookie 时，在第三个报文段之前什么都不保留：其确认号就是那个条目。',
  ),
  written: ['RFC 4987 §3.3, §3.6', 'RFC 9293 §3.10.7.2', 'Linux ip-sysctl tcp_syncookies'],
  lab: { faults: { local: { delay: ms(ONE_WAY) }, peer: { delay: ms(ONE_WAY) } } },
  sabotage: { rules: [{ from: 'local', is: '.', count: 99, fate: 'drop' }] },
  seconds: 5,
  async run(stage) {
    const listening = await stage.lab.peer.listen(80);
    await stage.say(
      'The kernel is the server; it is looked at after each segment.',
      '内核是服务器；每个报文段之后查看一次。',
    );
    const plain = await looks(stage, listening, 40_081);
    stage.check(
      plain.afterSyn.halfOpen === 1 && plain.afterSyn.whole === 0,
      'after the SYN: one half-open entry, no socket',
      'SYN 之后：一个半开条目，没有套接字',
    );
    stage.check(
      plain.afterThird.halfOpen === 0 && plain.afterThird.whole === 1 && plain.afterThird.queued === 1,
      'after the third segment: a whole socket, waiting for accept()',
      '第三个报文段之后：完整的套接字，等待 accept()',
    );
    await stage.say(
      'The same with SYN cookies (tcp_syncookies = 2: always).',
      '同样的过程，启用 SYN cookie（tcp_syncookies = 2：总是）。',
    );
    stage.lab.sysctl('peer', 'net.ipv4.tcp_syncookies', 2);
    const cookies = await looks(stage, listening, 40_082);
    stage.check(
      cookies.afterSyn.halfOpen === 0 && cookies.afterSyn.whole === 0,
      'after the SYN: nothing; its SYN-ACK has the cookie as its number',
      'SYN 之后：什么都没有；SYN-ACK 的序号就是 cookie',
    );
    stage.check(
      cookies.afterThird.whole === 1,
      'after the third segment: the socket, made from the cookie',
      '第三个报文段之后：由 cookie 造出的套接字',
    );

    await stage.say('Now tcpx is the server, without cookies.', '现在 tcpx 是服务器，不用 cookie。');
    const listener = await stage.listen(8080);
    const connecting = stage.lab.peer.connect(stage.address, 8080, 40_083);
    connecting.catch(() => {});
    await stage.until(() => listener.halfOpen === 1);
    const ours = { halfOpen: listener.halfOpen, ready: listener.ready };
    await connecting;
    await stage.until(() => listener.ready === 1);
    stage.check(
      ours.halfOpen === 1 && ours.ready === 0 && listener.halfOpen === 0 && listener.ready === 1,
      'tcpx: one half-open connection after the SYN, one ready for accept after the third segment',
      'tcpx：SYN 之后一条半开连接，第三个报文段之后一条可供 accept',
    );
    const sizes = slabSizes();
    const rows: readonly Row[] = [
      ['after the SYN', 'SYN 之后', lookText(plain.afterSyn)],
      ['after the third', '第三个之后', lookText(plain.afterThird)],
      ['after accept()', 'accept() 之后', lookText(plain.afterAccept)],
      ['cookies: SYN', 'cookie：SYN', lookText(cookies.afterSyn)],
      ['cookies: third', 'cookie：第三个', lookText(cookies.afterThird)],
    ];
    stage.table({
      en: ['kernel           half-open  sockets  accept queue', ...rows.map(([en, , k]) => `${en.padEnd(17)}${k}`)],
      zh: ['内核             半开  套接字  accept 队列', ...rows.map(([, zh, k]) => `${zh}  ${k}`)],
    });
    stage.show(
      `an entry of ${sizes.entry} octets at the SYN, a socket of ${sizes.socket} at the third segment${sizes.known ? ' (slabinfo)' : ''}; with cookies nothing before the third`,
      `SYN 时一个 ${sizes.entry} 字节的条目，第三个报文段时一个 ${sizes.socket} 字节的套接字${sizes.known ? '（slabinfo）' : ''}；使用 cookie 时第三个报文段之前什么都没有`,
    );
  },
};

interface Look {
  readonly halfOpen: number;
  readonly whole: number;
  /** Waiting for accept(). */
  readonly queued: number;
}

function look(stage: Stage): Look {
  const sockets = stage.lab.sockets('peer', 80);
  return {
    halfOpen: sockets.filter((s) => s.state === 'SYN-RECEIVED').length,
    whole: sockets.filter((s) => s.state === 'ESTABLISHED').length,
    queued: sockets.find((s) => s.state === 'LISTEN')?.receiveQueue ?? 0,
  };
}

const lookText = (l: Look): string => `${String(l.halfOpen).padEnd(11)}${String(l.whole).padEnd(9)}${l.queued}`;

/** A connection of tcpx's, and the kernel looked at between its segments. */
async function looks(stage: Stage, listening: LabSocket, port: number) {
  const client = await stage.connect(80, { localPort: port });
  // Its SYN-ACK has left, what acknowledges it is still to come.
  await stage.segment({ from: 'peer', is: 'S.', port });
  const afterSyn = look(stage);
  await client.reached('ESTABLISHED');
  await stage.until(() => look(stage).whole === 1, 1500);
  const afterThird = look(stage);
  stage.check(afterThird.whole === 1, 'the third segment has arrived', '第三个报文段已到达');
  const server = await listening.accept();
  const afterAccept = look(stage);
  client.abort();
  await stage.settle();
  await server.close();
  return { afterSyn, afterThird, afterAccept };
}

/** Octets of the kernel's entry for a half-open connection and of a socket; readable by root. */
function slabSizes(): { readonly entry: string; readonly socket: string; readonly known: boolean } {
  try {
    const lines = readFileSync('/proc/slabinfo', 'utf8').split('\n');
    const of = (name: string): string => lines.find((l) => l.startsWith(`${name} `))?.split(/\s+/)[3] ?? '?';
    return { entry: of('request_sock_TCP'), socket: of('TCP'), known: true };
  } catch {
    return { entry: '?', socket: '?', known: false };
  }
}
