/** `--import tcpx/register`: a program that knows nothing of tcpx, on it, and on the kernel: the same answers. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Namespace, run } from '../support/lab.ts';

const path = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'tcpx-register-'));
const [key, certificate] = [join(dir, 'key.pem'), join(dir, 'certificate.pem')];
let place: Namespace;

beforeAll(() => {
  place = new Namespace(`tcpx-${process.pid}-reg`);
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  run('openssl', ['req', '-x509', ...ec, '-keyout', key, '-out', certificate, '-days', '2', '-subj', '/CN=localhost']);
});

afterAll(() => {
  place?.close();
  rmSync(dir, { recursive: true, force: true });
});

async function got(
  ...preload: readonly string[]
): Promise<{ readonly out: unknown; readonly kernelConnections: number }> {
  const opens = (): number => (place.counters()['TcpActiveOpens'] ?? 0) + (place.counters()['TcpPassiveOpens'] ?? 0);
  const before = opens();
  const child = place.node(path('../support/net-program.mjs'), [key, certificate], {
    nodeArgs: preload.flatMap((file) => ['--import', file]),
  });
  const exit = await child.exit(40_000);
  expect([exit.code, child.stderr]).toEqual([0, '']);
  return { out: JSON.parse(child.stdout), kernelConnections: opens() - before };
}

test('http, https, http2, fetch, net and tls of a whole program, and not one connection of the kernel’s', async () => {
  const onKernel = await got();
  const onTcpx = await got(path('../../src/register.ts'));
  expect(onTcpx.out).toEqual(onKernel.out);
  expect(onTcpx.out).toMatchObject({ net: 'through net', tls: 'through tls', h2: 'h2', https: '127.0.0.1 true' });
  expect(onKernel.kernelConnections).toBeGreaterThan(10);
  expect(onTcpx.kernelConnections).toBe(0);
}, 100_000);
