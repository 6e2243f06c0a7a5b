/** A stale SYN is answered, reset by the client, and the true one gets through: RFC 9293 §3.5.1, figure 9. */
import { type Claim, text } from '../claim.ts';

const PORT = 40_011;
/** How far back the stale SYN's number lies. */
const BEHIND = 100_000;

export const oldDuplicateSyn: Claim = {
  name: 'old-duplicate-syn',
  group: 'opening',
  title: text(
    'a stale SYN opens no connection: why two segments are not enough',
    '陈旧的 SYN 打不开连接：为什么两次握手不够',
  ),
  claim: text(
    'The server answers a stale SYN; the client sees an ACK for something it never sent and resets it; then the true SYN gets through.',
    '服务器会应答陈旧的 SYN；客户端看到对方确认了自己从未发过的东西，于是复位它；随后真正的 SYN 得以通过。',
  ),
  written: ['RFC 9293 §3.5.1 figure 9', 'RFC 9293 §3.10.7.3 first'],
  lab: { rules: [{ from: 'local', is: 'S', port: PORT, fate: 'drop' }] },
  sabotage: { rules: [{ from: 'local', has: 'R', count: 9, fate: 'drop' }] },
  async run(stage) {
    await stage.say(
      'tcpx sends its SYN, which is held up on the way. Before it a duplicate from an earlier attempt arrives, with another number.',
      'tcpx 发出 SYN，它在途中被耽搁。更早一次尝试的重复 SYN 先到了，带着另一个序号。',
    );
    const listening = await stage.lab.peer.listen(80);
    const client = await stage.connect(80, { localPort: PORT });
    await stage.until(() => stage.sent({ from: 'local', is: 'S' }).length > 0);
    const [syn] = stage.sent({ from: 'local', is: 'S' });
    const stale = (syn!.segment.seq - BEHIND) >>> 0;
    await stage.lab.path.inject('peer', { ...syn!.segment, seq: stale, payload: new Uint8Array(0) });
    const answer = await stage.segment({ from: 'peer', is: 'S.' });
    stage.check(
      answer.segment.ack === (stale + 1) >>> 0,
      `the kernel cannot know better: it answers the stale SYN, ack ${answer.segment.ack}`,
      `内核无从分辨：它应答了陈旧的 SYN，ack ${answer.segment.ack}`,
    );
    const reset = await stage.segment({ from: 'local', has: 'R' });
    stage.check(
      reset.segment.seq === answer.segment.ack && client.states.join() === 'SYN-SENT',
      `tcpx never sent what that acknowledges: RST with seq ${reset.segment.seq}, and it stays in SYN-SENT`,
      `tcpx 从未发过被确认的序号：以 seq ${reset.segment.seq} 发出 RST，自己仍在 SYN-SENT`,
    );
    const second = await stage.segment({ from: 'peer', is: 'S.' }, 2);
    stage.check(
      second.segment.ack === (syn!.segment.seq + 1) >>> 0,
      'the next SYN-ACK acknowledges the true SYN',
      '下一个 SYN-ACK 确认的是真正的 SYN',
    );
    stage.check(await client.reached('ESTABLISHED'), 'and the connection opens', '连接随之建立');
    const server = await listening.accept();
    client.write('hello');
    stage.check(
      new TextDecoder().decode(await server.read()) === 'hello' && stage.peerStates(80).length === 1,
      'the server has one connection, the true one: accept() never gave it the stale one',
      '服务器只有一条连接，即真正的那条：accept() 从未返回陈旧的那条',
    );
    client.abort();
    stage.show(
      `SYN ${stale} (stale) answered, reset with seq ${reset.segment.seq}; SYN ${syn!.segment.seq} opened the connection. With two segments the server would have been open at the first`,
      `陈旧的 SYN ${stale} 被应答，又被 seq ${reset.segment.seq} 的 RST 复位；SYN ${syn!.segment.seq} 打开了连接。若只有两次握手，服务器在第一个 SYN 时就已打开`,
    );
  },
};
