import { expect, test } from 'vitest';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { EXIT_CODES, Exit } from '../../../src/cli/exit.ts';
import { runProgram } from '../../../src/cli/program.ts';
import { fakeIo } from '../../support/cli-io.ts';

const run = async (...args: string[]): Promise<{ exitCode: number; out: string; err: string }> => {
  const io = fakeIo();
  const exitCode = await runProgram(args, io);
  return { exitCode, out: io.out(), err: io.err() };
};

test('--help lists every command under its heading, examples and exit codes', async () => {
  const { exitCode, out, err } = await run('--help');
  expect([exitCode, err]).toEqual([0, '']);
  for (const { name, summary, group } of COMMANDS) {
    expect(out).toContain(`\n  ${name} `);
    expect(out).toContain(summary.slice(0, 30));
    expect(out).toContain(`${group}\n`);
  }
  expect(out).toContain('\nExamples:\n  $ sudo tcpx connect localhost:8080');
  expect(out).toContain(EXIT_CODES);
});

test('every exit code there is is documented', () => {
  const documented = new Set([...EXIT_CODES.matchAll(/(?:^|\s{3,})(\d+) {2,}/gm)].map((m) => Number(m[1])));
  expect(new Set(Object.values(Exit))).toEqual(documented);
});

test.each(COMMANDS.map((c) => c.name))(
  'the help of %s is the same by `help` and by --help, with an example and exit codes',
  async (name) => {
    const help = await run('help', name);
    expect(await run(name, '--help')).toEqual(help);
    expect(help.exitCode).toBe(0);
    expect(help.out).toMatch(/^Usage: tcpx /);
    expect(help.out).toMatch(/\nExamples?:\n/);
    expect(help.out).toContain('\nExit codes:\n');
    for (const line of help.out.split('\n')) expect(line.length, line).toBeLessThanOrEqual(120);
  },
);

test('--version names tcpx, Node, the kernel and each native part', async () => {
  const { exitCode, out } = await run('--version');
  expect(exitCode).toBe(0);
  expect(out).toMatch(/^tcpx \d+\.\d+\.\d+\nnode \d+\.\d+\.\d+ \(\w+\)\nlinux \S+\nnative parts\n/);
  for (const part of ['addon', 'raw-socket', 'cap'])
    expect(out).toMatch(new RegExp(`^ {2}${part} +.*(built|not built: .+)$`, 'm'));
});

test('the nearest command is suggested', async () => {
  expect(await run('conect', 'x:1')).toEqual({
    exitCode: 2,
    out: '',
    err: "tcpx: unknown command 'conect'\n  hint: did you mean 'connect'? `tcpx --help` lists the commands\n",
  });
});

test('no command at all is a usage error that says how to begin', async () => {
  const { exitCode, err } = await run();
  expect(exitCode).toBe(2);
  expect(err).toContain('`tcpx --help`');
});

test('after -- nothing is an option', async () => {
  const { exitCode, err } = await run('replay', '--', '--json');
  expect(exitCode).toBe(2);
  expect(err).toContain('cannot read --json: no such file');
});
