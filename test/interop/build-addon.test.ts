/** The install script and what the program says when it could not build, on a copy of the package's sources. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type RunResult, run, tryRun } from '../support/lab.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const LOADER = join(ROOT, 'test/support/ts-loader.mjs');
let copy: string;

beforeEach(() => {
  copy = mkdtempSync(join(tmpdir(), 'tcpx-addon-'));
  cpSync(join(ROOT, 'scripts/build-addon.mjs'), join(copy, 'scripts/build-addon.mjs'));
  cpSync(join(ROOT, 'src/link'), join(copy, 'src/link'), {
    recursive: true,
    filter: (path) => !path.endsWith('/build'),
  });
  writeFileSync(join(copy, 'package.json'), '{ "type": "module" }');
});
afterEach(() => rmSync(copy, { recursive: true }));

/** Runs the script with `env` on top of ours, PATH included. */
function install(env: Readonly<Record<string, string>> = {}): RunResult {
  const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return tryRun('env', [
    '-u',
    'TCPX_REQUIRE_ADDON',
    ...settings,
    process.execPath,
    join(copy, 'scripts/build-addon.mjs'),
  ]);
}

/** Loads the copy's addon through native.ts: 'loaded', or the failure. */
function load(): string {
  const program = join(copy, 'load.ts');
  writeFileSync(
    program,
    "import { loadAddon } from './src/link/native.ts';\ntry { loadAddon(); console.log('loaded'); } catch (e) { console.log(e.code, e.message, '|', e.hint); }\n",
  );
  return run(process.execPath, ['--import', LOADER, program]).trim();
}

/** A directory to be the whole PATH: these programs and no others. */
function onlyOnPath(...programs: string[]): string {
  const bin = join(copy, 'bin');
  mkdirSync(bin);
  for (const program of programs) symlinkSync(run('which', [program]).trim(), join(bin, program));
  return bin;
}

test('it builds once, and again when a source has changed', () => {
  expect(load()).toMatch(/^ENOTBUILT .*install script did not run \| npm rebuild tcpx/);
  expect(install().stdout).toMatch(/^tcpx: addon built in \d+\.\d s\n$/);
  expect(load()).toBe('loaded');
  expect(install().stdout).toBe('tcpx: addon is up to date\n');
  writeFileSync(
    join(copy, 'src/link/native/guard.c'),
    `${readFileSync(join(copy, 'src/link/native/guard.c'), 'utf8')}\n/* */\n`,
  );
  expect(install().stdout).toMatch(/addon built/);
});

test('without a compiler it warns and succeeds, and the program repeats why and what to do', () => {
  const path = onlyOnPath('python3');
  const done = install({ PATH: path });
  expect(done).toMatchObject({ status: 0, stdout: '' });
  expect(done.stderr).toBe(
    'tcpx: addon NOT built: make, a C compiler, g++ missing\n  hint: apt-get install python3 make g++ && npm run install\n',
  );
  expect(load()).toBe(
    'ENOTBUILT the addon is not built: make, a C compiler, g++ missing | apt-get install python3 make g++ && npm run install',
  );
  expect(install({ PATH: path, TCPX_REQUIRE_ADDON: '1' }).status).toBe(1);
});

test('sources that no longer compile leave no binary of the old ones', () => {
  install();
  writeFileSync(join(copy, 'src/link/native/guard.c'), 'this is not C\n');
  const done = install();
  expect(done.status).toBe(0);
  expect(done.stderr).toMatch(/tcpx: addon NOT built: .*error/);
  expect(existsSync(join(copy, 'src/link/native/build/Release/tcpx.node'))).toBe(false);
  expect(load()).toMatch(/^ENOTBUILT .*error/);
});

test('a worker thread may load it, and its end closes what it held', () => {
  install();
  const addon = join(copy, 'src/link/native/build/Release/tcpx.node');
  const program = `
    const { Worker } = require('node:worker_threads');
    const addon = require('${addon}');
    const worker = new Worker(\`const addon = require('${addon}'); const h = addon.portListen(0x7f000001, 0, 3);
      require('node:worker_threads').parentPort.postMessage(addon.portOf(h)); setInterval(() => h, 1000);\`, { eval: true });
    worker.on('message', async (port) => {
      const code = () => { try { addon.close(addon.portListen(0x7f000001, port, 3)); return 'free'; } catch (e) { return e.code; } };
      const held = code();
      await worker.terminate();
      console.log(held, code());
    });`;
  expect(run(process.execPath, ['-e', program])).toBe('EADDRINUSE free\n');
});

test('wrong arguments throw and do not crash', () => {
  install();
  const program = `const a = require('${join(copy, 'src/link/native/build/Release/tcpx.node')}');
    const handle = a.netlinkOpen(0); a.close(handle);
    for (const call of [() => a.portListen(), () => a.portListen('x', {}, 3), () => a.portBind(1), () => a.portOf(), () => a.portOf({}), () => a.close(7), () => a.close(),
      () => a.netlinkAsk({}, Buffer.alloc(1)), () => a.netlinkAsk(a.netlinkOpen(0), 'x'), () => a.portOf(handle), () => a.netlinkOpen(999), () => a.netlinkAsk(a.netlinkOpen(0))]) {
      try { call(); console.log('no error'); } catch (e) { console.log(e.code); }
    }`;
  const said = run(process.execPath, ['-e', program]).trim().split('\n');
  expect(said).toEqual([
    ...new Array(9).fill('ERR_INVALID_ARG_TYPE'),
    'EBADF',
    'EPROTONOSUPPORT',
    'ERR_INVALID_ARG_TYPE',
  ]);
});
