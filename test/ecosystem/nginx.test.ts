/** Node's http, https and http2, and undici, on tcpx, with nginx: requests, pipelines, large bodies, and ends in the middle. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hashOfFile, makeFile, startNginx } from './counterparts.ts';
import { paths, resultsOf, setLoss, startProgram, useStage } from './stage.ts';

const stage = useStage((o) => startNginx(o.server, o.directory, o.certificate));

test.each(paths)('http, https, http/2 and undici with nginx%s', async (_name, size, loses) => {
  const { requests } = size;
  const site = join(stage().directory, 'site');
  const hash = makeFile(join(site, 'big'), size.octets);
  const uploads = join(site, 'up');
  for (const name of readdirSync(uploads)) rmSync(join(uploads, name));
  setLoss(stage(), loses);
  const undici = (protocol: string, cut: string): unknown => [protocol, requests, hash, 201, cut];
  const results = await resultsOf(stage(), startProgram(stage(), 'http', size));
  expect(results).toEqual({
    'one by one': Math.ceil(requests / 10),
    'in one go': [requests, true],
    'http requests': [requests, true],
    'http download': hash,
    'http upload': 201,
    'http left by us': [5, 'ECONNRESET', expect.stringMatching(/^HTTP\/1\.1 /)],
    'http left by the peer': ['ECONNRESET', 1_000_000],
    'https requests': [requests, true],
    'https download': hash,
    'https upload': 201,
    'https left by us': [5, 'ECONNRESET', expect.stringMatching(/^HTTP\/1\.1 /)],
    'https left by the peer': ['ECONNRESET', 1_000_000],
    // r: the session was taken up again
    'https again': ['HTTP/1.1 TLSv1.2 . 1', 'HTTP/1.1 TLSv1.2 r 1', 'HTTP/1.1 TLSv1.3 . 1', 'HTTP/1.1 TLSv1.3 r 1'],
    'http/2': [requests, hash, CANCEL, 'HTTP/2.0'],
    undici: undici('HTTP/1.1', 'UND_ERR_SOCKET'),
    'undici https': undici('HTTP/1.1', 'UND_ERR_SOCKET'),
    'undici h2': undici('HTTP/2.0', 'ERR_HTTP2_STREAM_ERROR'),
    'undici refused': 'ECONNREFUSED',
  });
  const whole = readdirSync(uploads).map((name) => [name, hashOfFile(join(uploads, name))]);
  expect(whole.sort()).toEqual(
    ['h2', 'http', 'https', 'undici', 'undici-h2', 'undici-https'].map((name) => [name, hash]),
  );
});

/** RFC 9113 §7. */
const CANCEL = 8;
