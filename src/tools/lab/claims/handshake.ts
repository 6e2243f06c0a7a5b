/** Three segments open a connection: both roles, their numbers, their states and their round trips. */
import { ms } from '../../../base/time.ts';
import { type Claim, text } from '../claim.ts';
import type { Seen, Stage } from '../stage.ts';

/** Milliseconds there and back. */
const RTT = 200;
const ANSWER = 'answer';

export const handshake: Claim = {
  name: 'handshake',
  group: 'opening',
  title: text('three segments open a connection', '三个报文段建立一条连接'),
  claim: text(
    'Client CLOSED → SYN-SENT → ESTABLISHED, server CLOSED → LISTEN → SYN-RECEIVED → ESTABLISHED; seq=x; seq=y, ack=x+1; seq=x+1, ack=y+1. The request can leave after one round trip, the first octet of the answer is there after two.',
    '客户端 CLOSED → SYN-SENT → ESTABLISHED，服务器 CLOSED → LISTEN → SYN-RECEIVED → ESTABLISHED；seq=x；seq=y, ack=x+1；seq=x+1, ack=y+1。请求在一个往返之后就能发出，响应的第一个字节在两个往返之后到达。',
  ),
  timed: true,
  written: ['RFC 9293 §3.5 figure 6', 'RFC 9293 §3.4.1', 'RFC 6528'],
  lab: { faults: { local: { delay: ms(RTT / 2) }, peer: { delay: ms(RTT / 2) } } },
  sabotage: { rules: [{ from: 'peer', is: 'S.', fate: { change: { ack: 1 } } }] },
  async run(stage) {
    await stage.say(
      'The kernel listens on port 80 of 10.77.0.2; tcpx connects. A client starts in CLOSED, not in LISTEN.',
      '内核在 10.77.0.2 的 80 端口监听；tcpx 发起连接。客户端从 CLOSED 出发，而不是从 LISTEN 出发。',
    );
    const listening = await stage.lab.peer.listen(80);
    const received = stage.peerReached(80, 'SYN-RECEIVED');
    const client = await stage.connect(80, { localPort: 40_001 });
    stage.check(
      await received,
      'the kernel says SYN-RECEIVED of it while the handshake is under way',
      '握手进行中，内核显示该连接处于 SYN-RECEIVED',
    );
    stage.check(await client.reached('ESTABLISHED'), 'tcpx reaches ESTABLISHED', 'tcpx 到达 ESTABLISHED');
    const openAt = stage.now;
    client.write('request');
    const server = await listening.accept();
    await server.read();
    await server.write(ANSWER);
    stage.check((await client.read(ANSWER.length)) === ANSWER, 'the answer arrives', '响应到达');
    const answeredAt = stage.now;
    stage.check(await stage.peerReached(80, 'ESTABLISHED'), 'the kernel says ESTABLISHED', '内核显示 ESTABLISHED');
    const [x, y] = checkNumbers(stage, 40_001, 'local');
    const startedAt = stage.timeOf(await stage.segment({ from: 'local', is: 'S' }));
    stage.check(
      client.states.slice(0, 2).join(' ') === 'SYN-SENT ESTABLISHED',
      'tcpx went CLOSED → SYN-SENT → ESTABLISHED',
      'tcpx 的状态为 CLOSED → SYN-SENT → ESTABLISHED',
    );
    const trips = [openAt - startedAt, answeredAt - startedAt].map((us) => us / ms(RTT));
    stage.check(
      Math.floor(trips[0]!) === 1 && Math.floor(trips[1]!) === 2,
      `open after ${trips[0]!.toFixed(2)} round trips of ${RTT} ms, answered after ${trips[1]!.toFixed(2)}`,
      `连接在 ${trips[0]!.toFixed(2)} 个往返（每个 ${RTT} ms）后建立，响应在 ${trips[1]!.toFixed(2)} 个往返后到达`,
    );

    await stage.say(
      'The other way round: tcpx listens on port 8080 of 10.77.0.3, the kernel connects.',
      '角色互换：tcpx 在 10.77.0.3 的 8080 端口监听，内核发起连接。',
    );
    const listener = await stage.listen(8080);
    const from = await stage.lab.peer.connect(stage.address, 8080, 40_002);
    const accepted = await stage.accept(listener);
    stage.check(
      accepted.states.join(' ') === 'SYN-RECEIVED ESTABLISHED' ||
        accepted.states.join(' ') === 'LISTEN SYN-RECEIVED ESTABLISHED',
      'tcpx went LISTEN → SYN-RECEIVED → ESTABLISHED',
      'tcpx 的状态为 LISTEN → SYN-RECEIVED → ESTABLISHED',
    );
    const [x2, y2] = checkNumbers(stage, 40_002, 'peer');
    stage.check(
      new Set([x, y, x2, y2]).size === 4,
      'no initial number is another one: they are not "usually 1"',
      '四个初始序号各不相同：它们并不“通常为 1”',
    );
    await from.close();
    stage.show(
      `x=${x}, y=${y} with tcpx as client, x=${x2}, y=${y2} as server; three segments each; open after ${trips[0]!.toFixed(2)} round trips, first octet of the answer after ${trips[1]!.toFixed(2)}`,
      `tcpx 为客户端时 x=${x}、y=${y}，为服务器时 x=${x2}、y=${y2}；各三个报文段；${trips[0]!.toFixed(2)} 个往返后建立，${trips[1]!.toFixed(2)} 个往返后收到响应的第一个字节`,
    );
  },
};

/** The three segments of the connection from `port`, and no others before data; x and y. */
function checkNumbers(stage: Stage, port: number, client: 'local' | 'peer'): readonly [x: number, y: number] {
  const server = client === 'local' ? 'peer' : 'local';
  const [first, second, third] = stage.segments({ port }) as readonly (Seen | undefined)[];
  const [x, y] = [first?.segment.seq ?? 0, second?.segment.seq ?? 0];
  const is = (s: Seen | undefined, from: string, flags: string, seq: number, ack: number): boolean =>
    s?.from === from && s.segment.flags === flags && s.segment.seq === seq >>> 0 && s.segment.ack === ack >>> 0;
  stage.check(
    is(first, client, 'S', x, 0) && is(second, server, 'S.', y, x + 1) && is(third, client, '.', x + 1, y + 1),
    `seq=x=${x}; seq=y=${y}, ack=x+1; seq=x+1, ack=y+1 (a SYN takes one number)`,
    `seq=x=${x}；seq=y=${y}, ack=x+1；seq=x+1, ack=y+1（SYN 占一个序号）`,
  );
  return [x, y];
}
