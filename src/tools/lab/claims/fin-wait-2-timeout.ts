/** A peer that never closes its half does not hold resources for ever. */
import { type Claim, text } from '../claim.ts';
import { opened } from './closing.ts';

export const finWait2Timeout: Claim = {
  name: 'fin-wait-2-timeout',
  group: 'closing',
  title: text('FIN-WAIT-2 does not last for ever', 'FIN-WAIT-2 不会永远持续'),
  claim: text(
    'When its program has gone, a connection whose peer never closes leaves FIN-WAIT-2 after tcp_fin_timeout. (The RFC has no such timer.)',
    '当程序已经离开时，对方始终不关闭的连接在 tcp_fin_timeout 之后离开 FIN-WAIT-2。（RFC 没有这个定时器。）',
  ),
  written: ['Linux ip-sysctl tcp_fin_timeout', 'RFC 1122 §4.2.2.13'],
  seconds: 5,
  lab: { sysctls: { peer: { 'net.ipv4.tcp_fin_timeout': 2 } } },
  sabotage: { peerSysctls: { 'net.ipv4.tcp_fin_timeout': 60 } },
  async run(stage) {
    await stage.open({ sysctl: { tcp_fin_timeout: 1 } });
    await stage.say(
      'Two connections. On one tcpx goes away and the kernel program never closes; on the other it is the other way round.',
      '两条连接。一条上 tcpx 离开而内核程序始终不关闭；另一条则相反。',
    );
    const ours = await opened(stage, 80);
    const theirs = await opened(stage, 81);
    const startedAt = stage.now;
    ours.client.socket.destroy();
    await theirs.server.close();
    stage.check(
      (await ours.client.reached('FIN-WAIT-2')) && (await stage.peerReached(81, 'FIN-WAIT-2')),
      'both are in FIN-WAIT-2',
      '双方都处于 FIN-WAIT-2',
    );
    stage.check(await ours.client.reached('CLOSED', 4000), 'tcpx is CLOSED', 'tcpx 已 CLOSED');
    const oursAfter = (stage.now - startedAt) / 1_000_000;
    stage.check(await stage.peerReached(81, 'CLOSED', 6000), "the kernel's is gone too", '内核的也已消失');
    const theirsAfter = (stage.now - startedAt) / 1_000_000;
    stage.check(
      oursAfter > 0.9 && oursAfter < 2 && theirsAfter > 1.8 && theirsAfter < 5,
      `after ${oursAfter.toFixed(1)} s (tcpx, set to 1) and ${theirsAfter.toFixed(1)} s (kernel, set to 2)`,
      `分别在 ${oursAfter.toFixed(1)} 秒（tcpx，设为 1）与 ${theirsAfter.toFixed(1)} 秒（内核，设为 2）之后`,
    );
    stage.show(
      `FIN-WAIT-2 ended after ${oursAfter.toFixed(1)} s on tcpx (tcp_fin_timeout 1), ${theirsAfter.toFixed(1)} s on the kernel (2)`,
      `FIN-WAIT-2 在 tcpx 上 ${oursAfter.toFixed(1)} 秒（tcp_fin_timeout 1）、在内核上 ${theirsAfter.toFixed(1)} 秒（2）之后结束`,
    );
  },
};
