/** The drivers against a real kernel, one packet at a time: a probe in a namespace sends and tells what comes. */
import { afterEach, describe, expect, test } from 'vitest';
import type { Child, ChildEvent } from '../support/child.ts';
import { type Namespace, openPair, type PairLab } from '../support/lab.ts';
import { until } from '../support/tcpx.ts';

const support = (file: string): string => new URL(`../support/${file}`, import.meta.url).pathname;
const PROBE = support('link-probe.ts');

/** In what they differ to who uses them. */
const DRIVERS = [
  // Sockets it opens: of AF_PACKET, and raw IP. Its capture cuts frames of loopback, which are longer than its snapshot.
  { driver: 'raw', sockets: { packet: 1, raw: 1 }, checksum: 'unverified', loopbackReceiveMtu: 65_520 },
  { driver: 'packet', sockets: { packet: 1, raw: 0 }, checksum: 'partial', loopbackReceiveMtu: 65_535 },
] as const;

let lab: PairLab;
afterEach(() => lab.close());

interface Probe {
  readonly child: Child;
  readonly port: number;
  readonly ready: ChildEvent;
}

async function probe(driver: string, namespace: Namespace, remote: string, ...args: string[]): Promise<Probe> {
  const child = namespace.node(PROBE, [remote, args[0] ?? 'auto', '--driver', driver, ...args.slice(1)]);
  const ready = await child.event('ready');
  return { child, port: Number(ready['port']), ready };
}

/** The counters, once the link has handled what was asked before. */
async function counters(child: Child): Promise<ChildEvent> {
  child.write('count\n');
  return child.event('count');
}

/** Our kernel sends one to a closed port: the other side answers with ICMP port unreachable. */
const datagram = (to: string): string => lab.client.exec('bash', '-c', `echo > /dev/udp/${to}/9`);

/** Sockets in the client's namespace: a line each, below a heading. */
function socketCounts(): { packet: number; raw: number } {
  const rows = (file: string): number => lab.client.exec('cat', `/proc/net/${file}`).trim().split('\n').length - 1;
  return { packet: rows('packet'), raw: rows('raw') };
}

const packets = (child: Child): readonly ChildEvent[] => child.events().filter((event) => event['event'] === 'packet');
const TWO_PACKETS = /"event":"packet".*\n(.*\n)*.*"event":"packet"/;

/** A handshake by hand with a kernel that listens. */
async function connected(driver: string, ...peerArgs: string[]) {
  const peer = await lab.server.kernelPeer('0', ...peerArgs);
  const { child } = await probe(driver, lab.client, `${lab.serverAddress}:${peer.port}`);
  child.write('syn\n');
  await child.event('packet');
  child.write('ack\n');
  return { child, peer };
}

describe.each(DRIVERS)('on driver $driver', ({ driver, sockets, checksum, loopbackReceiveMtu }) => {
  test("a kernel's SYN-ACK comes in, it gets no RST of our kernel's, and nothing else is delivered", async () => {
    lab = openPair();
    const peer = await lab.server.kernelPeer('0');
    const before = lab.client.counters();
    const { child } = await probe(driver, lab.client, `${lab.serverAddress}:${peer.port}`);
    child.write('syn\n');
    expect(await child.event('packet')).toMatchObject({
      outcome: 'ok',
      from: lab.serverAddress,
      flags: 'S.',
      len: 0,
      checksum,
      owned: false,
    });
    child.write('ack\n');
    await peer.child.event('connection');
    child.write('data 1000\n');
    await child.output(TWO_PACKETS);
    child.write('rst\n');
    expect(await peer.child.event('close')).toMatchObject({ received: 1000 });
    expect(lab.client.counters()['TcpOutRsts']).toBe(before['TcpOutRsts']);
    expect(await counters(child)).toMatchObject({
      packetsIn: 2,
      packetsOut: 4,
      octetsIn: 44 + 40,
      ignoredIn: 0,
      errorsOut: 0,
    });
  });

  test('without a guard our kernel resets the connection (the control)', async () => {
    lab = openPair();
    const peer = await lab.server.kernelPeer('0');
    const { child } = await probe(driver, lab.client, `${lab.serverAddress}:${peer.port}`, 'none');
    child.write('syn\n');
    await child.event('packet');
    child.write('ack\n');
    await child.output(/"flags":"R"/);
    expect(lab.client.counters()['TcpOutRsts']).toBe(1);
    expect(peer.child.events().map((event) => event['event'])).toEqual(['ready']);
  });

  test('merged segments above the MTU come in whole, and every packet is in a batch that ends', async () => {
    lab = openPair();
    const { child } = await connected(driver, '--send', '14600');
    const octets = (): number => packets(child).reduce((sum, packet) => sum + Number(packet['len']), 0);
    await until(() => octets() >= 14_600);
    expect(Math.max(...packets(child).map((packet) => Number(packet['total'])))).toBeGreaterThan(1500);
    const { packetsIn } = await counters(child);
    const batches = child.events().filter((event) => event['event'] === 'batch');
    expect(batches.reduce((sum, batch) => sum + Number(batch['packets']), 0)).toBe(packetsIn);
  });

  test('a packet above the MTU is an error, and is not sent', async () => {
    lab = openPair();
    const peer = await lab.server.kernelPeer('0');
    const { child } = await probe(driver, lab.client, `${lab.serverAddress}:${peer.port}`);
    child.write('syn\n');
    await child.event('packet');
    child.write('data 1461\n');
    expect(await child.event('link-error')).toMatchObject({ code: 'EMSGSIZE', fatal: false });
    expect(await counters(child)).toMatchObject({ packetsOut: 1, errorsOut: 1 });
  });

  test('an MTU that was lowered meanwhile is an error that says so', async () => {
    lab = openPair();
    const { child } = await connected(driver);
    lab.client.ip('link', 'set', lab.clientInterface, 'mtu', '1000');
    child.write('data 1400\n');
    expect(await child.event('link-error')).toMatchObject({ code: 'EMSGSIZE', fatal: false });
  });

  test('on loopback packets of up to 65535 octets go out', async () => {
    lab = openPair();
    const peer = await lab.client.kernelPeer('127.0.0.1:0');
    const { child, ready } = await probe(driver, lab.client, `127.0.0.1:${peer.port}`);
    expect(ready).toMatchObject({ interface: 'lo', mtu: 65_535, receiveMtu: loopbackReceiveMtu });
    child.write('syn\n');
    await child.event('packet');
    child.write('ack\ndata 65000\n');
    await child.output(TWO_PACKETS);
    child.write('rst\n');
    expect(await peer.child.event('close')).toMatchObject({ received: 65_000 });
    expect(packets(child).every((packet) => packet['dstPort'] === ready['port'])).toBe(true);
    expect(lab.client.counters()['TcpOutRsts']).toBe(0);
  });

  test('other ports of ours, and frames for another station, are not delivered', async () => {
    lab = openPair();
    const { child, port } = await probe(driver, lab.client, `${lab.serverAddress}:9`);
    const knock = (to: number): string =>
      lab.server.exec(
        process.execPath,
        '-e',
        `const s=require('net').connect(${to},'${lab.clientAddress}');s.on('error',()=>{});setTimeout(()=>s.destroy(),100)`,
      );
    knock(port === 65_535 ? port - 1 : port + 1);
    lab.server.ip('neigh', 'replace', lab.clientAddress, 'lladdr', '02:00:00:00:00:99', 'dev', lab.serverInterface);
    knock(port);
    lab.server.ip('neigh', 'del', lab.clientAddress, 'dev', lab.serverInterface);
    knock(port);
    expect(await child.event('packet')).toMatchObject({ flags: 'S', dstPort: port });
    expect(await counters(child)).toMatchObject({ packetsIn: 1 });
  });

  test('every port is, when none is named', async () => {
    lab = openPair();
    const { child, port } = await probe(driver, lab.client, `${lab.serverAddress}:9`, 'auto', '--any-port');
    const other = port > 40_000 ? 2000 : 50_000;
    lab.server.exec(
      process.execPath,
      '-e',
      `require('net').connect(${other},'${lab.clientAddress}').on('error',()=>{})`,
    );
    expect(await child.event('packet')).toMatchObject({ flags: 'S', dstPort: other });
  });

  test('ICMP is, and every fragment of a packet', async () => {
    lab = openPair();
    const { child, port } = await probe(driver, lab.client, `${lab.serverAddress}:9`);
    const sender = await probe(driver, lab.server, `${lab.clientAddress}:${port}`);
    sender.child.write('fragments 1000\n');
    await child.output(/"fragmentOffset":[1-9]/);
    expect(packets(child).map((packet) => [packet['total'], packet['fragmentOffset']])).toEqual([
      [20 + 504, 0],
      [20 + 516, 504],
    ]);
    datagram(lab.serverAddress);
    await child.output(/"protocol":1,/);
  });

  test('the link is full when the socket is, and says when it no longer is', async () => {
    lab = openPair();
    const { child } = await probe(driver, lab.client, `${lab.serverAddress}:9`);
    // A slow queue keeps the packets in the socket's account; the neighbour is known, so that none waits for it.
    datagram(lab.serverAddress);
    lab.client.exec('ip', 'neigh', 'change', lab.serverAddress, 'dev', lab.clientInterface, 'nud', 'permanent');
    child.write('syn\n');
    await child.event('packet');
    lab.client.exec(
      ...(['tc', 'qdisc', 'replace', 'dev', lab.clientInterface, 'root', 'tbf'] as const),
      ...['rate', '40mbit', 'burst', '3000', 'limit', '100000000'],
    );
    child.write('flood 20000\n');
    expect(await child.event('flood')).toMatchObject({ outcome: 'full' });
    await child.event('writable');
    expect(await counters(child)).toMatchObject({ errorsOut: 0 });
  });

  test('no socket is left once it is closed, and the process may end of its own accord', async () => {
    lab = openPair();
    const { child, port } = await probe(driver, lab.client, `${lab.serverAddress}:9`);
    expect(socketCounts()).toEqual(sockets);
    child.write('close\n');
    await child.event('closed');
    expect(socketCounts()).toEqual({ packet: 0, raw: 0 });
    expect(lab.client.sockets(port)).toEqual([]);
    child.write('syn\n');
    expect(await child.event('sent')).toMatchObject({ outcome: 'error' });
    expect(socketCounts()).toEqual({ packet: 0, raw: 0 });
    child.write('end\n');
    expect(await child.exit(10_000)).toEqual({ code: 0, signal: null });
  });

  test('no socket is left behind a killed process', async () => {
    lab = openPair();
    const { child, port } = await probe(driver, lab.client, `${lab.serverAddress}:9`);
    child.kill('SIGKILL');
    await child.exit();
    expect(socketCounts()).toEqual({ packet: 0, raw: 0 });
    expect(lab.client.sockets(port)).toEqual([]);
  });

  test('without CAP_NET_RAW it is refused, with the remedy', async () => {
    lab = openPair();
    const child = lab.client.spawn('setpriv', [
      ...['--bounding-set', '-net_raw', '--inh-caps', '-net_raw', process.execPath],
      ...['--import', support('ts-loader.mjs'), PROBE, `${lab.serverAddress}:9`, 'none', '--driver', driver],
    ]);
    expect(await child.event('failure')).toMatchObject({ code: 'EPERM', hint: expect.stringContaining('CAP_NET_RAW') });
  });
});

describe('on driver raw alone', () => {
  const raw = (namespace: Namespace, remote: string, ...args: string[]): Promise<Probe> =>
    probe('raw', namespace, remote, ...args);

  test("the kernel's refusal to send comes as an error with errno's name", async () => {
    lab = openPair();
    const { child } = await raw(lab.client, `${lab.serverAddress}:9`);
    lab.client.nft('output', 'tcp dport 9 drop');
    child.write('syn\n');
    expect(await child.event('link-error')).toMatchObject({ code: 'EPERM', fatal: false });
    lab.client.nftClear();
    lab.client.ip('route', 'flush', 'dev', lab.clientInterface);
    child.write('syn\n');
    await child.output(/"code":"ENETUNREACH"/);
  });

  test('an interface that is asked for is used, whatever the routes say', async () => {
    lab = openPair();
    const other = lab.join(lab.client, lab.server);
    const peer = await lab.server.kernelPeer('0');
    expect(lab.client.ip('route', 'get', other.b)).toContain(`dev ${other.interface}`);
    const forced = ['auto', '--interface', lab.clientInterface];
    const { child, ready } = await raw(lab.client, `${other.b}:${peer.port}`, ...forced);
    expect(ready).toMatchObject({ interface: lab.clientInterface });
    child.write('syn\n');
    expect(await child.event('packet')).toMatchObject({ from: other.b, flags: 'S.' });
    child.write('ack\n');
    expect(await peer.child.event('connection')).toMatchObject({ remoteAddress: lab.clientAddress });
  });

  test('it is refused in a worker thread, where the packages would crash', async () => {
    lab = openPair();
    const child = lab.client.node(PROBE, [`${lab.serverAddress}:9`, 'none', '--driver', 'raw', '--worker']);
    expect(await child.event('failure')).toMatchObject({ code: 'EWORKER' });
  });

  test.each(['raw-socket', 'cap'])('a package %s that is not built is said, with the remedy', async (name) => {
    lab = openPair();
    const child = lab.client.node(PROBE, [`${lab.serverAddress}:9`, 'none', '--driver', 'raw'], {
      nodeArgs: ['--require', support('hide-package.cjs')],
      env: { HIDE_PACKAGE: name },
    });
    const said = await child.event('failure');
    expect(said).toMatchObject({ code: 'ENOTBUILT' });
    expect(said['message']).toContain(`package ${name} is not built`);
    expect(said['hint']).toContain(`npm rebuild ${name}`);
  });
});

describe('on driver packet alone', () => {
  test('the neighbour is asked for once, and the first packet waits for the answer', async () => {
    lab = openPair();
    const peer = await lab.server.kernelPeer('0');
    const capture = lab.server.spawn('tcpdump', ['-lnni', lab.serverInterface, '--immediate-mode', 'arp or tcp']);
    await capture.output(/listening on/);
    const { child } = await probe('packet', lab.client, `${lab.serverAddress}:${peer.port}`);
    child.write('syn\n');
    await child.event('packet');
    child.write('ack\n');
    await peer.child.event('connection');
    await capture.output(/\[\.\], ack/);
    const lines = capture.stdout.split('\n').map((line) => line.replace(/^\S+ /, ''));
    expect(
      lines.filter((line) => line.includes(`who-has ${lab.serverAddress} tell ${lab.clientAddress}`)),
    ).toHaveLength(1);
    expect(lines[0]).toMatch(/^ARP, Request who-has/);
    expect(lines.filter((line) => line.includes('[S]'))).toHaveLength(1);
  });

  test('two worker threads have a link each, share the connections out between them, and close what they held', async () => {
    lab = openPair();
    const CLIENTS = 20;
    const args = [`${lab.serverAddress}:9`, 'auto', '--driver', 'packet', '--worker', '--shares', '2'];
    const child = lab.client.node(PROBE, args);
    await child.output(/("event":"ready"[^\n]*\n(.*\n)*.*){2}/);
    const { port } = await child.event('ready');
    expect(socketCounts()).toEqual({ packet: 2, raw: 0 });
    lab.server.exec(
      process.execPath,
      '-e',
      `for(let i=0;i<${CLIENTS};i++)require('net').connect(${Number(port)},'${lab.clientAddress}').on('error',()=>{});setTimeout(()=>process.exit(),500)`,
    );
    const syns = (): readonly ChildEvent[] => packets(child).filter((packet) => packet['flags'] === 'S');
    await until(() => new Set(syns().map((syn) => syn['srcPort'])).size === CLIENTS);
    const byPeer = new Map(syns().map((syn) => [syn['srcPort'], syn['share']]));
    // Each peer is one worker's, its repetitions too, and both have some.
    for (const syn of syns()) expect(byPeer.get(syn['srcPort'])).toBe(syn['share']);
    expect(new Set(byPeer.values())).toEqual(new Set([0, 1]));
    child.write('exit\n');
    expect(await child.exit(10_000)).toEqual({ code: 0, signal: null });
    expect(socketCounts()).toEqual({ packet: 0, raw: 0 });
  });

  test('it is refused on what is no Ethernet, and on what is down', async () => {
    lab = openPair();
    lab.client.ip('tuntap', 'add', 'tun9', 'mode', 'tun');
    lab.client.ip('address', 'add', '10.99.0.1/24', 'dev', 'tun9');
    const refused = async (name: string): Promise<ChildEvent> =>
      lab.client.node(PROBE, ['10.99.0.2:9', 'none', '--driver', 'packet', '--interface', name]).event('failure');
    expect(await refused('tun9')).toMatchObject({ code: 'ENETDOWN' });
    lab.client.ip('link', 'set', 'tun9', 'up');
    expect(await refused('tun9')).toMatchObject({ code: 'ENOTSUP', hint: expect.stringContaining('--driver raw') });
  });
});

test('where no driver is named it is packet, and on what is no Ethernet raw, with the reason', async () => {
  lab = openPair();
  lab.client.ip('tuntap', 'add', 'tun9', 'mode', 'tun');
  lab.client.ip('address', 'add', '10.99.0.1/24', 'dev', 'tun9');
  lab.client.ip('link', 'set', 'tun9', 'up');
  const { ready } = await probe('any', lab.client, `${lab.serverAddress}:9`);
  expect(ready).toMatchObject({ driver: 'packet' });
  expect(ready).not.toHaveProperty('fallBack');
  const other = await probe('any', lab.client, '10.99.0.2:9');
  expect(other.ready).toMatchObject({ driver: 'raw', fallBack: expect.stringContaining('tun9 is no Ethernet') });
});
