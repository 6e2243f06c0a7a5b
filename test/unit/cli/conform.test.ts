import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
  expect(out).toMatch(/^pass {4}tcpx {4}.*good {2}nobody listens\n1 passed, 0 failed\n$/);
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

test('words that name nothing are wrong usage, and the nearest name is suggested', async () => {
  expect(await run('no-such-thing')).toMatchObject({
    code: Exit.USAGE,
    err: expect.stringContaining('is called no-such-thing'),
  });
  expect((await run('must-13')).err).toContain('did you mean MUST-13? ');
  expect((await run('pasive-open')).err).toContain('did you mean passive-open? ');
  expect((await run('nothing-one', 'nothing-two')).err).toMatch(/nothing-one; .*nothing-two/);
});

test('a folder without scenarios is not said to be no folder', async () => {
  const empty = join(dir, 'empty');
  mkdirSync(empty);
  const { code, err } = await run(empty);
  expect(code).toBe(Exit.USAGE);
  expect(err).toContain(`${empty}: there are no scenarios in it; their names end in .pkt`);
});

test('octets that are no text are shown as numbers', async () => {
  const { code, err } = await run(file('binary.pkt', '\0\x1b[31m'));
  expect(code).toBe(Exit.USAGE);
  expect(err).toContain(":1:1: expected a time in seconds, found '\\u0000'");
});

test('when all are skipped nothing was compared, and the exit code is 2', async () => {
  const { code, out, err } = await run(file('kernel-only.pkt', '//! on: kernel\n+.1 < S 0:0(0) win 5\n'));
  expect(code).toBe(Exit.USAGE);
  expect(out).toContain('skip');
  expect(err).toContain('every scenario was skipped');
});

test('a file that cannot be written is told before anything is played', async () => {
  const { code, out, err } = await run('-o', join(dir, 'no', 'such', 'folder'), good);
  expect(code).toBe(Exit.USAGE);
  expect(out).toBe('');
  expect(err).toContain('cannot write');
});

test('--json and --format are not for one run', async () => {
  expect(await run('--json', '--format', 'tap', good)).toMatchObject({ code: Exit.USAGE, out: '' });
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
  expect(isTap(out)).toBe(true);
  expect(isTap(out.replace('1..2', '1..3'))).toBe(false);
  expect(out).toContain('  ---\n  message: "another segment left"\n  details: |\n');
});

/** TAP 13: a plan, its lines in order, and blocks that end. */
function isTap(text: string): boolean {
  const [version, plan, ...lines] = text.trimEnd().split('\n');
  let count = 0;
  let inBlock = false;
  for (const line of lines) {
    if (inBlock) inBlock = line !== '  ...';
    else if (line.startsWith('# ')) continue;
    else if (line === '  ---') inBlock = true;
    else if (new RegExp(`^(not )?ok ${count + 1} - `).test(line)) count++;
    else return false;
  }
  return version === 'TAP version 13' && plan === `1..${count}` && !inBlock;
}

/** Elements that nest, attributes between quotes, and no character that has to be escaped. */
function isWellFormed(xml: string): boolean {
  const open: string[] = [];
  const rest = xml
    .replace(/^<\?xml [^>]*\?>/, '')
    .replace(/<(\/?)([a-z-]+)((?: [a-z]+="[^"<]*")*)(\/?)>/g, (_, end, name, __, empty) => {
      if (end === '' && empty === '') open.push(name);
      else if (end === '/' && open.pop() !== name) open.push('wrong');
      return '';
    });
  return open.length === 0 && !/[<>]|&(?!(amp|lt|gt|quot|apos|#\d+);)/.test(rest);
}

test('JUnit is well-formed, whatever is in a title', async () => {
  const odd = file('odd.pkt', '//! title: a <b> & "q" \'x\' ]]> \u0007\n+.1 < S 0:0(0) win 5\n+0 > R. 0:0(0) ack 2\n');
  const { out } = await run('--format', 'junit', good, odd);
  expect(isWellFormed(out)).toBe(true);
  expect(out).toContain('a &lt;b&gt; &amp; &quot;q&quot;');
  expect(isWellFormed(out.replace('&lt;b', '<b'))).toBe(false);
});

test('JUnit goes to a file, escaped', async () => {
  const path = join(dir, 'out.xml');
  expect(await run('--format', 'junit', '-o', path, good, bad)).toMatchObject({ code: Exit.FAILURE, out: '' });
  const xml = readFileSync(path, 'utf8');
  expect(xml).toContain('<testsuite name="tcpx" tests="2" failures="1" errors="0" skipped="0">');
  expect(xml).toContain('&gt; Flags [R.], seq 0, ack 2');
});

test('what a scenario prints is in every form', async () => {
  const printing = file('printing.pkt', '+.1 < S 0:0(0) win 5\n+0 > R. 0:0(0) ack 1\n+0 %{ print("a < b", 6 * 7) }%\n');
  expect((await run(printing)).out).toContain('\n        a < b 42\n');
  const tap = (await run('--format', 'tap', printing)).out;
  expect(tap).toContain('\n# a < b 42\n');
  expect(isTap(tap)).toBe(true);
  const junit = (await run('--format', 'junit', printing)).out;
  expect(junit).toContain('<system-out>a &lt; b 42</system-out>');
  expect(isWellFormed(junit)).toBe(true);
  expect(JSON.parse((await run('--json', printing)).out)).toMatchObject({ scenarios: [{ printed: ['a < b 42'] }] });
});

test('a host where nobody listens is told before anything is played', async () => {
  // Port 1 of this machine: nobody has served tcpmux for decades.
  const { code, out, err } = await run('--against', '127.0.0.1:1', good);
  expect(code).toBe(Exit.USAGE);
  expect(out).toBe('');
  expect(err).toContain("127.0.0.1:1 can't be played against: ");
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
