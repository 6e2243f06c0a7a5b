/** A lost third segment: the SYN-ACK comes again, or data completes the handshake before. */
import { type Claim, text } from '../claim.ts';

/** Ports of the kernel: nothing follows the lost ACK; data follow. */
const [IDLE, DATA] = [80, 81];

export const lostAck: Claim = {
  name: 'lost-ack',
  group: 'opening',
  title: text('a lost third segment is repaired by the next one', '丢失的第三个报文段由后续报文段补救'),
  claim: text(
    'The client is ESTABLISHED, the server is not. Its SYN-ACK comes again and is acknowledged again; if data come first, their ACK completes the handshake.',
    '客户端已是 ESTABLISHED，服务器还不是。服务器重发 SYN-ACK 并再次得到确认；若数据先到，数据上的 ACK 就完成了握手。',
  ),
  written: ['RFC 9293 §3.5', 'RFC 9293 §3.10.7.4 fifth'],
  seconds: 4,
  lab: {
    rules: [IDLE, DATA].map((port) => ({ from: 'local', is: '.', payload: false, port, fate: 'drop' }) as const),
  },
  sabotage: { rules: [{ from: 'local', payload: true, port: DATA, count: 9, fate: 'drop' }] },
  async run(stage) {
    const idle = await stage.lab.peer.listen(IDLE);
    const withData = await stage.lab.peer.listen(DATA);
    await stage.say(
      'The ACK of the handshake is lost. tcpx is ESTABLISHED, the kernel still in SYN-RECEIVED.',
      '握手的 ACK 丢失。tcpx 已是 ESTABLISHED，内核仍在 SYN-RECEIVED。',
    );
    const first = await stage.connect(IDLE, { localPort: 40_051 });
    stage.check(
      (await first.reached('ESTABLISHED')) && (await stage.peerReached(IDLE, 'SYN-RECEIVED')),
      'both say so themselves',
      '双方各自都这样显示',
    );
    await stage.segment({ from: 'peer', is: 'S.', port: IDLE }, 2);
    stage.check(
      await stage.peerReached(IDLE, 'ESTABLISHED'),
      'the SYN-ACK comes again; acknowledged again, it lets the kernel be ESTABLISHED',
      'SYN-ACK 再次到来；再次确认后，内核进入 ESTABLISHED',
    );
    await idle.accept();
    await stage.say(
      'The same, but tcpx has something to say at once: each segment carries the ACK that was lost.',
      '同样的情况，但 tcpx 立刻有数据要发：每个报文段都带着那个丢失的 ACK。',
    );
    const second = await stage.connect(DATA, { localPort: 40_052 });
    await second.reached('ESTABLISHED');
    await stage.segment({ from: 'peer', is: 'S.', port: DATA });
    await stage.until(() => stage.sent({ from: 'local', is: '.', port: DATA }).length > 0);
    second.write('data');
    stage.check(
      await stage.peerReached(DATA, 'ESTABLISHED', 800),
      'the kernel is ESTABLISHED, before it has sent anything again',
      '内核在重发任何东西之前就已 ESTABLISHED',
    );
    const server = await withData.accept();
    const octets = new TextDecoder().decode(await server.read());
    const synAcks = stage.sent({ from: 'peer', is: 'S.', port: DATA }).length;
    stage.check(
      octets === 'data' && synAcks === 1,
      'the data have completed the handshake: no second SYN-ACK was needed',
      '数据完成了握手：不需要第二个 SYN-ACK',
    );
    first.abort();
    second.abort();
    stage.show(
      'without data the SYN-ACK came again after 1 s and was acknowledged; with data the first data segment made the server ESTABLISHED',
      '没有数据时，SYN-ACK 在 1 秒后重发并被确认；有数据时，首个数据报文段就使服务器进入 ESTABLISHED',
    );
  },
};
