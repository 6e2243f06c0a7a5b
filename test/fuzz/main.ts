/**
 * `npm run fuzz`: runs drawn by number, on every core, until the time is up or a rule is broken; then the run is shrunk and
 * written down. Ends with 0 when nothing was broken, 1 when something was, 2 on wrong usage.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { allRows } from '../../src/tcp/machine.ts';
import type { Found } from './batch.ts';
import type { Coverage } from './coverage.ts';
import { rowText } from './model.ts';
import { type FuzzOptions, fuzzOptions, USAGE, UsageError } from './options.ts';
import { explainNumber } from './report.ts';
import type { WorkerOrders, WorkerReport } from './worker.ts';

const COVERAGE_MS = 20_000;
const PROGRESS_MS = 10_000;

class Tally {
  runs = 0;
  segmentsIn = 0;
  segmentsOut = 0;
  readonly rows = new Map<string, number>();
  readonly found: Found[] = [];
  readonly lines = new Set<string>();
  readonly run = new Set<string>();
  readonly begin = performance.now();

  get seconds(): number {
    return (performance.now() - this.begin) / 1000;
  }

  add(report: WorkerReport): void {
    if (report.kind === 'batch') {
      const { result } = report;
      this.runs += result.runs;
      this.segmentsIn += result.segmentsIn;
      this.segmentsOut += result.segmentsOut;
      for (const [row, count] of result.rows) this.rows.set(row, (this.rows.get(row) ?? 0) + count);
      this.found.push(...result.found);
    } else if (report.kind === 'coverage') this.#addCoverage(report.coverage);
  }

  #addCoverage(coverage: Coverage): void {
    for (const [file, { lines, run }] of coverage) {
      for (const line of lines) this.lines.add(`${file}:${line}`);
      for (const line of run) this.run.add(`${file}:${line}`);
    }
  }
}

async function main(): Promise<number> {
  if (process.argv.includes('--help')) {
    process.stdout.write(USAGE);
    return 0;
  }
  const o = fuzzOptions(process.argv.slice(2), availableParallelism(), Date.now());
  if (o.differential !== undefined) {
    const { differential } = await import('./differential/main.ts');
    return differential({ count: o.differential, seed: o.seed, skip: o.skip }, o.json);
  }
  if (o.only !== undefined) return tell([{ number: o.only, rule: '', message: '' }], true);
  process.stdout.write(`seed ${o.seed}, ${o.workers} threads, ${limitText(o)}\n`);
  const tally = new Tally();
  const timer = setInterval(() => process.stdout.write(`${progressText(tally)}\n`), PROGRESS_MS);
  await Promise.all(Array.from({ length: o.workers }, (_, i) => runWorker(ordersOf(o, i), tally)));
  clearInterval(timer);
  const broken = tally.found.length > 0;
  process.stdout.write(`${summaryText(tally, o)}\n`);
  const code = broken ? await tell(tally.found, false) : 0;
  if (o.json) process.stdout.write(`${JSON.stringify(summary(tally, o))}\n`);
  return code;
}

const limitText = (o: FuzzOptions): string =>
  o.segments === undefined ? `${o.seconds} s` : `until ${o.segments} segments have gone in`;

/** Numbers of runs: each seed has a billion of its own. */
function ordersOf(o: FuzzOptions, worker: number): WorkerOrders {
  return {
    from: o.seed * 1e9 + o.skip + worker,
    step: o.workers,
    ms: o.seconds * 1000,
    coverageMs: worker === 0 ? Math.min(COVERAGE_MS, (o.seconds * 1000) / 2) : 0,
    segments: (o.segments ?? Number.POSITIVE_INFINITY) / o.workers,
  };
}

function runWorker(orders: WorkerOrders, tally: Tally): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('worker.ts', import.meta.url), { workerData: orders });
    worker.on('message', (report: WorkerReport) => tally.add(report));
    worker.once('error', reject);
    worker.once('exit', () => resolve());
  });
}

const rate = (n: number, seconds: number): string => Math.round(n / seconds).toLocaleString('en');

function progressText(t: Tally): string {
  return `${t.seconds.toFixed(0).padStart(6)} s  ${t.runs} runs  ${t.segmentsIn} segments in, ${t.segmentsOut} out`;
}

function summary(t: Tally, o: FuzzOptions): Readonly<Record<string, unknown>> {
  const rows = allRows().map((r) => rowText(r.from, r.event, r.to));
  return {
    seed: o.seed,
    seconds: Number(t.seconds.toFixed(1)),
    runs: t.runs,
    runsPerSecond: Math.round(t.runs / t.seconds),
    segmentsIn: t.segmentsIn,
    segmentsOut: t.segmentsOut,
    segmentsPerSecond: Math.round((t.segmentsIn + t.segmentsOut) / t.seconds),
    lines: t.lines.size,
    linesRun: t.run.size,
    rows: rows.length,
    rowsTaken: rows.filter((row) => t.rows.has(row)).length,
    violations: t.found.length,
  };
}

function summaryText(t: Tally, o: FuzzOptions): string {
  const rows = allRows().map((r) => rowText(r.from, r.event, r.to));
  const untaken = rows.filter((row) => !t.rows.has(row));
  return [
    `${t.runs} runs in ${t.seconds.toFixed(1)} s, ${rate(t.runs, t.seconds)} a second; seed ${o.seed}`,
    `segments: ${t.segmentsIn} in, ${t.segmentsOut} out, ${rate(t.segmentsIn + t.segmentsOut, t.seconds)} a second`,
    `coverage: ${t.run.size} of ${t.lines.size} lines of src/tcp (${((100 * t.run.size) / Math.max(1, t.lines.size)).toFixed(1)} %)`,
    `          ${rows.length - untaken.length} of ${rows.length} transition rows${untaken.length > 0 ? `; not ${untaken.join(', ')}` : ''}`,
    `violations: ${t.found.length}`,
  ].join('\n');
}

/** The first of each rule, shrunk. */
async function tell(found: readonly Found[], aloud: boolean): Promise<number> {
  const rules = new Set<string>();
  for (const { number, rule } of found) {
    if (rules.has(rule)) continue;
    rules.add(rule);
    const explained = await explainNumber(number);
    if (explained === undefined) {
      process.stdout.write(
        aloud ? `run ${number} breaks no rule\n` : `run ${number} broke '${rule}' once, and not again\n`,
      );
      if (aloud) return 0;
      continue;
    }
    process.stdout.write(`\nrun ${number}: ${explained.violation.message}\n`);
    process.stdout.write(`again: npm run fuzz -- --only ${number}; shrunk to ${explained.size}:\n\n`);
    process.stdout.write(`${explained.text}\n${explained.json}\n`);
  }
  return 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`fuzz: ${error.message}\n${USAGE}`);
  process.exitCode = 2;
}
