import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runProgram } from '../../../src/cli/program.ts';
import { fakeIo } from '../../support/cli-io.ts';
import { recordedRun } from '../../support/recorded.ts';

const CAPTURE = fileURLToPath(new URL('../../fixtures/kernel.pcap', import.meta.url));
const LOG = `${recordedRun()
  .log()
  .map((record) => JSON.stringify(record))
  .join('\n')}\n`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tcpx-report-'));
  writeFileSync(at('run.ndjson'), LOG);
});
afterEach(() => rmSync(folder, { recursive: true }));

const at = (name: string): string => join(folder, name);
const report = async (...args: readonly string[]) => {
  const io = fakeIo();
  const code = await runProgram(['report', ...args], io);
  return { code, out: io.out(), err: io.err() };
};
const dataOf = (page: string) =>
  JSON.parse(/<script type="application\/json" id="data">(.*)<\/script>/.exec(page)?.[1] ?? '{}');

test('a log and a capture make one page, with the connections of both', async () => {
  const { code, err } = await report(at('run.ndjson'), CAPTURE, '-o', at('page.html'), '--lang', 'zh');
  expect([code, err]).toEqual([0, `tcpx: ${at('page.html')}: open it in a browser\n`]);
  const page = readFileSync(at('page.html'), 'utf8');
  expect(page).toContain('<html lang="zh-CN">');
  const data = dataOf(page);
  expect(data.title).toBe('run.ndjson, kernel.pcap');
  expect(data.connections.map((c: { title: string }) => c.title.split(' ').slice(0, 2).join(' '))).toEqual([
    'run.ndjson c1',
    ...[1, 2, 3, 4, 5].map((n) => `kernel.pcap c${n}`),
  ]);
});

test('--output - is stdout; --connection picks, --title names', async () => {
  const { code, out } = await report(CAPTURE, '-c', '2', '--title', 'two', '-o', '-');
  expect(code).toBe(0);
  const data = dataOf(out);
  expect([data.title, data.connections.length]).toEqual(['two', 1]);
});

test('a comparison is recognised by what it says it is, however it is laid out', async () => {
  const document = { schema: 'tcpx.compare/2', target: 'x:1', scenarios: [] };
  writeFileSync(at('both.json'), JSON.stringify(document, null, 2));
  const { code, out } = await report(at('both.json'), '-o', '-');
  expect([code, dataOf(out).about]).toEqual([0, [{ lines: ['target x:1'] }]]);
});

test('a log that is cut off is used as far as it goes, and that is trouble', async () => {
  writeFileSync(at('cut.ndjson'), LOG.slice(0, LOG.length / 2));
  const { code, out, err } = await report(at('cut.ndjson'), '-o', '-');
  expect(code).toBe(2);
  expect(err).toContain('cut off in the middle of this record');
  expect(dataOf(out).connections[0].rows.t.length).toBeGreaterThan(3);
});

test.each([
  ['is empty', '', 'none'],
  ['is neither a log, a capture nor a comparison', 'hello, this is text', 'none'],
  ['is neither a log, a capture nor a comparison', '{"schema":"other/1"}', 'none'],
  ['is what `tcpx trace --json` printed', '{"type":"file","schema":"tcpx.trace/1"}', 'none'],
  ['is no whole comparison', '{"schema":"tcpx.compare/2","scenarios":[', 'none'],
  ['holds no connection 9', LOG, '9'],
  ['holds no connection', `${LOG.split('\n')[0]}\n${LOG.trim().split('\n').at(-1)}\n`, 'none'],
])('what %s is told, and makes no page', async (what, text, connection) => {
  writeFileSync(at('input'), text);
  const { code, err } = await report(
    at('input'),
    '-o',
    at('page.html'),
    ...(connection === 'none' ? [] : ['-c', connection]),
  );
  expect(code).toBe(2);
  expect(err).toContain(what);
  expect(err).toContain('\n  hint: ');
  expect(existsSync(at('page.html'))).toBe(false);
});

test('a capture without TCP is told', async () => {
  const pcap = readFileSync(CAPTURE).subarray(0, 24);
  writeFileSync(at('none.pcap'), pcap);
  const { code, err } = await report(at('none.pcap'), '-o', '-');
  expect([code, err]).toEqual([2, expect.stringContaining('no TCP in it (0 packets)')]);
});

test('a file that is not there, and a page that cannot be written', async () => {
  expect(await report(at('nothing'))).toMatchObject({ code: 2, err: expect.stringContaining('no such file') });
  const { code, err } = await report(at('run.ndjson'), '-o', at('no/such/folder.html'));
  expect([code, err]).toEqual([2, expect.stringContaining('cannot write')]);
});

test('nothing is written over that was not named, nor ever what is read', async () => {
  symlinkSync(at('run.ndjson'), at('link'));
  expect(await report(at('run.ndjson'), '-o', at('link'))).toMatchObject({
    code: 2,
    err: expect.stringContaining('its own page'),
  });
  expect(readFileSync(at('run.ndjson'), 'utf8')).toBe(LOG);
  writeFileSync(at('old.html'), 'old');
  expect(await report(at('run.ndjson'), '-o', at('old.html'))).toMatchObject({ code: 0 });
  const before = process.cwd();
  process.chdir(folder);
  try {
    expect(await report('run.ndjson')).toMatchObject({ code: 0 });
    expect(await report('run.ndjson')).toMatchObject({ code: 2, err: expect.stringContaining('is there already') });
  } finally {
    process.chdir(before);
  }
});

test('--live follows one log, and stdin only with it', async () => {
  expect(await report('--live', 'a', 'b')).toMatchObject({ code: 2, err: expect.stringContaining('follows one log') });
  expect(await report('-')).toMatchObject({ code: 2, err: expect.stringContaining('--live') });
});

test('--live from stdin: where the page is goes to stdout; it stays until ^C, and is written then', async () => {
  const io = fakeIo();
  const run = runProgram(['report', '--live', '-', '-o', at('end.html')], io);
  io.stdin.end(LOG);
  while (!io.err().includes('the log has ended')) await new Promise((resolve) => setImmediate(resolve));
  expect(io.out()).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[\w-]+\/\n$/);
  io.signal('SIGINT');
  expect(await run).toBe(0);
  expect(dataOf(readFileSync(at('end.html'), 'utf8')).connections.length).toBe(1);
});

test('--live of what is no log says so', async () => {
  const io = fakeIo();
  const run = runProgram(['report', '--live', '-'], io);
  io.stdin.end('no log at all\n');
  expect(await run).toBe(2);
  expect(io.err()).toContain('not JSON');
});
