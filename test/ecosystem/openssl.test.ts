/** Node's tls on tcpx with `openssl`: s_server for its clients, s_client for its servers; TLS 1.2 and 1.3. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { makeFile, startOpenssl } from './counterparts.ts';
import { paths, resultsOf, setLoss, startProgram, useStage } from './stage.ts';

const stage = useStage(async ({ server, directory, certificate }) => {
  await startOpenssl(server, 4433, certificate, '-rev', '-quiet', '-tls1_2');
  await startOpenssl(server, 4434, certificate, '-rev', '-quiet', '-tls1_3');
  // It gives files of the directory that it runs in.
  const files = ['-C', join(directory, 'site'), 'openssl', 's_server', '-WWW', '-quiet', '-accept', '4435'];
  server.spawn('env', [...files, '-key', certificate.key, '-cert', certificate.cert]);
});

test.each(paths)('tls over tcpx with openssl s_server%s', async (_name, size, loses) => {
  const hash = makeFile(join(stage().directory, 'site/big'), size.octets);
  setLoss(stage(), loses);
  const expected = (version: string): Record<string, unknown> => ({
    [`${version} lines`]: [version, stage().serverAddress, true, size.requests],
    [`${version} again`]: true,
    [`${version} large`]: hash,
    [`${version} left by us`]: true,
  });
  const results = await resultsOf(stage(), startProgram(stage(), 'tls', size));
  expect(results).toEqual({
    ...expected('TLSv1.2'),
    ...expected('TLSv1.3'),
    'not trusted': 'DEPTH_ZERO_SELF_SIGNED_CERT',
  });
});

test.each(paths)('openssl s_client with a tls server on tcpx%s', async (_name, size, loses) => {
  const { server, clientAddress, certificate, directory } = stage();
  const session = join(directory, 'session');
  const child = startProgram(stage(), 'tls-server', size);
  onTestFinished(() => child.kill('SIGKILL'));
  await child.event('ready', 60_000);
  setLoss(stage(), loses);
  const client = (input: string, ...args: string[]): string => {
    const to = ['-connect', `${clientAddress}:443`, '-CAfile', certificate.cert, '-verify_return_error'];
    const command = `printf '${input}' | timeout 120 openssl s_client -ign_eof ${[...to, ...args].join(' ')}`;
    return server.exec('sh', '-c', command);
  };
  for (const version of ['-tls1_2', '-tls1_3']) {
    const first = client('who\\n', version, '-sess_out', session);
    const again = client('who\\n', version, '-sess_in', session);
    expect([/^(New|Reused), TLS/m.exec(first)?.[1], /^(New|Reused), TLS/m.exec(again)?.[1]]).toEqual(['New', 'Reused']);
    expect(again).toContain(`you are ${stage().serverAddress}, session taken up again: true\n`);
    const lines = client('line\\n'.repeat(size.requests), version, '-quiet', '2>/dev/null');
    expect(lines.split('\n').filter((line) => line === 'enil')).toHaveLength(size.requests);
    const sum = client('large\\n', version, '-quiet', '2>/dev/null', '|', 'sha256sum');
    expect(sum.split(' ')[0]).toBe((await child.event('large'))['hash']);
    // It leaves in the middle.
    client('large\\n', version, '-quiet', '2>/dev/null', '|', 'head', '-c', '1000');
    rmSync(session);
  }
  child.kill('SIGTERM');
  expect(await resultsOf(stage(), child)).toEqual({});
});
