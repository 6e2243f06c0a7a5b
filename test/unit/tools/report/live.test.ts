import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { followFile } from '../../../../src/tools/report/follow.ts';
import { logConnections } from '../../../../src/tools/report/from-log.ts';
import { LiveReport } from '../../../../src/tools/report/live.ts';
import { recordedRun } from '../../../support/recorded.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tcpx-report-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
}

/** `until`: ends the request when the body has that much of it. */
function get(
  url: string,
  o: { headers?: Record<string, string>; method?: string; until?: RegExp } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { method: o.method ?? 'GET', headers: o.headers ?? {}, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
        if (o.until?.test(body)) asked.destroy();
      });
      response.on('close', () => resolve({ status: response.statusCode, body }));
      response.on('error', () => {});
    });
    asked.on('error', reject);
    asked.end();
  });
}

test('the page is served on loopback to who knows its path and names it by a name of loopback', async () => {
  const live = new LiveReport({ title: 'now' }, '0.1.0');
  const url = await live.listen();
  try {
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[\w-]{16}\/$/);
    const page = await get(url);
    expect(page.status).toBe(200);
    expect(page.body).toContain('<title>now</title>');
    expect((await get(new URL('/', url).href)).status).toBe(404);
    expect((await get(url, { headers: { host: 'example.com' } })).status).toBe(403);
    expect((await get(url, { method: 'POST' })).status).toBe(405);
  } finally {
    live.close();
  }
});

test('who listens is told what there is, and then what is new', async () => {
  const live = new LiveReport({ title: 'now' }, '0.1.0');
  const url = await live.listen();
  try {
    const connections = logConnections(recordedRun().log());
    live.update({ title: 'now' }, false);
    const heard = get(`${url}events`, { until: /ended":true/ });
    const first = await get(`${url}events`, { until: /\n\n/ });
    expect(first.body).toMatch(/^data: \{.*\}\n\n$/);
    live.update({ title: 'now', connections }, true);
    const messages = (await heard).body.trim().split('\n\n');
    expect(messages.length).toBe(2);
    expect(JSON.parse(messages[1]!.slice('data: '.length)).patches[0].data.ends).toEqual([
      '10.0.0.1:40000',
      '10.0.0.2:7',
    ]);
  } finally {
    live.close();
  }
});

test('a file is read as it grows, from before it is there, until the signal', async () => {
  const path = join(mkdtempSync(join(folder, 'log-')), 'log');
  const abort = new AbortController();
  const heard: string[] = [];
  let missing = 0;
  for await (const chunk of followFile(path, {
    signal: abort.signal,
    onMissing: () => {
      missing++;
      writeFileSync(path, 'one ');
    },
  })) {
    heard.push(new TextDecoder().decode(chunk));
    if (heard.length === 1) appendFileSync(path, 'two');
    else abort.abort();
  }
  expect(heard.join('')).toBe('one two');
  expect(missing).toBe(1);
});

test('a file that becomes shorter is another one: what was read ends there', async () => {
  const path = join(mkdtempSync(join(folder, 'log-')), 'log');
  writeFileSync(path, 'a long beginning');
  const heard: string[] = [];
  for await (const chunk of followFile(path, { signal: new AbortController().signal })) {
    heard.push(new TextDecoder().decode(chunk));
    writeFileSync(path, 'short');
  }
  expect(heard).toEqual(['a long beginning']);
});
