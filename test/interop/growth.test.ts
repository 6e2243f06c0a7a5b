/**
 * Transfers and connections in turn, in one process, against a kernel: what it holds after each round must not grow with what
 * it has done. In `npm run soak` for ten minutes.
 */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openPair, type PairLab } from '../support/lab.ts';
import { report, scaled } from '../support/scale.ts';

const SECONDS = scaled(12, 600);
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
  const all = events.filter((e) => e['event'] === 'sample') as unknown as readonly Sample[];
  const end = events.at(-1) as unknown as Sample;
  const last = all.at(-1)!;
  // Code is compiled and pools fill up in the beginning.
  const settled = all.slice(Math.ceil(all.length / 4));
  const held = slope(settled, (s) => s.heapUsed + s.external);
  const resident = slope(settled, (s) => s.rss);
  const mb = (octets: number): string => (octets / 1e6).toFixed(2);
  report(
    `${all.length} rounds, ${last.connections} connections, ${mb(last.octets)} MB in ${last.seconds.toFixed(0)} s: held ${mb(last.heapUsed + last.external)} MB, ${mb(held)} more over the rest; resident ${mb(last.rss)} MB, ${mb(resident)} more; ${all[0]!.descriptors}, ${last.descriptors} and in the end ${end.descriptors} descriptors`,
  );
  expect(all.length).toBeGreaterThanOrEqual(4);
  // Over all the rounds looked at, whether there are ten or a thousand.
  expect(held).toBeLessThan(2e6);
  expect(resident).toBeLessThan(20e6);
  expect(end.endpoints).toBe(0);
  // Some hundred ports stay guarded for those to come, however many there were.
  expect(end.descriptors).toBeLessThan(350);
  server.kill('SIGKILL');
});

/** By how much `of` grows from the first sample to the last, along the line of least squares. */
function slope(samples: readonly Sample[], of: (s: Sample) => number): number {
  const mean = (value: (s: Sample) => number): number => samples.reduce((sum, s) => sum + value(s), 0) / samples.length;
  const [t, y] = [mean((s) => s.seconds), mean(of)];
  const covariance = mean((s) => (s.seconds - t) * (of(s) - y));
  const variance = mean((s) => (s.seconds - t) ** 2);
  return (covariance / variance) * (samples.at(-1)!.seconds - samples[0]!.seconds);
}
