/** http2 without TLS, whose sessions write after the end of what is beneath them. */
import { fileURLToPath } from 'node:url';
import { expect, test, vi } from 'vitest';
import { tryRun } from '../support/lab.ts';

vi.setConfig({ testTimeout: 120_000 });
const support = (name: string): string => fileURLToPath(new URL(`../support/${name}`, import.meta.url));
const serve = (...args: readonly string[]): ReturnType<typeof tryRun> =>
  tryRun(process.execPath, ['--import', support('ts-loader.mjs'), support('h2c-program.ts'), ...args]);

test('a session that has something to say after the client’s FIN ends with its socket', () => {
  const heard = JSON.stringify([1, 2, 3].map(() => ['end', 'close']));
  expect(serve()).toEqual({ status: 0, stdout: `${heard}\n`, stderr: '' });
});

test('over a stream that is just any, the same ends the process: what is mended is still broken in Node', () => {
  const { status, stderr } = serve('bare');
  expect(status).not.toBe(0);
  expect(stderr).toMatch(/ERR_INTERNAL_ASSERTION.*JSStreamSocket\.doWrite/s);
});
