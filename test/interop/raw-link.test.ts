/** The raw driver against a real kernel, one packet at a time: a probe in a namespace sends and tells what comes. */
import { afterEach, describe, expect, test } from 'vitest';
import type { Child, ChildEvent } from '../support/child.ts';
import { type Namespace, openPair, type PairLab } from '../support/lab.ts';

const support = (file: string): string => new URL(`../support/${file}`, import.meta.url).pathname;
const PROBE = support('link-probe.ts');
let lab: PairLab;
afterEach(() => lab.close());

async function probe(
  namespace: Namespace,
  remote: string,
  ...args: string[]
): Promise<{ child: Child; port: number; ready: ChildEvent }> {
  const child = namespace.node(PROBE, [remote, ...args]);
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

describe('against a kernel listener', () => {
  test("its SYN-ACK comes in, it gets no RST of our kernel's, and nothing else is delivered", async () => {
    lab = openPair();
    const peer = await lab.server.kernelPeer('0');
    const before = lab.client.counters();
    const { child } = await probe(lab.client, `${lab.serverAddress}:${peer.port}`);
    child.write('syn\n');
    expect(await child.event('packet')).toMatchObject({
      outcome: 'ok',
      from: lab.serverAddress,
      flags: 'S.',
      len: 0,
      checksum: 'unverified',
      owned: false,
    });
    child.write('ack\n');
    await peer.child.event('connection');
    child.write('data 1000\n');
    await child.output(/"event":"packet".*\n(.*\n)*.*"event":"packet"/);
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
    const { child } = await probe(lab.client, `${lab.serverAddress}:${peer.port}`, 'none');
    child.write('syn\n');
    await child.event('packet');
    child.write('ack\n');
    await child.output(/"flags":"R"/);
    expect(lab.client.counters()['TcpOutRsts']).toBe(1);
    expect(peer.child.events().map((event) => event['event'])).toEqual(['ready']);
  });

  test('merged segments above the MTU come in whole, and every packet is in a batch that ends', async () => {
    lab = openPair();
    const peer = await lab.server.kernelPeer('0', '--send', '14600');
    const { child } = await probe(lab.client, `${lab.serverAddress}:${peer.port}`);
    child.write('syn\n');
    await child.event('packet');
    child.write('ack\n');
    const octets = (): number => packets(child).reduce((sum, packet) => sum + Number(packet['len']), 0);
    while (octets() < 14600)
      await child.output(new RegExp(`(.*"event":"packet".*\\n(.*\\n)*){${packets(child).length + 1}}`));
    expect(Math.max(...packets(child).map((packet) => Number(packet['total'])))).toBeGreaterThan(1500);
    const { packetsIn } = await counters(child);
    const batches = child.events().filter((event) => event['event'] === 'batch');
    expect(batches.reduce((sum, batch) => sum + Number(batch['packets']), 0)).toBe(packetsIn);
    expect(batches.every((batch) => Number(batch['packets']) > 0)).toBe(true);
  });

  test('a packet above the MTU is an error, and is not sent', async () => {
    lab = openPair();
    const peer = await lab.server.kernelPeer('0');
    const { child } = await probe(lab.client, `${lab.serverAddress}:${peer.port}`);
    child.write('syn\n');
    await child.event('packet');
    child.write('data 1461\n');
    expect(await child.event('link-error')).toMatchObject({ code: 'EMSGSIZE', fatal: false });
    expect(await counters(child)).toMatchObject({ packetsOut: 1, errorsOut: 1 });
  });

  test("the kernel's refusal to send comes as an error with errno's name", async () => {
    lab = openPair();
    const { child } = await probe(lab.client, `${lab.serverAddress}:9`);
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
    const { child, ready } = await probe(
      lab.client,
      `${other.b}:${peer.port}`,
      'auto',
      '--interface',
      lab.clientInterface,
    );
    expect(ready).toMatchObject({ interface: lab.clientInterface });
    child.write('syn\n');
    expect(await child.event('packet')).toMatchObject({ from: other.b, flags: 'S.' });
    child.write('ack\n');
    expect(await peer.child.event('connection')).toMatchObject({ remoteAddress: lab.clientAddress });
  });

  test('on loopback packets of up to 65535 octets go out', async () => {
    lab = openPair();
    const peer = await lab.client.kernelPeer('127.0.0.1:0');
    const { child, ready } = await probe(lab.client, `127.0.0.1:${peer.port}`);
    expect(ready).toMatchObject({ interface: 'lo', mtu: 65535, receiveMtu: 65520 });
    child.write('syn\n');
    await child.event('packet');
    child.write('ack\ndata 65000\n');
    await child.output(/"event":"packet".*\n(.*\n)*.*"event":"packet"/);
    child.write('rst\n');
    expect(await peer.child.event('close')).toMatchObject({ received: 65_000 });
    expect(packets(child).every((packet) => packet['dstPort'] === ready['port'])).toBe(true);
    expect(lab.client.counters()['TcpOutRsts']).toBe(0);
  });
});

describe('what is delivered', () => {
  test('other ports of ours, and frames for another station, are not', async () => {
    lab = openPair();
    const { child, port } = await probe(lab.client, `${lab.serverAddress}:9`);
    const knock = (to: number): string =>
      lab.server.exec(
        process.execPath,
        '-e',
        `const s=require('net').connect(${to},'${lab.clientAddress}');s.on('error',()=>{});setTimeout(()=>s.destroy(),100)`,
      );
    knock(port === 65535 ? port - 1 : port + 1);
    lab.server.ip('neigh', 'replace', lab.clientAddress, 'lladdr', '02:00:00:00:00:99', 'dev', lab.serverInterface);
    knock(port);
    lab.server.ip('neigh', 'del', lab.clientAddress, 'dev', lab.serverInterface);
    knock(port);
    expect(await child.event('packet')).toMatchObject({ flags: 'S', dstPort: port });
    expect(await counters(child)).toMatchObject({ packetsIn: 1 });
  });

  test('every port is, when none is named', async () => {
    lab = openPair();
    const { child, port } = await probe(lab.client, `${lab.serverAddress}:9`, 'auto', '--any-port');
    const other = port > 40000 ? 2000 : 50000;
    lab.server.exec(
      process.execPath,
      '-e',
      `require('net').connect(${other},'${lab.clientAddress}').on('error',()=>{})`,
    );
    expect(await child.event('packet')).toMatchObject({ flags: 'S', dstPort: other });
  });

  test('ICMP is, and every fragment of a packet', async () => {
    lab = openPair();
    const { child, port } = await probe(lab.client, `${lab.serverAddress}:9`);
    const sender = await probe(lab.server, `${lab.clientAddress}:${port}`);
    sender.child.write('fragments 1000\n');
    await child.output(/"fragmentOffset":[1-9]/);
    expect(packets(child).map((packet) => [packet['total'], packet['fragmentOffset']])).toEqual([
      [20 + 504, 0],
      [20 + 516, 504],
    ]);
    datagram(lab.serverAddress);
    await child.output(/"protocol":1,/);
  });
});

describe('the link', () => {
  test('is full when the socket is, and says when it no longer is', async () => {
    lab = openPair();
    const { child } = await probe(lab.client, `${lab.serverAddress}:9`);
    // A slow queue keeps the packets in the socket's account; the neighbour is known, so that none waits for it.
    datagram(lab.serverAddress);
    lab.client.exec('ip', 'neigh', 'change', lab.serverAddress, 'dev', lab.clientInterface, 'nud', 'permanent');
    lab.client.exec(
      'tc',
      'qdisc',
      'replace',
      'dev',
      lab.clientInterface,
      'root',
      'tbf',
      'rate',
      '40mbit',
      'burst',
      '3000',
      'limit',
      '10000000',
    );
    child.write('flood 20000\n');
    expect(await child.event('flood')).toMatchObject({ outcome: 'full' });
    await child.event('writable');
    expect(await counters(child)).toMatchObject({ errorsOut: 0 });
  });

  test('has no socket left once it is closed, and lets the process end of its own accord', async () => {
    lab = openPair();
    const { child, port } = await probe(lab.client, `${lab.serverAddress}:9`);
    expect(socketCounts()).toEqual({ packet: 1, raw: 1 });
    child.write('close\n');
    await child.event('closed');
    expect(socketCounts()).toEqual({ packet: 0, raw: 0 });
    expect(lab.client.sockets(port)).toEqual([]);
    child.write('syn\n');
    expect(await child.event('sent')).toMatchObject({ outcome: 'error' });
    expect(socketCounts()).toEqual({ packet: 0, raw: 0 });
    child.write('end\n');
    expect(await child.exit(5000)).toEqual({ code: 0, signal: null });
  });

  test('leaves no socket behind a killed process', async () => {
    lab = openPair();
    const { child, port } = await probe(lab.client, `${lab.serverAddress}:9`);
    child.kill('SIGKILL');
    await child.exit();
    expect(socketCounts()).toEqual({ packet: 0, raw: 0 });
    expect(lab.client.sockets(port)).toEqual([]);
  });

  test('is refused in a worker thread, where the packages would crash', async () => {
    lab = openPair();
    const child = lab.client.node(PROBE, [`${lab.serverAddress}:9`, 'none', '--worker']);
    expect(await child.event('failure')).toMatchObject({ code: 'EWORKER' });
  });

  test('is refused without CAP_NET_RAW, with the remedy', async () => {
    lab = openPair();
    const child = lab.client.spawn('setpriv', [
      '--bounding-set',
      '-net_raw',
      '--inh-caps',
      '-net_raw',
      process.execPath,
      '--import',
      support('ts-loader.mjs'),
      PROBE,
      `${lab.serverAddress}:9`,
      'none',
    ]);
    expect(await child.event('failure')).toMatchObject({ code: 'EPERM', hint: expect.stringContaining('CAP_NET_RAW') });
  });

  test.each(['raw-socket', 'cap'])('says that the package %s is not built, with the remedy', async (name) => {
    lab = openPair();
    const child = lab.client.node(PROBE, [`${lab.serverAddress}:9`, 'none'], {
      nodeArgs: ['--require', support('hide-package.cjs')],
      env: { HIDE_PACKAGE: name },
    });
    const said = await child.event('failure');
    expect(said).toMatchObject({ code: 'ENOTBUILT' });
    expect(said['message']).toContain(`package ${name} is not built`);
    expect(said['hint']).toContain(`npm rebuild ${name}`);
  });
});
