/** Both sides may close at once: FIN-WAIT-1 → CLOSING → TIME-WAIT. RFC 9293 figure 13. */
import { ms } from '../../../base/time.ts';
import { type Claim, text } from '../claim.ts';
import { opened } from './closing.ts';

export const simultaneousClose: Claim = {
  name: 'simultaneous-close',
  group: 'closing',
  title: text('both sides close at once', '双方同时关闭'),
  claim: text(
    'Two FINs that cross: each side goes FIN-WAIT-1 → CLOSING → TIME-WAIT, and both wait 2 MSL.',
    '两个交叉的 FIN：双方都经历 FIN-WAIT-1 → CLOSING → TIME-WAIT，并且都等待 2 MSL。',
  ),
  written: ['RFC 9293 §3.6 figure 13', 'RFC 9293 §3.10.7.4 eighth'],
  lab: { faults: { local: { delay: ms(80) }, peer: { delay: ms(80) } } },
  sabotage: { rules: [{ from: 'peer', has: 'F', fate: 'drop' }] },
  async run(stage) {
    const { client, server } = await opened(stage, 80);
    await stage.say('Both close at the same moment, over a path of 80 ms.', '双方在同一时刻关闭，路径时延 80 ms。');
    const closing = stage.peerReached(80, 'CLOSING', 2000);
    const shut = server.shutdown();
    client.close();
    await shut;
    stage.check(
      await client.reached('CLOSING', 1000),
      'tcpx gets a FIN that knows nothing of its own: CLOSING',
      'tcpx 收到一个对自己的 FIN 一无所知的 FIN：CLOSING',
    );
    stage.check(await closing, 'the kernel says CLOSING too', '内核也显示 CLOSING');
    stage.check(
      (await client.reached('TIME-WAIT')) && (await stage.peerReached(80, 'TIME-WAIT')),
      'both are in TIME-WAIT',
      '双方都处于 TIME-WAIT',
    );
    await stage.settle();
    const fins = stage.sent().filter((s) => s.segment.flags.includes('F'));
    stage.check(
      fins.length === 2 &&
        fins[0]!.from !== fins[1]!.from &&
        client.states.join(' ').endsWith('FIN-WAIT-1 CLOSING TIME-WAIT'),
      'two FINs, one each way; tcpx never was in FIN-WAIT-2',
      '两个 FIN，每个方向一个；tcpx 从未进入 FIN-WAIT-2',
    );
    stage.show(
      'FIN-WAIT-1 → CLOSING → TIME-WAIT on tcpx and on the kernel',
      'tcpx 与内核都经历了 FIN-WAIT-1 → CLOSING → TIME-WAIT',
    );
  },
};
