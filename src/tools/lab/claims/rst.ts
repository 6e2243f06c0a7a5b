/** RST ends a connection at once, if its number is the one that is expected; RFC 5961 has the others challenged. */
import { type Claim, text } from '../claim.ts';
import { codeOfCall } from '../peer.ts';
import { opened } from './closing.ts';

export const rst: Claim = {
  name: 'rst',
  group: 'closing',
  title: text('RST, and which RSTs count', 'RST，以及哪些 RST 有效'),
  claim: text(
    'RST ends a connection at once, and the reader is told (ECONNRESET). One out of the window is ignored; one in the window that does not hit RCV.NXT exactly gets a challenge ACK.',
    'RST 立即终止连接，读者会得知（ECONNRESET）。窗口之外的被忽略；窗口之内但未精确命中 RCV.NXT 的得到挑战 ACK。',
  ),
  written: ['RFC 9293 §3.10.7.4 second', 'RFC 5961 §3.2', 'RFC 9293 §3.5.3'],
  sabotage: { rules: [{ from: 'peer', has: 'R', count: 99, fate: 'drop' }] },
  async run(stage) {
    await stage.open({ sysctl: { tcp_invalid_ratelimit: 0 } });
    const { client, server } = await opened(stage, 80, { localPort: 40_341 });
    const [syn] = stage.segments({ from: 'local', is: 'S', port: 40_341 });
    const [synAck] = stage.segments({ from: 'peer', is: 'S.', port: 40_341 });
    const forTcpx = { src: stage.lab.remote, srcPort: 80, dst: stage.address, dstPort: 40_341, flags: 'R' } as const;
    const forKernel = { src: stage.address, srcPort: 40_341, dst: stage.lab.remote, dstPort: 80, flags: 'R' } as const;
    const rcvNxt = { tcpx: synAck!.segment.seq + 1, kernel: syn!.segment.seq + 1 };
    await stage.settle();
    await stage.say(
      'A RST out of the window, to either side: as a blind attacker would guess.',
      '窗口之外的 RST，发给双方：如同盲目的攻击者所猜。',
    );
    const before = stage.segments().length;
    await stage.lab.path.inject('local', { ...forTcpx, seq: rcvNxt.tcpx - 5000 });
    await stage.lab.path.inject('peer', { ...forKernel, seq: rcvNxt.kernel - 5000 });
    await stage.settle();
    stage.check(
      client.state === 'ESTABLISHED' &&
        (await server.state()) === 'ESTABLISHED' &&
        stage.segments().length === before + 2,
      'ignored: both are ESTABLISHED, nobody answers',
      '被忽略：双方仍是 ESTABLISHED，无人应答',
    );
    await stage.say('One in the window, but not at RCV.NXT.', '窗口之内，但不在 RCV.NXT。');
    const pure = { is: '.', payload: false, port: 40_341 } as const;
    const acks = {
      local: stage.segments({ ...pure, from: 'local' }).length,
      peer: stage.segments({ ...pure, from: 'peer' }).length,
    };
    await stage.lab.path.inject('local', { ...forTcpx, seq: rcvNxt.tcpx + 100 });
    const ours = await stage.segment({ ...pure, from: 'local' }, acks.local + 1);
    await stage.lab.path.inject('peer', { ...forKernel, seq: rcvNxt.kernel + 100 });
    const theirs = await stage.segment({ ...pure, from: 'peer' }, acks.peer + 1);
    stage.check(
      ours.segment.ack === rcvNxt.tcpx >>> 0 &&
        theirs.segment.ack === rcvNxt.kernel >>> 0 &&
        client.state === 'ESTABLISHED',
      'a challenge ACK from either side, which says what the number should have been; both live on',
      '双方各回一个挑战 ACK，说明序号应为多少；连接继续存活',
    );
    await stage.say(
      'And the true one: the kernel program aborts (SO_LINGER 0).',
      '真正的 RST：内核程序中止（SO_LINGER 0）。',
    );
    await server.abort();
    await client.until(() => client.error !== undefined);
    stage.check(
      client.error === 'ECONNRESET' && client.states.at(-1) === 'CLOSED',
      'tcpx goes from ESTABLISHED to CLOSED, its reader gets ECONNRESET',
      'tcpx 从 ESTABLISHED 到 CLOSED，读者得到 ECONNRESET',
    );
    const second = await opened(stage, 81, { localPort: 40_342 });
    const reading = codeOfCall(second.server.read());
    second.client.abort();
    const code = await reading;
    stage.check(
      code === 'ECONNRESET',
      `tcpx aborts: the kernel's read() fails with ${code}`,
      `tcpx 中止：内核的 read() 以 ${code} 失败`,
    );
    stage.show(
      'out of window: ignored; in window: challenge ACK; exact: ECONNRESET at once; on tcpx and on the kernel alike',
      '窗口外：忽略；窗口内：挑战 ACK；精确：立即 ECONNRESET；tcpx 与内核一致',
    );
  },
};
