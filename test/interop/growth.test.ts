/**
 * Transfers and connections in turn, in one process, against a kernel: what it holds after each round must not grow with what
 * it has done. In `npm run soak` for ten minutes.
 */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openPair, type PairLab } from '../support/lab.ts';
import { report, scaled } from '../support/scale.ts';

const SECONDS = scaled(8, 600);
vi.setConfig({ testTimeout: (SECONDS + 120) * 1000 });

interface Sample {
  readonly seconds: number;
  readonly heapUsed: number;
  readonly external: number;
  readonly rss: number;
  readonly descriptors: number;
  readonly endpoints: number;
  readonly connections: number;
  readonly octets: number;
}

let lab: PairLab;
beforeAll(() => {
  lab = openPair();
});
afterAll(() => lab.close());

const program = (file: string): string => fileURLToPath(new URL(`../support/${file}`, import.meta.url));

test('what one process holds does not grow with what it has done', async () => {
  const server = lab.server.spawn(process.execPath, [program('turn-server.mjs')]);
  const ports = await server.event('ready');
  const args = Object.entries({
    server: lab.serverAddress,
    ...{ echo: ports['echo'], discard: ports['discard'], source: ports['source'] },
    driver: 'packet',
    seconds: SECONDS,
    transfer: scaled(4_000_000, 40_000_000),
    connections: scaled(100, 1000),
  }).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = lab.client.node(program('tcpx-turns.ts'), args, {
    nodeArgs: ['--expose-gc', '--max-semi-space-size=1'],
  });
  expect([(await child.exit((SECONDS + 100) * 1000)).code, child.stderr]).toEqual([0, '']);
  // Boundary: NDJSON of tcpx-turns.ts.
  const events = child.events();
  const of = (event: string): readonly Sample[] => events.filter((e) => e['event'] === event) as unknown as Sample[];
  const all = of('sample');
  const [begin, end] = [of('begin')[0]!, of('end')[0]!];
  const held = end.heapUsed + end.external - begin.heapUsed - begin.external;
  const resident = end.rss - begin.rss;
  const mb = (octets: number): string => (octets / 1e6).toFixed(2);
  const last = all.at(-1)!;
  report(
    `${all.length} rounds, ${last.connections} connections, ${mb(last.octets)} MB in ${last.seconds.toFixed(0)} s: held ${mb(end.heapUsed + end.external)} MB, ${mb(held)} more than before; resident ${mb(end.rss)} MB, ${mb(resident)} more; ${begin.descriptors}, ${last.descriptors} and in the end ${end.descriptors} descriptors`,
  );
  expect(all.length).toBeGreaterThanOrEqual(4);
  // Whether there were ten rounds or a thousand.
  expect(held).toBeLessThan(2e6);
  expect(resident).toBeLessThan(20e6);
  expect([begin.endpoints, end.endpoints]).toEqual([0, 0]);
  // Some hundred ports stay guarded for those to come, however many there were.
  expect(end.descriptors).toBeLessThan(350);
  server.kill('SIGKILL');
});
