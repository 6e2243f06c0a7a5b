/** When the passive side has nothing left to send, its ACK and its FIN share a segment: three are enough. */
import { type Claim, text } from '../claim.ts';
import type { Stage } from '../stage.ts';
import { fromFin, type Opened, opened } from './closing.ts';

export const teardownThree: Claim = {
  name: 'teardown-three',
  group: 'closing',
  title: text('three segments close it when nothing is left to say', '无话可说时，三个报文段就能关闭'),
  claim: text(
    'A passive side that closes as soon as it reads the end has its ACK and its FIN share a segment, thanks to delayed acknowledgment.',
    '被动方一读到结尾就关闭时，借助延迟确认，它的 ACK 与 FIN 共用一个报文段。',
  ),
  timed: true,
  written: ['RFC 9293 §3.8.6.3', 'RFC 1122 §4.2.3.2', 'RFC 9293 §3.6'],
  sabotage: {
    rules: [
      { from: 'peer', has: 'F', fate: 'drop' },
      { from: 'local', has: 'F', skip: 1, fate: 'drop' },
    ],
  },
  async run(stage) {
    await stage.say(
      'tcpx closes first. The kernel server reads the end and closes at once; it was told to delay its ACKs (no TCP_QUICKACK).',
      'tcpx 先关闭。内核服务器读到结尾立即关闭；已让它延迟确认（关闭 TCP_QUICKACK）。',
    );
    const { client, server } = await opened(stage, 80, { localPort: 40_311 });
    await someData(client, server);
    const reading = server.read();
    client.close();
    await reading;
    await server.close();
    stage.check(await client.reached('TIME-WAIT'), 'tcpx is in TIME-WAIT', 'tcpx 处于 TIME-WAIT');
    const first = await checkThree(stage, 40_311, 'local');
    stage.check(
      client.states.includes('FIN-WAIT-2') && client.states.at(-1) === 'TIME-WAIT',
      'its FIN was acknowledged and the other one came, both with one segment: FIN-WAIT-1 → FIN-WAIT-2 → TIME-WAIT',
      '一个报文段既确认了它的 FIN，又带来对方的 FIN：FIN-WAIT-1 → FIN-WAIT-2 → TIME-WAIT',
    );
    stage.show(
      `FIN, FIN+ACK, ACK: three segments (the kernel's FIN acknowledged ${first}). tcpx as the passive side acknowledges a FIN at once and takes four`,
      `FIN、FIN+ACK、ACK：三个报文段（内核的 FIN 确认了 ${first}）。tcpx 作被动方时立即确认 FIN，因此用四个`,
    );
  },
};

/** Linux has no time to delay an ACK by before it has received something, and is quick with the first ones. */
async function someData(client: Opened['client'], server: Opened['server']): Promise<void> {
  client.write('bye');
  await server.read();
  await server.setOption('TCP_QUICKACK', 0);
}

async function checkThree(stage: Stage, port: number, active: 'local' | 'peer'): Promise<number> {
  await stage.settle();
  const all = fromFin(stage.sent({ port }));
  const flags = all.map((s) => `${s.from === active ? '>' : '<'}${s.segment.flags}`).join(' ');
  const [fin, finAck, last] = all;
  stage.check(
    flags === '>F. <F. >.' &&
      finAck!.segment.ack === (fin!.segment.seq + 1) >>> 0 &&
      last!.segment.ack === (finAck!.segment.seq + 1) >>> 0,
    'FIN; FIN and ACK of FIN together; ACK: three segments',
    'FIN；FIN 与对 FIN 的 ACK 合在一起；ACK：三个报文段',
  );
  return finAck!.segment.ack;
}
