/**
 * `tcpx trace` beside tshark, on captures with every kind of trouble and on some of real kernels; and a long capture, whose
 * length is not seen in the memory it takes: 1 GB in the soak.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { REASONS } from '../../scripts/trace/differences.ts';
import { measure } from '../../scripts/trace/measure.ts';
import { writtenCapture } from '../../scripts/trace/written.ts';
import { micros } from '../../src/base/time.ts';
import { pcapHeader, pcapRecord } from '../../src/pcap/pcap-writer.ts';
import { report, SOAK, scaled } from '../support/scale.ts';

const folder = mkdtempSync(join(tmpdir(), 'tcpx-trace-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('nineteen of twenty notes are tshark’s too, and each of the others has a reason', { timeout: 300_000 }, () => {
  const { tally, parts, explained, unexplained } = measure();
  const { precision, recall } = tally.overall;
  report(
    `${parts.length} captures, ${tally.segments} segments: precision ${precision.toFixed(3)}, recall ${recall.toFixed(3)}`,
  );
  expect(unexplained).toEqual([]);
  expect(precision).toBeGreaterThanOrEqual(0.95);
  expect(recall).toBeGreaterThanOrEqual(0.95);
  expect(parts.length).toBeGreaterThanOrEqual(20);
  // Of each kind there was something to note, and every reason was needed.
  expect(tally.kinds.filter((k) => k.both === 0).map((k) => k.name)).toEqual([]);
  expect(REASONS.filter((_, i) => explained[i] === 0).map((r) => r.title)).toEqual([]);
});

test('a capture of any length takes the same memory', { timeout: 600_000 }, () => {
  const path = join(folder, 'long.pcap');
  const octets = scaled(30_000_000, 1_000_000_000);
  const segments = writeLong(path, octets);
  const child = spawnSync(
    process.execPath,
    [
      ...['--import', fileURLToPath(new URL('../support/ts-loader.mjs', import.meta.url))],
      ...[fileURLToPath(new URL('../support/trace-big.ts', import.meta.url)), path],
    ],
    { encoding: 'utf8' },
  );
  expect(child.stderr).toBe('');
  const said = JSON.parse(child.stdout);
  const speed = octets / 1e6 / said.seconds;
  report(
    `${octets / 1e6} MB in ${said.seconds.toFixed(2)} s, ${speed.toFixed(0)} MB/s, ${(octets / 1e6 / said.cpuSeconds).toFixed(0)} MB per second of processor; ${(said.maxRss / 1e6).toFixed(0)} MB of memory, ${(said.before / 1e6).toFixed(0)} before it began`,
  );
  expect(said).toMatchObject({ segments, connections: 40 });
  expect(said.maxRss - said.before).toBeLessThan(100e6);
  if (SOAK) expect(speed).toBeGreaterThan(100);
});

/** Forty connections side by side that never end, of about so many octets; how many segments they are. */
function writeLong(path: string, octets: number): number {
  const pattern = writtenCapture(`
    0 > . seq 1 ack 1 len 1460
    0 > . seq 1461 ack 1 len 1460
    0 < . seq 1 ack 2921`).map((p) => p.octets);
  const file = openSync(path, 'w');
  let written = writeSync(file, pcapHeader());
  let segments = 0;
  for (let round = 0; written < octets; round++) {
    const turn: Uint8Array[] = [];
    for (let port = 0; port < 40; port++)
      for (const packet of pattern) {
        const fromClient = packet.length > 100;
        const view = new DataView(packet.buffer, packet.byteOffset);
        view.setUint16(fromClient ? 20 : 22, 40_000 + port);
        const at = fromClient ? 24 : 28;
        const was = view.getUint32(at);
        view.setUint32(at, (was + 2920 * round) >>> 0);
        turn.push(pcapRecord(micros(1_000_000 + 1000 * segments++), packet));
        view.setUint32(at, was);
      }
    written += writeSync(file, Buffer.concat(turn));
  }
  closeSync(file);
  return segments;
}
