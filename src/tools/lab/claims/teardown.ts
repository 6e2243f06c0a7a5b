/** Four segments close a connection, in both roles. */
import { type Claim, text } from '../claim.ts';
import type { Seen, Stage } from '../stage.ts';
import { fromFin, opened } from './closing.ts';

export const teardown: Claim = {
  name: 'teardown',
  group: 'closing',
  title: text('four segments close a connection', '四个报文段关闭一条连接'),
  claim: text(
    'Active: ESTABLISHED → FIN-WAIT-1 → FIN-WAIT-2 → TIME-WAIT → CLOSED; passive: ESTABLISHED → CLOSE-WAIT → LAST-ACK → CLOSED. seq=u; seq=v, ack=u+1; seq=w, ack=u+1; seq=u+1, ack=w+1.',
    '主动方：ESTABLISHED → FIN-WAIT-1 → FIN-WAIT-2 → TIME-WAIT → CLOSED；被动方：ESTABLISHED → CLOSE-WAIT → LAST-ACK → CLOSED。seq=u；seq=v, ack=u+1；seq=w, ack=u+1；seq=u+1, ack=w+1。',
  ),
  written: ['RFC 9293 §3.6 figure 12', 'RFC 9293 §3.3.2 figure 5'],
  seconds: 5,
  sabotage: { rules: [{ from: 'peer', is: '.', payload: false, fate: 'drop' }] },
  async run(stage) {
    await stage.open({ sysctl: { tcp_msl: 0.3 } });
    await stage.say(
      'tcpx closes first; the kernel still has something to say, then closes too.',
      'tcpx 先关闭；内核还有话要说，之后也关闭。',
    );
    const { client, server } = await opened(stage, 80, { localPort: 40_301 });
    client.close();
    await server.read();
    stage.check(
      (await client.reached('FIN-WAIT-2')) && (await stage.peerReached(80, 'CLOSE-WAIT')),
      'tcpx is in FIN-WAIT-2, the kernel says CLOSE-WAIT',
      'tcpx 处于 FIN-WAIT-2，内核显示 CLOSE-WAIT',
    );
    await stage.say('The kernel is told to send its last words, and to close.', '让内核发出最后的数据并关闭。');
    await server.write('last words');
    await client.read(10);
    await stage.settle();
    await server.close();
    stage.check(
      await client.reached('CLOSED'),
      'the four segments are through, and 2 MSL as well',
      '四个报文段已完成，2 MSL 也已过去',
    );
    stage.check(
      client.states.join(' → ') === 'SYN-SENT → ESTABLISHED → FIN-WAIT-1 → FIN-WAIT-2 → TIME-WAIT → CLOSED',
      client.states.join(' → '),
      client.states.join(' → '),
    );
    const active = checkFour(stage, 40_301, 'local', 'last words'.length);

    await stage.say('The kernel closes first; tcpx waits a little, then closes too.', '内核先关闭；tcpx 稍候再关闭。');
    const second = await opened(stage, 81, { localPort: 40_302 });
    await second.server.shutdown();
    stage.check(await second.client.reached('CLOSE-WAIT'), 'tcpx is in CLOSE-WAIT', 'tcpx 处于 CLOSE-WAIT');
    await stage.settle(250);
    stage.check(await stage.peerReached(81, 'FIN-WAIT-2'), 'the kernel says FIN-WAIT-2', '内核显示 FIN-WAIT-2');
    second.client.close();
    stage.check(
      (await second.client.reached('CLOSED')) && (await stage.peerReached(81, 'TIME-WAIT')),
      'tcpx: LAST-ACK, then CLOSED at once; the kernel says TIME-WAIT',
      'tcpx：LAST-ACK，随即 CLOSED；内核显示 TIME-WAIT',
    );
    const passive = checkFour(stage, 40_302, 'peer', 0);
    stage.show(`tcpx active: ${active}; tcpx passive: ${passive}`, `tcpx 主动：${active}；tcpx 被动：${passive}`);
  },
};

/** u, v, w of the four; `said`: octets that the passive side sent in between. */
function checkFour(stage: Stage, port: number, active: 'local' | 'peer', said: number): string {
  const passive = active === 'local' ? 'peer' : 'local';
  const rest = fromFin(stage.sent({ port })).filter((s) => s.segment.len === 0);
  const end = rest.findLast((s) => s.from === passive && s.segment.flags.includes('F'));
  // What was said in FIN-WAIT-2 has been acknowledged as well, before the second FIN.
  const all = rest.filter((s) => said === 0 || s.from !== active || s.segment.flags !== '.' || s.at > (end?.at ?? 0));
  const [fin, ack, fin2, last] = all;
  const is = (s: Seen | undefined, from: string, flags: string, seq: number, number: number): boolean =>
    s?.from === from &&
    s.segment.flags.replace('P', '') === flags &&
    s.segment.seq === seq >>> 0 &&
    s.segment.ack === number >>> 0;
  const [u, v, w] = [fin?.segment.seq ?? 0, ack?.segment.seq ?? 0, fin2?.segment.seq ?? 0];
  stage.check(
    all.length === 4 &&
      is(fin, active, 'F.', u, v) &&
      is(ack, passive, '.', v, u + 1) &&
      is(fin2, passive, 'F.', v + said, u + 1) &&
      is(last, active, '.', u + 1, w + 1),
    `seq=u=${u}; seq=v=${v}, ack=u+1; seq=w=${w}, ack=u+1; seq=u+1, ack=w+1 (w = v + ${said})`,
    `seq=u=${u}；seq=v=${v}, ack=u+1；seq=w=${w}, ack=u+1；seq=u+1, ack=w+1（w = v + ${said}）`,
  );
  return `u=${u} v=${v} w=${w}`;
}
