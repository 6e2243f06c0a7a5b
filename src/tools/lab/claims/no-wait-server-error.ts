/** Without the wait the repeated FIN is answered by RST, and the other side's program sees an error. */
import { type Claim, text } from '../claim.ts';
import type { Stage } from '../stage.ts';
import { opened } from './closing.ts';

export const noWaitServerError: Claim = {
  name: 'no-wait-server-error',
  group: 'closing',
  title: text('what the other program sees without TIME-WAIT', '没有 TIME-WAIT 时对方程序看到什么'),
  claim: text(
    'If the side that closed first did not wait, a repeated FIN would be answered by RST, and the other side would see an error instead of a clean end.',
    '如果先关闭的一方不等待，重发的 FIN 会得到 RST，对方看到的是错误，而不是正常结束。',
  ),
  written: ['RFC 9293 §3.6', 'RFC 1337 §2', 'Linux ip-sysctl tcp_max_tw_buckets'],
  seconds: 4,
  lab: { rules: [80, 81].map((port) => ({ from: 'local', is: '.', skip: 1, port, fate: 'drop' }) as const) },
  sabotage: { rules: [{ from: 'local', has: 'R', count: 99, fate: 'drop' }] },
  async run(stage) {
    await stage.open({ sysctl: { tcp_msl: 2 } });
    await stage.say(
      'With the wait: the last ACK is lost, the kernel server repeats its FIN.',
      '有等待：最后的 ACK 丢失，内核服务器重发 FIN。',
    );
    const waited = await lastAckLost(stage, 80, 0);
    stage.check(waited === undefined, 'acknowledged: the program sees no error', '得到确认：程序没有看到错误');
    await stage.say(
      'Without: a tcpx that keeps nobody in TIME-WAIT (tcp_max_tw_buckets = 0) on 10.77.0.4.',
      '没有等待：10.77.0.4 上的 tcpx 不保留任何 TIME-WAIT（tcp_max_tw_buckets = 0）。',
    );
    const unwaited = await lastAckLost(stage, 81, 1);
    stage.check(
      unwaited === 'ECONNRESET',
      `RST: SO_ERROR of the server's socket is ${unwaited}, though every octet had arrived`,
      `RST：服务器套接字的 SO_ERROR 为 ${unwaited}，尽管每个字节都已到达`,
    );
    stage.show(
      'with the wait a clean end, without it ECONNRESET, for the same lost ACK',
      '同样丢失一个 ACK：有等待时正常结束，没有等待时 ECONNRESET',
    );
  },
};

/** The error that the server's socket has in the end. */
async function lastAckLost(stage: Stage, port: number, own: number): Promise<string | undefined> {
  const tcpx = own === 0 ? await stage.tcpx() : await stage.open({ own, sysctl: { tcp_max_tw_buckets: 0 } });
  const { client, server } = await opened(stage, port, { tcpx });
  await server.setOption('TCP_QUICKACK', 0);
  const reading = server.read();
  client.close();
  await reading;
  // Its FIN, and its program stays to see what comes of it.
  await server.shutdown();
  await stage.segment({ from: 'peer', has: 'F', port }, 2, 3000);
  stage.check(await stage.peerReached(port, 'CLOSED', 3000), 'the kernel is through with it', '内核已结束该连接');
  return server.takeError();
}
