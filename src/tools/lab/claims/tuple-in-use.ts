/** During 2 MSL the same four addresses and ports can't be used for a new connection. */
import { type Claim, text } from '../claim.ts';
import { codeOfCall } from '../peer.ts';
import { opened } from './closing.ts';

const PORT = 40_321;
const MSL = 1;

export const tupleInUse: Claim = {
  name: 'tuple-in-use',
  group: 'closing',
  title: text('the four-tuple is taken during TIME-WAIT', 'TIME-WAIT 期间四元组被占用'),
  claim: text(
    'During 2 MSL the same addresses and ports can not be used for a new connection; once the wait is over they can.',
    '2 MSL 期间，相同的地址与端口不能用于新连接；等待结束后就可以。',
  ),
  written: ['RFC 9293 §3.6.1 MAY-2', 'RFC 9293 §3.10.1', 'RFC 6191', 'connect(2) EADDRNOTAVAIL'],
  seconds: 5,
  lab: { sysctls: { peer: { 'net.ipv4.tcp_timestamps': 0 } } },
  sabotage: { sysctl: { tcp_max_tw_buckets: 0 } },
  async run(stage) {
    const host = await stage.open({ sysctl: { tcp_msl: MSL, tcp_tw_reuse: 0 } });
    const listening = await stage.lab.peer.listen(80);
    const { client, server } = await opened(stage, 80, { localPort: PORT }, listening);
    await stage.say('tcpx closes first and is in TIME-WAIT.', 'tcpx 先关闭，处于 TIME-WAIT。');
    client.close();
    await server.read();
    await server.close();
    stage.check(await client.reached('TIME-WAIT'), 'TIME-WAIT', 'TIME-WAIT');
    const closedAt = stage.now;
    const connect = () => host.stack.connect({ address: stage.lab.remote, port: 80, localPort: PORT });
    const code = codeOfThrown(connect);
    stage.check(code === 'EADDRINUSE', `connecting from the same port: ${code}`, `从同一端口连接：${code}`);
    await stage.say(
      'The kernel as the side that closed first: its wait is 60 s. (Without timestamps: with them it would take the port again, as RFC 6191 allows.)',
      '内核作为先关闭的一方：它要等待 60 秒。（不用时间戳：有时间戳时它会按 RFC 6191 重用该端口。）',
    );
    const listener = await stage.listen(8080);
    const socket = await stage.lab.peer.connect(stage.address, 8080, PORT + 1);
    const accepted = await stage.accept(listener);
    accepted.socket.on('end', () => accepted.close());
    await socket.close();
    stage.check(await stage.peerReached(PORT + 1, 'TIME-WAIT'), 'the kernel says TIME-WAIT', '内核显示 TIME-WAIT');
    const theirs = await codeOfCall(stage.lab.peer.connect(stage.address, 8080, PORT + 1));
    stage.check(
      theirs === 'EADDRNOTAVAIL' || theirs === 'EADDRINUSE',
      `its connect() from the same port: ${theirs}`,
      `它从同一端口 connect()：${theirs}`,
    );
    await stage.say('When the wait of tcpx is over…', '当 tcpx 的等待结束……');
    stage.check(await client.reached('CLOSED', 5000), 'CLOSED', 'CLOSED');
    const after = ((stage.now - closedAt) / 1_000_000).toFixed(1);
    const again = stage.endOf(connect());
    stage.check(await again.reached('ESTABLISHED'), 'the same port connects', '同一端口可以连接');
    again.abort();
    stage.show(
      `tcpx: ${code} during the wait, connected ${after} s after; the kernel: ${theirs}`,
      `tcpx：等待期间 ${code}，${after} 秒后连接成功；内核：${theirs}`,
    );
  },
};

function codeOfThrown(call: () => unknown): string | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}
