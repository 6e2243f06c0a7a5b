/** A server that never sees the third segment frees what it set aside. */
import { type Claim, text } from '../claim.ts';
import { gapsText } from './schedule.ts';

export const halfOpenTimeout: Claim = {
  name: 'half-open-timeout',
  group: 'opening',
  title: text('a half-open connection does not stay for ever', '半开连接不会永远存在'),
  claim: text(
    'A server that never sees the third segment sends its SYN-ACK tcp_synack_retries times more, each after twice the wait, and then frees the entry.',
    '始终收不到第三个报文段的服务器会再发 tcp_synack_retries 次 SYN-ACK，每次等待加倍，然后释放条目。',
  ),
  written: ['RFC 9293 §3.8.3', 'RFC 4987 §2.1', 'Linux ip-sysctl tcp_synack_retries'],
  seconds: 6,
  lab: {
    sysctls: { peer: { 'net.ipv4.tcp_synack_retries': 1 } },
    rules: [{ from: 'local', is: 'S.', port: 8080, count: Number.POSITIVE_INFINITY, fate: 'drop' }],
  },
  sabotage: { peerSysctls: { 'net.ipv4.tcp_synack_retries': 5 } },
  async run(stage) {
    const host = await stage.open({ sysctl: { tcp_synack_retries: 1 } });
    await stage.lab.peer.listen(80);
    const listener = await stage.listen(8080);
    await stage.say(
      'A SYN to each: to the kernel from an address where nobody is, to tcpx with the SYN-ACKs lost.',
      '向双方各发一个 SYN：发给内核的来自无人的地址，发给 tcpx 的则让 SYN-ACK 全部丢失。',
    );
    const startedAt = stage.now;
    const nobody = { src: stage.lab.local, srcPort: 40_091, flags: 'S', seq: 1000, mss: 1460 } as const;
    // The kernel here would answer: from an address that only a tcpx could have.
    await stage.lab.path.inject('peer', {
      ...nobody,
      src: (stage.address + 2) as typeof stage.address,
      dst: stage.lab.remote,
      dstPort: 80,
    });
    await stage.lab.path.inject('local', { ...nobody, src: stage.lab.remote, dst: stage.address, dstPort: 8080 });
    const bothThere =
      (await stage.peerReached(80, 'SYN-RECEIVED')) && (await stage.until(() => listener.halfOpen === 1));
    stage.check(bothThere, 'each has a connection in SYN-RECEIVED', '双方各有一条处于 SYN-RECEIVED 的连接');
    const oursGone = stage.until(() => listener.halfOpen === 0, 12_000).then(() => stage.now - startedAt);
    stage.check(await stage.peerReached(80, 'CLOSED', 5000), "the kernel's entry is gone", '内核的条目已消失');
    const kernelAfter = (stage.now - startedAt) / 1_000_000;
    const after = (await oursGone) / 1_000_000;
    stage.check(
      listener.halfOpen === 0 && [...host.stack.endpoints()].length === 0,
      "tcpx's is gone, and so is the connection: its memory is free",
      'tcpx 的也已消失，连接不复存在：内存已释放',
    );
    await stage.settle();
    const [theirs, ours] = [stage.sent({ from: 'peer', is: 'S.' }), stage.sent({ from: 'local', is: 'S.' })];
    stage.check(theirs.length === 2 && ours.length === 2, 'one SYN-ACK, and one retry', '一个 SYN-ACK 加一次重试');
    stage.show(
      `one retry: the kernel after ${gapsText(theirs)} s, gone after ${kernelAfter.toFixed(1)} s; tcpx after ${gapsText(ours)} s, gone after ${after.toFixed(1)} s`,
      `重试一次：内核在 ${gapsText(theirs)} 秒后重试，${kernelAfter.toFixed(1)} 秒后消失；tcpx 在 ${gapsText(ours)} 秒后重试，${after.toFixed(1)} 秒后消失`,
    );
  },
};
