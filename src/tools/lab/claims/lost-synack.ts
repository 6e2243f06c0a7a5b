/** A lost SYN-ACK: both ends have reason to send again, and either repairs it. */
import { type Claim, text } from '../claim.ts';
import { areAbout, gapsOf, gapsText } from './schedule.ts';

export const lostSynack: Claim = {
  name: 'lost-synack',
  group: 'opening',
  title: text('a lost SYN-ACK is repaired from either side', '丢失的 SYN-ACK 双方都会补救'),
  claim: text(
    'The server sends its SYN-ACK again after 1 s; so does the client its SYN, which has it sent again as well. The handshake goes on.',
    '服务器 1 秒后重发 SYN-ACK；客户端也会重发 SYN，同样引出新的 SYN-ACK。握手继续。',
  ),
  written: ['RFC 6298 §5 (5.5)', 'RFC 9293 §3.8.1', 'Linux ip-sysctl tcp_synack_retries'],
  seconds: 4,
  lab: {
    rules: [
      { from: 'peer', is: 'S.', port: 80, fate: 'drop' },
      { from: 'local', is: 'S.', port: 8080, fate: 'drop' },
    ],
  },
  sabotage: { rules: [{ from: 'peer', is: 'S.', port: 80, count: 4, fate: 'drop' }] },
  async run(stage) {
    const listening = await stage.lab.peer.listen(80);
    const listener = await stage.listen(8080);
    await stage.say(
      'tcpx to the kernel, and the kernel to tcpx: the first SYN-ACK of each server is lost.',
      'tcpx 连内核，内核连 tcpx：两个服务器的首个 SYN-ACK 都丢失。',
    );
    const kernels = stage.lab.peer.connect(stage.address, 8080, 40_041);
    kernels.catch(() => {});
    const ours = await stage.connect(80, { localPort: 40_042 });
    stage.check(
      await ours.reached('ESTABLISHED', 2500),
      'tcpx, as client, is connected after about a second',
      'tcpx 作为客户端约 1 秒后建立连接',
    );
    await listening.accept();
    await kernels;
    const accepted = await stage.accept(listener);
    stage.check(accepted.states.includes('ESTABLISHED'), 'and as server as well', '作为服务器亦然');
    await stage.settle();
    const synAcks = { kernel: stage.sent({ from: 'peer', is: 'S.' }), tcpx: stage.sent({ from: 'local', is: 'S.' }) };
    const first = (segments: readonly (typeof synAcks.kernel)[number][]) => gapsOf(segments).slice(0, 1);
    stage.check(
      areAbout(first(synAcks.kernel), [1]) && areAbout(first(synAcks.tcpx), [1]),
      `the second SYN-ACK came after ${gapsText(synAcks.kernel)} s (kernel), ${gapsText(synAcks.tcpx)} s (tcpx)`,
      `第二个 SYN-ACK 在 ${gapsText(synAcks.kernel)} 秒（内核）、${gapsText(synAcks.tcpx)} 秒（tcpx）后到来`,
    );
    const again = {
      tcpx: stage.sent({ from: 'local', is: 'S' }).length - 1,
      kernel: stage.sent({ from: 'peer', is: 'S' }).length - 1,
    };
    stage.show(
      `SYN-ACK sent again after ${gapsText(synAcks.kernel)} s by the kernel, ${gapsText(synAcks.tcpx)} s by tcpx; meanwhile the SYN was sent again ${again.tcpx} times by tcpx, ${again.kernel} by the kernel`,
      `内核在 ${gapsText(synAcks.kernel)} 秒后、tcpx 在 ${gapsText(synAcks.tcpx)} 秒后重发 SYN-ACK；其间 tcpx 重发 SYN ${again.tcpx} 次，内核 ${again.kernel} 次`,
    );
  },
};
