/** What goes wrong without the wait: a segment of an old incarnation is taken as data of the new one. */
import { type Claim, text } from '../claim.ts';
import { codeOfCall } from '../peer.ts';
import type { Seen, Stage } from '../stage.ts';
import { opened } from './closing.ts';

const PORT = 40_331;
/** So much that the old numbers go beyond where a new connection begins: the clock of ISNs moves by 250 000 a second. */
const LEN = 3 << 20;
/** Of the receiver's window, which is larger at its smallest. */
const WINDOW = 40_000;

export const noTimeWait: Claim = {
  name: 'no-time-wait',
  group: 'closing',
  title: text('without TIME-WAIT: old data in a new connection', '没有 TIME-WAIT：旧数据混入新连接'),
  claim: text(
    'Without the wait a late segment of an old incarnation of the same four-tuple can be taken as data of the new one: a corrupt stream. With it there is no new incarnation yet. Timestamps save it again (PAWS).',
    '没有等待时，同一四元组旧化身的迟到报文段可能被当作新连接的数据：数据流损坏。有等待时新化身还不能出现。时间戳可以再次挽救（PAWS）。',
  ),
  written: ['RFC 9293 §3.4.3', 'RFC 1337 §1', 'RFC 7323 §5', 'RFC 5961 §5'],
  seconds: 8,
  timed: true,
  sabotage: { sysctl: { tcp_timestamps: true } },
  async run(stage) {
    stage.lab.sysctl('peer', 'net.ipv4.tcp_moderate_rcvbuf', 0);
    await stage.say(
      'With the wait: tcpx sends and closes, and is in TIME-WAIT when an old segment turns up.',
      '有等待：tcpx 发送并关闭，旧报文段出现时它处于 TIME-WAIT。',
    );
    const waiting = await stage.open({ sysctl: { tcp_timestamps: false, tcp_msl: 10 } });
    const listening = await stage.lab.peer.listen(80);
    const first = await opened(stage, 80, { tcpx: waiting, localPort: PORT }, listening);
    first.client.write('old data');
    await first.server.read();
    first.client.close();
    await first.server.read();
    await first.server.close();
    stage.check(await first.client.reached('TIME-WAIT'), 'TIME-WAIT', 'TIME-WAIT');
    await stage.settle();
    const old = await stage.segment({ from: 'local', payload: true });
    const code = thrown(() => waiting.stack.connect({ address: stage.lab.remote, port: 80, localPort: PORT }));
    await stage.lab.path.inject('peer', old.bytes);
    const reset = await stage.segment({ from: 'peer', has: 'R' });
    stage.check(
      code === 'EADDRINUSE' && reset.segment.seq === old.segment.ack,
      `no new connection yet (${code}), and the old segment finds nobody: RST`,
      `还不能有新连接（${code}），旧报文段找不到归属：RST`,
    );

    await stage.say(
      `Without (tcp_max_tw_buckets = 0, no timestamps): tcpx sends ${LEN >> 20} MiB, closes, and connects again from the same port at once. Then the old segment comes.`,
      `没有等待（tcp_max_tw_buckets = 0，无时间戳）：tcpx 发送 ${LEN >> 20} MiB 后关闭，并立即从同一端口重新连接。然后旧报文段到来。`,
    );
    const corrupt = await replayed(stage, 1, 81, false);
    stage.check(
      corrupt.read.includes('o'),
      `the program reads ${corrupt.read.length} octets where ${corrupt.sent} were sent: ${corrupt.read.length - corrupt.sent} old ones at the end of the new`,
      `程序读到 ${corrupt.read.length} 字节，而只发送了 ${corrupt.sent} 字节：新数据末尾接着 ${corrupt.read.length - corrupt.sent} 个旧字节`,
    );
    await stage.say('The same with timestamps.', '同样的过程，使用时间戳。');
    const before = stage.lab.counters('peer')['TcpExtPAWSEstab'] ?? 0;
    const saved = await replayed(stage, 2, 82, true);
    const rejected = (stage.lab.counters('peer')['TcpExtPAWSEstab'] ?? 0) - before;
    stage.check(
      !saved.read.includes('o') && saved.read.length === saved.sent && rejected > 0,
      `the old segment's timestamp is too old: dropped (PAWSEstab +${rejected}), the stream is intact`,
      `旧报文段的时间戳太旧：被丢弃（PAWSEstab +${rejected}），数据流完好`,
    );
    stage.show(
      `without the wait ${corrupt.read.length - corrupt.sent} octets of the old connection were read from the new one; with it ${code} and RST; with timestamps dropped by PAWS`,
      `没有等待时，从新连接读到旧连接的 ${corrupt.read.length - corrupt.sent} 个字节；有等待时 ${code} 与 RST；有时间戳时被 PAWS 丢弃`,
    );
  },
};

/** A connection full of 'o', another one of 'n' right after it from the same port, and a segment of the first played into it. */
async function replayed(stage: Stage, own: number, port: number, timestamps: boolean) {
  const tcpx = await stage.open({
    own,
    sysctl: { tcp_timestamps: timestamps, tcp_max_tw_buckets: 0, tcp_congestion_control: 'reno' },
  });
  const listening = await stage.lab.peer.listen(port);
  const first = await opened(stage, port, { tcpx, localPort: PORT }, listening);
  first.client.write(new Uint8Array(LEN).fill('o'.charCodeAt(0)));
  first.client.close();
  await first.server.readAll();
  await first.server.close();
  stage.check(await first.client.reached('CLOSED'), 'closed, and no wait', '已关闭，没有等待');
  const old = stage.segments({ from: 'local', payload: true, port });
  const second = await opened(stage, port, { tcpx, localPort: PORT }, listening);
  const begin = (stage.segments({ from: 'local', is: 'S', port }).at(-1)!.segment.seq + 1) >>> 0;
  const late = old.find((s) => inWindow(s, begin));
  stage.check(
    late !== undefined,
    'one of the old segments lies within the window of the new connection',
    '有一个旧报文段落在新连接的窗口之内',
  );
  const sent = (late!.segment.seq - begin) >>> 0;
  await stage.say(
    'As it was, the kernel would find its acknowledgment too old (RFC 5961 §5), because its own numbers have moved on; where they have not, that is no help. So it comes with one that fits.',
    '原样到来时，内核会因自己的序号已前进而发现其确认号太旧（RFC 5961 §5）；序号若未前进，这就帮不上忙。因此让它带上合适的确认号。',
  );
  const { segment: synAck } = stage.segments({ from: 'peer', is: 'S.', port }).at(-1)!;
  await stage.lab.path.inject('peer', { ...late!.segment, ack: synAck.seq + 1 });
  await stage.settle();
  second.client.write(new Uint8Array(sent).fill('n'.charCodeAt(0)));
  await stage.settle();
  const octets = await second.server.readAll(sent);
  const rest = await moreOf(second.server, late!.segment.len);
  second.client.abort();
  return { sent, read: new TextDecoder().decode(octets) + rest };
}

const inWindow = (s: Seen, begin: number): boolean => {
  const ahead = (s.segment.seq - begin) >>> 0;
  return ahead > 0 && ahead + s.segment.len < WINDOW;
};

/** What there is beyond what was sent, without waiting for it. */
async function moreOf(server: Awaited<ReturnType<typeof opened>>['server'], most: number): Promise<string> {
  let got = '';
  await codeOfCall(
    server.readNow(most).then((octets) => {
      got = new TextDecoder().decode(octets);
    }),
  );
  return got;
}

function thrown(call: () => unknown): string | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}
