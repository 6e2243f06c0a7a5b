/** A side in LAST-ACK ends on the ACK, on RST, or when its retries run out. */
import { type Claim, text } from '../claim.ts';
import { opened } from './closing.ts';

const [ACKED, RESET, SILENT] = [80, 81, 82];

export const lastAckLost: Claim = {
  name: 'last-ack-lost',
  group: 'closing',
  title: text('three ways out of LAST-ACK', '离开 LAST-ACK 的三条路'),
  claim: text(
    'A side in LAST-ACK ends on the ACK of its FIN, on RST, or after its retries run out; whichever comes first.',
    '处于 LAST-ACK 的一方，在其 FIN 得到 ACK、收到 RST 或重试用尽时结束，以先到者为准。',
  ),
  written: ['RFC 9293 §3.10.7.4 fifth, second', 'RFC 9293 §3.8.3', 'Linux ip-sysctl tcp_retries2'],
  seconds: 6,
  sabotage: { rules: [{ from: 'peer', has: 'R', count: 99, fate: 'drop' }] },
  async run(stage) {
    await stage.open({ sysctl: { tcp_retries2: 3 } });
    await stage.say('Three connections; the kernel closes each of them first.', '三条连接；每条都由内核先关闭。');
    const ends = [];
    for (const port of [ACKED, RESET, SILENT]) {
      const { client, server } = await opened(stage, port);
      await server.shutdown();
      stage.check(
        await client.reached('CLOSE-WAIT'),
        `port ${port}: tcpx is in CLOSE-WAIT`,
        `端口 ${port}：tcpx 处于 CLOSE-WAIT`,
      );
      ends.push({ client, server });
    }
    const [acked, reset, silent] = ends as [(typeof ends)[0], (typeof ends)[0], (typeof ends)[0]];
    await stage.say('First: tcpx closes, and its FIN is acknowledged.', '第一条：tcpx 关闭，其 FIN 得到确认。');
    acked.client.close();
    stage.check(await acked.client.reached('CLOSED'), 'LAST-ACK → CLOSED on the ACK', 'LAST-ACK → CLOSED，因 ACK');
    await stage.say(
      'Second: the ACK is lost, and the kernel does not wait (tcp_max_tw_buckets = 0): the FIN that comes again gets RST.',
      '第二条：ACK 丢失，且内核不等待（tcp_max_tw_buckets = 0）：再次到来的 FIN 得到 RST。',
    );
    stage.lab.sysctl('peer', 'net.ipv4.tcp_max_tw_buckets', 0);
    await stage.rule({ from: 'peer', is: '.', port: RESET, fate: 'drop' });
    reset.client.close();
    await stage.segment({ from: 'peer', has: 'R', port: RESET }, 1, 4000);
    stage.check(
      (await reset.client.reached('CLOSED')) && reset.client.error === undefined,
      'LAST-ACK → CLOSED on the RST, and no error: everything was said',
      'LAST-ACK → CLOSED，因 RST，且没有错误：该说的都说完了',
    );
    await stage.say(
      'Third: nothing comes back any more (tcp_retries2 = 3).',
      '第三条：再也没有任何回应（tcp_retries2 = 3）。',
    );
    await stage.rule({ from: 'peer', port: SILENT, count: Number.POSITIVE_INFINITY, fate: 'drop' });
    const startedAt = stage.now;
    silent.client.close();
    stage.check(await silent.client.reached('CLOSED', 9000), 'LAST-ACK → CLOSED, given up', 'LAST-ACK → CLOSED，放弃');
    await stage.settle();
    const fins = stage.segments({ from: 'local', has: 'F', port: SILENT });
    const after = ((stage.now - startedAt) / 1_000_000).toFixed(1);
    stage.check(
      fins.length >= 3,
      `its FIN was sent ${fins.length} times in ${after} s`,
      `其 FIN 在 ${after} 秒内发送了 ${fins.length} 次`,
    );
    stage.show(
      `LAST-ACK ended on the ACK, on RST, and after ${fins.length} FINs without an answer in ${after} s`,
      `LAST-ACK 分别因 ACK、因 RST、因 ${after} 秒内 ${fins.length} 次 FIN 无应答而结束`,
    );
  },
};
