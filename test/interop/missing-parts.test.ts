/** The command where npm could not build one of the packages of the raw driver, or where it has no other. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openPair, type PairLab } from '../support/lab.ts';
import { readRunLog } from '../support/log.ts';
import { cliProgram, expectNoResets, scratch } from '../support/tcpx.ts';

// Namespaces, children and real time, on a machine that may be busy.
vi.setConfig({ testTimeout: 90_000 });

let lab: PairLab;
beforeAll(() => {
  lab = openPair();
  lab.client.ip('tuntap', 'add', 'tun9', 'mode', 'tun');
  lab.client.ip('address', 'add', '10.99.0.1/24', 'dev', 'tun9');
  lab.client.ip('link', 'set', 'tun9', 'up');
});
afterAll(() => lab.close());
expectNoResets(() => lab.client);

/** `tcpx connect`, with a package hidden. */
async function connectWithout(name: string, target: string, ...args: string[]) {
  const file = scratch('missing.ndjson');
  const child = lab.client.node(cliProgram(), ['connect', target, ...args, '--json-file', file], {
    nodeArgs: ['--require', new URL('../support/hide-package.cjs', import.meta.url).pathname],
    env: { HIDE_PACKAGE: name },
  });
  child.end(Buffer.from('there and back'));
  return { exit: await child.exit(), child, log: readRunLog(file) };
}

test.each(['raw-socket', 'cap'])('without %s nothing is missed', async (name) => {
  const server = await lab.server.kernelPeer('0', '--echo');
  const { exit, child, log } = await connectWithout(name, `${lab.serverAddress}:${server.port}`);
  expect(exit.code).toBe(0);
  expect(child.stdoutOctets.toString()).toBe('there and back');
  expect(log.of('header')).toMatchObject([{ driver: 'packet' }]);
});

test('unless the raw driver is asked for: exit 69, with the remedy', async () => {
  const { exit, child } = await connectWithout('raw-socket', `${lab.serverAddress}:9`, '--driver', 'raw');
  expect(exit.code).toBe(69);
  expect(child.stderr).toContain('the package raw-socket is not built');
  expect(child.stderr).toMatch(/hint: .*npm rebuild raw-socket.*--driver packet/);
});

test('or nothing else will do: exit 69, with both reasons', async () => {
  const { exit, child } = await connectWithout('raw-socket', '10.99.0.2:9');
  expect(exit.code).toBe(69);
  expect(child.stderr).toMatch(/tun9 is no Ethernet.*, and driver raw failed: the package raw-socket is not built/);
});

test('on an interface without Ethernet the raw driver is taken, and the log says why', async () => {
  const { log, child } = await connectWithout('none', '10.99.0.2:9', '--connect-timeout', '0.2');
  expect(log.of('header')).toMatchObject([{ driver: 'raw', fallBack: expect.stringContaining('tun9 is no Ethernet') }]);
  expect(child.stderr).toMatch(/ driver raw \(tun9 is no Ethernet .*\) {2}guard /);
});
