/**
 * The cases of test/net once more, in a namespace: on the kernel's sockets, and on tcpx over real packets (driver packet),
 * through the network that a process has when it says nothing of one. On loopback, and on Ethernet with another namespace
 * between the ends: it sends what comes for it back to where it came from, in its own name.
 */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cases } from '../net/cases.ts';
import type { Case } from '../net/trial.ts';
import { Namespace, run } from '../support/lab.ts';

const PROGRAM = fileURLToPath(new URL('../support/net-parity.ts', import.meta.url));
let place: Namespace;
let mirror: Namespace;

beforeAll(() => {
  place = new Namespace(`tcpx-${process.pid}-net`);
  // The kernel takes all of 127.0.0.0/8 for its own, tcpx what its interfaces list.
  place.ip('address', 'add', '127.0.0.2/8', 'dev', 'lo');
  // A neighbour who never answers.
  place.ip('link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1');
  place.ip('address', 'add', '10.77.99.1/24', 'dev', 'v0');
  for (const name of ['v0', 'v1']) place.ip('link', 'set', name, 'up');
});

afterAll(() => {
  place?.close();
  mirror?.close();
});

async function differing(...args: readonly string[]): Promise<readonly { readonly name?: string }[]> {
  const child = place.node(PROGRAM, args);
  const exit = await child.exit(90_000);
  expect([exit.code, child.stderr]).toEqual([0, '']);
  const lines = child.stdout
    .trim()
    .split('\n')
    .map((line): { readonly event: string; readonly name?: string } => JSON.parse(line));
  return lines.filter(({ event }) => event === 'case');
}

const asWanted = (chosen: readonly Case[]): object[] => chosen.map(({ name }) => ({ event: 'case', name }));

test('every case of net is the same on tcpx over real packets', async () => {
  expect(await differing()).toEqual(asWanted(cases));
}, 100_000);

test('and with another namespace between the ends', async () => {
  mirror = new Namespace(`tcpx-${process.pid}-mirror`);
  const wire = ['netns', mirror.name, 'type', 'veth', 'peer', 'name', 'w0', 'netns', place.name];
  run('ip', ['link', 'add', 'w0', ...wire]);
  for (const [end, address] of [
    [place, OWN],
    [mirror, FAR],
  ] as const) {
    end.ip('address', 'add', `${address}/24`, 'dev', 'w0');
    end.ip('link', 'set', 'w0', 'up');
  }
  for (const name of ['all', 'w0']) mirror.sysctl(`net.ipv4.conf.${name}.send_redirects`, '0');
  mirror.sysctl('net.ipv4.ip_forward', '1');
  mirror.exec('nft', MIRROR);
  expect(await differing(OWN, FAR)).toEqual(asWanted(cases.filter((c) => c.onLoopback !== true)));
}, 100_000);

const OWN = '10.77.98.1';
const FAR = '10.77.98.2';
const MIRROR = `table ip mirror {
  chain to { type nat hook prerouting priority dstnat; ip daddr ${FAR} dnat to ${OWN}; }
  chain from { type nat hook postrouting priority srcnat; ip daddr ${OWN} snat to ${FAR}; }
}`;

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
