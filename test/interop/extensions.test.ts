/**
 * Fast Open, ECN, keep-alive, urgent data and SYN cookies, each with the kernel as the other party and its own counters
 * as witness; and rows of the transition table that need a crafted segment or a long silence.
 */
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { Child } from '../support/child.ts';
import { expectClean } from '../support/clean-capture.ts';
import { KERNEL_PEER, openPair, openRouted, type PairLab } from '../support/lab.ts';
import { readRunLog } from '../support/log.ts';
import { clientsDone, kernelClients, type Many, startMany } from '../support/many.ts';
import { report } from '../support/scale.ts';
import { scratch, startClient, until } from '../support/tcpx.ts';

// Namespaces, children and real time, on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 });

const support = (file: string): string => fileURLToPath(new URL(`../support/${file}`, import.meta.url));
const OWN = '10.77.0.9';

let lab: PairLab;
beforeAll(() => {
  lab = openPair();
});
afterAll(() => lab.close());
afterEach(() => lab.server.nftClear());

const calls = (...args: string[]): Child => lab.server.spawn('python3', [support('kernel-calls.py'), ...args]);
/** At an address of our own: every connection gets a port of its own. */
const own = (): readonly string[] => ['--own', `${OWN}/24`, '--interface', lab.clientInterface];
const listening = (port: string, ...args: string[]): Promise<Many> =>
  startMany(lab.client, '--listen', port, '--from', lab.serverAddress, ...own(), ...args);

function counted(name: string): () => number {
  const before = lab.server.counters()[name] ?? 0;
  return () => (lab.server.counters()[name] ?? 0) - before;
}

test('Fast Open as client: the second connection has its data on the SYN', async () => {
  // 1 and 2: as client and server; 0x400: for listeners that have not asked.
  lab.server.sysctl('net.ipv4.tcp_fastopen', String(0x403));
  const passive = counted('TcpExtTCPFastOpenPassive');
  const peer = await lab.server.kernelPeer('0', '--echo', '--keep');
  const capture = scratch('fast-open.pcap');
  const target = ['--connect', `${lab.serverAddress}:${peer.port}`, ...own(), '--capture', capture];
  const how = ['--send', '500', '--fast-open', '--count', '3', '--parallel', '1'];
  const tcpx = await startMany(lab.client, ...target, ...how);
  expect(await tcpx.child.event('done')).toMatchObject({ connected: 3, intact: 3, failures: {} });
  expect(passive()).toBe(2);
  await tcpx.end();
  peer.child.kill();
  report(`tshark: ${expectClean(capture, OWN)} packets, none of ours bad`);
});

test('Fast Open as server: the second connection has its data on the SYN', async () => {
  const active = counted('TcpExtTCPFastOpenActive');
  const tcpx = await listening('7201', '--echo', '--sysctl', '{"tcp_fastopen":3}', '--options', '{"TCP_FASTOPEN":16}');
  const client = calls('fast-open', OWN, '7201', '3');
  await client.exit();
  expect(client.events()).toEqual([1, 2, 3].map(() => ({ event: 'echo', same: true })));
  expect(active()).toBe(2);
  await tcpx.end();
});

test('SYN cookies alone, for kernel clients: window scaling and SACK are agreed on all the same', async () => {
  const capture = scratch('cookies.pcap');
  const tcpx = await listening('7202', '--echo', '--sysctl', '{"tcp_syncookies":2}', '--capture', capture);
  const clients = kernelClients(lab.server, '--connect', `${OWN}:7202`, '--count', '50', '--send', '300000');
  expect(await clientsDone(clients, 30_000)).toMatchObject({ connected: 50, intact: 50, failures: {} });
  const { counters } = await tcpx.metrics();
  expect(counters).toMatchObject({ cookiesGood: 50, cookiesBad: 0 });
  expect(counters['cookiesSent']).toBeGreaterThanOrEqual(50);
  await tcpx.end();
  report(`tshark: ${expectClean(capture, OWN)} packets, none of ours bad`);
});

test('the kernel reads our urgent octet out of band, and the others in line', async () => {
  const peer = calls('urgent-receive', '0');
  const { port } = await peer.event('ready');
  const capture = scratch('urgent.pcap');
  const target = ['--connect', `${lab.serverAddress}:${port}`, ...own(), '--capture', capture];
  const tcpx = await startMany(lab.client, ...target, '--hold', '--send', '3');
  await tcpx.child.event('connect');
  tcpx.child.write('urgent X\n');
  expect(await peer.event('urgent')).toMatchObject({ text: 'X' });
  tcpx.child.write('close\n');
  // Octets 0, 1 and 2 of the pattern.
  expect(await peer.event('read')).toMatchObject({ text: '\u0000\u0001\u0002' });
  await tcpx.end();
  expectClean(capture, OWN);
});

test("the kernel's urgent octet arrives in its place", async () => {
  const tcpx = startClient(lab.client, '--listen', '7203', '--from', lab.serverAddress, '--sysctl', '{"tcp_msl":1}');
  await tcpx.child.event('ready');
  const peer = calls('urgent-send', lab.clientAddress, '7203');
  expect(await tcpx.child.event('received-fin')).toMatchObject({ received: 7 });
  await peer.event('read');
  tcpx.child.write('close\n');
  const { log } = await tcpx.ended();
  expect(log.segments('in', (seg) => seg.flags.includes('U')).length).toBeGreaterThan(0);
});

test('keep-alive: a silent peer that is there stays connected, one that is gone is given up', async () => {
  const peer = await lab.server.kernelPeer('0');
  const how = { SO_KEEPALIVE: true, TCP_KEEPIDLE: 1, TCP_KEEPINTVL: 1, TCP_KEEPCNT: 3 };
  const target = ['--connect', `${lab.serverAddress}:${peer.port}`, '--close', 'asked'];
  const tcpx = startClient(lab.client, ...target, '--options', JSON.stringify(how));
  await tcpx.child.event('connect');
  // The kernel counts what it takes for a repetition: our questions.
  const segments = counted('TcpInSegs');
  await until(() => segments() >= 3);
  expect(tcpx.child.ended).toBeUndefined();
  const resets = counted('TcpEstabResets');
  lab.server.nft('input', `tcp dport ${peer.port} drop`);
  const { log } = await tcpx.ended(30_000);
  expect(await tcpx.child.event('error')).toMatchObject({ code: 'ETIMEDOUT' });
  expect(log.transitions().at(-1)).toBe('ESTABLISHED --give up--> CLOSED (timer)');
  expect(resets()).toBe(0);
  peer.child.kill();
});

test('ECN: congestion marked by a router slows the sender, either way, and nothing is sent again for it', async () => {
  const routed = openRouted();
  try {
    routed.server.sysctl('net.ipv4.tcp_ecn', '1');
    // Packets for the router to mark, not a few that are cut later.
    routed.server.exec('ethtool', '-K', routed.serverInterface, 'tso', 'off', 'gso', 'off');
    const LEN = '3000000';
    const peer = await routed.server.kernelPeer('0', '--send', LEN);
    // Ours are merged, and few.
    for (const [which, oneOf] of [
      [`tcp dport ${peer.port}`, 8],
      [`tcp sport ${peer.port}`, 50],
    ] as const)
      routed.router.nft('forward', `${which} ip ecn { ect0, ect1 } numgen random mod ${oneOf} == 0 ip ecn set ce`);
    const target = ['--connect', `${routed.serverAddress}:${peer.port}`, '--send', LEN];
    const tcpx = startClient(routed.client, ...target, '--sysctl', '{"tcp_ecn":1,"tcp_msl":1}');
    const { log } = await tcpx.ended(40_000);
    expect(await tcpx.child.event('close')).toMatchObject({ received: 3_000_000 });
    expect(await peer.child.event('close')).toMatchObject({ received: 3_000_000, hadError: false });
    const { IpExtInCEPkts: marked } = routed.server.counters();
    const count = (dir: 'in' | 'out', flag: string): number =>
      log.segments(dir, (seg) => seg.flags.includes(flag) && !seg.flags.includes('S')).length;
    report(
      `ECN: ${marked} packets of ours marked; ${count('in', 'E')} echoes in, ${count('out', 'W')} CWR out; ` +
        `${count('out', 'E')} echoes out, ${count('in', 'W')} CWR in`,
    );
    for (const dir of ['in', 'out'] as const)
      for (const flag of ['E', 'W']) expect(count(dir, flag), `${dir} ${flag}`).toBeGreaterThan(0);
    expect(marked).toBeGreaterThan(0);
  } finally {
    routed.close();
  }
});

test('a peer that is gone is given up in FIN-WAIT-2, when it is asked', async () => {
  const peer = await lab.server.kernelPeer('0', '--no-close');
  const how = { SO_KEEPALIVE: true, TCP_KEEPIDLE: 1, TCP_KEEPINTVL: 1, TCP_KEEPCNT: 2 };
  const target = ['--connect', `${lab.serverAddress}:${peer.port}`];
  const tcpx = startClient(lab.client, ...target, '--options', JSON.stringify(how));
  await tcpx.child.output(/"to":"FIN-WAIT-2"/);
  lab.server.nft('input', `tcp dport ${peer.port} drop`);
  const { log } = await tcpx.ended(30_000);
  expect(log.transitions().at(-1)).toBe('FIN-WAIT-2 --give up--> CLOSED (timer)');
  expect(await tcpx.child.event('error')).toMatchObject({ code: 'ETIMEDOUT' });
  peer.child.kill();
});

test('a reset in TIME-WAIT ends it', async () => {
  const peer = await lab.server.kernelPeer('0', '--no-close');
  const tcpx = startClient(lab.client, '--connect', `${lab.serverAddress}:${peer.port}`);
  await tcpx.child.output(/"to":"FIN-WAIT-2"/);
  // The answer to our last ACK, once the peer's FIN has been sent.
  lab.server.nft('input', `tcp dport ${peer.port} reject with tcp reset`);
  peer.child.kill();
  const { log } = await tcpx.ended();
  expect(log.transitions().at(-1)).toBe('TIME-WAIT --rcv RST--> CLOSED (segment)');
});

test('a second SYN in SYN-RECEIVED goes back to LISTEN', async () => {
  const tcpx = startClient(lab.client, '--listen', '7204', '--from', lab.serverAddress);
  await tcpx.child.event('ready');
  const peer = lab.server.node(support('link-probe.ts'), [`${lab.clientAddress}:7204`]);
  await peer.event('ready');
  peer.write('syn\n');
  await tcpx.child.output(/"to":"SYN-RECEIVED"/);
  // One further: in the window.
  peer.write('syn\n');
  await tcpx.child.output(/"from":"SYN-RECEIVED","to":"LISTEN"/);
  tcpx.child.write('close\n');
  const { log } = await tcpx.ended();
  expect(log.of('state').map((r) => `${r.from} --${r.event}--> ${r.to} (${r.cause})`)).toContain(
    'SYN-RECEIVED --rcv SYN, passive--> LISTEN (segment)',
  );
});

test('a peer that comes again from the same port while we are in TIME-WAIT is taken (RFC 6191)', async () => {
  const port = '7205';
  const log = scratch('states.ndjson');
  const tcpx = await listening(port, '--send', '10', '--log', log);
  const connect = ['--connect', `${OWN}:${port}`, '--local-port', '41999'];
  for (let i = 1; i <= 2; i++) {
    const peer = lab.server.spawn(process.execPath, [KERNEL_PEER, ...connect]);
    expect(await peer.event('close')).toMatchObject({ received: 10, hadError: false });
    await tcpx.until(({ over }) => over === i, 10_000);
    await peer.exit();
  }
  expect(await tcpx.metrics()).toMatchObject({ opened: 2, failures: {} });
  await tcpx.end();
  expect(readRunLog(log).transitions().at(-1)).toBe('TIME-WAIT --rcv SYN--> CLOSED (segment)');
});
