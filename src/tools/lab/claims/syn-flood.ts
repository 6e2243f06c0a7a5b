/** A flood of SYNs that never answers fills the queue of half-open connections; SYN cookies keep the door open. */

import { toIpv4 } from '../../../wire/ipv4.ts';
import { type Claim, text } from '../claim.ts';
import type { MadeSegment } from '../packet.ts';
import { codeOfCall } from '../peer.ts';
import type { Stage } from '../stage.ts';

const FLOOD = 400;
const BACKLOG = 8;
const CLIENTS = 5;

export const synFlood: Claim = {
  name: 'syn-flood',
  group: 'opening',
  title: text('a SYN flood, without and with SYN cookies', 'SYN 洪泛：不用与使用 SYN cookie'),
  claim: text(
    'SYNs that nobody follows up fill the queue of half-open connections, and later SYNs are dropped. With SYN cookies every honest client still gets in, and nothing is kept for a SYN of the flood.',
    '无人跟进的 SYN 会填满半开连接队列，之后的 SYN 被丢弃。使用 SYN cookie 后，每个正常客户端仍能连上，且不为洪泛的 SYN 保留任何东西。',
  ),
  written: ['RFC 4987 §2, §3.6', 'Linux ip-sysctl tcp_syncookies, tcp_max_syn_backlog'],
  seconds: 5,
  lab: {
    sysctls: {
      peer: { 'net.ipv4.tcp_syncookies': 0, 'net.ipv4.tcp_max_syn_backlog': BACKLOG, 'net.ipv4.tcp_syn_retries': 1 },
    },
  },
  sabotage: { rules: [{ from: 'peer', is: 'S.', count: 9999, fate: 'drop' }] },
  async run(stage) {
    await stage.open({ sysctl: { tcp_syn_retries: 1, tcp_syncookies: 0 } });
    const listening = await stage.lab.peer.listen(80, BACKLOG);
    stage.hiddenPorts.add(81).add(8081);
    const inFlood = await stage.lab.peer.listen(81, BACKLOG);
    await stage.say(
      `The kernel listens with a backlog of ${BACKLOG} and without cookies. ${FLOOD} SYNs come from addresses where nobody is.`,
      `内核以 ${BACKLOG} 的 backlog 监听，不用 cookie。${FLOOD} 个 SYN 来自无人的地址。`,
    );
    const before = stage.lab.counters('peer');
    await flood(stage, 81);
    const held = stage.peerStates(81).filter((s) => s === 'SYN-RECEIVED').length;
    const refused = await stage.connect(81);
    stage.check(
      !(await refused.reached('ESTABLISHED', 1500)) && held > 0 && held <= 2 * BACKLOG,
      `the queue holds ${held}; an honest client's SYN, and the next, are dropped`,
      `队列里有 ${held} 个；正常客户端的 SYN 及其重发都被丢弃`,
    );
    refused.abort();
    const dropped = stage.lab.counters('peer');
    const drops = dropped['TcpExtListenDrops']! - before['TcpExtListenDrops']!;
    stage.check(
      drops > 0,
      `the kernel has counted ${drops} SYNs dropped (ListenDrops)`,
      `内核记录丢弃了 ${drops} 个 SYN（ListenDrops）`,
    );
    await stage.say(
      'Now with cookies (tcp_syncookies = 1: when the queue is full).',
      '现在启用 cookie（tcp_syncookies = 1：队列满时）。',
    );
    stage.lab.sysctl('peer', 'net.ipv4.tcp_syncookies', 1);
    await flood(stage, 81);
    let open = 0;
    for (let i = 0; i < CLIENTS; i++) {
      const honest = await stage.connect(81);
      if (await honest.reached('ESTABLISHED', 1500)) open++;
      await stage.until(() => stage.lab.sockets('peer', 81).some((s) => s.state === 'ESTABLISHED'), 300);
      honest.abort();
    }
    const after = stage.lab.counters('peer');
    const cookies = after['TcpExtSyncookiesSent']! - dropped['TcpExtSyncookiesSent']!;
    const heldNow = stage.peerStates(81).filter((s) => s === 'SYN-RECEIVED').length;
    stage.check(
      open === CLIENTS && cookies >= FLOOD / 2 && heldNow <= 2 * BACKLOG,
      `all ${open} honest clients get in; ${cookies} cookies were sent, and the queue still holds ${heldNow}`,
      `全部 ${open} 个正常客户端都连上了；发出 ${cookies} 个 cookie，队列里仍是 ${heldNow} 个`,
    );
    await inFlood.close();
    await listening.close();

    await stage.say('And tcpx as the server, with the same backlog.', '再让 tcpx 作服务器，backlog 相同。');
    const closed = await ownServer(stage, 0, 1);
    stage.check(
      closed.codes[0] === 'ETIMEDOUT',
      `without cookies: ${closed.halfOpen} half-open, the kernel's connect() fails with ETIMEDOUT`,
      `不用 cookie：${closed.halfOpen} 个半开，内核的 connect() 以 ETIMEDOUT 失败`,
    );
    const opened = await ownServer(stage, 1, CLIENTS);
    stage.check(
      opened.codes.every((code) => code === undefined) && opened.halfOpen <= BACKLOG,
      `with cookies: ${opened.halfOpen} half-open, all ${CLIENTS} connects of the kernel succeed`,
      `使用 cookie：${opened.halfOpen} 个半开，内核的 ${CLIENTS} 次 connect 全部成功`,
    );
    stage.show(
      `backlog ${BACKLOG}, ${FLOOD} SYNs: without cookies an honest client gets nothing (kernel) and ETIMEDOUT (tcpx); with them ${open} of ${CLIENTS} and ${CLIENTS} of ${CLIENTS} get in, ${cookies} cookies, no entry per SYN`,
      `backlog ${BACKLOG}、${FLOOD} 个 SYN：不用 cookie 时正常客户端得不到应答（内核）或 ETIMEDOUT（tcpx）；使用后 ${open}/${CLIENTS} 与 ${CLIENTS}/${CLIENTS} 连上，${cookies} 个 cookie，不为每个 SYN 建条目`,
    );
  },
};

/** SYNs from addresses of the lab's network where nobody is. */
async function flood(stage: Stage, port: number): Promise<void> {
  const { path, local, remote } = stage.lab;
  const packets = Array.from(
    { length: FLOOD },
    (_, i): MadeSegment => ({
      src: toIpv4((local & ~0xff) | (100 + (i % 100))),
      srcPort: 20_000 + i,
      dst: remote,
      dstPort: port,
      flags: 'S',
      seq: i * 7919,
      mss: 1460,
    }),
  );
  await path.injectAll('peer', packets, false);
  await stage.settle();
}

async function ownServer(stage: Stage, tcp_syncookies: number, clients: number) {
  const host = await stage.open({ own: 1 + tcp_syncookies, sysctl: { tcp_syncookies, tcp_syn_retries: 1 } });
  const listener = host.stack.listen({ port: 8081, backlog: BACKLOG });
  const { address } = host.stack;
  const packets = Array.from(
    { length: FLOOD },
    (_, i): MadeSegment => ({
      src: toIpv4((stage.lab.local & ~0xff) | (100 + (i % 100))),
      srcPort: 20_000 + i,
      dst: address,
      dstPort: 8081,
      flags: 'S',
      seq: i * 7919,
      mss: 1460,
    }),
  );
  await stage.lab.path.injectAll('local', packets, false);
  await stage.until(() => listener.halfOpen > 0);
  await stage.settle();
  const codes = await Promise.all(
    Array.from({ length: clients }, () => codeOfCall(stage.lab.peer.connect(address, 8081))),
  );
  return { codes, halfOpen: listener.halfOpen };
}
