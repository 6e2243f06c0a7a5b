/** A SYN so late that its connection is over must not leave the server with a connection nobody wants. */
import { type Claim, text } from '../claim.ts';

const PORT = 40_071;

export const oldSynAfterClose: Claim = {
  name: 'old-syn-after-close',
  group: 'opening',
  title: text('a SYN from a connection long closed', '早已关闭的连接的 SYN'),
  claim: text(
    "A SYN that was delayed until after its connection was closed is answered; the client's side resets the answer, and the server's entry is gone at once. Without an answer it is gone after the retries.",
    '迟到到连接关闭之后的 SYN 会被应答；客户端一侧复位该应答，服务器的条目立即消失。若无人应答，则在重试用尽后消失。',
  ),
  written: ['RFC 9293 §3.5.1', 'RFC 9293 §3.10.7.1', 'Linux ip-sysctl tcp_synack_retries'],
  seconds: 6,
  lab: { sysctls: { peer: { 'net.ipv4.tcp_synack_retries': 1 } } },
  sabotage: { rules: [{ from: 'local', has: 'R', count: 9, fate: 'drop' }] },
  async run(stage) {
    await stage.open({ sysctl: { tcp_msl: 0.1 } });
    const listening = await stage.lab.peer.listen(80);
    await stage.say('A connection is opened and closed in good order.', '一条连接正常打开又关闭。');
    const client = await stage.connect(80, { localPort: PORT });
    const server = await listening.accept();
    client.close();
    await server.read();
    await server.close();
    stage.check(
      (await client.reached('CLOSED')) && (await stage.peerReached(80, 'CLOSED')),
      'both ends have forgotten it',
      '两端都已忘记它',
    );
    const [syn] = stage.segments({ from: 'local', is: 'S' });
    await stage.say(
      'Its SYN turns up once more, delayed by some router. The kernel cannot tell, and answers.',
      '它的 SYN 因某个路由器的耽搁再次出现。内核无法分辨，于是应答。',
    );
    await stage.lab.path.inject('peer', syn!.bytes);
    const answer = await stage.segment({ from: 'peer', is: 'S.' }, 2);
    const reset = await stage.segment({ from: 'local', has: 'R' });
    stage.check(
      reset.segment.seq === answer.segment.ack,
      'tcpx has no such connection: RST with the number that was acknowledged',
      'tcpx 没有这条连接：以被确认的序号发出 RST',
    );
    stage.check(await stage.peerReached(80, 'CLOSED', 500), "the kernel's entry is gone at once", '内核的条目立即消失');
    await stage.say(
      'Once more, and this time what tcpx answers is lost: nobody tells the kernel.',
      '再来一次，这次 tcpx 的应答丢失：没有人告诉内核。',
    );
    await stage.rule({ from: 'local', has: 'R', count: Number.POSITIVE_INFINITY, fate: 'drop' });
    const startedAt = stage.now;
    await stage.lab.path.inject('peer', syn!.bytes);
    stage.check(
      await stage.peerReached(80, 'SYN-RECEIVED'),
      'the kernel keeps it in SYN-RECEIVED',
      '内核将其保留在 SYN-RECEIVED',
    );
    stage.check(
      await stage.peerReached(80, 'CLOSED', 8000),
      'until its SYN-ACK has gone unanswered often enough (tcp_synack_retries = 1)',
      '直到 SYN-ACK 多次无应答为止（tcp_synack_retries = 1）',
    );
    const after = ((stage.now - startedAt) / 1_000_000).toFixed(1);
    stage.show(
      `answered with RST: gone at once; unanswered: gone after ${after} s; accept() never saw it`,
      `以 RST 应答：立即消失；无应答：${after} 秒后消失；accept() 从未见到它`,
    );
  },
};
