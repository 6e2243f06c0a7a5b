/** Each side checks what the other acknowledges: y+1 and x+1, or the handshake is reset. */
import { type Claim, text } from '../claim.ts';

const [THIRD, SECOND] = [40_021, 40_022];

export const wrongAck: Claim = {
  name: 'wrong-ack',
  group: 'opening',
  title: text("each side checks the other's acknowledgment number", '双方都检查对方的确认号'),
  claim: text(
    'The server wants y+1 on the third segment, the client x+1 on the second; anything else gets a RST. (What the client checks in the SYN-ACK is the acknowledgment.)',
    '服务器要求第三个报文段确认 y+1，客户端要求第二个确认 x+1；否则以 RST 回应。（客户端检查的是 SYN-ACK 的确认号。）',
  ),
  written: ['RFC 9293 §3.10.7.3 first', 'RFC 9293 §3.10.7.4 fifth', 'RFC 9293 §3.5.2'],
  lab: {
    rules: [
      { from: 'local', is: '.', port: THIRD, fate: { change: { ack: 1000 } } },
      { from: 'peer', is: 'S.', port: SECOND, fate: { change: { ack: 1000 } } },
    ],
  },
  sabotage: { rules: [{ from: 'peer', has: 'R', count: 9, fate: 'drop' }] },
  async run(stage) {
    const listening = await stage.lab.peer.listen(80);
    await stage.say(
      'On its way the third segment is made to acknowledge y+1001; the kernel is in SYN-RECEIVED.',
      '第三个报文段在途中被改成确认 y+1001；此时内核处于 SYN-RECEIVED。',
    );
    const first = await stage.connect(80, { localPort: THIRD });
    const synAck = await stage.segment({ from: 'peer', is: 'S.', port: THIRD });
    const reset = await stage.segment({ from: 'peer', has: 'R', port: THIRD }, 1, 2000);
    stage.check(
      reset.segment.seq === (synAck.segment.seq + 1001) >>> 0,
      `the kernel does not take it: RST with seq ${reset.segment.seq}, the number it was told`,
      `内核不接受：以被告知的序号 ${reset.segment.seq} 发出 RST`,
    );
    first.abort();
    await stage.say(
      'Now a SYN-ACK that acknowledges x+1001 on its arrival; tcpx is in SYN-SENT.',
      '现在 SYN-ACK 到达时确认的是 x+1001；此时 tcpx 处于 SYN-SENT。',
    );
    const second = await stage.connect(80, { localPort: SECOND });
    const bad = await stage.segment({ from: 'peer', is: 'S.', port: SECOND });
    const ours = await stage.segment({ from: 'local', has: 'R', port: SECOND });
    stage.check(
      ours.segment.seq === bad.segment.ack && second.states[0] === 'SYN-SENT',
      `tcpx does not take it: RST with seq ${ours.segment.seq}, and it stays in SYN-SENT`,
      `tcpx 不接受：以 seq ${ours.segment.seq} 发出 RST，自己仍在 SYN-SENT`,
    );
    stage.check(
      await second.reached('ESTABLISHED'),
      'its SYN goes again, and the next SYN-ACK, x+1, opens the connection',
      '它重发 SYN，下一个确认 x+1 的 SYN-ACK 建立了连接',
    );
    await listening.close();
    second.abort();
    stage.show(
      'RST from the kernel in SYN-RECEIVED for y+1001, RST from tcpx in SYN-SENT for x+1001',
      '内核在 SYN-RECEIVED 对 y+1001 回以 RST，tcpx 在 SYN-SENT 对 x+1001 回以 RST',
    );
  },
};
