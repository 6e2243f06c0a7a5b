/** RFC 793's state diagram, every arrow with how often it was taken: live, against the kernel, and in the scenarios that come with tcpx. */
import { allRows, type Event, ruleText, type State, TRANSITIONS } from '../../../tcp/machine.ts';
import type { TraceRecord } from '../../../tcp/trace.ts';
import { loadScenarios } from '../../scenario/library.ts';
import { playOn } from '../../scenario/play.ts';
import { PEER, SUT } from '../../scenario/run.ts';
import { openVirtualTarget } from '../../scenario/virtual-target.ts';
import { type Claim, text } from '../claim.ts';
import type { Stage } from '../stage.ts';
import { opened } from './closing.ts';

const [SYN_ONLY, CROSSED] = [40_501, 40_502];
/** Arrows that pictures often leave out. */
const SELDOM: readonly (readonly [from: State, event: Event])[] = [
  ['LISTEN', 'SEND'],
  ['SYN-RECEIVED', 'CLOSE'],
  ['SYN-RECEIVED', 'rcv RST, passive'],
];

export const diagram: Claim = {
  name: 'diagram',
  group: 'between',
  title: text('the state diagram, every arrow', '状态图的每一条箭头'),
  claim: text(
    "RFC 793's state diagram, every arrow, also those seldom drawn: SEND in LISTEN, CLOSE in SYN-RECEIVED, RST back to LISTEN.",
    'RFC 793 状态图的每一条箭头，包括很少画出的：LISTEN 中的 SEND、SYN-RECEIVED 中的 CLOSE、RST 回到 LISTEN。',
  ),
  written: ['RFC 9293 §3.3.2 figure 5', 'RFC 9293 §3.10', 'docs/state-machine.md'],
  seconds: 8,
  sabotage: {
    rules: [
      { from: 'peer', is: 'S', count: 99, fate: 'drop' },
      { from: 'peer', is: 'S.', count: 99, fate: 'drop' },
    ],
  },
  async run(stage) {
    const live = new Map<string, number>();
    await stage.open({ sysctl: { tcp_msl: 0.2 } });
    await stage.say('Opened and closed by tcpx first; then by the kernel.', '先由 tcpx 打开并关闭；再由内核来。');
    const first = await opened(stage, 80);
    first.client.close();
    await first.server.read();
    await first.server.close();
    stage.check(await first.client.reached('CLOSED'), 'down the left side of the diagram', '走完图的左侧');
    const listener = await stage.listen(8080);
    const socket = await stage.lab.peer.connect(stage.address, 8080);
    const accepted = await stage.accept(listener);
    accepted.socket.on('end', () => accepted.close());
    await socket.close();
    stage.check(await accepted.reached('CLOSED'), 'down the right side', '走完图的右侧');
    await stage.say(
      'A SYN, and then a RST from the same side: back to LISTEN.',
      '一个 SYN，随后同一方的 RST：回到 LISTEN。',
    );
    const syn = { src: stage.lab.remote, srcPort: SYN_ONLY, dst: stage.address, dstPort: 8080, flags: 'S', seq: 1000 };
    // The kernel there knows nothing of it, and its own RST would come first.
    await stage.rule({ from: 'local', is: 'S.', port: SYN_ONLY, count: 9, fate: 'drop' });
    await stage.lab.path.inject('local', syn);
    stage.check(await stage.until(() => listener.halfOpen === 1), 'SYN-RECEIVED', 'SYN-RECEIVED');
    await stage.lab.path.inject('local', { ...syn, flags: 'R', seq: 1001 });
    stage.check(
      (await stage.until(() => listener.halfOpen === 0)) && took(stage, 'SYN-RECEIVED', 'rcv RST, passive'),
      'LISTEN again, as if nothing had been',
      '回到 LISTEN，如同什么都没发生',
    );
    await stage.say('SYNs that cross, and CLOSE before the handshake is over.', '交叉的 SYN，并在握手结束前 CLOSE。');
    await stage.rule({ from: 'local', port: CROSSED, count: 99, fate: 'drop' });
    const crossed = await stage.connect(9, { localPort: CROSSED });
    await stage.until(() => stage.sent({ from: 'local', is: 'S', port: CROSSED }).length > 0);
    await stage.lab.path.inject('local', { ...syn, srcPort: 9, dstPort: CROSSED });
    stage.check(await crossed.reached('SYN-RECEIVED'), 'SYN-RECEIVED', 'SYN-RECEIVED');
    crossed.endpoint.shutdown();
    stage.check(
      crossed.state === 'FIN-WAIT-1' && took(stage, 'SYN-RECEIVED', 'CLOSE'),
      'CLOSE in SYN-RECEIVED: FIN-WAIT-1',
      'SYN-RECEIVED 中的 CLOSE：FIN-WAIT-1',
    );
    for (const { record } of stage.records) if (record.type === 'state') count(live, record);

    await stage.say(
      'And every scenario that comes with tcpx, in virtual time: there a user may SEND in LISTEN.',
      '再以虚拟时间播放 tcpx 自带的所有场景：其中用户可以在 LISTEN 中 SEND。',
    );
    const virtual = new Map<string, number>();
    const { plans } = loadScenarios([]);
    for (const plan of plans)
      await playOn(plan, 'tcpx', async () =>
        openVirtualTarget({
          plan,
          sut: SUT,
          peer: PEER,
          onRecord: (record) => {
            if (record.type === 'state') count(virtual, record);
          },
        }),
      );
    const rows = allRows();
    const taken = rows.filter((r) => (virtual.get(keyOf(r)) ?? 0) + (live.get(keyOf(r)) ?? 0) > 0);
    const lines = rows.map((r) => rowLine(r.from, r.event, r.to, virtual.get(keyOf(r)) ?? 0, live.get(keyOf(r)) ?? 0));
    stage.table({ en: [head('scenarios', 'live'), ...lines], zh: [head('场景', '实况'), ...lines] });
    const missing = rows.filter((r) => !taken.includes(r)).map((r) => `${r.from} --${r.event}`);
    stage.check(
      missing.length === 0,
      `every one of the table's ${rows.length} rows was taken${missing.length === 0 ? '' : `, but ${missing.join(', ')}`}`,
      `表中 ${rows.length} 行都被走过${missing.length === 0 ? '' : `，除了 ${missing.join('、')}`}`,
    );
    const seldom = SELDOM.map(
      ([from, event]) =>
        `${from} --${event}--> ${virtual.get(keyOf({ from, event })) ?? 0}+${live.get(keyOf({ from, event })) ?? 0}`,
    );
    stage.show(
      `${taken.length} of ${rows.length} rows taken, ${live.size} of them live; seldom drawn: ${seldom.join(', ')}`,
      `${rows.length} 行中走过 ${taken.length} 行，其中实况 ${live.size} 行；很少画出的：${seldom.join('、')}`,
    );
  },
};

type Taken = { readonly from: State; readonly event: Event };
const keyOf = ({ from, event }: Taken): string => `${from}|${event}`;

function count(counts: Map<string, number>, record: Extract<TraceRecord, { type: 'state' }>): void {
  counts.set(keyOf(record), (counts.get(keyOf(record)) ?? 0) + 1);
}

const took = (stage: Stage, from: State, event: Event): boolean =>
  stage.records.some(({ record: r }) => r.type === 'state' && r.from === from && r.event === event);

const head = (virtual: string, live: string): string => `${' '.repeat(52)}${virtual.padStart(9)}${live.padStart(6)}`;

function rowLine(from: State, event: Event, to: State, virtual: number, live: number): string {
  const row: Readonly<Partial<Record<Event, readonly [State, string]>>> = TRANSITIONS[from];
  const arrow = `${from.padEnd(12)} --${event.padEnd(20)}--> ${to.padEnd(12)}`;
  return `${arrow} ${String(virtual).padStart(9)}${String(live).padStart(6)}  ${ruleText(row[event]?.[1] ?? '')}`;
}
