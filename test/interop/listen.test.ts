/** `tcpx listen` with the kernel's clients: one, many, at awkward moments; and what it does about addresses and ports. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Child } from '../support/child.ts';
import { KERNEL_PEER, type Namespace, openPair, type PairLab } from '../support/lab.ts';
import { pattern, sha256 } from '../support/pattern.ts';
import { expectNoResets, startCli, type TcpxRun, until } from '../support/tcpx.ts';

// Namespaces, children and real time, on a machine that may be busy.
vi.setConfig({ testTimeout: 90_000 });

const CLIENTS = new URL('../support/kernel-clients.mjs', import.meta.url).pathname;
const MEGABYTE = pattern(1_000_000);
const DIGEST = sha256(MEGABYTE);
const PASSIVE_OPEN = [
  'CLOSED --passive OPEN--> LISTEN (call)',
  'LISTEN --rcv SYN--> SYN-RECEIVED (segment)',
  'SYN-RECEIVED --rcv ACK of SYN--> ESTABLISHED (segment)',
];

let lab: PairLab;
beforeAll(() => {
  lab = openPair();
});
afterAll(() => lab.close());

/** Runs in the lab's `client` namespace; the kernel's clients come from `server`. Resolves when it listens. */
async function listening(...args: string[]): Promise<TcpxRun & { readonly port: number }> {
  const run = startCli(lab.client, 'listen', ...args);
  const [, port] = await run.child.output(/listening on [\d.]+:(\d+)/, 30_000);
  return { ...run, port: Number(port) };
}

const clients = (from: Namespace, to: string, ...args: string[]): Child => from.node(CLIENTS, ['--to', to, ...args]);
const done = (child: Child): Promise<Readonly<Record<string, unknown>>> => child.event('done', 60_000);

describe('kernel clients', () => {
  expectNoResets(() => lab.client);

  test('a megabyte each way between the standard streams and a client that closes first', async () => {
    const tcpx = await listening(`${lab.clientAddress}:0`);
    const peer = lab.server.node(KERNEL_PEER, [
      '--connect',
      `${lab.clientAddress}:${tcpx.port}`,
      '--send',
      '1000000',
      '--close-first',
    ]);
    tcpx.child.end(MEGABYTE);
    const { exit, log } = await tcpx.ended();
    expect(exit.code).toBe(0);
    expect(sha256(tcpx.child.stdoutOctets)).toBe(DIGEST);
    expect(await peer.event('close')).toMatchObject({ received: 1_000_000, sha256: DIGEST });
    expect(log.transitions().slice(0, 3)).toEqual(PASSIVE_OPEN);
    expect(log.transitions().at(-1)).toMatch(/--> (CLOSED|TIME-WAIT)/);
  });

  test('a megabyte that the client sends after our FIN still arrives', async () => {
    const tcpx = await listening('0');
    const peer = lab.server.node(KERNEL_PEER, [
      '--connect',
      `${lab.clientAddress}:${tcpx.port}`,
      '--send-late',
      '1000000',
    ]);
    tcpx.child.end();
    const { exit, log } = await tcpx.ended();
    expect(exit.code).toBe(0);
    expect(sha256(tcpx.child.stdoutOctets)).toBe(DIGEST);
    expect(log.transitions()).toEqual([
      ...PASSIVE_OPEN,
      'ESTABLISHED --CLOSE--> FIN-WAIT-1 (call)',
      'FIN-WAIT-1 --rcv ACK of FIN--> FIN-WAIT-2 (segment)',
      'FIN-WAIT-2 --rcv FIN--> TIME-WAIT (segment)',
    ]);
    expect(await peer.event('close')).toMatchObject({ received: 0, finReceived: true });
  });

  test('both close at once: CLOSING, then TIME-WAIT', async () => {
    // Half a second each way, so that the two FINs cross however slowly the two are told.
    const tcpx = await listening('0', '--delay', '500ms', '--time-wait', '--msl', '1');
    const peer = clients(lab.server, `${lab.clientAddress}:${tcpx.port}`, '--hold', '--send', '4');
    await tcpx.child.output(/0,0,/);
    tcpx.child.write('0,0,');
    await peer.event('echoed');
    peer.write('\n');
    tcpx.child.end();
    const { exit, log } = await tcpx.ended();
    expect(exit.code).toBe(0);
    expect(log.transitions()).toEqual([
      ...PASSIVE_OPEN,
      'ESTABLISHED --CLOSE--> FIN-WAIT-1 (call)',
      'FIN-WAIT-1 --rcv FIN--> CLOSING (segment)',
      'CLOSING --rcv ACK of FIN--> TIME-WAIT (segment)',
      'TIME-WAIT --2MSL--> CLOSED (timer)',
    ]);
    expect(await done(peer)).toMatchObject({ good: 1, errors: {} });
  });

  test('200 at once, each with an echo of its own', async () => {
    const tcpx = await listening('-k', '--echo', '0');
    const peers = clients(lab.server, `${lab.clientAddress}:${tcpx.port}`, '--count', '200', '--send', '20000');
    expect(await done(peers)).toEqual({ event: 'done', good: 200, bad: 0, errors: {} });
    tcpx.child.kill('SIGINT');
    const { exit, log } = await tcpx.ended();
    expect(exit.code).toBe(0);
    expect(log.of('summary')).toMatchObject([{ connections: 200, octetsIn: 4_000_000, octetsOut: 4_000_000 }]);
    expect(log.of('state').filter((r) => r.to === 'ESTABLISHED')).toHaveLength(200);
    expect(log.of('state').filter((r) => r.to === 'CLOSED')).toHaveLength(200);
  });

  test('500 one after another', async () => {
    const tcpx = await listening('-k', '--echo', '0');
    const peers = clients(lab.server, `${lab.clientAddress}:${tcpx.port}`, '--count', '500', '--at-once', '1');
    expect(await done(peers)).toMatchObject({ good: 500, bad: 0 });
    tcpx.child.kill('SIGINT');
    const { exit, log } = await tcpx.ended();
    expect(exit.code).toBe(0);
    expect(log.of('summary')).toMatchObject([{ connections: 500, octetsIn: 50_000 }]);
  });

  test('when the backlog is full the others try again, and come to their turn', async () => {
    const tcpx = await listening('-k', '--echo', '--max-connections', '1', '--backlog', '1', '0');
    const to = `${lab.clientAddress}:${tcpx.port}`;
    // One is served, two wait to be; the next two don't get through.
    const early = clients(lab.server, to, '--count', '3', '--hold');
    await until(() => tcpx.child.stderr.match(/-> ESTABLISHED/g)?.length === 3);
    const late = clients(lab.server, to, '--count', '2', '--hold');
    await until(() => lab.server.sockets(tcpx.port).filter((row) => row.state === 'SYN-SENT').length === 2);
    const echoed = (): number => [...early.events(), ...late.events()].filter((e) => e['event'] === 'echoed').length;
    for (let served = 1; served <= 5; served++) {
      await until(() => echoed() === served, 30_000);
      for (const child of [early, late]) child.write('\n');
    }
    expect(await done(early)).toEqual({ event: 'done', good: 3, bad: 0, errors: {} });
    expect(await done(late)).toEqual({ event: 'done', good: 2, bad: 0, errors: {} });
    tcpx.child.kill('SIGINT');
    const { exit, log } = await tcpx.ended();
    expect(exit.code).toBe(0);
    expect(log.of('summary')[0]!.counters!['backlogFull']).toBeGreaterThan(0);
  });
});

describe('Fast Open', () => {
  expectNoResets(() => lab.client);

  test('the second time a kernel client sends its data on the SYN', async () => {
    lab.server.sysctl('net.ipv4.tcp_fastopen', '1');
    const tcpx = await listening('-k', '--echo', '--tfo', '0');
    const MSG_FASTOPEN = 0x20000000;
    const program = `import socket
for text in (b'first', b'second'):
    s = socket.socket()
    s.sendto(text, ${MSG_FASTOPEN}, ('${lab.clientAddress}', ${tcpx.port}))
    s.shutdown(socket.SHUT_WR)
    print(s.makefile('rb').read().decode())`;
    expect(lab.server.exec('python3', '-c', program)).toBe('first\nsecond\n');
    tcpx.child.kill('SIGINT');
    const { log } = await tcpx.ended();
    expect(log.segments('in', (seg) => seg.flags === 'S').map((r) => [r.seg.len, r.seg.tfo?.length])).toEqual([
      [0, 0],
      [6, 16],
    ]);
  });

  test('connect shows the cookie that it was given, and with that its first input goes on the SYN', async () => {
    const tcpx = await listening('-k', '--echo', '--tfo', '0');
    const to = `127.0.0.1:${tcpx.port}`;
    const asking = startCli(lab.client, 'connect', '--tfo', to);
    asking.child.end('x');
    const [, cookie] = await asking.child.output(/next time --tfo=([0-9a-f]{16}) sends/);
    await asking.ended();
    const opening = startCli(lab.client, 'connect', `--tfo=${cookie}`, to);
    opening.child.end('on the SYN');
    const { exit, log } = await opening.ended();
    expect(exit.code).toBe(0);
    expect(opening.child.stdout).toBe('on the SYN');
    expect(log.segments('out')[0]!.seg).toMatchObject({ flags: 'S', len: 10, tfo: cookie });
    tcpx.child.kill('SIGINT');
    await tcpx.ended();
  });
});

describe('addresses', () => {
  test('without an address it is reached from outside, from this machine, and on loopback', async () => {
    const tcpx = await listening('-k', '--echo', '0');
    const before = lab.client.counters()['TcpOutRsts'];
    for (const [from, to] of [
      [lab.server, lab.clientAddress],
      [lab.client, lab.clientAddress],
      [lab.client, '127.0.0.1'],
    ] as const)
      expect(await done(clients(from, `${to}:${tcpx.port}`, '--send', '200000')), to).toMatchObject({ good: 1 });
    expect(lab.client.counters()['TcpOutRsts']).toBe(before);
    tcpx.child.kill('SIGINT');
    const { log } = await tcpx.ended();
    expect(log.of('listen').map((r) => `${r.local} ${r.interface}`)).toEqual([
      '127.0.0.1 lo',
      `${lab.clientAddress} lo`,
      `${lab.clientAddress} ${lab.clientInterface}`,
    ]);
    expect(log.of('open').map((r) => r.conn)).toEqual([1, 2, 3]);
  });

  test('an address of loopback that no interface lists is served all the same', async () => {
    const tcpx = await listening('--echo', '127.7.7.7:0');
    expect(await done(clients(lab.client, `127.7.7.7:${tcpx.port}`))).toMatchObject({ good: 1 });
    expect((await tcpx.ended()).exit.code).toBe(0);
  });

  test('-I takes what comes in there and nothing else: elsewhere the kernel refuses', async () => {
    const tcpx = await listening('-k', '--echo', '-I', lab.clientInterface, '0');
    expect(await done(clients(lab.server, `${lab.clientAddress}:${tcpx.port}`))).toMatchObject({ good: 1 });
    expect(await done(clients(lab.client, `127.0.0.1:${tcpx.port}`))).toMatchObject({ errors: { ECONNREFUSED: 1 } });
    tcpx.child.kill('SIGINT');
    expect((await tcpx.ended()).log.of('listen')).toHaveLength(1);
  });

  test.each(['packet', 'raw'])('on driver %s from outside and from this machine', async (driver) => {
    const tcpx = await listening('-k', '--echo', '--driver', driver, '0');
    for (const [from, to] of [
      [lab.server, lab.clientAddress],
      [lab.client, '127.0.0.1'],
    ] as const)
      expect(await done(clients(from, `${to}:${tcpx.port}`, '--count', '5', '--send', '200000')), to).toMatchObject({
        good: 5,
      });
    tcpx.child.kill('SIGINT');
    const { log } = await tcpx.ended();
    expect(new Set(log.of('listen').map((r) => r.driver))).toEqual(new Set([driver]));
  });

  test('on an address of our own, any port: its RSTs are ours, and the kernel sends none', async () => {
    const tcpx = await listening('-k', '--echo', '--ip', '10.77.0.77/24', '-I', lab.clientInterface, '7777');
    const before = lab.client.counters()['TcpOutRsts'];
    expect(await done(clients(lab.server, '10.77.0.77:7777', '--count', '3', '--send', '200000'))).toMatchObject({
      good: 3,
    });
    expect(await done(clients(lab.server, '10.77.0.77:7778'))).toMatchObject({ errors: { ECONNREFUSED: 1 } });
    expect(lab.client.counters()['TcpOutRsts']).toBe(before);
    tcpx.child.kill('SIGINT');
    expect((await tcpx.ended()).log.of('summary')[0]!.counters!['resetsOut']).toBe(1);
  });
});

describe('ports', () => {
  test.each(['md5', 'nft'])(
    'killed in mid-transfer with guard %s, it listens on the same port at once',
    async (guard) => {
      const args = ['-k', '--echo', '--guard', guard, guard === 'md5' ? '7001' : '7002'];
      const first = await listening(...args);
      const peers = clients(lab.server, `${lab.clientAddress}:${first.port}`, '--count', '3', '--hold');
      await until(() => peers.events().length === 3);
      first.child.kill('SIGKILL');
      await first.child.exit();
      const second = await listening(...args);
      expect(await done(clients(lab.server, `${lab.clientAddress}:${second.port}`, '--count', '20'))).toMatchObject({
        good: 20,
      });
      peers.kill();
      second.child.kill('SIGINT');
      expect((await second.ended()).exit.code).toBe(0);
      expect(lab.client.exec('nft', 'list', 'ruleset')).toBe('');
    },
  );

  test('an address that is not ours, and a port that a program has: what, and what to do', async () => {
    const kernel = await lab.client.kernelPeer('127.0.0.1:0', '--keep');
    for (const [place, message, code] of [
      [`${lab.serverAddress}:80`, `${lab.serverAddress} is not an address of this machine`, 2],
      [`${kernel.port}`, `port ${kernel.port} of 127.0.0.1 is in use`, 1],
    ] as const) {
      const tcpx = startCli(lab.client, 'listen', place);
      const { exit } = await tcpx.ended();
      expect(exit.code).toBe(code);
      expect(tcpx.child.stderr).toContain(`tcpx: ${message}\n  hint: `);
    }
    kernel.child.kill();
    expect(lab.client.sockets().filter((row) => row.state === 'LISTEN' && row.local.endsWith(':80'))).toEqual([]);
  });
});
