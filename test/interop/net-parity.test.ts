/**
 * The cases of test/net once more, in a namespace: on the kernel's sockets, and on tcpx over real packets (driver
 * packet, loopback), through the network that a process has when it says nothing of one.
 */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cases } from '../net/cases.ts';
import { Namespace, run } from '../support/lab.ts';

const PROGRAM = fileURLToPath(new URL('../support/net-parity.ts', import.meta.url));
let place: Namespace;

beforeAll(() => {
  place = new Namespace(`tcpx-${process.pid}-net`);
  // The kernel takes all of 127.0.0.0/8 for its own, tcpx what its interfaces list.
  place.ip('address', 'add', '127.0.0.2/8', 'dev', 'lo');
  // A neighbour who never answers.
  place.ip('link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1');
  place.ip('address', 'add', '10.77.99.1/24', 'dev', 'v0');
  for (const name of ['v0', 'v1']) place.ip('link', 'set', name, 'up');
});

afterAll(() => place?.close());

test('every case of net is the same on tcpx over real packets', async () => {
  const child = place.node(PROGRAM);
  const exit = await child.exit(90_000);
  const lines = child.stdout
    .trim()
    .split('\n')
    .map((line): { readonly event: string; readonly name?: string } => JSON.parse(line));
  expect([exit.code, child.stderr]).toEqual([0, '']);
  const outcomes = lines.filter(({ event }) => event === 'case');
  expect(outcomes).toEqual(cases.map(({ name }) => ({ event: 'case', name })));
}, 100_000);

test('a process ends by itself when its sockets have, and not before', () => {
  const program = `
    import net from ${JSON.stringify(new URL('../../src/net.ts', import.meta.url).href)};
    const server = net.createServer((peer) => peer.end('x'.repeat(300_000)));
    server.listen(0, '127.0.0.1', () => {
      const client = net.connect(server.address().port, '127.0.0.1');
      let octets = 0;
      client.on('data', (data) => { octets += data.length; });
      client.on('close', () => { console.log(octets); server.close(); });
    });
    net.createServer().listen(0, '127.0.0.1').unref();
  `;
  const loader = fileURLToPath(new URL('../support/ts-loader.mjs', import.meta.url));
  const out = run(
    'ip',
    ['netns', 'exec', place.name, 'timeout', '30', process.execPath, '--import', loader, '--input-type=module', '-'],
    program,
  );
  expect(out).toBe('300000\n');
}, 60_000);
