/** A lost SYN: who sends it again, when, with which back-off, and when it gives up. */
import { type Claim, text } from '../claim.ts';
import { codeOfCall } from '../peer.ts';
import { areAbout, gapsOf, gapsText } from './schedule.ts';

const ALL = Number.POSITIVE_INFINITY;
/** Ports: one SYN lost; every SYN lost. */
const [ONCE, NEVER] = [80, 81];

export const lostSyn: Claim = {
  name: 'lost-syn',
  group: 'opening',
  title: text('a lost SYN delays a connection, and does not end it', '丢失的 SYN 只推迟连接，不会终止它'),
  claim: text(
    'The client sends its SYN again after 1 s, then with a doubled wait each time, and gives up after tcp_syn_retries with ETIMEDOUT. Linux first repeats four times a second apart (tcp_syn_linear_timeouts).',
    '客户端 1 秒后重发 SYN，此后每次等待加倍，tcp_syn_retries 次之后以 ETIMEDOUT 放弃。Linux 先以 1 秒间隔重发四次（tcp_syn_linear_timeouts）。',
  ),
  written: [
    'RFC 6298 §2 (2.1), §5 (5.5)',
    'RFC 9293 §3.8.3',
    'Linux ip-sysctl tcp_syn_retries, tcp_syn_linear_timeouts',
  ],
  seconds: 9,
  lab: {
    sysctls: { peer: { 'net.ipv4.tcp_syn_retries': 2 } },
    rules: [
      { from: 'local', is: 'S', port: ONCE, fate: 'drop' },
      { from: 'local', is: 'S', port: NEVER, count: ALL, fate: 'drop' },
      { from: 'peer', is: 'S', port: NEVER, count: ALL, fate: 'drop' },
      { from: 'peer', is: 'S', port: 8080, fate: 'drop' },
    ],
  },
  sabotage: { rules: [{ from: 'local', is: 'S', port: ONCE, count: 2, fate: 'drop' }] },
  async run(stage) {
    await stage.open({ sysctl: { tcp_syn_retries: 2 } });
    const listening = await stage.lab.peer.listen(ONCE);
    await stage.lab.peer.listen(NEVER);
    const listener = await stage.listen(8080);
    await stage.say(
      'Four connections at once: tcpx to the kernel and the kernel to tcpx, each once with its first SYN lost, and once with every SYN lost.',
      '同时进行四条连接：tcpx 连内核、内核连 tcpx，各有一条丢失首个 SYN，各有一条丢失所有 SYN。',
    );
    const startedAt = stage.now;
    const kernels = stage.lab.peer.connect(stage.address, 8080, 40_031);
    kernels.catch(() => {});
    const kernelNever = codeOfCall(stage.lab.peer.connect(stage.address, NEVER, 40_032)).then((code) => ({
      code,
      after: (stage.now - startedAt) / 1_000_000,
    }));
    const ours = await stage.connect(ONCE, { localPort: 40_033 });
    const never = await stage.connect(NEVER, { localPort: 40_034 });
    stage.check(await ours.reached('ESTABLISHED', 10_000), 'tcpx is connected all the same', 'tcpx 照样建立了连接');
    await listening.accept();
    await kernels;
    await stage.accept(listener);
    await stage.settle();
    const once = stage.sent({ is: 'S', port: 40_033 });
    const kernelOnce = stage.sent({ is: 'S', port: 40_031 });
    stage.check(
      areAbout(gapsOf(once), [1]) && areAbout(gapsOf(kernelOnce), [1]),
      `the SYN went again after ${gapsText(once)} s (tcpx), ${gapsText(kernelOnce)} s (kernel), with the same number`,
      `SYN 在 ${gapsText(once)} 秒（tcpx）、${gapsText(kernelOnce)} 秒（内核）后以相同序号重发`,
    );
    await never.until(() => never.error !== undefined, 15_000);
    const oursAfter = (stage.now - startedAt) / 1_000_000;
    const theirs = await kernelNever;
    stage.check(
      never.error === 'ETIMEDOUT' && theirs.code === 'ETIMEDOUT',
      'without any answer both give up: ETIMEDOUT',
      '始终没有应答，双方都放弃：ETIMEDOUT',
    );
    await stage.settle();
    const [a, b] = [stage.sent({ is: 'S', port: 40_034 }), stage.sent({ is: 'S', port: 40_032 })];
    stage.check(
      areAbout(gapsOf(a), [1, 2]) && areAbout(gapsOf(b).slice(0, 3), [1, 1, 1]),
      'tcpx doubles the wait; the kernel begins with its linear part, which it does not count as retries',
      'tcpx 的等待加倍；内核先走线性阶段，且不计入重试次数',
    );
    const line = (who: string, gaps: string, after: number, gaveUp: string): string =>
      `${who.padEnd(8)} ${gaps.padEnd(14)} ${gaveUp} ${after.toFixed(2)} s`;
    stage.table({
      en: [
        line('tcpx', gapsText(a), oursAfter, 'gave up after'),
        line('kernel', gapsText(b), theirs.after, 'gave up after'),
      ],
      zh: [line('tcpx', gapsText(a), oursAfter, '放弃于'), line('内核', gapsText(b), theirs.after, '放弃于')],
    });
    stage.show(
      `one SYN lost: opened after 1 s on both; all lost, 2 retries: tcpx after ${gapsText(a)} s, the kernel ${gapsText(b)} s, then ETIMEDOUT (${oursAfter.toFixed(1)} s, ${theirs.after.toFixed(1)} s)`,
      `丢一个 SYN：双方都在 1 秒后建立；全部丢失、重试 2 次：tcpx 间隔 ${gapsText(a)} 秒，内核 ${gapsText(b)} 秒，随后 ETIMEDOUT（${oursAfter.toFixed(1)} 秒、${theirs.after.toFixed(1)} 秒）`,
    );
  },
};
