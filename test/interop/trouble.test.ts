/** A connection with the kernel that does not go smoothly: resets, shut windows, lost FINs, half-closes. */
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { openPair, type PairLab } from '../support/lab.ts';
import { ACTIVE_CLOSE, ACTIVE_OPEN, gaps } from '../support/log.ts';
import { pattern, sha256 } from '../support/pattern.ts';
import { expectNoResets, startClient, type TcpxRun, until } from '../support/tcpx.ts';

// Namespaces, children and real time, on a machine that may be busy.
vi.setConfig({ testTimeout: 90_000 });

let lab: PairLab;
beforeAll(() => {
  lab = openPair();
});
afterAll(() => lab.close());
afterEach(() => lab.server.nftClear());
expectNoResets(() => lab.client);

const SHORT = ['--sysctl', '{"tcp_msl":1}'];
const LEN = 10_000_000;
const DIGEST = sha256(pattern(LEN));

function connect(port: number, ...args: string[]): TcpxRun {
  return startClient(lab.client, '--connect', `${lab.serverAddress}:${port}`, ...args);
}

test('an RST in mid-stream ends the connection with ECONNRESET', async () => {
  const server = await lab.server.kernelPeer('0', '--reset-after', '1000000');
  const tcpx = connect(server.port, '--send', String(LEN));
  const { log } = await tcpx.ended();
  expect(await tcpx.child.event('error')).toMatchObject({ code: 'ECONNRESET' });
  expect(log.transitions()).toEqual([...ACTIVE_OPEN, 'ESTABLISHED --rcv RST--> CLOSED (segment)']);
  expect(log.errors()).toEqual(['ECONNRESET']);
  expect(log.segments('in', (seg) => seg.flags.includes('R')).length).toBeGreaterThan(0);
});

test('a window that is shut for ten seconds is probed, and all data arrive when it opens', async () => {
  const server = await lab.server.kernelPeer('0', '--stall', '10');
  const tcpx = connect(server.port, '--send', String(LEN), ...SHORT);
  const { exit, log } = await tcpx.ended(60_000);
  expect(exit.code).toBe(0);
  expect(await server.child.event('close')).toMatchObject({ received: LEN, sha256: DIGEST });
  const probes = log.segments('out', (_seg, line) => line.note === 'zero-window probe');
  expect(probes.length).toBeGreaterThanOrEqual(4);
  const between = gaps(probes);
  expect(between.slice(1, 4).every((gap, i) => Math.abs(gap - 2 * between[i]!) <= 0.2)).toBe(true);
  expect(log.segments('in', (seg) => seg.wnd === 0).length).toBeGreaterThanOrEqual(probes.length);
  expect(log.transitions()).toEqual([...ACTIVE_OPEN, ...ACTIVE_CLOSE]);
});

test('a reader that pauses shuts our window to the kernel, and opens it when it reads on', async () => {
  const server = await lab.server.kernelPeer('0', '--send', String(LEN));
  const tcpx = connect(server.port, '--stall', '3', '--close', 'fin', ...SHORT, '--options', '{"SO_RCVBUF":262144}');
  const peerClosing = server.child.event('sent', 30_000);
  await tcpx.child.event('connect');
  await peerClosing;
  tcpx.child.write('close\n');
  const { log } = await tcpx.ended(60_000);
  expect(await tcpx.child.event('close')).toMatchObject({ received: LEN, sha256: DIGEST });
  const shut = log.segments('out', (seg) => seg.wnd === 0);
  expect(shut.length).toBeGreaterThan(0);
  const opened = log.segments('out', (seg, line) => seg.wnd > 0 && line.t > shut[0]!.t);
  expect((opened[0]!.t - shut[0]!.t) / 1e6).toBeGreaterThan(2);
});

test('our abort reaches the kernel as a reset', async () => {
  const server = await lab.server.kernelPeer('0');
  const tcpx = connect(server.port, '--close', 'asked');
  await tcpx.child.event('connect');
  await server.child.event('connection');
  tcpx.child.write('abort\n');
  const { log } = await tcpx.ended();
  expect(await server.child.event('error')).toMatchObject({ code: 'ECONNRESET' });
  expect(log.transitions()).toEqual([...ACTIVE_OPEN, 'ESTABLISHED --ABORT--> CLOSED (call)']);
  expect(log.segments('out').at(-1)!.seg.flags).toContain('R');
});

test('a megabyte that comes after our FIN arrives', async () => {
  const server = await lab.server.kernelPeer('0', '--send-late', '1000000');
  const tcpx = connect(server.port, '--send', '1000', ...SHORT);
  const { log } = await tcpx.ended();
  expect(await tcpx.child.event('close')).toMatchObject({ received: 1_000_000, sha256: sha256(pattern(1_000_000)) });
  // Should its FIN have come twice, for an ACK of ours was late, the second ACK finds the peer gone, and brings a RST (RFC 1337).
  const transitions = log.transitions();
  expect(transitions.slice(0, -1)).toEqual([...ACTIVE_OPEN, ...ACTIVE_CLOSE.slice(0, -1)]);
  expect(transitions.at(-1)).toMatch(/^TIME-WAIT --(2MSL|rcv RST)--> CLOSED/);
  const finAt = log.segments('out', (seg) => seg.flags.includes('F'))[0]!.t;
  expect(log.segments('in', (seg) => seg.len > 0).every((line) => line.t > finAt)).toBe(true);
});

test('a FIN of ours that is lost while the peer closes too leads through CLOSING', async () => {
  const server = await lab.server.kernelPeer('0');
  const tcpx = connect(server.port, '--close', 'asked', ...SHORT);
  await tcpx.child.event('connect');
  await server.child.event('connection');
  lab.server.nft('input', `tcp dport ${server.port} tcp flags & fin == fin counter drop`);
  tcpx.child.write('close\n');
  await lossOf(1);
  // The kernel closes what belonged to a process that ends.
  server.child.kill('SIGKILL');
  await tcpx.child.event('received-fin');
  lab.server.nftClear();
  const { log } = await tcpx.ended();
  expect(log.transitions()).toEqual([
    ...ACTIVE_OPEN,
    'ESTABLISHED --CLOSE--> FIN-WAIT-1 (call)',
    'FIN-WAIT-1 --rcv FIN--> CLOSING (segment)',
    'CLOSING --rcv ACK of FIN--> TIME-WAIT (segment)',
    'TIME-WAIT --2MSL--> CLOSED (timer)',
  ]);
  const fins = log.segments('out', (seg) => seg.flags.includes('F'));
  expect(fins.length).toBeGreaterThanOrEqual(2);
  expect(['retransmission', 'tail loss probe']).toContain(fins[1]!.note);
});

test("a peer's FIN repeated in TIME-WAIT is acknowledged again and restarts the wait", async () => {
  const server = await lab.server.kernelPeer('0');
  const tcpx = connect(server.port, '--close', 'asked', ...SHORT);
  await tcpx.child.event('connect');
  await server.child.event('connection');
  lab.server.nft('input', `tcp dport ${server.port} tcp flags & (fin | syn | rst | psh | ack) == ack counter drop`);
  tcpx.child.write('close\n');
  await tcpx.child.event('time-wait');
  await lossOf(2);
  lab.server.nftClear();
  const { log } = await tcpx.ended();
  await server.child.exit();
  expect(log.transitions()).toEqual([...ACTIVE_OPEN, ...ACTIVE_CLOSE]);
  const fins = log.segments('in', (seg) => seg.flags.includes('F'));
  expect(fins.length).toBeGreaterThanOrEqual(2);
  const closed = log.of('state').at(-1)!;
  expect(Math.round((closed.t - fins.at(-1)!.t) / 1e5) / 10).toBe(2);
});

test('data that nobody acknowledges for the user timeout end the connection with ETIMEDOUT', async () => {
  const server = await lab.server.kernelPeer('0');
  const tcpx = connect(server.port, '--close', 'asked', '--options', '{"TCP_USER_TIMEOUT":2000}');
  await tcpx.child.event('connect');
  await server.child.event('connection');
  lab.server.nft('input', `tcp dport ${server.port} drop`);
  tcpx.child.write('send 100\n');
  const { log } = await tcpx.ended();
  expect(await tcpx.child.event('error')).toMatchObject({ code: 'ETIMEDOUT' });
  expect(log.transitions()).toEqual([...ACTIVE_OPEN, 'ESTABLISHED --give up--> CLOSED (timer)']);
  expect(log.segments('out', (_seg, line) => line.note === 'retransmission').length).toBeGreaterThanOrEqual(2);
});

test('a peer that ends with data unread resets us in FIN-WAIT-2', async () => {
  const server = await lab.server.kernelPeer('0', '--no-close', '--stall', '60');
  const tcpx = connect(server.port, '--send', '1000');
  await server.child.event('connection');
  await tcpx.child.output(/"to":"FIN-WAIT-2"/);
  server.child.kill('SIGKILL');
  const { log } = await tcpx.ended();
  expect(log.transitions()).toEqual([
    ...ACTIVE_OPEN,
    ...ACTIVE_CLOSE.slice(0, 2),
    'FIN-WAIT-2 --rcv RST--> CLOSED (segment)',
  ]);
  expect(await tcpx.child.event('error')).toMatchObject({ code: 'ECONNRESET' });
});

test('data sent to a peer that has gone after its FIN are answered with a reset, in CLOSE-WAIT', async () => {
  const server = await lab.server.kernelPeer('0', '--close-first');
  const tcpx = connect(server.port, '--close', 'asked');
  await tcpx.child.event('received-fin');
  server.child.kill('SIGKILL');
  await server.child.exit();
  tcpx.child.write('send 1000\n');
  const { log } = await tcpx.ended();
  expect(log.transitions()).toEqual([
    ...ACTIVE_OPEN,
    'ESTABLISHED --rcv FIN--> CLOSE-WAIT (segment)',
    'CLOSE-WAIT --rcv RST--> CLOSED (segment)',
  ]);
});

/** The server's firewall has dropped at least `count` packets. */
async function lossOf(count: number): Promise<void> {
  await until(() => dropped() >= count);
}

function dropped(): number {
  const rules = lab.server.exec('nft', 'list', 'table', 'ip', 'lab');
  return Math.max(0, ...[...rules.matchAll(/packets (\d+)/g)].map((m) => Number(m[1])));
}
