/** RFC 793's state diagram, every arrow with how often it was taken: live, against the kernel, and in the scenarios that come with tcpx. */
import { seconds } from '../../../base/time.ts';
import { DEFAULT_SOCKET_OPTIONS, DEFAULT_SYSCTL } from '../../../tcp/config.ts';
import { Connection } from '../../../tcp/connection.ts';
import { allRows, type Event, ruleText, type State, TRANSITIONS } from '../../../tcp/machine.ts';
import type { TraceRecord } from '../../../tcp/trace.ts';
import { loadScenarios } from '../../scenario/library.ts';
import { playOn } from '../../scenario/play.ts';
import { PEER, SUT } from '../../scenario/run.ts';
import { openVirtualTarget } from '../../scenario/virtual-target.ts';
import { arrows } from '../../state-machine/arrows.ts';
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
      'And every scenario that comes with tcpx, in virtual time; and what no socket call asks for, of the core itself: SEND and an active OPEN in LISTEN.',
      '再以虚拟时间播放 tcpx 自带的所有场景；没有套接字调用能要求的，直接向核心提出：在 LISTEN 中 SEND 与主动 OPEN。',
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
    for (const record of listenersThatSpeak()) if (record.type === 'state') count(virtual, record);
    const rows = allRows();
    const taken = rows.filter((r) => (virtual.get(keyOf(r)) ?? 0) + (live.get(keyOf(r)) ?? 0) > 0);
    const lines = rows.map((r) => rowLine(r.from, r.event, r.to, virtual.get(keyOf(r)) ?? 0, live.get(keyOf(r)) ?? 0));
    stage.table({ en: [head('scenarios', 'live'), ...lines], zh: [head('场景', '实况'), ...lines] });
    const isTaken = (row: Taken): boolean => taken.some((r) => keyOf(r) === keyOf(row));
    const missing = [
      ...arrows().filter(({ from, events }) => !events.some((event) => isTaken({ from, event }))),
      ...SELDOM.map(([from, event]) => ({ from, event })).filter((row) => !isTaken(row)),
    ].map(({ from, ...row }) => `${from} --${'events' in row ? row.events.join(' / ') : row.event}`);
    stage.check(
      missing.length === 0,
      `every arrow of the picture was taken${missing.length === 0 ? ', and those seldom drawn' : `, but ${missing.join(', ')}`}`,
      `图中每一条箭头都走过${missing.length === 0 ? '，包括很少画出的' : `，除了 ${missing.join('、')}`}`,
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

/** A SEND, and an active OPEN, of connections that were listening; what the core tells of them. */
function listenersThatSpeak(): readonly TraceRecord[] {
  const records: TraceRecord[] = [];
  const path = { receiveMss: 1460, sendMss: 1460, defaultMss: 536, maxGsoPayload: 0 };
  const config = { profile: 'linux', sysctl: DEFAULT_SYSCTL, options: DEFAULT_SOCKET_OPTIONS, path } as const;
  const tracer = { enabled: true, record: (record: TraceRecord) => void records.push(record) };
  const now = seconds(1);
  const [sender, opener] = [1, 2].map((id) => new Connection(id, config, tracer)) as [Connection, Connection];
  for (const connection of [sender, opener]) connection.open('passive', { iss: 1, tsOffset: 0 }, now);
  sender.send(new Uint8Array(1), now);
  opener.open('active', { iss: 2, tsOffset: 0 }, now);
  return records;
}

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
