/** The command where npm could not build one of the packages of the raw driver. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openPair, type PairLab } from '../support/lab.ts';
import { readRunLog } from '../support/log.ts';
import { cliProgram, expectNoResets, scratch } from '../support/tcpx.ts';

// Namespaces, children and real time, on a machine that may be busy.
vi.setConfig({ testTimeout: 90_000 });

let lab: PairLab;
beforeAll(() => {
  lab = openPair();
});
afterAll(() => lab.close());
expectNoResets(() => lab.client);

/** `tcpx connect` to a kernel that echoes, with a package hidden. */
async function connectWithout(name: string, ...args: string[]) {
  const server = await lab.server.kernelPeer('0', '--echo');
  const file = scratch('missing.ndjson');
  const target = `${lab.serverAddress}:${server.port}`;
  const child = lab.client.node(cliProgram(), ['connect', target, ...args, '--json-file', file], {
    nodeArgs: ['--require', new URL('../support/hide-package.cjs', import.meta.url).pathname],
    env: { HIDE_PACKAGE: name },
  });
  child.end(Buffer.from('there and back'));
  return { exit: await child.exit(), child, log: readRunLog(file) };
}

test.each(['raw-socket', 'cap'])('without %s the packet driver takes the place of the raw one', async (name) => {
  const { exit, child, log } = await connectWithout(name);
  expect(exit.code).toBe(0);
  expect(child.stdoutOctets.toString()).toBe('there and back');
  expect(log.of('header')).toMatchObject([{ driver: 'packet' }]);
});

test('unless the raw one is asked for: exit 69, with the remedy', async () => {
  const { exit, child } = await connectWithout('raw-socket', '--driver', 'raw');
  expect(exit.code).toBe(69);
  expect(child.stderr).toContain('the package raw-socket is not built');
  expect(child.stderr).toMatch(/hint: .*npm rebuild raw-socket.*--driver packet/);
});
