/** Several worker threads, each with a stack of its own, against the kernel: connections in both directions and in each of them. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Child } from '../support/child.ts';
import { openPair, type PairLab } from '../support/lab.ts';
import { clientsDone, kernelClients } from '../support/many.ts';
import { scaled } from '../support/scale.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });
const PROGRAM = new URL('../support/tcpx-cluster.ts', import.meta.url).pathname;
const COUNT = scaled(40, 2000);

let lab: PairLab;
let tcpx: Child;
beforeAll(async () => {
  lab = openPair();
  const peer = await lab.server.kernelPeer('0', '--echo', '--keep');
  tcpx = lab.client.node(PROGRAM, [lab.serverAddress, String(peer.port), lab.clientInterface]);
  await tcpx.event('ready', 60_000);
});
afterAll(() => lab.close());

interface Counted {
  readonly counts: readonly number[];
  readonly accepted: readonly number[];
  readonly failed: Readonly<Record<string, number>>;
}

/** Asks until its counts are `such`. */
async function counted(such: (c: Counted) => boolean): Promise<Counted> {
  for (;;) {
    const before = tcpx.events().filter((e) => e['event'] === 'count').length;
    tcpx.write('count\n');
    for (;;) {
      const all = tcpx.events().filter((e) => e['event'] === 'count');
      // the shape of what tcpx-cluster.ts says
      const last = all.at(-1) as unknown as Counted;
      if (all.length > before && such(last)) return last;
      if (all.length > before) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test('connections that are opened are shared out among the workers, and every octet comes back', async () => {
  tcpx.write(`connect ${COUNT} 100000\n`);
  expect(await tcpx.event('done', 60_000)).toMatchObject({ intact: COUNT });
  expect((await counted(({ counts }) => counts.every((n) => n === 0))).failed).toEqual({});
});

test('connections to a port are taken by all workers, each by one', async () => {
  const how = ['--connect', `${lab.clientAddress}:7000`, '--count', String(COUNT), '--send', '50000'];
  const done = await clientsDone(kernelClients(lab.server, ...how), 60_000);
  expect(done).toMatchObject({ connected: COUNT, intact: COUNT, failures: {} });
  const { accepted } = await counted(({ counts }) => counts.every((n) => n === 0));
  expect(accepted[0]! + accepted[1]!).toBe(COUNT);
  expect(Math.min(...accepted)).toBeGreaterThan(COUNT / 8);
});

test('a worker that dies ends its connections only, and another takes its place', async () => {
  tcpx.write('hold 10\n');
  expect(await tcpx.event('held', 30_000)).toMatchObject({ counts: [5, 5] });
  tcpx.write('kill 1\n');
  expect(await tcpx.event('death', 30_000)).toMatchObject({ index: 1 });
  const { failed } = await counted(({ counts }) => counts[1] === 0);
  expect(failed).toEqual({ ECONNRESET: 5 });
  expect((await counted(() => true)).counts).toEqual([5, 0]);
  const before = tcpx.events().length;
  tcpx.write('connect 4 1000\n');
  await vi.waitFor(() => {
    const after = tcpx.events().slice(before);
    expect(after.find((e) => e['event'] === 'done')).toMatchObject({ intact: 4 });
  }, 60_000);
  const how = ['--connect', `${lab.clientAddress}:7000`, '--count', '20', '--send', '5000'];
  const done = await clientsDone(kernelClients(lab.server, ...how), 60_000);
  expect(done).toMatchObject({ connected: 20, intact: 20, failures: {} });
});

test('it ends, and no port is kept', async () => {
  tcpx.write('end\n');
  await tcpx.exit(30_000);
  expect(tcpx.stderr).toBe('');
  expect(lab.client.exec('ss', '-Htln')).toBe('');
});
