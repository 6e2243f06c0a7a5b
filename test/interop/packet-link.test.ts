/** The packet driver against a real kernel: by hand, one packet at a time, and under a stack when the interface fails. */
import { afterEach, describe, expect, test } from 'vitest';
import type { Child, ChildEvent } from '../support/child.ts';
import { type Namespace, openPair, openRouted, type PairLab } from '../support/lab.ts';
import { startClient, until } from '../support/tcpx.ts';

const support = (file: string): string => new URL(`../support/${file}`, import.meta.url).pathname;
const PROBE = support('link-probe.ts');
let lab: PairLab;
afterEach(() => lab.close());

async function probe(
  namespace: Namespace,
  remote: string,
  ...args: string[]
): Promise<{ child: Child; port: number; ready: ChildEvent }> {
  const child = namespace.node(PROBE, [remote, args[0] ?? 'auto', '--driver', 'packet', ...args.slice(1)]);
  const ready = await child.event('ready');
  return { child, port: Number(ready['port']), ready };
}

/** The counters, once the link has handled what was asked before. */
async function counters(child: Child): Promise<ChildEvent> {
  child.write('count\n');
  return child.event('count');
}

const packets = (child: Child): readonly ChildEvent[] => child.events().filter((event) => event['event'] === 'packet');

describe('against a kernel listener', () => {
  test("its SYN-ACK comes in with its checksum left to hardware, and it gets no RST of our kernel's", async () => {
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
      checksum: 'partial',
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

  test('the neighbour is asked for once, and the first packet waits for the answer', async () => {
    lab = openPair();
    const peer = await lab.server.kernelPeer('0');
    const capture = lab.server.spawn('tcpdump', ['-lnni', lab.serverInterface, '--immediate-mode', 'arp or tcp']);
    await capture.output(/listening on/);
    const { child } = await probe(lab.client, `${lab.serverAddress}:${peer.port}`);
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

  test('merged segments above the MTU come in whole, and every packet is in a batch that ends', async () => {
    lab = openPair();
    const peer = await lab.server.kernelPeer('0', '--send', '14600');
    const { child } = await probe(lab.client, `${lab.serverAddress}:${peer.port}`);
    child.write('syn\n');
    await child.event('packet');
    child.write('ack\n');
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
    const { child } = await probe(lab.client, `${lab.serverAddress}:${peer.port}`);
    child.write('syn\n');
    await child.event('packet');
    child.write('data 1461\n');
    expect(await child.event('link-error')).toMatchObject({ code: 'EMSGSIZE', fatal: false });
    expect(await counters(child)).toMatchObject({ packetsOut: 1, errorsOut: 1 });
  });

  test('an MTU that was lowered meanwhile is an error that says so', async () => {
    lab = openPair();
    const peer = await lab.server.kernelPeer('0');
    const { child } = await probe(lab.client, `${lab.serverAddress}:${peer.port}`);
    child.write('syn\n');
    await child.event('packet');
    lab.client.ip('link', 'set', lab.clientInterface, 'mtu', '1000');
    child.write('data 1400\n');
    expect(await child.event('link-error')).toMatchObject({ code: 'EMSGSIZE', fatal: false });
  });

  test('on loopback, where frames would be lost, packets of up to 65535 octets go out', async () => {
    lab = openPair();
    const peer = await lab.client.kernelPeer('127.0.0.1:0');
    const { child, ready } = await probe(lab.client, `127.0.0.1:${peer.port}`);
    expect(ready).toMatchObject({ interface: 'lo', mtu: 65535, receiveMtu: 65535 });
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
    const knock = (to: number): void => {
      lab.server.exec(
        process.execPath,
        '-e',
        `const s=require('net').connect(${to},'${lab.clientAddress}');s.on('error',()=>{});setTimeout(()=>s.destroy(),100)`,
      );
    };
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
    lab.client.exec('bash', '-c', `echo > /dev/udp/${lab.serverAddress}/9`);
    await child.output(/"protocol":1,/);
  });
});

describe('the link', () => {
  test('is full when the socket is, and says when it no longer is', async () => {
    lab = openPair();
    const { child } = await probe(lab.client, `${lab.serverAddress}:9`);
    lab.client.exec(
      ...(['tc', 'qdisc', 'replace', 'dev', lab.clientInterface, 'root', 'tbf'] as const),
      ...['rate', '40mbit', 'burst', '3000', 'limit', '100000000'],
    );
    child.write('syn\n');
    await child.event('packet');
    child.write('flood 20000\n');
    expect(await child.event('flood')).toMatchObject({ outcome: 'full' });
    await child.event('writable');
    expect(await counters(child)).toMatchObject({ errorsOut: 0 });
  });

  test('has no socket left once it is closed, and lets the process end of its own accord', async () => {
    lab = openPair();
    const sockets = (): number => lab.client.exec('cat', '/proc/net/packet').trim().split('\n').length - 1;
    const { child, port } = await probe(lab.client, `${lab.serverAddress}:9`);
    expect(sockets()).toBe(1);
    child.write('close\n');
    await child.event('closed');
    expect(sockets()).toBe(0);
    expect(lab.client.sockets(port)).toEqual([]);
    child.write('syn\n');
    expect(await child.event('sent')).toMatchObject({ outcome: 'error' });
    child.write('end\n');
    expect(await child.exit(10_000)).toEqual({ code: 0, signal: null });
  });

  test('works in a worker thread, whose end closes what it held', async () => {
    lab = openPair();
    const peer = await lab.server.kernelPeer('0');
    const child = lab.client.node(PROBE, [
      `${lab.serverAddress}:${peer.port}`,
      'auto',
      '--driver',
      'packet',
      '--worker',
    ]);
    await child.event('ready');
    child.write('syn\n');
    expect(await child.event('packet')).toMatchObject({ flags: 'S.' });
    child.write('exit\n');
    expect(await child.exit(10_000)).toEqual({ code: 0, signal: null });
  });

  test('is refused without CAP_NET_RAW, with the remedy', async () => {
    lab = openPair();
    const child = lab.client.spawn('setpriv', [
      ...['--bounding-set', '-net_raw', '--inh-caps', '-net_raw', process.execPath],
      ...['--import', support('ts-loader.mjs'), PROBE, `${lab.serverAddress}:9`, 'none', '--driver', 'packet'],
    ]);
    expect(await child.event('failure')).toMatchObject({ code: 'EPERM', hint: expect.stringContaining('CAP_NET_RAW') });
  });

  test('is refused on what is no Ethernet, and on what is down', async () => {
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

describe('a transfer', { timeout: 90_000 }, () => {
  /** Sends at 40 Mbit/s, so that there is a middle in which something can happen. */
  async function inTheMiddle(trouble: () => Promise<void>): Promise<ChildEvent> {
    const peer = await lab.server.kernelPeer('0');
    lab.client.exec(
      ...(['tc', 'qdisc', 'replace', 'dev', lab.clientInterface, 'root', 'tbf'] as const),
      ...['rate', '40mbit', 'burst', '30000', 'limit', '1000000'],
    );
    const client = startClient(
      lab.client,
      ...['--connect', `${lab.serverAddress}:${peer.port}`, '--driver', 'packet', '--send', '10000000'],
      ...['--sysctl', '{"tcp_msl":1}'],
    );
    await client.child.event('connect');
    await trouble();
    const closed = await client.child.event('close', 60_000);
    const received = await peer.child.event('close');
    expect(received).toMatchObject({ received: 10_000_000, hadError: false });
    expect(received['sha256']).toBe(closed['sentSha256']);
    await client.ended();
    return client.child.event('counters');
  }

  const wait = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time));

  test('outlives its interface going down and coming up', async () => {
    lab = openPair();
    await inTheMiddle(async () => {
      lab.client.ip('link', 'set', lab.clientInterface, 'down');
      await wait(1000);
      lab.client.ip('link', 'set', lab.clientInterface, 'up');
    });
  });

  test("outlives a cable that is pulled: the other side's interface down, and up again", async () => {
    lab = openPair();
    await inTheMiddle(async () => {
      lab.server.ip('link', 'set', lab.serverInterface, 'down');
      await wait(1000);
      lab.server.ip('link', 'set', lab.serverInterface, 'up');
    });
  });

  test('on loopback goes both ways', async () => {
    lab = openPair();
    const peer = await lab.client.kernelPeer('127.0.0.1:0', '--send', '5000000');
    const client = startClient(
      lab.client,
      ...['--connect', `127.0.0.1:${peer.port}`, '--driver', 'packet', '--send', '5000000'],
      ...['--sysctl', '{"tcp_msl":1}'],
    );
    const received = await peer.child.event('close');
    const closed = await client.child.event('close');
    expect([received['received'], received['sha256']]).toEqual([5_000_000, closed['sentSha256']]);
    expect([closed['received'], closed['sha256']]).toEqual([5_000_000, received['sentSha256']]);
    expect(lab.client.counters()['TcpOutRsts']).toBe(0);
  });

  test('goes through a router', async () => {
    lab = openRouted();
    await inTheMiddle(async () => {});
  });

  test('ends with an error that says so when its interface vanishes', async () => {
    lab = openPair();
    const peer = await lab.server.kernelPeer('0');
    const client = startClient(
      lab.client,
      ...['--connect', `${lab.serverAddress}:${peer.port}`, '--driver', 'packet', '--close', 'asked'],
    );
    await client.child.event('connect');
    lab.client.ip('link', 'del', lab.clientInterface);
    await client.child.output(/"event":"link-error","code":"ENODEV".*"fatal":true/);
    expect(await client.child.event('error')).toMatchObject({ code: 'ENETUNREACH' });
  });
});
