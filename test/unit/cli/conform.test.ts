import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { conform } from '../../../src/cli/conform.ts';
import { Exit } from '../../../src/cli/exit.ts';
import { runProgram } from '../../../src/cli/program.ts';
import { fakeIo } from '../../support/cli-io.ts';

const dir = mkdtempSync(join(tmpdir(), 'tcpx-conform-'));
afterAll(() => rmSync(dir, { recursive: true }));

async function run(
  ...words: readonly string[]
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const io = fakeIo();
  const code = await runProgram(['conform', ...words], io, [conform]);
  return { code, out: io.out(), err: io.err() };
}

function file(name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

const good = file(
  'good.pkt',
  '//! title: nobody listens\n//! covers: EV-CLOSED-2\n+.1 < S 0:0(0) win 5\n+0 > R. 0:0(0) ack 1\n',
);
const bad = file('bad.pkt', '+.1 < S 0:0(0) win 5\n+0 > R. 0:0(0) ack 2\n');
const wrong = file('wrong.pkt', '+.1 < S 0:0(0) win 5\n+0 > Q 0:0(0)\n');

test('scenarios that pass are listed, and the exit code is 0', async () => {
  const { code, out } = await run(good);
  expect(code).toBe(Exit.OK);
  expect(out).toMatch(/^pass {4}tcpx {3}.*good {2}nobody listens\n1 passed, 0 failed\n$/);
});

test('one that fails shows both sides, and the exit code is 1', async () => {
  const { code, out } = await run('-q', good, bad);
  expect(code).toBe(Exit.FAILURE);
  expect(out).toContain('expected 0.100000  > Flags [R.], seq 0, ack 2, length 0');
  expect(out).toContain('was      0.100000  > Flags [R.], seq 0, ack 1, win 0, length 0');
  expect(out).not.toContain('nobody listens');
});

test('a mistake in a file is told with line and column, nothing is played, and the exit code is 2', async () => {
  const { code, out, err } = await run(good, wrong);
  expect(code).toBe(Exit.USAGE);
  expect(err).toContain(`${wrong}:2:6: 'Q' is no flag`);
  expect(err).toContain('tcpx: 1 scenario is not right; nothing was played');
  expect(out).toBe('');
});

test('words that name nothing are wrong usage', async () => {
  expect(await run('no-such-thing')).toMatchObject({
    code: Exit.USAGE,
    err: expect.stringContaining('is called no-such-thing'),
  });
});

test('a requirement, a name and a folder choose among those that come with tcpx', async () => {
  expect((await run('--list', 'MUST-13')).out).toContain('close/time-wait-over');
  expect((await run('--list', 'passive-open')).out).toMatch(/^open\/passive-open .*EV-LISTEN-3/);
  const folder = (await run('--list', 'reset')).out.trim().split('\n');
  expect(folder.length).toBeGreaterThan(5);
  expect(folder.every((line) => line.startsWith('reset/'))).toBe(true);
});

test('TAP has a plan, and what failed as a diagnosis', async () => {
  const { code, out } = await run('--format', 'tap', good, bad);
  expect(code).toBe(Exit.FAILURE);
  expect(out.split('\n').slice(0, 4)).toEqual([
    'TAP version 13',
    '1..2',
    `ok 1 - tcpx ${good}: nobody listens`,
    `not ok 2 - tcpx ${bad}: bad`,
  ]);
});

test('JUnit goes to a file, escaped', async () => {
  const path = join(dir, 'out.xml');
  expect(await run('--format', 'junit', '-o', path, good, bad)).toMatchObject({ code: Exit.FAILURE, out: '' });
  const xml = readFileSync(path, 'utf8');
  expect(xml).toContain('<testsuite name="tcpx" tests="2" failures="1" errors="0" skipped="0">');
  expect(xml).toContain('&gt; Flags [R.], seq 0, ack 2');
});

test('--json is one document', async () => {
  const { out } = await run('--json', good, bad);
  expect(JSON.parse(out)).toMatchObject({
    schema: 'tcpx.conform/1',
    pass: 1,
    fail: 1,
    scenarios: [
      { name: 'good', target: 'tcpx', verdict: 'pass', covers: ['EV-CLOSED-2'] },
      { name: 'bad', verdict: 'fail', failure: { place: { line: 2, column: 1 }, message: 'another segment left' } },
    ],
  });
});
