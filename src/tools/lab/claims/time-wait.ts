/** The side that closed first waits 2 MSL, and starts afresh when the last ACK has to be sent again. */
import { type Claim, text } from '../claim.ts';
import { opened } from './closing.ts';

const MSL = 0.5;

export const timeWait: Claim = {
  name: 'time-wait',
  group: 'closing',
  title: text('TIME-WAIT lasts 2 MSL from the last FIN', 'TIME-WAIT 从最后一个 FIN 起持续 2 MSL'),
  claim: text(
    'The side that closed first waits 2 MSL. If its last ACK is lost the peer repeats its FIN; it is acknowledged again, and the wait starts afresh.',
    '先关闭的一方等待 2 MSL。如果最后的 ACK 丢失，对方会重发 FIN；再次确认后，等待重新开始。',
  ),
  written: ['RFC 9293 §3.6', 'RFC 9293 §3.10.7.4 eighth', 'RFC 9293 MUST-13'],
  seconds: 4,
  lab: { rules: [{ from: 'local', is: '.', skip: 1, fate: 'drop' }] },
  sabotage: { rules: [{ from: 'peer', has: 'F', skip: 1, count: 99, fate: 'drop' }] },
  async run(stage) {
    await stage.open({ sysctl: { tcp_msl: MSL } });
    const { client, server } = await opened(stage, 80);
    await stage.say(
      `tcpx closes first, with an MSL of ${MSL} s (the kernel's wait is a fixed 60 s). The ACK of the kernel's FIN is lost.`,
      `tcpx 先关闭，MSL 设为 ${MSL} 秒（内核的等待固定为 60 秒）。对内核 FIN 的 ACK 丢失。`,
    );
    await server.setOption('TCP_QUICKACK', 0);
    const reading = server.read();
    client.close();
    await reading;
    await server.close();
    stage.check(await client.reached('TIME-WAIT'), 'tcpx is in TIME-WAIT', 'tcpx 处于 TIME-WAIT');
    stage.check(
      await stage.peerReached(80, 'LAST-ACK'),
      'the kernel says LAST-ACK: it has no ACK',
      '内核显示 LAST-ACK：它没有得到 ACK',
    );
    const repeated = await stage.segment({ from: 'peer', has: 'F' }, 2, 3000);
    const ack = await stage.segment({ from: 'local', is: '.' }, 2, 1000);
    stage.check(
      ack.segment.ack === (repeated.segment.seq + 1) >>> 0 && (await stage.peerReached(80, 'CLOSED')),
      'the FIN comes again, is acknowledged again, and the kernel is through',
      'FIN 再次到来，再次得到确认，内核完成关闭',
    );
    const [fin] = stage.segments({ from: 'peer', has: 'F' });
    stage.check(await client.reached('CLOSED', 5000), 'in the end tcpx is CLOSED', '最后 tcpx 进入 CLOSED');
    const over = stage.now;
    const [fromFirst, fromSecond] = [fin!, repeated].map((s) => (over - stage.timeOf(s)) / 1_000_000) as [
      number,
      number,
    ];
    stage.check(
      fromSecond > 2 * MSL * 0.95 && fromSecond < 2 * MSL + 0.3 && fromFirst > 2 * MSL + 0.1,
      `${fromSecond.toFixed(2)} s after the second FIN, ${fromFirst.toFixed(2)} s after the first: the wait was started afresh`,
      `距第二个 FIN ${fromSecond.toFixed(2)} 秒，距第一个 ${fromFirst.toFixed(2)} 秒：等待确实重新开始`,
    );
    stage.show(
      `2 MSL = ${2 * MSL} s counted from the last FIN: ${fromSecond.toFixed(2)} s after the repeated one, ${fromFirst.toFixed(2)} s after the first`,
      `2 MSL = ${2 * MSL} 秒从最后一个 FIN 算起：重发的 FIN 之后 ${fromSecond.toFixed(2)} 秒，首个 FIN 之后 ${fromFirst.toFixed(2)} 秒`,
    );
  },
};
