/** Both sides may open at once: SYN-SENT → SYN-RECEIVED → ESTABLISHED on both. RFC 9293 figure 7. */
import { ms } from '../../../base/time.ts';
import { type Claim, text } from '../claim.ts';

const [OURS, THEIRS] = [40_101, 40_102];

export const simultaneousOpen: Claim = {
  name: 'simultaneous-open',
  group: 'opening',
  title: text('both sides open at once', '双方同时打开'),
  claim: text(
    'Two SYNs that cross open one connection: SYN-SENT → SYN-RECEIVED → ESTABLISHED on both sides. Nobody has to listen.',
    '两个交叉的 SYN 打开一条连接：双方都是 SYN-SENT → SYN-RECEIVED → ESTABLISHED。不需要任何一方监听。',
  ),
  timed: true,
  written: ['RFC 9293 §3.5 figure 7', 'RFC 9293 §3.10.7.3 fourth', 'RFC 9293 MUST-10'],
  lab: { faults: { local: { delay: ms(200) }, peer: { delay: ms(200) } } },
  sabotage: {
    rules: [
      { from: 'local', is: 'S', count: 9, fate: 'drop' },
      { from: 'local', is: 'S.', count: 9, fate: 'drop' },
    ],
  },
  async run(stage) {
    // Who the peer is has to be known before: a question would be on its way when the SYNs should be.
    const warm = await stage.connect(9);
    await warm.until(() => warm.error !== undefined, 8000);
    await stage.say(
      'A kernel socket and tcpx connect to each other at the same time, over a path of 200 ms.',
      '内核的套接字与 tcpx 在 200 ms 的路径上同时互相连接。',
    );
    const kernels = stage.lab.peer.connect(stage.address, OURS, THEIRS);
    // Its failure is told where it is waited for.
    kernels.catch(() => {});
    const received = stage.peerReached(THEIRS, 'SYN-RECEIVED', 2000);
    const ours = await stage.connect(THEIRS, { localPort: OURS });
    stage.check(
      (await ours.reached('SYN-RECEIVED', 3000)) && ours.states.join() === 'SYN-SENT,SYN-RECEIVED',
      'tcpx gets a SYN in SYN-SENT: SYN-RECEIVED',
      'tcpx 在 SYN-SENT 收到 SYN：进入 SYN-RECEIVED',
    );
    stage.check(await received, 'the kernel says SYN-RECEIVED too', '内核也显示 SYN-RECEIVED');
    stage.check(
      (await ours.reached('ESTABLISHED', 3000)) && (await stage.peerReached(THEIRS, 'ESTABLISHED', 3000)),
      'both are ESTABLISHED',
      '双方都是 ESTABLISHED',
    );
    const socket = await kernels;
    await socket.write('hello');
    stage.check((await ours.read(5)) === 'hello', 'and octets pass', '数据得以传输');
    const pure = { port: OURS, is: 'S' } as const;
    stage.check(
      stage.segments({ ...pure, from: 'local' }).length === 1 && stage.segments({ ...pure, from: 'peer' }).length === 1,
      'one SYN each way, and one connection came of them',
      '每个方向一个 SYN，只产生一条连接',
    );
    ours.abort();
    stage.show(
      'two crossing SYNs, answered by a SYN-ACK each: one connection, CLOSED → SYN-SENT → SYN-RECEIVED → ESTABLISHED on both ends',
      '两个交叉的 SYN，各由一个 SYN-ACK 应答：一条连接，两端都是 CLOSED → SYN-SENT → SYN-RECEIVED → ESTABLISHED',
    );
  },
};
