/** A repeated connection can carry its request in the first flight: TCP's own 0-RTT, RFC 7413. */
import { ms } from '../../../base/time.ts';
import { type Claim, text } from '../claim.ts';
import type { LabSocket } from '../peer.ts';
import type { Stage } from '../stage.ts';

/** Milliseconds there and back. */
const RTT = 200;
const REQUEST = new TextEncoder().encode('GET / HTTP/1.0\r\n\r\n');
const ANSWER = 'answer';

export const fastOpen: Claim = {
  name: 'fast-open',
  group: 'opening',
  title: text('Fast Open: the request in the SYN', 'Fast Open：请求随 SYN 发出'),
  claim: text(
    'The first connection fetches a cookie; with it the next one sends its request on the SYN, and the first octet of the answer is there after one round trip instead of two, as with HTTP/3 over UDP.',
    '第一次连接取得 cookie；此后的连接凭它在 SYN 上携带请求，一个往返（而非两个）之后响应的第一个字节就到达，如同 UDP 上的 HTTP/3。',
  ),
  timed: true,
  seconds: 4,
  written: ['RFC 7413 §4', 'Linux ip-sysctl tcp_fastopen'],
  lab: {
    sysctls: { peer: { 'net.ipv4.tcp_fastopen': 3 } },
    faults: { local: { delay: ms(RTT / 2) }, peer: { delay: ms(RTT / 2) } },
  },
  sabotage: { peerSysctls: { 'net.ipv4.tcp_fastopen': 0 } },
  async run(stage) {
    const listening = await stage.lab.peer.listen(80, 128, { TCP_FASTOPEN: 16 });
    const warm = await stage.connect(9);
    await warm.until(() => warm.error !== undefined);
    await stage.say('The first connection asks for a cookie on its SYN.', '第一次连接在 SYN 上请求 cookie。');
    const first = await request(stage, listening, 40_111);
    const granted = await stage.segment({ from: 'peer', is: 'S.', port: 40_111 });
    stage.check(
      (granted.segment.tfo ?? '').length > 0,
      `the kernel gives one: ${granted.segment.tfo}`,
      `内核给出一个：${granted.segment.tfo}`,
    );
    await stage.say(
      'The second one has the cookie and the request on its SYN.',
      '第二次连接的 SYN 带着 cookie 与请求。',
    );
    const second = await request(stage, listening, 40_112);
    const syn = await stage.segment({ from: 'local', is: 'S', port: 40_112 });
    const synAck = await stage.segment({ from: 'peer', is: 'S.', port: 40_112 });
    stage.check(
      syn.segment.tfo === granted.segment.tfo && syn.segment.len === REQUEST.length,
      `SYN with ${syn.segment.len} octets and the cookie`,
      `SYN 携带 ${syn.segment.len} 字节与 cookie`,
    );
    stage.check(
      synAck.segment.ack === (syn.segment.seq + 1 + REQUEST.length) >>> 0,
      'the SYN-ACK acknowledges SYN and request at once',
      'SYN-ACK 同时确认了 SYN 与请求',
    );
    stage.check(
      Math.floor(first) === 2 && Math.floor(second) === 1,
      `first octet of the answer after ${first.toFixed(2)} round trips, then after ${second.toFixed(2)}`,
      `响应的第一个字节先是在 ${first.toFixed(2)} 个往返之后，后来在 ${second.toFixed(2)} 个往返之后到达`,
    );
    stage.show(
      `cookie ${granted.segment.tfo}; first octet after ${first.toFixed(2)} round trips without, ${second.toFixed(2)} with it`,
      `cookie ${granted.segment.tfo}；无 cookie 时 ${first.toFixed(2)} 个往返，有 cookie 时 ${second.toFixed(2)} 个往返后收到第一个字节`,
    );
  },
};

/** Round trips from the SYN to the first octet of the answer. */
async function request(stage: Stage, listening: LabSocket, localPort: number): Promise<number> {
  const client = await stage.connect(80, { localPort, fastOpen: true, data: REQUEST });
  const server = await listening.accept();
  await server.readAll(REQUEST.length);
  await server.write(ANSWER);
  await client.read(ANSWER.length);
  const answeredAt = stage.now;
  const syn = await stage.segment({ from: 'local', is: 'S', port: localPort });
  client.close();
  await server.close();
  return (answeredAt - stage.timeOf(syn)) / ms(RTT);
}
