/** An address of our own against real kernels: their ARP, their pings, their connections, and who answers at a closed port. */
import { afterEach, describe, expect, test } from 'vitest';
import type { Child } from '../support/child.ts';
import { type Namespace, openPair, openRouted, type PairLab } from '../support/lab.ts';
import { startCli, startClient, type TcpxRun, until } from '../support/tcpx.ts';

const PING = new URL('../support/ping.py', import.meta.url).pathname;
const OURS = '10.77.0.9';
let lab: PairLab;
afterEach(() => lab.close());

const own = (...more: string[]): string[] => ['--interface', lab.clientInterface, '--ip', `${OURS}/24`, ...more];
const SHORT = ['--sysctl', '{"tcp_msl":1}'];

/** A client that stays. */
async function serve(...args: string[]): Promise<TcpxRun> {
  const run = startClient(lab.client, '--listen', '7000', '--from', lab.serverAddress, ...own(...args));
  await run.child.event('ready');
  return run;
}

function macOf(namespace: Namespace, name: string): string {
  return /link\/ether (\S+)/.exec(namespace.ip('link', 'show', name))![1]!;
}

/** What the kernel there believes of an address; undefined when it knows nothing. */
function neighbour(namespace: Namespace, address: string): string | undefined {
  return /lladdr (\S+)/.exec(namespace.ip('neigh', 'show', address))?.[1];
}

/** tcpdump on the peer's end; resolves when it is ready. */
async function watch(filter: string): Promise<Child> {
  const capture = lab.server.spawn('tcpdump', ['-lnnei', lab.serverInterface, '--immediate-mode', filter]);
  await capture.output(/listening on/);
  return capture;
}

/** Tries to connect from the peer's kernel; how it ended. */
function knock(from: Namespace, address: string, port: number): string {
  return from
    .exec(
      process.execPath,
      '-e',
      `const s=require('net').connect(${port},'${address}');s.on('connect',()=>{console.log('connected');s.destroy()});
     s.on('error',(e)=>console.log(e.code));s.setTimeout(5000,()=>{console.log('silence');s.destroy()})`,
    )
    .trim();
}

describe('connections', () => {
  test('to a kernel, both sides send, and this kernel takes no part', async () => {
    lab = openPair();
    const before = lab.client.counters();
    const peer = await lab.server.kernelPeer('0', '--send', '1000000');
    const client = startClient(
      lab.client,
      ...['--connect', `${lab.serverAddress}:${peer.port}`, '--send', '1000000', ...SHORT, ...own()],
    );
    const received = await peer.child.event('close');
    const closed = await client.child.event('close');
    expect(received).toMatchObject({ received: 1_000_000, sha256: closed['sentSha256'], hadError: false });
    expect(closed).toMatchObject({ received: 1_000_000, sha256: received['sentSha256'] });
    expect(await peer.child.event('connection')).toMatchObject({ remoteAddress: OURS });
    const after = lab.client.counters();
    expect(after['TcpOutRsts']).toBe(before['TcpOutRsts']);
    expect(after['TcpInSegs']).toBe(before['TcpInSegs']);
  });

  test('from a kernel, which learns our hardware address and not that of the interface', async () => {
    lab = openPair();
    const server = await serve('--send', '500000', ...SHORT);
    const peer = lab.server.spawn(process.execPath, [
      new URL('../support/kernel-peer.mjs', import.meta.url).pathname,
      ...['--connect', `${OURS}:7000`, '--send', '500000'],
    ]);
    const theirs = await peer.event('close');
    expect(theirs).toMatchObject({ received: 500_000, hadError: false });
    expect(await server.child.event('close')).toMatchObject({ received: 500_000, sha256: theirs['sentSha256'] });
    const mac = neighbour(lab.server, OURS)!;
    expect(mac).not.toBe(macOf(lab.client, lab.clientInterface));
    // Locally administered, and one station's.
    expect(Number.parseInt(mac.slice(0, 2), 16) & 3).toBe(2);
  });

  test('of two tcpx, each with an address of its own, and no kernel at either end', async () => {
    lab = openPair();
    const server = await serve('--send', '100000', ...SHORT);
    const other = startClient(
      lab.server,
      ...['--connect', `${OURS}:7000`, '--send', '100000', ...SHORT],
      ...['--interface', lab.serverInterface, '--ip', '10.77.0.10/24'],
    );
    const closed = await other.child.event('close');
    expect(await server.child.event('close')).toMatchObject({ received: 100_000, sha256: closed['sentSha256'] });
  });

  test('to what is off-link go through the gateway of the interface', async () => {
    lab = openRouted();
    const peer = await lab.server.kernelPeer('0');
    const client = startClient(
      lab.client,
      ...['--connect', `${lab.serverAddress}:${peer.port}`, '--send', '10000', ...SHORT, ...own()],
    );
    expect(await peer.child.event('close')).toMatchObject({ received: 10_000, hadError: false });
    await client.ended();
  });

  test('to what is off-link are refused without a gateway, with the remedy', async () => {
    lab = openPair();
    const cli = startCli(lab.client, 'connect', '192.0.2.1:9', '-I', lab.clientInterface, '--ip', `${OURS}/24`);
    expect((await cli.child.exit()).code).toBe(6);
    expect(cli.child.stderr).toContain(`no gateway for 192.0.2.1 on ${lab.clientInterface}`);
    expect(cli.child.stderr).toMatch(/hint: .*prefix length.*route/);
  });

  test('need CAP_NET_RAW and nothing else, as in a container', async () => {
    lab = openPair();
    const peer = await lab.server.kernelPeer('0');
    const client = lab.client.spawn('setpriv', [
      ...['--bounding-set', '-all,+net_raw', '--inh-caps', '-all,+net_raw', process.execPath],
      ...['--import', new URL('../support/ts-loader.mjs', import.meta.url).pathname],
      new URL('../support/tcpx-client.ts', import.meta.url).pathname,
      ...['--connect', `${lab.serverAddress}:${peer.port}`, '--send', '10000', ...SHORT, ...own()],
    ]);
    expect(await peer.child.event('close')).toMatchObject({ received: 10_000, hadError: false });
    expect(await client.exit()).toEqual({ code: 0, signal: null });
  });
});

describe('on the segment', () => {
  test('the address is probed for and announced before a packet leaves', async () => {
    lab = openPair();
    const capture = await watch(`(arp and host ${OURS}) or tcp`);
    const peer = await lab.server.kernelPeer('0');
    startClient(lab.client, ...['--connect', `${lab.serverAddress}:${peer.port}`, ...own()]);
    await capture.output(/\[S\]/);
    const lines = capture.stdout.split('\n').map((line) => line.replace(/^.*?(who-has|is-at|\[S\])/, '$1'));
    expect(lines.slice(0, 5).map((line) => line.replace(/ \(.*?\)/, '').split(',')[0])).toEqual([
      `who-has ${OURS} tell 0.0.0.0`,
      `who-has ${OURS} tell 0.0.0.0`,
      `who-has ${OURS} tell 0.0.0.0`,
      `who-has ${OURS} tell ${OURS}`,
      `who-has ${lab.serverAddress} tell ${OURS}`,
    ]);
  });

  test('a ping is answered', async () => {
    lab = openPair();
    await serve();
    expect(lab.server.exec('python3', PING, OURS, '3').trim()).toBe('3 64');
    // Without us nobody answers: it is not this machine's kernel that did.
    expect(lab.client.ip('address', 'show')).not.toContain(OURS);
  });

  test("an address that the peer's kernel has is refused, with its hardware address", async () => {
    lab = openPair();
    lab.server.ip('address', 'add', `${OURS}/24`, 'dev', lab.serverInterface);
    const cli = startCli(
      lab.client,
      ...['connect', `${lab.serverAddress}:9`, '-I', lab.clientInterface, '--ip', `${OURS}/24`],
    );
    expect((await cli.child.exit()).code).toBe(1);
    expect(cli.child.stderr).toContain(`${OURS} is used by ${macOf(lab.server, lab.serverInterface)}`);
  });

  test('of two that want one address at the same time, one at most has it', async () => {
    lab = openPair();
    const started = [lab.client, lab.server].map((namespace) =>
      startClient(
        namespace,
        ...['--listen', '7000', '--from', '10.77.0.77', '--interface', lab.clientInterface, '--ip', `${OURS}/24`],
      ),
    );
    const outcomes = await Promise.all(
      started.map(({ child }) => child.output(/"event":"ready"|is used by/).then((match) => match[0])),
    );
    expect(outcomes).toContain('is used by');
  });

  test('a machine that takes the address later is told whose it is, and when it goes on, we stop', async () => {
    lab = openPair();
    const server = await serve();
    const capture = await watch(`arp and host ${OURS}`);
    lab.server.ip('address', 'add', `${OURS}/32`, 'dev', lab.serverInterface);
    const announce = (): void => {
      // What Linux sends for an address that comes with its interface.
      lab.server.exec('python3', '-c', gratuitous(macOf(lab.server, lab.serverInterface), lab.serverInterface));
    };
    announce();
    await capture.output(new RegExp(`who-has ${OURS} .*tell ${OURS}`));
    expect(server.child.events().filter((event) => event['event'] === 'link-error')).toEqual([]);
    announce();
    expect(await server.child.event('link-error')).toMatchObject({ code: 'EADDRINUSE', fatal: true });
  });

  test("this machine's own addresses, loopback, and the raw driver are refused, each with the remedy", async () => {
    lab = openPair();
    const refused = async (...args: string[]): Promise<string> => {
      const cli = startCli(lab.client, 'connect', `${lab.serverAddress}:9`, ...args);
      expect((await cli.child.exit()).code).not.toBe(0);
      return cli.child.stderr;
    };
    const I = ['-I', lab.clientInterface];
    expect(await refused(...I, '--ip', `${lab.clientAddress}/24`)).toMatch(
      /this machine's own address\n.*leave --ip out/,
    );
    expect(await refused('-I', 'lo', '--ip', `${OURS}/24`)).toMatch(/lo has no segment/);
    expect(await refused(...I, '--ip', `${OURS}/24`, '--driver', 'raw')).toMatch(/needs frames\n.*--driver packet/);
    expect(await refused(...I, '--ip', '10.77.0.255/24')).toMatch(/can't be a host's address/);
  });
});

describe('a closed port', () => {
  /** Segments with RST that reach the peer, as tcpdump tells them: who sent each. */
  async function resets(knocks: () => void): Promise<string[]> {
    const capture = await watch('tcp');
    knocks();
    // A connection that is over tells that all before it has been seen.
    const fence = await lab.client.kernelPeer(`${lab.clientAddress}:0`);
    expect(knock(lab.server, lab.clientAddress, fence.port)).toBe('connected');
    await capture.output(new RegExp(`> ${lab.clientAddress.replaceAll('.', '\\.')}\\.${fence.port}: Flags \\[F`));
    return capture.stdout
      .split('\n')
      .filter((line) => /Flags \[R/.test(line) && !line.includes(`.${fence.port}`))
      .map((line) => line.split(' ')[1]!);
  }

  test('of our own address is answered with one RST, and it is ours', async () => {
    lab = openPair();
    const server = await serve();
    const before = lab.client.counters()['TcpOutRsts']!;
    const senders = await resets(() => expect(knock(lab.server, OURS, 81)).toBe('ECONNREFUSED'));
    expect(senders).toEqual([neighbour(lab.server, OURS)]);
    expect(lab.client.counters()['TcpOutRsts']).toBe(before);
    expect(server.child.ended).toBeUndefined();
  });

  test.each(['raw', 'packet'])(
    "of the shared address is answered with one RST, and it is the kernel's (%s)",
    async (driver) => {
      lab = openPair();
      const run = startClient(lab.client, ...['--listen', '7000', '--from', lab.serverAddress, '--driver', driver]);
      await run.child.event('ready');
      const before = lab.client.counters()['TcpOutRsts']!;
      const senders = await resets(() => expect(knock(lab.server, lab.clientAddress, 81)).toBe('ECONNREFUSED'));
      expect(senders).toEqual([macOf(lab.client, lab.clientInterface)]);
      expect(lab.client.counters()['TcpOutRsts']).toBe(before + 1);
    },
  );
});

describe('when the interface', { timeout: 60_000 }, () => {
  test('goes down and comes up in mid-transfer, the transfer goes on and the address is announced again', async () => {
    lab = openPair();
    const peer = await lab.server.kernelPeer('0');
    lab.client.exec(
      ...(['tc', 'qdisc', 'replace', 'dev', lab.clientInterface, 'root', 'tbf'] as const),
      ...['rate', '40mbit', 'burst', '30000', 'limit', '1000000'],
    );
    const client = startClient(
      lab.client,
      ...['--connect', `${lab.serverAddress}:${peer.port}`, '--send', '5000000', ...SHORT, ...own()],
    );
    await client.child.event('connect');
    lab.client.ip('link', 'set', lab.clientInterface, 'down');
    await client.child.output(/"event":"link-error","code":"ENETDOWN".*"fatal":false/);
    const capture = await watch(`arp and host ${OURS}`);
    lab.client.ip('link', 'set', lab.clientInterface, 'up');
    await capture.output(new RegExp(`who-has ${OURS} .*tell ${OURS}`));
    expect(await peer.child.event('close', 50_000)).toMatchObject({ received: 5_000_000, hadError: false });
    await until(() => neighbour(lab.server, OURS) !== undefined);
  });
});

/** A gratuitous ARP for OURS from `mac`. */
function gratuitous(mac: string, name: string): string {
  return `
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("${name}", 0x0806))
mac = bytes.fromhex("${mac.replaceAll(':', '')}")
ip = socket.inet_aton("${OURS}")
s.send(b"\\xff" * 6 + mac + b"\\x08\\x06" + bytes.fromhex("0001080006040001") + mac + ip + b"\\0" * 6 + ip)
`;
}
