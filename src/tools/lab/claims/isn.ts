/** Initial sequence numbers: unpredictable, different per four-tuple, moving with time (RFC 6528). */
import { type Claim, text } from '../claim.ts';
import type { Stage } from '../stage.ts';

const COUNT = 96;
const BINS = 16;
const SAME = 40_200;

export const isn: Claim = {
  name: 'isn',
  group: 'opening',
  title: text('initial sequence numbers', '初始序号'),
  claim: text(
    'Initial sequence numbers are not 1 and not guessable: a hash of the four-tuple with a secret, plus a clock. Another four-tuple has another number; the same one moves on with time.',
    '初始序号既不是 1，也无法猜测：由四元组与密钥的散列加上时钟得出。不同四元组的序号不同；同一四元组的序号随时间前进。',
  ),
  written: ['RFC 6528 §3', 'RFC 9293 §3.4.1 MUST-8, SHLD-1'],
  sabotage: { rules: [{ from: 'local', is: 'S', count: 9999, fate: { change: { seqTo: 1 } } }] },
  async run(stage) {
    stage.hiddenPorts.add(80);
    const listening = await stage.lab.peer.listen(80, 256);
    await stage.say(
      `${COUNT} connections from as many ports; each is reset at once.`,
      `从 ${COUNT} 个端口各建一条连接，随即复位。`,
    );
    for (let i = 0; i < COUNT; i++) {
      const end = await stage.connect(80, { localPort: 41_000 + i });
      if (!(await end.reached('ESTABLISHED', 1000))) break;
      end.abort();
    }
    await stage.settle();
    const ours = stage.segments({ from: 'local', is: 'S' }).map((s) => s.segment.seq);
    const theirs = stage.segments({ from: 'peer', is: 'S.' }).map((s) => s.segment.seq);
    stage.table({ en: histogram('tcpx', ours, 'kernel', theirs), zh: histogram('tcpx', ours, '内核', theirs) });
    stage.check(
      new Set(ours).size === ours.length && ours.length >= COUNT,
      `tcpx: ${new Set(ours).size} different numbers for ${ours.length} connections`,
      `tcpx：${ours.length} 条连接有 ${new Set(ours).size} 个不同的序号`,
    );
    const filled = [bins(ours), bins(theirs)].map((b) => b.filter((n) => n > 0).length);
    stage.check(
      filled[0]! >= BINS - 3 && filled[1]! >= BINS - 3,
      `they are spread over the whole space: ${filled[0]} and ${filled[1]} of ${BINS} parts have some`,
      `遍布整个空间：${BINS} 个区间中分别有 ${filled[0]} 与 ${filled[1]} 个非空`,
    );
    await stage.say('The same four-tuple twice, half a second apart.', '同一四元组两次，间隔半秒。');
    const [first, second] = [await again(stage), await again(stage)];
    const moved = (second.seq - first.seq) >>> 0;
    const perTick = ((second.at - first.at) / moved).toFixed(3);
    stage.check(
      moved > 0 && moved < 2 ** 31 && Number(perTick) > 0.01 && Number(perTick) < 8,
      `its number went on by ${moved} in ${((second.at - first.at) / 1_000_000).toFixed(2)} s: ${perTick} µs a step`,
      `序号在 ${((second.at - first.at) / 1_000_000).toFixed(2)} 秒内前进了 ${moved}：每步 ${perTick} µs`,
    );
    await listening.close();
    stage.show(
      `${ours.length} connections, ${new Set(ours).size} numbers over ${filled[0]} of ${BINS} parts of the space (kernel: ${filled[1]}); the same four-tuple moves on by one every ${perTick} µs`,
      `${ours.length} 条连接，${new Set(ours).size} 个序号，分布于 ${BINS} 个区间中的 ${filled[0]} 个（内核：${filled[1]}）；同一四元组每 ${perTick} µs 前进 1`,
    );
  },
};

async function again(stage: Stage): Promise<{ readonly seq: number; readonly at: number }> {
  await stage.settle(500);
  const end = await stage.connect(80, { localPort: SAME });
  await end.reached('ESTABLISHED', 1000);
  await stage.settle();
  const syn = stage.segments({ from: 'local', is: 'S', port: SAME }).at(-1)!;
  end.abort();
  return { seq: syn.segment.seq, at: syn.at };
}

function bins(numbers: readonly number[]): readonly number[] {
  const counts = new Array<number>(BINS).fill(0);
  for (const n of numbers) counts[Math.floor(n / 2 ** 28)]!++;
  return counts;
}

function histogram(a: string, left: readonly number[], b: string, right: readonly number[]): readonly string[] {
  const [l, r] = [bins(left), bins(right)];
  const rows = l.map((n, i) => `${i.toString(16)}…      ${'#'.repeat(n).padEnd(30)}${'#'.repeat(r[i]!)}`);
  return [`number   ${a.padEnd(30)}${b}`, ...rows];
}
