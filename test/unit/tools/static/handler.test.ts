/** A tree of files over Node's http, in the test's own process. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { byteRange } from '../../../../src/tools/static/byte-range.ts';
import { contentType } from '../../../../src/tools/static/content-types.ts';
import { staticHandler } from '../../../../src/tools/static/handler.ts';
import { Tree } from '../../../../src/tools/static/tree.ts';

const directory = realpathSync(mkdtempSync(join(tmpdir(), 'tcpx-static-')));
const root = join(directory, 'root');
const server = createServer(staticHandler(new Tree(root)));

beforeAll(async () => {
  mkdirSync(join(root, 'sub'), { recursive: true });
  mkdirSync(join(root, 'with <b> & "quotes"'));
  writeFileSync(join(directory, 'secret'), 'outside');
  writeFileSync(join(root, 'hello.txt'), 'hello, world');
  writeFileSync(join(root, '.hidden'), 'hidden');
  writeFileSync(join(root, 'empty'), '');
  writeFileSync(join(root, 'sub/index.html'), '<p>index</p>');
  symlinkSync('../secret', join(root, 'leak'));
  symlinkSync('hello.txt', join(root, 'inner'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  server.close();
  rmSync(directory, { recursive: true });
});

interface Got {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

function get(path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): Promise<Got> {
  const { port } = server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }));
    });
    asked.on('error', reject).end();
  });
}

test('a file comes whole, with its type, length and version', async () => {
  const { status, headers, body } = await get('/hello.txt');
  expect([status, body]).toEqual([200, 'hello, world']);
  expect(headers).toMatchObject({
    'content-type': 'text/plain; charset=utf-8',
    'content-length': '12',
    'accept-ranges': 'bytes',
    'x-content-type-options': 'nosniff',
  });
  expect((await get('/empty')).body).toBe('');
  expect((await get('/inner')).body).toBe('hello, world');
});

test('HEAD says the same of it without it', async () => {
  const { status, headers, body } = await get('/hello.txt', {}, 'HEAD');
  expect([status, body, headers['content-length']]).toEqual([200, '', '12']);
});

test.each([
  ['/leak', 404],
  ['/../secret', 400],
  ['/%2e%2e/secret', 400],
  ['/sub/..%2f..%2fsecret', 400],
  ['/sub/%2e%2e/%2e%2e/secret', 400],
  ['/%00', 400],
  ['/%zz', 400],
  ['/.hidden', 404],
  ['/nothing', 404],
  ['/hello.txt/', 404],
])('%s is %i, and nothing from outside comes', async (path, wanted) => {
  const { status, body } = await get(path);
  expect(status).toBe(wanted);
  expect(body).not.toContain('outside');
});

test('a directory has a list, in which no name is more than text, or its index', async () => {
  const { body } = await get('/');
  expect(body).toContain('<a href="./hello.txt">hello.txt</a>');
  expect(body).toContain('with &#60;b&#62; &#38; &#34;quotes&#34;/</a>');
  expect(body).not.toMatch(/<b>|leak|hidden/);
  expect((await get('/with%20%3Cb%3E%20%26%20%22quotes%22/')).body).toContain('Nothing is in here.');
  expect(await get('/sub/')).toMatchObject({ status: 200, body: '<p>index</p>' });
  expect(await get('/sub')).toMatchObject({ status: 301, headers: { location: '/sub/' } });
});

test('a move never leads to another host', async () => {
  expect((await get('//sub')).headers.location).toBe('/sub/');
});

test('a range comes alone, one beyond the end is refused', async () => {
  const part = await get('/hello.txt', { Range: 'bytes=7-' });
  expect([part.status, part.body, part.headers['content-range']]).toEqual([206, 'world', 'bytes 7-11/12']);
  const beyond = await get('/hello.txt', { Range: 'bytes=12-' });
  expect([beyond.status, beyond.headers['content-range']]).toEqual([416, 'bytes */12']);
});

test('what is unchanged does not come again, and a range of another version comes whole', async () => {
  const { headers } = await get('/hello.txt');
  const { etag = '' } = headers;
  expect((await get('/hello.txt', { 'If-None-Match': etag })).status).toBe(304);
  expect((await get('/hello.txt', { 'If-Modified-Since': headers['last-modified'] ?? '' })).status).toBe(304);
  expect((await get('/hello.txt', { 'If-None-Match': '"other"' })).status).toBe(200);
  expect((await get('/hello.txt', { Range: 'bytes=0-1', 'If-Range': '"other"' })).status).toBe(200);
  expect((await get('/hello.txt', { Range: 'bytes=0-1', 'If-Range': etag })).status).toBe(206);
});

test('only reading is served', async () => {
  const { status, headers } = await get('/hello.txt', {}, 'DELETE');
  expect([status, headers.allow]).toEqual([405, 'GET, HEAD']);
});

test.each([
  ['bytes=0-4', { first: 0, last: 4 }],
  ['bytes=5-', { first: 5, last: 9 }],
  ['bytes=-3', { first: 7, last: 9 }],
  ['bytes=-30', { first: 0, last: 9 }],
  ['bytes=8-100', { first: 8, last: 9 }],
  ['bytes=10-', 'unsatisfiable'],
  ['bytes=-0', 'unsatisfiable'],
  ['bytes=5-3', 'whole'],
  ['bytes=0-1,4-5', 'whole'],
  ['octets=0-1', 'whole'],
  [undefined, 'whole'],
])('%s of ten octets', (header, range) => {
  expect(byteRange(header, 10)).toEqual(range);
});

test('types follow from the end of the name', () => {
  expect(['a.HTML', 'x.svg', 'x.png', 'noend', '.gz'].map(contentType)).toEqual([
    'text/html; charset=utf-8',
    'image/svg+xml; charset=utf-8',
    'image/png',
    'application/octet-stream',
    'application/gzip',
  ]);
});
