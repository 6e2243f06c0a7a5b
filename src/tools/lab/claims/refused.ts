/** A SYN to a port where nobody listens is answered by RST, in both directions. */
import { type Claim, text } from '../claim.ts';
import { codeOfCall } from '../peer.ts';

export const refused: Claim = {
  name: 'refused',
  group: 'opening',
  title: text('a closed port refuses', '关闭的端口会拒绝连接'),
  claim: text(
    'A SYN to a closed port is answered by RST, ack = its number + 1; connect() fails with ECONNREFUSED.',
    '发往关闭端口的 SYN 得到 RST 应答，ack 为其序号加 1；connect() 以 ECONNREFUSED 失败。',
  ),
  written: ['RFC 9293 §3.5.2 group 1', 'RFC 9293 §3.10.7.1', 'RFC 9293 §3.10.7.3 second'],
  sabotage: { rules: [{ from: 'peer', has: 'R', count: 9, fate: 'drop' }] },
  async run(stage) {
    await stage.say(
      'tcpx knocks at port 9 of the kernel, where nobody listens.',
      'tcpx 敲内核的 9 端口，那里无人监听。',
    );
    const ours = await stage.connect(9, { localPort: 40_061 });
    const syn = await stage.segment({ from: 'local', is: 'S' });
    const reset = await stage.segment({ from: 'peer', has: 'R' }, 1, 2000);
    stage.check(
      reset.segment.flags === 'R.' && reset.segment.seq === 0 && reset.segment.ack === (syn.segment.seq + 1) >>> 0,
      'RST with seq 0 and ack x+1: the SYN had no ACK to take a number from',
      'RST 的 seq 为 0、ack 为 x+1：SYN 没有可借用的确认号',
    );
    await ours.until(() => ours.error !== undefined);
    stage.check(
      ours.error === 'ECONNREFUSED' && ours.states.join() === 'SYN-SENT,CLOSED',
      'tcpx goes from SYN-SENT to CLOSED: ECONNREFUSED',
      'tcpx 从 SYN-SENT 到 CLOSED：ECONNREFUSED',
    );
    await stage.say('Now the kernel knocks at port 9 of tcpx.', '现在内核敲 tcpx 的 9 端口。');
    const code = await codeOfCall(stage.lab.peer.connect(stage.address, 9, 40_062));
    await stage.settle();
    stage.check(
      code === 'ECONNREFUSED' && stage.segments({ from: 'local', has: 'R' }).length === 1,
      "tcpx answers with RST; the kernel's connect() fails with ECONNREFUSED",
      'tcpx 以 RST 应答；内核的 connect() 以 ECONNREFUSED 失败',
    );
    stage.show(
      'ECONNREFUSED on either side, each after one SYN and one RST',
      '双方都得到 ECONNREFUSED，各只用一个 SYN 与一个 RST',
    );
  },
};
