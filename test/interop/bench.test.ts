/** `npm run bench` at its smallest: what it prints has the shape that programs rely on. No time is judged. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test, vi } from 'vitest';

// Processes, a compiler and namespaces, on a machine that may be busy.
vi.setConfig({ testTimeout: 120_000 });

const project = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

const bench = (...args: string[]) =>
  spawnSync(
    process.execPath,
    ['--import', project('test/support/ts-loader.mjs'), project('scripts/bench/main.ts'), ...args],
    { encoding: 'utf8' },
  );

test('one small measurement of both stacks: one line of JSON, what it ran on, no namespace left', () => {
  expect(existsSync(project('dist/index.js')), 'run `npm run build` first').toBe(true);
  const args = ['--only', 'rtt', '--driver', 'packet', '--pairs', '1', '--seconds', '0.1', '--quick', '--json'];
  const { pid, status, stdout, stderr } = bench(...args);
  expect(stderr).toMatch(/rtt 1\/1 tcpx: [\d.]+ µs/);
  expect(status, stderr).toBe(0);
  const lines = stdout.trimEnd().split('\n');
  expect(lines).toHaveLength(1);
  const { workloads, machine } = JSON.parse(lines[0]!);
  expect(workloads).toEqual([
    {
      name: 'rtt',
      unit: 'µs',
      driver: 'packet',
      tcpx: expect.any(Number),
      net: expect.any(Number),
      ratio: expect.any(Number),
      spread: [expect.any(Number), expect.any(Number)],
      lowerIsBetter: true,
    },
  ]);
  expect(machine).toMatchObject({
    node: process.version,
    cores: { stack: expect.any(Number), peer: expect.any(Number) },
    tcpx: { packet: { driver: 'packet', guard: 'md5' } },
    kernelFromC: { rtt: expect.any(Number) },
  });
  expect(readdirSync('/run/netns').filter((name) => name.startsWith(`tcpx-${pid}-`))).toEqual([]);
});

test('without a build it says what to do', () => {
  const { status, stderr, stdout } = bench('--only', 'rtt', '--dist', '/nowhere');
  expect(status).toBe(1);
  expect(stdout).toBe('');
  expect(stderr).toBe('bench: tcpx is not built: there is no /nowhere/index.js\n  hint: npm run build\n');
});
