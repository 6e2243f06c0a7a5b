/**
 * Rows of the transition table that are off the usual way, each taken against the kernel by what segments, calls and
 * time do. What a kernel peer can't be brought to send is left to virtual time.
 *
 * The counter of our kernel's RSTs is not watched here: connections are left half-way, and once tcpx has gone its kernel
 * answers for it.
 */
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { Child } from '../support/child.ts';
import { KERNEL_PEER, type KernelPeer, openPair, type PairLab } from '../support/lab.ts';
import { ACTIVE_CLOSE, ACTIVE_OPEN, gaps, type RunLog } from '../support/log.ts';
import { startClient, type TcpxRun, until } from '../support/tcpx.ts';

// Namespaces, children and real time, on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000 });

let lab: PairLab;
beforeAll(() => {
  lab = openPair();
});
afterAll(() => lab.close());
afterEach(() => lab.server.nftClear());

/** Longer than it takes to get into any of the states below. */
const IMPATIENT = ['--options', '{"TCP_USER_TIMEOUT":6000}'];
const FIN = 'tcp flags & fin == fin';
const SYN_ACK = 'tcp flags & (syn | ack) == (syn | ack)';

interface Both {
  readonly tcpx: TcpxRun;
  readonly server: KernelPeer;
  /** Has the server's machine drop what comes from us, or only what a rule names. */
  block(what?: string): void;
}

/** A connection both sides know of, octets of ours unread at the peer: so its end is a reset. */
async function connected(server: KernelPeer, clientArgs: readonly string[]): Promise<Both> {
  const tcpx = startClient(
    lab.client,
    '--connect',
    `${lab.serverAddress}:${server.port}`,
    '--close',
    'asked',
    ...clientArgs,
  );
  await tcpx.child.event('connect');
  await server.child.event('connection');
  tcpx.child.write('send 10\n');
  await until(() => lab.server.sockets(server.port).some((row) => row.receiveQueue === 10));
  return { tcpx, server, block: (what = '') => lab.server.nft('input', `tcp dport ${server.port} ${what} drop`) };
}

const reached = (tcpx: TcpxRun, state: string): Promise<unknown> => tcpx.child.output(new RegExp(`"to":"${state}"`));

/** Ways into a state in which the peer keeps us until something else happens. */
const INTO = {
  async 'FIN-WAIT-1'(clientArgs: readonly string[]) {
    const both = await connected(await lab.server.kernelPeer('0', '--stall', '60'), clientArgs);
    both.block(FIN);
    both.tcpx.child.write('close\n');
    await reached(both.tcpx, 'FIN-WAIT-1');
    return both;
  },
  async 'CLOSE-WAIT'(clientArgs: readonly string[]) {
    const both = await connected(await lab.server.kernelPeer('0', '--stall', '60', '--close-first'), clientArgs);
    await reached(both.tcpx, 'CLOSE-WAIT');
    return both;
  },
  async CLOSING(clientArgs: readonly string[]) {
    const server = await lab.server.kernelPeer('0', '--stall', '60', '--close-first');
    // The peer's FIN is held back until ours is out, and ours never arrives.
    lab.server.nft('output', `tcp sport ${server.port} ${FIN} drop`);
    const both = await connected(server, clientArgs);
    both.block(FIN);
    both.tcpx.child.write('close\n');
    await reached(both.tcpx, 'FIN-WAIT-1');
    lab.server.exec('nft', 'flush', 'chain', 'ip', 'lab', 'output');
    await reached(both.tcpx, 'CLOSING');
    return both;
  },
  async 'LAST-ACK'(clientArgs: readonly string[]) {
    const both = await INTO['CLOSE-WAIT'](clientArgs);
    both.block(FIN);
    both.tcpx.child.write('close\n');
    await reached(both.tcpx, 'LAST-ACK');
    return both;
  },
};
const STATES = ['FIN-WAIT-1', 'CLOSE-WAIT', 'CLOSING', 'LAST-ACK'] as const;
/** Both sides have closed: an abort says nothing to the peer, a reset nothing to the user (RFC 9293 §3.10.5, §3.10.7.4). */
const BOTH_CLOSED: Readonly<Record<string, true>> = { CLOSING: true, 'LAST-ACK': true };

test.each(STATES)('an abort in %s', async (state) => {
  const { tcpx } = await INTO[state]([]);
  tcpx.child.write('abort\n');
  const { log } = await tcpx.ended();
  expect(log.transitions().at(-1)).toBe(`${state} --ABORT--> CLOSED (call)`);
  expect(log.segments('out').at(-1)!.seg.flags.includes('R')).toBe(BOTH_CLOSED[state] === undefined);
});

test.each(STATES)('a reset in %s', async (state) => {
  const { tcpx, server } = await INTO[state]([]);
  server.child.kill('SIGKILL');
  const { log } = await tcpx.ended();
  expect(log.transitions().at(-1)).toBe(`${state} --rcv RST--> CLOSED (segment)`);
  const reported = tcpx.child.events().filter(({ event }) => event === 'error');
  expect(reported.map(({ code }) => code)).toEqual(BOTH_CLOSED[state] ? [] : ['ECONNRESET']);
});

test.each(STATES)('the user timeout in %s', async (state) => {
  const { tcpx, block } = await INTO[state](IMPATIENT);
  if (state === 'CLOSE-WAIT') {
    block();
    tcpx.child.write('send 10\n');
  }
  const { log } = await tcpx.ended();
  expect(log.transitions().at(-1)).toBe(`${state} --give up--> CLOSED (timer)`);
  expect(await tcpx.child.event('error')).toMatchObject({ code: 'ETIMEDOUT' });
});

test('FIN-WAIT-2 ends after its time when the user has gone', async () => {
  const server = await lab.server.kernelPeer('0', '--no-close');
  const target = ['--connect', `${lab.serverAddress}:${server.port}`, '--close', 'asked'];
  const tcpx = startClient(lab.client, ...target, '--sysctl', '{"tcp_fin_timeout":1}');
  await tcpx.child.event('connect');
  tcpx.child.write('destroy\n');
  const { log } = await tcpx.ended();
  expect(log.transitions()).toEqual([
    ...ACTIVE_OPEN,
    ...ACTIVE_CLOSE.slice(0, 2),
    'FIN-WAIT-2 --FIN-WAIT-2 timeout--> CLOSED (timer)',
  ]);
  const [, , , finWait2, closed] = log.of('state');
  expect(gaps([finWait2!, closed!])).toEqual([1]);
  server.child.kill();
});

test('an abort in TIME-WAIT ends it without a word', async () => {
  const server = await lab.server.kernelPeer('0');
  const tcpx = startClient(lab.client, '--connect', `${lab.serverAddress}:${server.port}`);
  await tcpx.child.event('time-wait');
  tcpx.child.write('abort\n');
  const { log } = await tcpx.ended();
  expect(log.transitions()).toEqual([
    ...ACTIVE_OPEN,
    ...ACTIVE_CLOSE.slice(0, 3),
    'TIME-WAIT --ABORT--> CLOSED (call)',
  ]);
  expect(log.segments('out', (seg) => seg.flags.includes('R'))).toEqual([]);
});

test.each([
  ['abort', 'ABORT'],
  ['destroy', 'CLOSE'],
])('%s before the peer has answered', async (command, event) => {
  lab.server.nft('input', 'tcp dport 9 drop');
  const tcpx = startClient(lab.client, '--connect', `${lab.serverAddress}:9`, '--close', 'asked');
  await reached(tcpx, 'SYN-SENT');
  tcpx.child.write(`${command}\n`);
  const { log } = await tcpx.ended();
  expect(log.transitions()).toEqual([ACTIVE_OPEN[0], `SYN-SENT --${event}--> CLOSED (call)`]);
  expect(log.segments('out', (seg) => seg.flags.includes('R'))).toEqual([]);
});

let ports = 41_000;

/** Held in SYN-RECEIVED of a simultaneous opening: what `refuse` does with our SYN-ACK at the server. */
async function halfOpen(refuse: string, ...clientArgs: string[]): Promise<{ tcpx: TcpxRun; peer: Child }> {
  const [ours, theirs] = [ports++, ports++];
  lab.server.nft('output', `tcp sport ${theirs} tcp flags & rst == rst drop`);
  lab.server.nft('input', `tcp dport ${theirs} ${SYN_ACK} ${refuse}`);
  const path = ['--connect', `${lab.serverAddress}:${theirs}`, '--port', String(ours)];
  const tcpx = startClient(lab.client, ...path, '--close', 'asked', ...clientArgs);
  await reached(tcpx, 'SYN-SENT');
  const peer = lab.server.node(KERNEL_PEER, [
    '--connect',
    `${lab.clientAddress}:${ours}`,
    '--local-port',
    String(theirs),
  ]);
  await reached(tcpx, 'SYN-RECEIVED');
  return { tcpx, peer };
}

const HALF_OPEN = [ACTIVE_OPEN[0], 'SYN-SENT --rcv SYN--> SYN-RECEIVED (segment)'];

test('an abort in SYN-RECEIVED', async () => {
  const { tcpx } = await halfOpen('drop');
  tcpx.child.write('abort\n');
  const { log } = await tcpx.ended();
  expect(log.transitions()).toEqual([...HALF_OPEN, 'SYN-RECEIVED --ABORT--> CLOSED (call)']);
});

test('a close in SYN-RECEIVED', async () => {
  const { tcpx, peer } = await halfOpen('drop', '--sysctl', '{"tcp_msl":1}');
  tcpx.child.write('destroy\n');
  await reached(tcpx, 'FIN-WAIT-1');
  peer.kill('SIGKILL');
  lab.server.nftClear();
  const { log } = await tcpx.ended();
  expect(log.transitions().slice(0, 3)).toEqual([...HALF_OPEN, 'SYN-RECEIVED --CLOSE--> FIN-WAIT-1 (call)']);
});

test('a SYN-ACK that nobody acknowledges in SYN-RECEIVED', async () => {
  const { tcpx } = await halfOpen('drop', '--sysctl', '{"tcp_synack_retries":1,"tcp_syn_retries":1}');
  const { log } = await tcpx.ended();
  expect(log.transitions()).toEqual([...HALF_OPEN, 'SYN-RECEIVED --give up--> CLOSED (timer)']);
  expect(await tcpx.child.event('error')).toMatchObject({ code: 'ETIMEDOUT' });
});

test('a reset in SYN-RECEIVED of an active opening refuses', async () => {
  const { tcpx, peer } = await halfOpen('drop');
  peer.kill('SIGKILL');
  await peer.exit();
  lab.server.nftClear();
  const { log } = await tcpx.ended();
  expect(log.transitions()).toEqual([...HALF_OPEN, 'SYN-RECEIVED --rcv RST--> CLOSED (segment)']);
  expect(await tcpx.child.event('error')).toMatchObject({ code: 'ECONNREFUSED' });
});

test('an unreachable port in SYN-RECEIVED', async () => {
  const { tcpx } = await halfOpen('reject with icmp type port-unreachable');
  const { log } = await tcpx.ended();
  expect(log.transitions()).toEqual([...HALF_OPEN, 'SYN-RECEIVED --ICMP error--> CLOSED (icmp)']);
  expect(await tcpx.child.event('error')).toMatchObject({ code: 'ECONNREFUSED' });
});

test('a reset in SYN-RECEIVED of a passive opening goes back to LISTEN', async () => {
  const tcpx = startClient(lab.client, '--listen', '8082', '--from', lab.serverAddress);
  await tcpx.child.event('ready');
  lab.server.nft('input', `tcp sport 8082 ${SYN_ACK} drop`);
  const peer = lab.server.node(KERNEL_PEER, ['--connect', `${lab.clientAddress}:8082`]);
  await reached(tcpx, 'SYN-RECEIVED');
  peer.kill('SIGKILL');
  await peer.exit();
  lab.server.nftClear();
  await tcpx.child.output(/"from":"SYN-RECEIVED"/);
  tcpx.child.write('close\n');
  const { log } = await tcpx.ended();
  expect(allTransitions(log)).toContain('SYN-RECEIVED --rcv RST, passive--> LISTEN (segment)');
});

const allTransitions = (log: RunLog): readonly string[] =>
  log.of('state').map((r) => `${r.from} --${r.event}--> ${r.to} (${r.cause})`);
