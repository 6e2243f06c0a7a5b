/** `tcpx serve` for curl, and `tcpx ss` beside the kernel's ss on the same connection. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Child } from '../support/child.ts';
import { openPair, type PairLab } from '../support/lab.ts';
import { cliProgram, scratch } from '../support/tcpx.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
const BIG = randomBytes(5_000_000);
const CLIMBING = expect.stringMatching(/^40[04]$/);
const sha = (octets: Buffer): string => createHash('sha256').update(octets).digest('hex');

let lab: PairLab;
let child: Child;
let site: string;
let base: string;

beforeAll(async () => {
  lab = openPair();
  site = scratch('site');
  mkdirSync(join(site, 'deep'), { recursive: true });
  writeFileSync(join(site, 'big'), BIG);
  writeFileSync(join(site, 'deep', 'a.txt'), 'hello\n');
  writeFileSync(join(site, '.secret'), 'no');
  child = lab.server.node(cliProgram(), ['serve', site, '--listen', `${lab.serverAddress}:8080`]);
  await child.output(/serving .* on http/);
  base = `http://${lab.serverAddress}:8080`;
});
afterAll(() => lab.close());

const curl = (...args: readonly string[]): string => lab.client.exec('curl', '-sS', '--max-time', '20', ...args);

test('curl gets a file whole, a part of it, and its head', () => {
  const got = join(site, '..', 'got');
  curl('-o', got, `${base}/big`);
  expect(sha(readFileSync(got))).toBe(sha(BIG));
  curl('-o', got, '-r', '1000-1999', `${base}/big`);
  expect(readFileSync(got).equals(BIG.subarray(1000, 2000))).toBe(true);
  const part = curl('-o', got, '-r', '-10', '-D', '-', `${base}/big`);
  expect(part).toMatch(/^HTTP\/1\.1 206 /);
  expect(part).toMatch(/^content-range: bytes 4999990-4999999\/5000000\r$/im);
  expect(curl('-o', got, '-w', '%{http_code}', '-r', '9999999-', `${base}/big`)).toBe('416');
  const head = curl('-I', `${base}/big`);
  expect(head).toMatch(/^HTTP\/1\.1 200 /);
  expect(head).toMatch(/^content-length: 5000000\r$/im);
  expect(head).toMatch(/^accept-ranges: bytes\r$/im);
});

test('a directory is a page, what is not there is 404, and nothing outside is given away', () => {
  const page = curl('-L', `${base}/deep`);
  expect(page).toContain('href="./a.txt"');
  expect(curl('-o', '/dev/null', '-w', '%{http_code} %{redirect_url}', `${base}/deep`)).toBe(`301 ${base}/deep/`);
  const codeOf = (path: string): string =>
    curl('--path-as-is', '-o', '/dev/null', '-w', '%{http_code}', `${base}/${path}`);
  expect(['none', '.secret', '%2e%2e/%2e%2e/etc/passwd', '../../../etc/passwd'].map(codeOf)).toEqual([
    '404',
    '404',
    CLIMBING,
    CLIMBING,
  ]);
});

test('one connection serves many requests, and a condition that holds is 304', () => {
  const urls = Array.from({ length: 20 }, () => `${base}/deep/a.txt`);
  expect(curl('-w', '%{num_connects}', ...urls)).toBe(`hello\n1${'hello\n0'.repeat(19)}`);
  const etag = /^etag: (.*)\r$/im.exec(curl('-I', `${base}/deep/a.txt`))?.[1];
  expect(curl('-w', '%{http_code}', '-H', `If-None-Match: ${etag}`, `${base}/deep/a.txt`)).toBe('304');
});

/** One request, and then it stays. */
const STAYING = `
import socket, sys, time
s = socket.create_connection((sys.argv[1], 8080))
s.sendall(b'GET /deep/a.txt HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')
s.recv(65536)
print('open')
time.sleep(60)
`;

test('ss shows it in the kernel’s columns and words, again and again with --watch, and to nobody else', async () => {
  const client = lab.client.spawn('python3', ['-uc', STAYING, lab.serverAddress]);
  await client.output(/open/);
  const ss = (...args: readonly string[]): Child =>
    lab.server.node(cliProgram(), ['ss', '--pid', String(child.pid), ...args]);
  const shown = async (...args: readonly string[]): Promise<string> => {
    const asked = ss(...args);
    expect((await asked.exit(30_000)).code).toBe(0);
    return asked.stdout;
  };
  const ours = await shown('-tio', 'state', 'established');
  const kernels = lab.client.exec('ss', '-tinoO', 'state', 'connected', 'dport', '=', ':8080');
  const columns = (text: string): readonly string[] => text.split('\n')[0]!.replace('Process', '').trim().split(/\s+/);
  const named = (text: string): readonly string[] => [...text.matchAll(/(?<=\s)([a-z_]+):/g)].map(([, name]) => name!);
  expect(columns(ours)).toEqual(columns(kernels));
  const [local = ''] = lab.client
    .sockets(8080)
    .filter(({ state }) => state === 'ESTAB')
    .map((row) => row.local);
  expect(ours).toMatch(new RegExp(`^ESTAB +0 +0 +${lab.serverAddress}:8080 +${local}$`, 'm'));
  // One end's account beside the other's: what both say, they call the same.
  for (const name of [
    'wscale',
    'rto',
    'rtt',
    'mss',
    'rcvmss',
    'advmss',
    'cwnd',
    'bytes_received',
    'segs_out',
    'segs_in',
  ])
    expect([name, named(ours).includes(name), named(kernels).includes(name)]).toEqual([name, true, true]);
  const watching = ss('--watch=0.2', '--json');
  await watching.output(/\n.*\n/);
  watching.kill('SIGINT');
  await watching.exit();
  const [first, second] = watching.stdout.split('\n').map((line) => (line === '' ? undefined : JSON.parse(line)));
  expect([first.schema, second.schema]).toEqual(['tcpx.ss/1', 'tcpx.ss/1']);
  const other = lab.server.tryExec(
    'setpriv',
    '--reuid',
    '65534',
    '--regid',
    '65534',
    '--clear-groups',
    'ls',
    '/run/tcpx',
  );
  expect(other.stderr).toMatch(/Permission denied/);
  client.kill('SIGKILL');
});
