/** How connections begin, or fail to, against the kernel. */
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { KERNEL_PEER, openRouted, type RoutedLab } from '../support/lab.ts';
import { ACTIVE_CLOSE, ACTIVE_OPEN, gaps, PASSIVE_CLOSE } from '../support/log.ts';
import { pattern, sha256 } from '../support/pattern.ts';
import { expectNoResets, startClient } from '../support/tcpx.ts';

// Namespaces, children and real time, on a machine that may be busy.
vi.setConfig({ testTimeout: 90_000 });

let lab: RoutedLab;
beforeAll(() => {
  lab = openRouted();
});
afterAll(() => lab.close());
afterEach(() => {
  lab.server.nftClear();
  lab.router.nftClear();
});

const SHORT = ['--sysctl', '{"tcp_msl":1}'];

describe('with the guard', () => {
  expectNoResets(() => lab.client);

  test('the three segments of a handshake, and their options, are as they should be', async () => {
    const server = await lab.server.kernelPeer('0');
    const tcpx = startClient(lab.client, '--connect', `${lab.serverAddress}:${server.port}`, ...SHORT);
    const { log } = await tcpx.ended();
    const [syn] = log.segments('out');
    const [synAck] = log.segments('in');
    expect(syn!.seg).toMatchObject({ flags: 'S', len: 0, mss: 1460, sackOk: true, ack: 0 });
    expect(syn!.seg.ts?.[1]).toBe(0);
    expect(synAck!.seg).toMatchObject({ flags: 'S.', mss: 1460, sackOk: true, ack: (syn!.seg.seq + 1) >>> 0 });
    expect(log.segments('out')[1]!.seg).toMatchObject({
      flags: '.',
      len: 0,
      seq: (syn!.seg.seq + 1) >>> 0,
      ack: (synAck!.seg.seq + 1) >>> 0,
    });
    expect(log.transitions()).toEqual([...ACTIVE_OPEN, ...ACTIVE_CLOSE]);
  });

  test('a port where nobody listens refuses: ECONNREFUSED, from SYN-SENT to CLOSED', async () => {
    const tcpx = startClient(lab.client, '--connect', `${lab.serverAddress}:9`);
    const { log } = await tcpx.ended();
    expect(await tcpx.child.event('error')).toMatchObject({ code: 'ECONNREFUSED', syscall: 'connect' });
    expect(log.transitions()).toEqual([ACTIVE_OPEN[0], 'SYN-SENT --rcv RST--> CLOSED (segment)']);
    expect(log.errors()).toEqual(['ECONNREFUSED']);
    expect(log.segments('out').length).toBe(1);
  });

  test('a silent peer gets the SYN again after 1 and 2 seconds, and after 4 more ETIMEDOUT ends it', async () => {
    lab.server.nft('input', 'tcp dport 9 drop');
    const tcpx = startClient(lab.client, '--connect', `${lab.serverAddress}:9`, '--sysctl', '{"tcp_syn_retries":2}');
    const { log } = await tcpx.ended(30_000);
    expect(await tcpx.child.event('error')).toMatchObject({ code: 'ETIMEDOUT', syscall: 'connect' });
    const syns = log.segments('out', (seg) => seg.flags === 'S');
    expect(gaps(syns)).toEqual([1, 2]);
    expect(new Set(syns.map((s) => s.seg.seq)).size).toBe(1);
    expect(syns.slice(1).every((s) => s.note === 'retransmission')).toBe(true);
    const [end] = log.of('state').slice(-1);
    // The timer's time; a busy machine may be late with it.
    const [wait] = gaps([syns[2]!, end!]);
    expect(wait).toBeGreaterThanOrEqual(4);
    expect(wait).toBeLessThan(5);
    expect(log.transitions()).toEqual([ACTIVE_OPEN[0], 'SYN-SENT --give up--> CLOSED (timer)']);
  });

  test('a SYN that meets the SYN of a kernel socket opens simultaneously', async () => {
    // The kernel's first answer, to a port not yet in use there, must not reach us.
    lab.server.nft('output', 'tcp sport 40077 tcp flags & rst == rst drop');
    const tcpx = startClient(
      lab.client,
      '--connect',
      `${lab.serverAddress}:40077`,
      '--port',
      '40078',
      '--send',
      '1000',
      '--close',
      'fin',
      ...SHORT,
    );
    await tcpx.child.event('ready');
    const peer = lab.server.node(KERNEL_PEER, [
      '--connect',
      `${lab.clientAddress}:40078`,
      '--local-port',
      '40077',
      '--send',
      '2000',
      '--close-first',
    ]);
    const { log } = await tcpx.ended();
    expect(log.transitions()).toEqual([
      ACTIVE_OPEN[0],
      'SYN-SENT --rcv SYN--> SYN-RECEIVED (segment)',
      'SYN-RECEIVED --rcv ACK of SYN--> ESTABLISHED (segment)',
      ...PASSIVE_CLOSE,
    ]);
    expect(await tcpx.child.event('close')).toMatchObject({ received: 2000, sha256: sha256(pattern(2000)) });
    expect(await peer.event('close')).toMatchObject({ received: 1000, sha256: sha256(pattern(1000)) });
    const [synAck] = log.segments('out', (seg) => seg.flags === 'S.');
    expect(synAck!.seg).toMatchObject({ mss: 1460, sackOk: true });
  });

  test('a kernel client connects to a tcpx listener, sends, and closes first', async () => {
    const tcpx = startClient(
      lab.client,
      '--listen',
      '8080',
      '--from',
      lab.serverAddress,
      '--send',
      '100000',
      '--close',
      'fin',
    );
    await tcpx.child.event('ready');
    const peer = lab.server.node(KERNEL_PEER, [
      '--connect',
      `${lab.clientAddress}:8080`,
      '--send',
      '200000',
      '--close-first',
    ]);
    await tcpx.child.event('close');
    tcpx.child.write('close\n');
    const { log } = await tcpx.ended();
    expect(await tcpx.child.event('close')).toMatchObject({ received: 200_000, sha256: sha256(pattern(200_000)) });
    expect(await peer.event('close')).toMatchObject({
      received: 100_000,
      sha256: sha256(pattern(100_000)),
      hadError: false,
    });
    const all = log.of('state').map((r) => `${r.from} --${r.event}--> ${r.to} (${r.cause})`);
    for (const row of [
      'LISTEN --rcv SYN--> SYN-RECEIVED (segment)',
      'SYN-RECEIVED --rcv ACK of SYN--> ESTABLISHED (segment)',
      ...PASSIVE_CLOSE,
    ]) {
      expect(all).toContain(row);
    }
  });

  test('a kernel client that comes again from the same port while we are in TIME-WAIT is let in', async () => {
    const tcpx = startClient(lab.client, '--listen', '8080', '--from', lab.serverAddress, '--send', '1000', ...SHORT);
    await tcpx.child.event('ready');
    const args = ['--connect', `${lab.clientAddress}:8080`, '--local-port', '40079'];
    const first = lab.server.node(KERNEL_PEER, args);
    expect(await first.event('close')).toMatchObject({ received: 1000, hadError: false });
    await tcpx.child.event('time-wait');
    const second = lab.server.node(KERNEL_PEER, args);
    expect(await second.event('close')).toMatchObject({ received: 1000, hadError: false });
    tcpx.child.write('close\n');
    const { log } = await tcpx.ended();
    const all = log.of('state').map((r) => `${r.from} --${r.event}--> ${r.to} (${r.cause})`);
    expect(all).toContain('TIME-WAIT --rcv SYN--> CLOSED (segment)');
    expect(all.filter((row) => row === 'LISTEN --rcv SYN--> SYN-RECEIVED (segment)').length).toBe(2);
  });

  test('a SYN-ACK that the peer never sees acknowledged is sent again, and the handshake goes on', async () => {
    // The third segment is lost on its way; the kernel repeats its SYN-ACK, and that is acknowledged at once.
    const server = await lab.server.kernelPeer('0');
    lab.server.nft('input', `tcp dport ${server.port} tcp flags & (syn | ack | fin) == ack drop`);
    const tcpx = startClient(
      lab.client,
      '--connect',
      `${lab.serverAddress}:${server.port}`,
      '--close',
      'asked',
      ...SHORT,
    );
    await tcpx.child.event('connect');
    lab.server.nftClear();
    await server.child.event('connection', 10_000);
    tcpx.child.write('close\n');
    const { log } = await tcpx.ended();
    expect(log.segments('in', (seg) => seg.flags === 'S.').length).toBeGreaterThanOrEqual(2);
    expect(log.transitions()).toEqual([...ACTIVE_OPEN, ...ACTIVE_CLOSE]);
  });

  test('a network that says the host is unreachable ends the attempt', async () => {
    lab.router.nft('forward', 'tcp dport 9 reject with icmp type host-unreachable');
    const tcpx = startClient(lab.client, '--connect', `${lab.serverAddress}:9`, '--sysctl', '{"tcp_syn_retries":1}');
    const { log } = await tcpx.ended();
    expect(await tcpx.child.event('error')).toMatchObject({ code: 'EHOSTUNREACH' });
    expect(log.of('icmp').length).toBeGreaterThan(0);
  });

  test('a network that says the port is unreachable refuses', async () => {
    lab.router.nft('forward', 'tcp dport 9 reject with icmp type port-unreachable');
    const tcpx = startClient(lab.client, '--connect', `${lab.serverAddress}:9`, '--sysctl', '{"tcp_syn_retries":1}');
    const { log } = await tcpx.ended();
    expect(await tcpx.child.event('error')).toMatchObject({ code: 'ECONNREFUSED' });
    expect(log.transitions()).toEqual([ACTIVE_OPEN[0], 'SYN-SENT --ICMP error--> CLOSED (icmp)']);
  });
});

test('without a guard our own kernel resets the connection, and its counter shows it', async () => {
  const server = await lab.server.kernelPeer('0', '--keep');
  const before = lab.client.counters()['TcpOutRsts']!;
  const tcpx = startClient(
    lab.client,
    '--connect',
    `${lab.serverAddress}:${server.port}`,
    '--guard',
    'none',
    '--send',
    '1000',
    ...SHORT,
  );
  // The kernel's RST comes before or after our ACK; either way the peer has no connection when our data come.
  const { log } = await tcpx.ended();
  expect(lab.client.counters()['TcpOutRsts']!).toBeGreaterThan(before);
  expect(log.transitions().at(-1)).toMatch(/--rcv RST--> CLOSED \(segment\)$/);
  expect(await tcpx.child.event('error')).toMatchObject({ code: 'ECONNRESET' });
  server.child.kill();
});
