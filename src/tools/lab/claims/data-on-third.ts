/** The third segment of a handshake may carry data. */
import { type Claim, text } from '../claim.ts';

const REQUEST = 'GET / HTTP/1.0\r\n\r\n';

export const dataOnThird: Claim = {
  name: 'data-on-third',
  group: 'opening',
  title: text('the third segment may carry data', '第三个报文段可以携带数据'),
  claim: text(
    'The ACK that completes the handshake may carry data, and the server delivers it.',
    '完成握手的 ACK 可以携带数据，服务器会交付这些数据。',
  ),
  written: ['RFC 9293 §3.4', 'RFC 9293 §3.10.7.3'],
  sabotage: { rules: [{ from: 'local', is: '.', payload: true, fate: 'drop' }] },
  async run(stage) {
    await stage.say(
      'tcpx connects and already has a request to send: it waits for the SYN-ACK, and leaves with the answer to that.',
      'tcpx 发起连接时已有请求待发：它等到 SYN-ACK，随对其的确认一起发出。',
    );
    const listening = await stage.lab.peer.listen(80);
    const client = await stage.connect(80, { data: new TextEncoder().encode(REQUEST) });
    const server = await listening.accept();
    const delivered = new TextDecoder().decode(await server.read());
    await stage.settle();
    const [syn, synAck, third] = stage.segments();
    stage.check(
      syn?.segment.flags === 'S' && synAck?.segment.flags === 'S.' && third?.from === 'local',
      'SYN, SYN-ACK, and a third segment of the client',
      'SYN、SYN-ACK，以及客户端的第三个报文段',
    );
    stage.check(
      third?.segment.len === REQUEST.length && third.segment.ack === (synAck!.segment.seq + 1) >>> 0,
      `the third segment acknowledges the SYN-ACK and carries ${third?.segment.len} octets`,
      `第三个报文段确认了 SYN-ACK，并携带 ${third?.segment.len} 字节`,
    );
    stage.check(
      delivered === REQUEST && stage.sent({ from: 'local', payload: true }).length === 1,
      "the kernel's accept() and read() give them to the server, sent once",
      '内核的 accept() 与 read() 将其交给服务器，只发送了一次',
    );
    client.abort();
    stage.show(
      `${REQUEST.length} octets on the ACK that completed the handshake, delivered by the kernel`,
      `完成握手的 ACK 携带 ${REQUEST.length} 字节，由内核交付`,
    );
  },
};
