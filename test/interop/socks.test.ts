/** `tcpx socks` and `tcpx forward` between programs that know nothing of tcpx: what goes through, and what is left afterwards. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { Child } from '../support/child.ts';
import { type KernelPeer, openPair, type PairLab } from '../support/lab.ts';
import { report, scaled } from '../support/scale.ts';
import { cliProgram, scratch, until } from '../support/tcpx.ts';

vi.setConfig({ testTimeout: scaled(60_000, 1_800_000), hookTimeout: scaled(60_000, 240_000) });
const COUNT = scaled(400, 50_000);
const CLIENTS = new URL('../support/socks-clients.mjs', import.meta.url).pathname;

let lab: PairLab;
let echo: KernelPeer;
beforeAll(async () => {
  lab = openPair();
  echo = await lab.server.kernelPeer('0', '--echo', '--keep');
});
afterAll(() => lab.close());

const running: Child[] = [];
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
});
async function start(...args: string[]): Promise<{ child: Child; port: number }> {
  const child = lab.client.node(cliProgram(), args);
  running.push(child);
  const [, port] = await child.output(/(?:on|tcpx:) 127\.0\.0\.1:(\d+)/, scaled(20_000, 120_000));
  return { child, port: Number(port) };
}

const descriptors = (child: Child): number => readdirSync(`/proc/${child.pid}/fd`).length;
const memory = (child: Child): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]) * 1024;
/** How its connections ended, and how many in each way: a client sees that it was closed, not why. */
function endings(proxy: Child): string {
  const counts: Record<string, number> = {};
  for (const [, how] of proxy.stderr.matchAll(/^tcpx: c\d+ .* s: (.*)$/gm)) counts[how!] = (counts[how!] ?? 0) + 1;
  return JSON.stringify(counts);
}
const curl = (...args: string[]): ReturnType<typeof lab.client.tryExec> =>
  lab.client.tryExec('curl', '-sS', '--max-time', '20', ...args);

test('connections without number leave no descriptor, no port and no memory behind', async () => {
  // The clients share the processor with all that is tested: on a busy machine one may not get to say what it wants in 30 s.
  const { child, port } = await start('socks', '--listen', '0', '--msl', '1', '--connect-timeout', '600');
  const clients = async (count: number, ...more: string[]): Promise<Readonly<Record<string, unknown>>> => {
    const target = `${lab.serverAddress}:${echo.port}`;
    const args = ['--proxy', String(port), '--target', target, '--count', String(count), ...more];
    return lab.client.spawn(process.execPath, [CLIENTS, ...args]).event('done', scaled(40_000, 1_700_000));
  };
  // One of each kind first: what is opened once stays open.
  expect(await clients(20)).toMatchObject({ intact: 20, failed: {} });
  const before = { descriptors: descriptors(child), memory: memory(child) };
  const done = await clients(COUNT, '--at-once', '50', '--vanish', '0.1');
  expect(done, `of the proxy: ${endings(child)}`).toMatchObject({ intact: COUNT, failed: {} });
  // Whoever closes first is in TIME-WAIT: here for two seconds.
  await until(() => lab.client.sockets(port).every(({ state }) => state === 'LISTEN' || state === 'TIME-WAIT'), 30_000);
  await until(() => descriptors(child) <= before.descriptors + 256, 30_000);
  if (COUNT >= 50_000) {
    // The way out closes when it has been idle for half a minute, ports and all.
    await until(() => descriptors(child) <= before.descriptors, 90_000);
    expect(memory(child) - before.memory).toBeLessThan(40 << 20);
    report(`${COUNT} connections in ${done['seconds']} s; memory ${before.memory >> 10} -> ${memory(child) >> 10} KiB`);
  }
  child.kill('SIGINT');
  expect((await child.exit()).code).toBe(0);
  expect(lab.client.sockets().filter(({ state }) => state !== 'TIME-WAIT')).toEqual([]);
});

test('curl gets a file whole through it, by name or address, and hears by a reply why it got none', async () => {
  const directory = scratch('site');
  mkdirSync(directory);
  const octets = randomBytes(20_000_000);
  writeFileSync(join(directory, 'file'), octets);
  const server = lab.server.spawn('python3', ['-u', '-m', 'http.server', '8000', '--directory', directory]);
  await server.output(/Serving HTTP/);
  const { child, port } = await start('socks', '--listen', '0', '--connect-timeout', '1');
  const by = ['--socks5-hostname', `127.0.0.1:${port}`];
  const file = join(directory, 'got');
  expect(curl(...by, '-o', file, `http://${lab.serverAddress}:8000/file`)).toMatchObject({ status: 0, stderr: '' });
  const hash = (of: Buffer): string => createHash('sha256').update(of).digest('hex');
  expect(hash(readFileSync(file))).toBe(hash(octets));
  const status = (...args: string[]): string => curl(...by, '-o', '/dev/null', ...args).stderr.trim();
  expect(status(`http://${lab.serverAddress}:81/`)).toMatch(/\(5\)/);
  expect(status('http://no-such-name.invalid/')).toMatch(/\(4\)/);
  expect(status('http://10.77.0.99/')).toMatch(/\([46]\)/);
  child.kill('SIGINT');
  expect((await child.exit()).code).toBe(0);
  expect(child.stderr).toMatch(
    /c1 127\.0\.0\.1:\d+ -> 10\.77\.\d+\.2:8000 \(from 10\.77\.\d+\.1:\d+\) {2}\d+ B out, 20\.0 MB in, [\d.]+ s: closed\n/,
  );
  expect(child.stderr).toMatch(
    /:81 {2}0 B out, 0 B in, [\d.]+ s: connect ECONNREFUSED 10\.77\.\d+\.2:81 \(reply 5\)\n/,
  );
});

test('forward joins a kernel’s connection with one of tcpx’s, in either direction', async () => {
  const out = await start('forward', '127.0.0.1:0', `${lab.serverAddress}:${echo.port}`);
  const through = lab.client.spawn('python3', ['-c', HALF_CLOSE, String(out.port)]);
  expect(await through.exit()).toMatchObject({ code: 0 });
  expect(through.stdout).toBe('100000\n');
  const service = await lab.client.kernelPeer('0', '--echo', '--keep');
  const inward = lab.client.node(cliProgram(), [
    'forward',
    '--listen-with',
    'tcpx',
    `${lab.clientAddress}:7070`,
    `127.0.0.1:${service.port}`,
  ]);
  running.push(inward);
  await inward.output(/in by tcpx/);
  const back = lab.server.spawn('python3', ['-c', HALF_CLOSE, '7070', lab.clientAddress]);
  expect(await back.exit()).toMatchObject({ code: 0 });
  expect(back.stdout).toBe('100000\n');
});

test('a source address that is not ours is wrong use, and is told before anything is done', async () => {
  const target = `${lab.serverAddress}:${echo.port}`;
  const commands = [
    ['socks', '--listen', '0'],
    ['forward', '127.0.0.1:0', target],
    ['connect', target],
  ];
  const children = commands.map(([name, ...args]) =>
    lab.client.node(cliProgram(), [name!, '-s', lab.serverAddress, ...args]),
  );
  running.push(...children);
  for (const child of children) {
    expect(await child.exit(50_000)).toMatchObject({ code: 2 });
    expect(child.stderr).toBe(
      `tcpx: ${lab.serverAddress} is not an address of this machine\n  hint: \`ip -4 address\` lists those it has\n`,
    );
  }
});

/** Sends, closes its side, and only then reads to the end. */
const HALF_CLOSE = `
import socket, sys
s = socket.create_connection((sys.argv[2] if len(sys.argv) > 2 else '127.0.0.1', int(sys.argv[1])))
s.sendall(b'x' * 100000)
s.shutdown(socket.SHUT_WR)
n = 0
while True:
    got = s.recv(65536)
    if not got: break
    n += len(got)
print(n)
`;
