/** Connections that share this machine's address with its kernel, from as many ports as they need. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openPair, type PairLab } from '../support/lab.ts';
import { startMany } from '../support/many.ts';
import { scaled } from '../support/scale.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });
const COUNT = scaled(300, 10_000);
/** Opened at once: SYN-ACKs of more than the peer's kernel has room for would be lost (native-notes.md, 'A full listener that resets'). */
const WAVE = 500;

let lab: PairLab;
beforeAll(() => {
  lab = openPair();
});
afterAll(() => lab.close());

/** Ports that a kernel socket keeps in tcpx's namespace. */
const guarded = (): Set<number> =>
  new Set(
    lab.client
      .exec('ss', '-Htln')
      .split('\n')
      .flatMap((row) => (row === '' ? [] : [Number(row.split(/\s+/)[3]!.split(':').at(-1))])),
  );

test.each(['packet', 'raw'])('driver %s: each to one peer has a port of its own, and none is reset', async (driver) => {
  const peer = await lab.server.kernelPeer('0', '--echo', '--keep');
  const target = ['--connect', `${lab.serverAddress}:${peer.port}`];
  const resetBefore = lab.client.counters()['TcpOutRsts'];
  const first = Math.min(COUNT, WAVE);
  const args = ['--many-ports', '--driver', driver, '--send', '3000', '--count', String(first), '--hold'];
  const tcpx = await startMany(lab.client, ...target, ...args, '--sysctl', '{"tcp_max_tw_buckets":0}');
  for (let open = first; open < COUNT; open += WAVE) {
    await tcpx.until(({ connected }) => connected === open, 30_000);
    tcpx.child.write(`open ${WAVE}\n`);
  }
  const m = await tcpx.until(({ received }) => received === COUNT * 3000, 60_000);
  expect(m).toMatchObject({ connected: COUNT, failures: {} });
  const ports = guarded();
  expect(ports.size).toBeGreaterThanOrEqual(COUNT);
  expect(ports.size).toBeLessThanOrEqual(COUNT * 1.25 + 16);
  const [from, to] = lab.client
    .exec('cat', '/proc/sys/net/ipv4/ip_local_port_range')
    .trim()
    .split(/\s+/)
    .map(Number) as [number, number];
  for (const port of ports) expect(from <= port && port <= to).toBe(true);
  expect(lab.client.counters()['TcpOutRsts']).toBe(resetBefore);
  tcpx.child.write('close\n');
  const over = await tcpx.until((now) => now.over === COUNT, 30_000);
  expect(over).toMatchObject({ intact: COUNT, failures: {} });
  // None left in TIME-WAIT: most of them go back at once, and the rest at the end.
  expect(guarded().size).toBeLessThanOrEqual(256);
  await tcpx.end();
  expect(guarded().size).toBe(0);
  peer.child.kill();
});

test('the kernel’s own connections are not disturbed', async () => {
  const peer = await lab.server.kernelPeer('0', '--echo', '--keep');
  const target = ['--connect', `${lab.serverAddress}:${peer.port}`];
  lab.client.sysctl('net.ipv4.ip_local_port_range', '40000 40063');
  const tcpx = await startMany(lab.client, ...target, '--many-ports', '--send', '1000', '--count', '30', '--hold');
  await tcpx.until(({ received }) => received === 30_000, 30_000);
  const ours = guarded();
  const theirs = lab.client.exec(
    process.execPath,
    '-e',
    `const s = require('net').connect(${peer.port}, '${lab.serverAddress}', () => { console.log(s.localPort); s.destroy(); })`,
  );
  expect(ours.has(Number(theirs))).toBe(false);
  await tcpx.end();
  peer.child.kill();
});
