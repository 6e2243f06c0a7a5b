/** The programs of docs/examples, as they are printed there, with the real thing at the other end; and an unchanged one. */
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import type { Child } from '../support/child.ts';
import { startNginx, startOpenssl, startPostgres, startRedis } from './counterparts.ts';
import { useStage } from './stage.ts';

const stage = useStage(async ({ server, directory, certificate }) => {
  await Promise.all([
    startNginx(server, directory, certificate),
    startRedis(server, directory, certificate),
    startPostgres(server, directory, certificate),
    startOpenssl(server, 4433, certificate, '-rev', '-quiet'),
  ]);
});

const path = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** By its name without `.mjs`. */
function start(name: string, args: readonly string[], where = stage().client, preload: readonly string[] = []): Child {
  const child = where.node(path(`../../docs/examples/${name}.mjs`), args, {
    nodeArgs: preload.flatMap((file) => ['--import', file]),
    env: { NODE_EXTRA_CA_CERTS: stage().certificate.cert },
  });
  onTestFinished(() => child.kill('SIGKILL'));
  return child;
}

async function said(child: Child): Promise<string> {
  const exit = await child.exit(60_000);
  expect([exit.code, child.stderr]).toEqual([0, '']);
  return child.stdout;
}

test('the clients get what they ask for', async () => {
  const { serverAddress: host, clientAddress } = stage();
  const url = `http://${host}/who`;
  const secure = `https://${host}/who`;
  expect(await said(start('http-client', [url, url, secure, secure]))).toBe(
    '200 HTTP/1.1   1\n200 HTTP/1.1   2\n200 HTTP/1.1 TLSv1.3 . 1\n200 HTTP/1.1 TLSv1.3 . 2\n',
  );
  expect(await said(start('http2-client', [secure]))).toMatch(/^(HTTP\/2\.0 TLSv1\.3 \. [123]){3}\n$/);
  expect(await said(start('undici', [url]))).toBe('HTTP/1.1   1HTTP/1.1   2HTTP/1.1   3\n');
  expect(await said(start('tls-client', [host, '4433']))).toBe('TLSv1.3 authorized\neyb\n');
  expect(await said(start('postgres', [host]))).toBe(`{ answer: 42, client_addr: '${clientAddress}' }\n`);
  expect(await said(start('redis', [host]))).toBe("[ 'OK', 'hello', 1 ]\n");
});

test('the servers answer', async () => {
  const { server, clientAddress, serverAddress, certificate } = stage();
  const plain = start('http-server', ['80']);
  const secure = start('http-server', ['443', certificate.key, certificate.cert]);
  const echo = start('websocket', []);
  await Promise.all([plain, secure, echo].map((child) => child.output(/listening on/, 60_000)));
  for (const scheme of ['http', 'https']) {
    const answer = server.exec('curl', '-sS', '--cacert', certificate.cert, `${scheme}://${clientAddress}/`);
    expect(answer).toBe(`hello, ${serverAddress}\n`);
  }
  for (const child of [plain, secure]) {
    child.kill('SIGTERM');
    await said(child);
  }
  // With each other; with ws on the kernel's TCP: websockets.test.ts.
  expect(await said(start('websocket', [`ws://${clientAddress}:8080/`], server))).toBe('hello\n');
});

test('a program that knows nothing of tcpx says the same on it, and opens no connection of the kernel’s', async () => {
  const { client, serverAddress } = stage();
  const opens = (): number => client.counters()['TcpActiveOpens']!;
  const onKernel = await said(start('unchanged', [serverAddress]));
  const before = opens();
  const onTcpx = await said(start('unchanged', [serverAddress], client, [path('../../src/register.ts')]));
  expect([onTcpx, opens()]).toEqual([onKernel, before]);
  expect(onTcpx.match(/^\S+/gm)).toEqual(['http', 'https', 'fetch', 'http2', 'ioredis', 'pg', 'ws']);
});
