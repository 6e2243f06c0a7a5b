/** Starts tcpx in a laboratory's namespace, as a library or as the command, and reads its log when it has ended. */
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeEach, expect, onTestFailed, TestRunner } from 'vitest';
import type { Child, Exit } from './child.ts';
import type { Namespace } from './lab.ts';
import { type RunLog, readRunLog } from './log.ts';

const project = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

export interface TcpxRun {
  readonly child: Child;
  /** Waits for its end; then the log. */
  ended(withinMs?: number): Promise<Ended>;
}

export interface Ended {
  readonly exit: Exit;
  readonly log: RunLog;
  /** Where the log is. */
  readonly file: string;
}

let directory: string | undefined;
let files = 0;

/** A file that is removed after the last test of this file. */
export function scratch(name: string): string {
  directory ??= mkdtempSync(join(tmpdir(), 'tcpx-test-'));
  return join(directory, `${files++}-${name}`);
}

afterAll(() => {
  if (directory !== undefined) rmSync(directory, { recursive: true });
  directory = undefined;
});

/**
 * What a test that failed leaves would go on answering for its addresses and ports, in the tests that come after it too.
 * What a hook started lives as long as its laboratory.
 */
export function endsIfFailed(child: Child): Child {
  if (TestRunner.getCurrentTest() !== undefined) onTestFailed(() => child.kill('SIGKILL'));
  return child;
}

function started(child: Child, file: string): TcpxRun {
  endsIfFailed(child);
  return {
    child,
    async ended(withinMs) {
      const exit = await child.exit(withinMs);
      // Not even an error of the connection is a reason to die of it.
      if (/^\s+at .*\.[jt]s:/m.test(child.stderr)) throw new Error(`tcpx threw:\n${child.stderr}`);
      return { exit, log: readRunLog(file), file };
    },
  };
}

/** The library: tcpx-client.ts with these switches. */
export function startClient(namespace: Namespace, ...args: string[]): TcpxRun {
  const file = scratch('client.ndjson');
  return started(namespace.node(project('test/support/tcpx-client.ts'), [...args, '--log', file]), file);
}

/** The command: `tcpx` with these arguments and a log beside. */
export function startCli(namespace: Namespace, ...args: string[]): TcpxRun {
  const file = scratch('cli.ndjson');
  return started(namespace.node(cliProgram(), [...withTestDriver(args), '--json-file', file]), file);
}

/** TCPX_TEST_DRIVER names the driver of every test that names none: a second run of them is on the other one. */
export function withTestDriver(args: readonly string[]): readonly string[] {
  const driver = process.env['TCPX_TEST_DRIVER'];
  const isFree = (args[0] !== 'connect' && args[0] !== 'listen') || args.includes('--driver') || args.includes('--ip');
  return driver === undefined || isFree ? args : [args[0]!, '--driver', driver, ...args.slice(1)];
}

/** The built command when the build is of these sources; the sources otherwise. */
export function cliProgram(): string {
  const built = project('dist/cli/main.js');
  return existsSync(built) && statSync(built).mtimeMs > newest(project('src')) ? built : project('src/cli/main.ts');
}

function newest(dir: string): number {
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true });
  return Math.max(
    ...entries.filter((e) => e.name.endsWith('.ts')).map((e) => statSync(join(e.parentPath, e.name)).mtimeMs),
  );
}

/** In every test of the file: the kernel of tcpx's own namespace sends no RST. */
export function expectNoResets(namespace: () => Namespace): void {
  let before: number | undefined;
  beforeEach(() => {
    before = namespace().counters()['TcpOutRsts'];
  });
  afterEach(() => {
    expect(namespace().counters()['TcpOutRsts'], 'RSTs sent by the kernel of the namespace tcpx runs in').toBe(before);
  });
}

/** Waits for what only asking can tell: the kernel's sockets, a firewall's counters. */
export async function until(condition: () => boolean, withinMs = 15_000): Promise<void> {
  for (const end = performance.now() + withinMs; !condition(); ) {
    if (performance.now() > end) throw new Error('what the test waits for did not come');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
