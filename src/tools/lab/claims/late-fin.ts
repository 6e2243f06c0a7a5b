/** A FIN that arrives after the wait is over gets RST. */
import { type Claim, text } from '../claim.ts';
import { opened } from './closing.ts';

export const lateFin: Claim = {
  name: 'late-fin',
  group: 'closing',
  title: text('a FIN that comes when the wait is over', '等待结束之后才到的 FIN'),
  claim: text(
    'During the wait a repeated FIN is acknowledged; after it nobody knows of the connection any more, and the FIN gets RST.',
    '等待期间重复的 FIN 会被确认；等待结束后没有人再知道这条连接，FIN 得到的是 RST。',
  ),
  written: ['RFC 9293 §3.10.7.1', 'RFC 9293 §3.5.2 group 1', 'RFC 1337 §3'],
  sabotage: { sysctl: { tcp_msl: 30 } },
  async run(stage) {
    // The kernel has forgotten the connection by then, and its RST would end our wait (RFC 1337).
    await stage.open({ sysctl: { tcp_msl: 0.4, tcp_rfc1337: true } });
    const { client, server } = await opened(stage, 80);
    await stage.say('An orderly close; tcpx waits.', '正常关闭；tcpx 等待。');
    client.close();
    await server.read();
    await server.close();
    stage.check(await client.reached('TIME-WAIT'), 'tcpx is in TIME-WAIT', 'tcpx 处于 TIME-WAIT');
    await stage.settle();
    const fin = await stage.segment({ from: 'peer', has: 'F' });
    const before = stage.segments({ from: 'local', is: '.' }).length;
    await stage.lab.path.inject('local', fin.bytes);
    await stage.segment({ from: 'local', is: '.' }, before + 1);
    stage.check(
      stage.segments({ from: 'local', has: 'R' }).length === 0,
      'the same FIN once more: acknowledged, no RST',
      '同一个 FIN 再来一次：得到确认，没有 RST',
    );
    stage.check(await client.reached('CLOSED', 4000), 'the wait is over', '等待结束');
    await stage.lab.path.inject('local', fin.bytes);
    const reset = await stage.segment({ from: 'local', has: 'R' });
    stage.check(
      reset.segment.flags === 'R' && reset.segment.seq === fin.segment.ack,
      `and once more: RST with seq ${reset.segment.seq}, the number that the FIN acknowledged`,
      `再来一次：RST，seq ${reset.segment.seq}，即该 FIN 所确认的序号`,
    );
    stage.show(
      'the FIN was acknowledged during the wait and reset after it',
      '同一个 FIN 在等待期间被确认，在其后被复位',
    );
  },
};
