/** One thread of `npm run fuzz`. Slices of a second or less, so that progress shows; in the first ones coverage is counted. */
import { parentPort, workerData } from 'node:worker_threads';
import { type BatchResult, playBatch } from './batch.ts';
import { type Coverage, CoverageCounter } from './coverage.ts';

export interface WorkerOrders {
  readonly from: number;
  readonly step: number;
  /** Milliseconds to run, and how many of them with coverage counted. */
  readonly ms: number;
  readonly coverageMs: number;
  /** Segments to put in, at most. */
  readonly segments: number;
}

export type WorkerReport =
  | { readonly kind: 'batch'; readonly result: BatchResult }
  | { readonly kind: 'coverage'; readonly coverage: Coverage }
  | { readonly kind: 'done' };

const SLICE_MS = 1000;

async function work(orders: WorkerOrders, report: (of: WorkerReport) => void): Promise<void> {
  const begin = performance.now();
  const counter = orders.coverageMs > 0 ? new CoverageCounter() : undefined;
  await counter?.begin();
  let counting = counter !== undefined;
  let next = orders.from;
  let segments = 0;
  for (let now = begin; now - begin < orders.ms && segments < orders.segments; now = performance.now()) {
    const until = Math.min(now + SLICE_MS, begin + orders.ms);
    const result = await playBatch({
      from: next,
      step: orders.step,
      goesOn: (n) => performance.now() < until && segments + n < orders.segments,
    });
    next += result.runs * orders.step;
    segments += result.segmentsIn;
    report({ kind: 'batch', result });
    if (counting) report({ kind: 'coverage', coverage: await counter!.take() });
    if (counting && performance.now() - begin >= orders.coverageMs) {
      counting = false;
      await counter!.end();
    }
    if (result.found.length > 0) break;
  }
  if (counting) await counter!.end();
  report({ kind: 'done' });
}

// This file is loaded by main.ts for a thread alone, with these orders.
const orders = workerData as WorkerOrders | undefined;
if (parentPort !== null && orders !== undefined) {
  const port = parentPort;
  await work(orders, (of) => port.postMessage(of));
}
