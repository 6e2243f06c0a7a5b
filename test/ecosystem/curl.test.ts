/** curl, of Debian, with servers of Node's http, https and http2 on tcpx. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { RunResult } from '../support/lab.ts';
import { until } from '../support/tcpx.ts';
import { hashOfFile, makeFile } from './counterparts.ts';
import { paths, peersOf, setLoss, startProgram, useStage } from './stage.ts';

const stage = useStage(async () => {});

/** curl's options for a protocol, and the server that speaks it. */
const protocols: readonly (readonly [version: string, url: string, options: readonly string[]])[] = [
  ['1.0', 'http://server.test', ['--http1.0']],
  ['1.1', 'http://server.test', ['--http1.1']],
  ['1.1', 'https://server.test', ['--http1.1', '--tls-max', '1.2']],
  ['1.1', 'https://server.test', ['--http1.1', '--tlsv1.3']],
  ['2.0', 'https://server.test', ['--http2']],
  // One request a time: of a second one on its connection this curl says 'framing layer', on the kernel's TCP as well.
  ['2.0', 'http://server.test:8080', ['--http2-prior-knowledge']],
];

test.each(paths)('curl with http, https and http/2 servers on tcpx%s', async (_name, size, loses) => {
  const { directory, certificate, clientAddress, server } = stage();
  const { requests, octets } = size;
  const big = join(directory, 'site/big');
  const [got, one] = [join(directory, 'got'), join(directory, 'one')];
  const hash = makeFile(big, octets);
  setLoss(stage(), loses);
  const child = startProgram(stage(), 'http-server', size);
  onTestFinished(() => child.kill('SIGKILL'));
  await child.event('ready', 60_000);
  const names = ['80', '443', '8080'].flatMap((port) => ['--resolve', `server.test:${port}:${clientAddress}`]);
  const curl = (...args: readonly string[]): RunResult =>
    server.tryExec('curl', '-sS', '--cacert', certificate.cert, ...names, ...args);

  for (const [version, url, options] of protocols) {
    const which = `${url} ${options.join(' ')}`;
    const count = url.endsWith(':8080') ? 1 : requests;
    const { stdout, stderr } = curl(...options, `${url}/[1-${count}]`);
    const lines = stdout.trim().split('\n');
    const last = lines.at(-1)?.split(' ');
    expect([stderr, lines.length, last?.[0], last?.[2]], which).toEqual(['', count, version, stage().serverAddress]);
    // Kept alive but in 1.0.
    expect(Number(last?.[1]), which).toBe(version === '1.0' ? 1 : count);
    expect(curl(...options, '-o', got, `${url}/big`), which).toMatchObject({ status: 0, stderr: '' });
    expect(hashOfFile(got), which).toBe(hash);
    expect(curl(...options, '-T', big, `${url}/up`), which).toMatchObject({ status: 0, stdout: `${hash}\n` });
    // The server leaves in the middle, then the client does.
    expect(curl(...options, '-o', one, `${url}/cut`).status, which).toBeOneOf(version === '2.0' ? [18, 92] : [18, 56]);
    expect(curl(...options, '--max-filesize', '1000', '-o', one, `${url}/big`).status, which).toBe(63);
  }
  const together = curl('--parallel', '--parallel-max', '20', `http://server.test/[1-${requests}]`);
  expect([together.stdout.trim().split('\n').length, together.status]).toEqual([requests, 0]);

  child.kill('SIGTERM');
  const exit = await child.exit(60_000);
  expect(exit, child.stderr).toEqual({ code: 0, signal: null });
  const nowhere = [false, null];
  expect(await child.event('over')).toMatchObject({ addresses: [nowhere, nowhere, nowhere] });
  await until(() => peersOf(stage()).length === 0, 60_000);
  for (const file of [got, one]) rmSync(file, { force: true });
});
