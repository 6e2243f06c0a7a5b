/** The laboratory itself: what the other interop tests rest on. */
import { existsSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { type Lab, openLab, openPair, openRouted, run } from '../support/lab.ts';
import { pattern, sha256 } from '../support/pattern.ts';

let lab: Lab | undefined;
afterEach(() => lab?.close());

test('two kernels exchange octets through a router, both ways, with the digests of the pattern', async () => {
  const routed = openRouted();
  lab = routed;
  const server = await routed.server.kernelPeer('0', '--send', '300000');
  const client = routed.client.node(new URL('../support/kernel-peer.mjs', import.meta.url).pathname, [
    '--connect',
    `${routed.serverAddress}:${server.port}`,
    '--send',
    '200000',
    '--close-first',
  ]);
  expect(await client.event('close')).toMatchObject({
    received: 300_000,
    sent: 200_000,
    sha256: sha256(pattern(300_000)),
    hadError: false,
  });
  expect(await server.child.event('close')).toMatchObject({
    received: 200_000,
    sent: 300_000,
    sha256: sha256(pattern(200_000)),
  });
  expect((await server.child.exit()).code).toBe(0);
  expect(routed.client.sockets(server.port).map((row) => row.state)).toEqual(['TIME-WAIT']);
  expect(routed.router.counters()['IpForwDatagrams']).toBeGreaterThan(10);
  expect(routed.client.ip('route', 'get', routed.serverAddress)).toContain(`via ${routed.gateway}`);
});

test('a dropped port is silent, and not after nftClear', async () => {
  const pair = openPair();
  lab = pair;
  const server = await pair.server.kernelPeer('0', '--reset-after', '0', '--keep');
  pair.server.nft('input', `tcp dport ${server.port} drop`);
  const probe = (patience: number) =>
    `const s=require('net').connect(${server.port},'${pair.serverAddress}');s.on('connect',()=>{console.log('through');s.destroy()});s.on('error',(e)=>e.code==='ECONNRESET'&&console.log('through'));setTimeout(()=>process.exit(3),${patience})`;
  expect(pair.client.tryExec(process.execPath, '-e', probe(300))).toMatchObject({ status: 3, stdout: '' });
  pair.server.nftClear();
  expect(pair.client.tryExec(process.execPath, '-e', probe(20_000)).stdout).toBe('through\n');
});

test('close removes namespaces and ends children, and a killed laboratory is swept by the next', async () => {
  const pair = openPair();
  lab = pair;
  const child = pair.client.spawn('sleep', ['1000']);
  pair.close();
  expect((await child.exit()).signal).toBe('SIGKILL');
  expect(existsSync(`/run/netns/${pair.client.name}`)).toBe(false);

  run('ip', ['netns', 'add', 'tcpx-4194304-0']);
  openLab().close();
  expect(existsSync('/run/netns/tcpx-4194304-0')).toBe(false);
});
