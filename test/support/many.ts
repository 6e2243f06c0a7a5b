/** Starts the programs for many connections and floods, and asks them how they fare. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Child, ChildEvent } from './child.ts';
import type { Namespace } from './lab.ts';
import { endsIfFailed } from './tcpx.ts';

const program = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** What tcpx-many.ts says on `metrics`. */
export interface Metrics {
  readonly n: number;
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
  readonly opened: number;
  readonly connected: number;
  readonly over: number;
  readonly intact: number;
  readonly open: number;
  /** By the connections that are open; `mss` of the first. */
  readonly retransmitted: number;
  readonly mss?: number;
  readonly received: number;
  readonly sent: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly loopDelayMs: { readonly p99: number; readonly most: number; readonly mean: number };
  readonly cpuSeconds: number;
  readonly counters: Readonly<Record<string, number>>;
  readonly link: Readonly<Record<string, number>>;
  /** Packets that came and were not taken in time. */
  readonly drops: number;
}

/** One end of many connections, tcpx's. */
export class Many {
  readonly child: Child;
  #asked = 0;

  constructor(child: Child) {
    this.child = child;
  }

  /** After a collection of garbage. */
  async metrics(): Promise<Metrics> {
    const n = ++this.#asked;
    this.child.write('metrics\n');
    await this.child.output(new RegExp(`"event":"metrics","n":${n},`), 60_000);
    const found = this.child.events().find((e) => e['event'] === 'metrics' && e['n'] === n);
    // the shape of what tcpx-many.ts says
    return found as unknown as Metrics;
  }

  /** The loop's delay counts from now on. */
  reset(): void {
    this.child.write('reset\n');
  }

  /** Waits until its metrics are `such`. */
  async until(such: (m: Metrics) => boolean, withinMs: number): Promise<Metrics> {
    for (const end = performance.now() + withinMs; ; ) {
      const m = await this.metrics();
      if (such(m)) return m;
      if (performance.now() > end) throw new Error(`not so within ${withinMs} ms: ${JSON.stringify(m)}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async end(): Promise<void> {
    this.child.write('end\n');
    await this.child.exit(30_000);
    if (this.child.stderr !== '') throw new Error(`tcpx said: ${this.child.stderr}`);
  }
}

/** Resolves once it listens, or its first connections are on their way. */
export const startMany = (namespace: Namespace, ...args: string[]): Promise<Many> =>
  startManyUnder([], namespace, args);

/** The same, with flags for node itself. */
export async function startManyUnder(
  flags: readonly string[],
  namespace: Namespace,
  args: readonly string[],
): Promise<Many> {
  const child = namespace.node(program('tcpx-many.ts'), args, { nodeArgs: ['--expose-gc', ...flags] });
  await endsIfFailed(child).event('ready', 30_000);
  return new Many(child);
}

export interface ClientsDone {
  readonly connected: number;
  readonly intact: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly connectMs: { readonly median: number; readonly most: number; readonly over3s: number };
}

/** kernel-many.mjs with these switches. */
export function kernelClients(namespace: Namespace, ...args: string[]): Child {
  return namespace.spawn(process.execPath, [program('kernel-many.mjs'), ...args]);
}

export async function clientsDone(child: Child, withinMs: number): Promise<ClientsDone> {
  // the shape of what kernel-many.mjs says
  return (await child.event('done', withinMs)) as unknown as ClientsDone;
}

/** Packets that the machine has dropped since it began, before any socket saw them: every processor's queue was full. */
export function droppedByMachine(): number {
  const rows = readFileSync('/proc/net/softnet_stat', 'latin1').trim().split('\n');
  return rows.reduce((sum, row) => sum + Number.parseInt(row.split(/\s+/)[1]!, 16), 0);
}

export interface FloodOptions {
  readonly interface: string;
  /** Hardware address of the target. */
  readonly to: string;
  readonly target: string;
  readonly kind: 'syn' | 'rst' | 'ack' | 'data' | 'fragments' | 'octets';
  readonly rate: number;
  readonly seconds: number;
  readonly source?: string;
  readonly ports?: number;
}

export interface FloodDone {
  readonly sent: number;
  readonly seconds: number;
  readonly rate: number;
}

/** Resolves when it has begun; `done` when it is over. */
export async function flood(namespace: Namespace, o: FloodOptions): Promise<{ readonly done: Promise<FloodDone> }> {
  const args = Object.entries(o).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = namespace.node(program('flood.ts'), args);
  await child.event('begun', 30_000);
  const done = child.event('done', o.seconds * 1000 + 60_000) as Promise<unknown> as Promise<FloodDone>;
  done.catch(() => {});
  return { done };
}

/** How late the loop of a process that does nothing is. */
export class Bystander {
  readonly #child: Child;
  #asked = 0;

  private constructor(child: Child) {
    this.#child = child;
  }

  static async start(namespace: Namespace): Promise<Bystander> {
    const child = namespace.spawn(process.execPath, [program('bystander.mjs')]);
    await child.event('ready');
    return new Bystander(child);
  }

  reset(): void {
    this.#child.write('reset\n');
  }

  async delayMs(): Promise<{ readonly p99: number; readonly most: number }> {
    const n = ++this.#asked;
    this.#child.write('ask\n');
    await this.#child.output(new RegExp(`"event":"delay","n":${n},`));
    const found = this.#child.events().find((e): e is ChildEvent => e['event'] === 'delay' && e['n'] === n);
    return { p99: Number(found?.['p99']), most: Number(found?.['most']) };
  }
}
