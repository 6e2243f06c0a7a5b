/** Too many TIME-WAITs on the client use up its ports; timestamps bring relief (RFC 6191). */
import { type Claim, text } from '../claim.ts';
import { codeOfCall, type LabSocket } from '../peer.ts';
import type { Stage } from '../stage.ts';

const [FROM, TO] = [42_000, 42_009];
const PORTS = TO - FROM + 1;

export const portExhaustion: Claim = {
  name: 'port-exhaustion',
  group: 'closing',
  title: text('TIME-WAITs use up ports', 'TIME-WAIT 会耗尽端口'),
  claim: text(
    'A client that closes first has each port in TIME-WAIT for 2 MSL; with all of them there no new connection can be made to that server. With timestamps a port may be taken again.',
    '先关闭的客户端，每个端口都要在 TIME-WAIT 停留 2 MSL；全部占用后，就不能再向该服务器建立新连接。有时间戳时端口可以重用。',
  ),
  written: ['RFC 6191 §2', 'RFC 9293 §3.6.1 MAY-2', 'Linux ip-sysctl tcp_tw_reuse, ip_local_port_range'],
  seconds: 6,
  lab: {
    sysctls: {
      local: { 'net.ipv4.ip_local_port_range': `${FROM} ${TO}` },
      peer: { 'net.ipv4.ip_local_port_range': `${FROM} ${TO}`, 'net.ipv4.tcp_tw_reuse': 0 },
    },
  },
  sabotage: { sysctl: { tcp_max_tw_buckets: 0 } },
  async run(stage) {
    stage.hiddenPorts.add(80).add(8080);
    const listening = await stage.lab.peer.listen(80);
    await stage.say(
      `tcpx may use ${PORTS} ports and closes first, each time.`,
      `tcpx 可用 ${PORTS} 个端口，每次都先关闭。`,
    );
    const plain = await stage.open({ shared: true, sysctl: { tcp_msl: 20, tcp_tw_reuse: 0 } });
    const made = await untilRefused(() => openAndClose(stage, plain, listening));
    const waiting = [...plain.stack.endpoints()].filter((e) => e.state === 'TIME-WAIT').length;
    stage.check(
      made.count === PORTS && made.code === 'EADDRNOTAVAIL' && waiting === PORTS,
      `after ${made.count} connections: ${made.code}; ${waiting} are in TIME-WAIT`,
      `${made.count} 条连接之后：${made.code}；${waiting} 条处于 TIME-WAIT`,
    );
    await stage.say('The kernel as client, with as many.', '内核作客户端，端口数相同。');
    const server = await stage.open();
    const listener = server.stack.listen({ port: 8080 });
    const kernels = await untilRefused(async () => {
      const socket = await stage.lab.peer.connect(stage.address, 8080);
      const accepted = await stage.accept(listener);
      accepted.socket.on('end', () => accepted.close());
      await socket.close();
    });
    const theirs = stage.lab.sockets('peer', 8080).filter((s) => s.state === 'TIME-WAIT').length;
    stage.check(
      kernels.code === 'EADDRNOTAVAIL' && theirs >= PORTS - 1,
      `${kernels.count} connections, then ${kernels.code}; it shows ${theirs} in TIME-WAIT, each with memory of its own`,
      `${kernels.count} 条连接，然后 ${kernels.code}；它显示 ${theirs} 条 TIME-WAIT，每条都占内存`,
    );
    await stage.say(
      'Relief: tcp_tw_reuse = 1. A second later a port whose connection had timestamps may be used again.',
      '缓解：tcp_tw_reuse = 1。一秒之后，曾使用时间戳的连接的端口可以重用。',
    );
    stage.lab.sysctl('peer', 'net.ipv4.tcp_tw_reuse', 1);
    await stage.settle(1300);
    const code = await codeOfCall(stage.lab.peer.connect(stage.address, 8080).then((s) => s.close()));
    stage.check(code === undefined, "the kernel's connect() succeeds", '内核的 connect() 成功');
    plain.close();
    const relieved = await stage.open({ shared: true, sysctl: { tcp_msl: 20, tcp_tw_reuse: 1 } });
    let more = 0;
    for (; more < PORTS + 2; more++) {
      if ((await codeOfCall(openAndClose(stage, relieved, listening))) !== undefined) break;
      if (more >= PORTS - 1) await stage.settle(1300);
    }
    stage.check(
      more > PORTS,
      `tcpx makes ${more} connections from ${PORTS} ports`,
      `tcpx 用 ${PORTS} 个端口建立了 ${more} 条连接`,
    );
    stage.show(
      `${PORTS} ports: EADDRNOTAVAIL after ${made.count} connections of tcpx, ${kernels.count} of the kernel; with tcp_tw_reuse = 1 both go on`,
      `${PORTS} 个端口：tcpx 在 ${made.count} 条、内核在 ${kernels.count} 条连接之后 EADDRNOTAVAIL；tcp_tw_reuse = 1 后双方都能继续`,
    );
  },
};

type Tcpx = Awaited<ReturnType<Stage['open']>>;

async function openAndClose(stage: Stage, tcpx: Tcpx, listening: LabSocket): Promise<void> {
  const client = stage.endOf(tcpx.stack.connect({ address: stage.lab.remote, port: 80 }));
  await client.reached('ESTABLISHED', 2000);
  const server = await listening.accept();
  client.close();
  await server.read();
  await server.close();
  await client.reached('TIME-WAIT', 2000);
}

/** How many there could be, and what the next one failed with. */
async function untilRefused(one: () => Promise<void>) {
  for (let count = 0; count < 2 * PORTS; count++) {
    const code = await codeOfCall(one());
    if (code !== undefined) return { count, code };
  }
  return { count: 2 * PORTS, code: undefined };
}
