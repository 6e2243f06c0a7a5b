/** Completions in the real shells, and the manual page as groff reads it. All are made from the tree of commands. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { programModel } from '../../../src/cli/completion-model.ts';
import { completionWords } from '../../../src/cli/completion-words.ts';
import { buildProgram, runProgram } from '../../../src/cli/program.ts';
import { fakeIo } from '../../support/cli-io.ts';

let dir: string;

async function printed(...args: string[]): Promise<string> {
  const io = fakeIo();
  expect(await runProgram(args, io)).toBe(0);
  return io.out();
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tcpx-completion-'));
  for (const shell of ['bash', 'zsh', 'fish']) writeFileSync(join(dir, shell), await printed('completion', shell));
  writeFileSync(join(dir, 'run.ndjson'), '');
});
afterAll(() => rmSync(dir, { recursive: true }));

function run(command: string, args: readonly string[], input?: string): string {
  const done = spawnSync(command, args, { cwd: dir, encoding: 'utf8', ...(input !== undefined && { input }) });
  expect({ error: done.error, status: done.status, stderr: done.stderr }).toEqual({
    error: undefined,
    status: 0,
    stderr: '',
  });
  return done.stdout;
}

/** What bash offers when these are the words of the line, the last one unfinished. */
const inBash = (...words: string[]): readonly string[] =>
  run('bash', [
    '--norc',
    '-c',
    `
    source ./bash
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tcpx; printf '%s\\n' "\${COMPREPLY[@]}"`,
    'bash',
    'tcpx',
    ...words,
  ])
    .split('\n')
    .filter((line) => line !== '');

test.each<[readonly string[], readonly string[]]>([
  [['co'], ['connect', 'compare', 'conform', 'completion']],
  [['-'], ['-V', '--version', '-h', '--help']],
  [
    ['probe', 'sa'],
    ['sack', 'sack-blocks'],
  ],
  [['probe', '--qu'], ['--quick']],
  [
    ['probe', '--driver', ''],
    ['packet', 'raw'],
  ],
  [['connect', '--color', 'al'], ['always']],
  [['connect', '--color', '=', 'al'], ['always']],
  [
    ['connect', '--color', '='],
    ['auto', 'always', 'never'],
  ],
  [['connect', '-I', 'l'], ['lo']],
  [['connect', '--drop-privileges', 'nobo'], ['nobody']],
  [['ladder', 'run'], ['run.ndjson']],
  [['connect', '--json-file', 'run'], ['run.ndjson']],
  [['lab', 'run', 'half-o'], ['half-open-timeout']],
  [['conform', 'MUST-13'], ['MUST-13']],
  [['compare', 'localhost:80', 'handsh'], ['handshake']],
  [
    ['compare', '--lab', 'lost-sy'],
    ['lost-syn', 'lost-synack'],
  ],
  [
    ['trace', '--only', 'zero-window'],
    ['zero-window', 'zero-window-probe', 'zero-window-probe-ack'],
  ],
  [['trace', '--only', 'retransmission,tro'], ['retransmission,trouble']],
  [
    ['completion', ''],
    ['bash', 'zsh', 'fish'],
  ],
  [['help', 'tra'], ['trace']],
])('bash: tcpx %j is completed to %j', (words, offered) => {
  expect(inBash(...words)).toEqual(offered);
});

test('bash: what completes a real line is bound to the command', () => {
  expect(run('bash', ['--norc', '-c', 'source ./bash; complete -p tcpx'])).toBe('complete -F _tcpx tcpx\n');
});

test.each([
  ['tcpx pro', 'probe'],
  ['tcpx probe sa', 'sack\nsack-blocks'],
  ['tcpx probe --driver ', 'packet\nraw'],
  ['tcpx completion ', 'bash\nfish\nzsh'],
  ['tcpx lab run half-o', 'half-open-timeout'],
  ['tcpx trace --only retransmission,tro', 'retransmission,trouble'],
  ['tcpx connect --json-file run', 'run.ndjson'],
])('fish: %s', (line, offered) => {
  const script = `source ./fish; complete -C '${line}'`;
  const lines = run('fish', ['--no-config', '-c', script]).trim().split('\n');
  expect(lines.map((text) => text.split('\t')[0]).join('\n')).toBe(offered);
});

test('zsh: the script is sound, and what it calls gets every option', () => {
  run('zsh', ['-f', '-n', './zsh']);
  const fake = `
    compdef() { }
    _describe() { print -rl -- $commands }
    _arguments() { shift; print -rl -- "$@" }
    source ./zsh
    words=(tcpx); CURRENT=2; PREFIX=; _tcpx
    words=(tcpx probe x); CURRENT=3; _tcpx`;
  const lines = run('zsh', ['-f', '-c', fake]).split('\n');
  for (const { name, summary } of COMMANDS) expect(lines).toContain(`${name}:${summary}`);
  expect(lines).toContain('(-s --source)--source=[source address (default\\: as the route says)]:address: ');
  expect(lines.find((line) => line.startsWith('--driver='))).toMatch(/:name:\{compadd -- packet raw\}$/);
  expect(lines.find((line) => line.startsWith('*:argument:'))).toContain('compadd -- options options-unasked');
  expect(run('zsh', ['-f', '-c', `${fake}\n words=(tcpx trace x); CURRENT=3; _tcpx`])).toContain(
    '{_sequence compadd - trouble retransmission',
  );
});

test('every option and command of the tree is in each script, and in the manual page', async () => {
  const model = programModel(
    buildProgram(fakeIo(), COMMANDS, () => {}),
    completionWords,
  );
  const scripts = await Promise.all(['bash', 'zsh', 'fish'].map((shell) => printed('completion', shell)));
  const page = (await printed('man')).replaceAll('\\-', '-');
  for (const { name, options } of model.commands) {
    for (const text of scripts) expect(text).toContain(name);
    if (name !== 'help') expect(page).toContain(`.SS "tcpx ${name} `);
    for (const flag of options.flatMap((option) => option.flags)) {
      expect(scripts[0]).toContain(flag);
      expect(scripts[1]).toContain(flag);
      expect(scripts[2]).toContain(flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`);
      if (flag !== '--help' && flag !== '-h') expect(page).toContain(flag);
    }
  }
});

test('groff has nothing to say against the manual page, and it reads as the help does', async () => {
  const page = await printed('man');
  const text = run('groff', ['-man', '-Tutf8', '-ww', '-P-cbou', '-rLL=100n'], page);
  expect(text).toContain('tcpx - a TCP in userspace');
  expect(text).toMatch(/PROBE|tcpx probe \[options\] HOST:PORT \[PROBE/);
  expect(text).toContain("$ sudo tcpx probe 10.0.0.2:80 --yes --request 'GET / HTTP/1.0\\r\\n\\r\\n'");
  expect(text).toMatch(/EXIT CODES\n[\s\S]*143 {2}ended by SIGTERM/);
});

test('a shell that is not known is a usage error', async () => {
  const io = fakeIo();
  expect(await runProgram(['completion', 'tcsh'], io)).toBe(2);
  expect(io.err()).toContain("command-argument value 'tcsh' is invalid");
  expect(io.err()).toContain('Allowed choices are bash, zsh, fish');
});
