/** The lab's claims against this kernel: each is shown, and its check fails when it is sabotaged. All of them with `npm run soak lab-claims`. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test, vi } from 'vitest';
import { CLAIMS } from '../../src/tools/lab/claims.ts';
import type { LabDocument } from '../../src/tools/lab/many.ts';
import { IN_NEW_NAMESPACE } from '../../src/tools/lab/namespace.ts';

const SOAK = process.env['TCPX_SOAK'] === '1';
vi.setConfig({ testTimeout: SOAK ? 400_000 : 60_000 });

/** Over soon, and of every kind: carried, answered, injected, set. */
const QUICK = ['data-on-third', 'refused', 'late-fin', 'flags'];
const TRIED = SOAK ? CLAIMS.map((claim) => claim.name) : QUICK;
/** A busy machine spoils what measures now and then. */
const TRIES = 3;

const root = fileURLToPath(new URL('../..', import.meta.url));
const from = (path: string): string => `${root}${path}`;
const NODE = [process.execPath, '--import', from('test/support/ts-loader.mjs')];

interface Outcome {
  readonly ok: boolean;
  readonly failure?: string;
  readonly shown: readonly string[];
}

function output(
  command: readonly string[],
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  const [program = '', ...args] = command;
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill());
  const told = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    told.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    told.err += text;
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, ...told })));
}

async function play(name: string, ...sabotage: string[]): Promise<Outcome> {
  const { out, err } = await output([
    ...IN_NEW_NAMESPACE,
    ...NODE,
    from('test/support/lab-claim.ts'),
    name,
    ...sabotage,
  ]);
  if (out === '') throw new Error(`${name} said nothing: ${err}`);
  // Its own output: see lab-claim.ts.
  return JSON.parse(out) as Outcome;
}

test.each(TRIED)('%s is shown, in both languages', async (name) => {
  let outcome = await play(name);
  for (let tries = 1; tries < TRIES && !outcome.ok; tries++) outcome = await play(name);
  expect(outcome.failure).toBeUndefined();
  expect(outcome.shown.length).toBeGreaterThan(0);
});

test.each(TRIED)('%s is not shown when it is sabotaged, and a check says why', async (name) => {
  const outcome = await play(name, '--sabotage');
  expect(outcome.ok).toBe(false);
  expect(outcome.failure).not.toMatch(/^it broke off/);
});

test('a claim that is not over in its time is not shown, and none of its servers keeps the process', async () => {
  expect(await play('two-rtt', '--hurry')).toEqual({ ok: false, failure: 'not over after 3 s', shown: [] });
});

test('every claim has both languages, a source and a name of its own', () => {
  for (const { title, claim, written } of CLAIMS) {
    for (const text of [title, claim]) {
      expect(text.en).toMatch(/^[^\u4e00-\u9fff]+$/);
      expect(text.zh).toMatch(/[\u4e00-\u9fff]/);
    }
    expect(written.length).toBeGreaterThan(0);
  }
  expect(new Set(CLAIMS.map((claim) => claim.name)).size).toBe(CLAIMS.length);
});

test('`lab run` with two names plays them side by side, and its JSON ends with what was shown', async () => {
  const { code, out } = await output([
    ...NODE,
    from('src/cli/main.ts'),
    'lab',
    'run',
    'refused',
    'rst',
    '--json',
    '--lang',
    'zh',
  ]);
  const lines = out.trim().split('\n');
  const last = JSON.parse(lines.at(-1)!) as LabDocument;
  expect(last.scenarios.map(({ name, ok }) => ({ name, ok }))).toEqual([
    { name: 'refused', ok: true },
    { name: 'rst', ok: true },
  ]);
  expect(last.scenarios[0]!.shown[0]).toMatch(/[\u4e00-\u9fff]/);
  expect(code).toBe(0);
});

test('a claim that does not exist is told, with the nearest name', async () => {
  const { code, err } = await output([...NODE, from('src/cli/main.ts'), 'lab', 'run', 'handshak']);
  expect(code).toBe(2);
  expect(err).toContain("did you mean 'handshake'?");
});

test('a file that cannot be written is told before anything runs, of one claim and of several', async () => {
  for (const names of [['refused'], ['refused', 'rst']]) {
    const { code, out, err } = await output([
      ...[...NODE, from('src/cli/main.ts'), 'lab', 'run', ...names],
      ...['-w', '/nonexistent/run.pcap'],
    ]);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/cannot write \/nonexistent\/run.*: no such directory\n {2}hint: create the directory first/);
  }
});

async function allInTime(): Promise<void> {
  const startedAt = performance.now();
  const { code } = await output([...NODE, from('src/cli/main.ts'), 'lab', 'run', '--all']);
  expect(code).toBe(0);
  expect((performance.now() - startedAt) / 1000).toBeLessThan(300);
}

if (SOAK) test('all claims take under five minutes', allInTime);
