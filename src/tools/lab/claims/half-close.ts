/** After its FIN a side sends no more data, but receives and acknowledges for as long as the other has something to say. */
import { type Claim, text } from '../claim.ts';
import { fromFin, opened } from './closing.ts';

const LEN = 1 << 20;

export const halfClose: Claim = {
  name: 'half-close',
  group: 'closing',
  title: text('half-close: no more data from here, all that comes from there', '半关闭：这边不再发数据，那边的照收'),
  claim: text(
    'A FIN ends the data of its sender, not its ACKs: it still receives and acknowledges, and the other side may go on for as long as it likes.',
    'FIN 结束的是发送方的数据，而不是它的 ACK：它仍然接收并确认，对方想发多久就发多久。',
  ),
  written: ['RFC 9293 §3.6', 'RFC 9293 §3.3.2'],
  sabotage: { rules: [{ from: 'peer', payload: true, count: 1e9, fate: 'drop' }] },
  async run(stage) {
    await stage.say(
      'tcpx sends FIN at once and goes on reading; the kernel then sends a megabyte.',
      'tcpx 立即发送 FIN，继续读取；随后内核发送一兆字节。',
    );
    const { client, server } = await opened(stage, 80);
    client.close();
    stage.check(await client.reached('FIN-WAIT-2'), 'tcpx is in FIN-WAIT-2', 'tcpx 处于 FIN-WAIT-2');
    const writing = server.write(new Uint8Array(LEN).fill(120));
    await client.until(() => client.received === LEN, 10_000);
    stage.check(
      client.received === LEN && client.state === 'FIN-WAIT-2',
      `${client.received} octets have arrived, and it is still in FIN-WAIT-2`,
      `收到 ${client.received} 字节，仍处于 FIN-WAIT-2`,
    );
    await writing;
    stage.check(await stage.peerReached(80, 'CLOSE-WAIT'), 'the kernel says CLOSE-WAIT', '内核显示 CLOSE-WAIT');
    await stage.say('Then the kernel closes too.', '然后内核也关闭。');
    await server.close();
    stage.check(await client.reached('TIME-WAIT'), 'tcpx is in TIME-WAIT', 'tcpx 处于 TIME-WAIT');
    await stage.settle();
    const after = fromFin(stage.segments())
      .filter((s) => s.from === 'local')
      .slice(1);
    stage.check(
      after.length > 10 && after.every((s) => s.segment.len === 0 && s.segment.flags === '.'),
      `after its FIN tcpx has sent ${after.length} ACKs and not an octet`,
      `FIN 之后 tcpx 发出 ${after.length} 个 ACK，没有一个字节的数据`,
    );
    stage.show(
      `${LEN} octets received in FIN-WAIT-2, acknowledged by ${after.length} ACKs; then the kernel's FIN`,
      `在 FIN-WAIT-2 中收到 ${LEN} 字节，以 ${after.length} 个 ACK 确认；随后是内核的 FIN`,
    );
  },
};
