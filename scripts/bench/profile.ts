/**
 * Where the processor's time goes while tcpx sends and receives: Node's own profiler, its samples between the instants that
 * the client measured, summed by who was running.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Case } from './cases.ts';
import { runAlone } from './once.ts';
import { clientOptions, type Places, type RunOptions } from './run.ts';

/** Of a .cpuprofile. Times are µs, the clock's. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string };
}

export const GROUPS = [
  'system calls',
  'TCP and IP',
  'link',
  'streams',
  'garbage collection',
  'rest of Node',
  'idle',
] as const;
export type Group = (typeof GROUPS)[number];

export interface Profiled {
  readonly name: string;
  /** Share of the time, 0…1. */
  readonly shares: Readonly<Record<Group, number>>;
  /** The functions with the largest shares, idle left out. */
  readonly top: readonly { readonly what: string; readonly share: number }[];
}

/** The addon's calls have no frame of their own: their time is that of the functions that make them and do little else. */
const SYSTEM_CALLERS: ReadonlySet<string> = new Set(['flush', '#onReady', 'sendBatch', 'receiveBatch']);
const TOP = 12;

export function groupOf(functionName: string, url: string): Group {
  if (functionName === '(idle)') return 'idle';
  if (functionName === '(garbage collector)') return 'garbage collection';
  const ours = /\/dist\/(.*)$/.exec(url)?.[1];
  if (ours === undefined) {
    if (/^node:(internal\/streams|events|internal\/process\/task_queues)/.test(url)) return 'streams';
    if (/\/client\/\w+\.js$/.test(url)) return 'streams';
    return 'rest of Node';
  }
  if (ours === 'link/batch.js' && SYSTEM_CALLERS.has(functionName)) return 'system calls';
  if (ours.startsWith('link/')) return 'link';
  if (ours.startsWith('socket/')) return 'streams';
  return 'TCP and IP';
}

/** Samples from `t0` to `t1`. */
export function sumProfile(name: string, profile: CpuProfile, t0: number, t1: number): Profiled {
  const frames = new Map(profile.nodes.map((node) => [node.id, node.callFrame]));
  const shares: Record<Group, number> = {
    'system calls': 0,
    'TCP and IP': 0,
    link: 0,
    streams: 0,
    'garbage collection': 0,
    'rest of Node': 0,
    idle: 0,
  };
  const functions = new Map<string, number>();
  let t = profile.startTime;
  let sum = 0;
  profile.samples.forEach((id, i) => {
    // The time before a sample was its own.
    const delta = profile.timeDeltas[i] ?? 0;
    t += delta;
    const frame = frames.get(id);
    if (t < t0 || t > t1 || frame === undefined) return;
    const { functionName, url } = frame;
    const group = groupOf(functionName, url);
    shares[group] += delta;
    sum += delta;
    if (group === 'idle') return;
    const file = /\/(dist\/.*)$/.exec(url)?.[1] ?? url.replace(/^.*\/client\//, 'client/');
    const what = `${functionName || '(anonymous)'}${file === '' ? '' : ` ${file}`}`;
    functions.set(what, (functions.get(what) ?? 0) + delta);
  });
  for (const group of GROUPS) shares[group] = sum === 0 ? 0 : shares[group] / sum;
  const top = [...functions]
    .sort((a, b) => b[1] - a[1])
    .slice(0, TOP)
    .map(([what, time]) => ({ what, share: time / sum }));
  return { name, shares, top };
}

/** Runs a case once more, tcpx alone, under the profiler. */
export async function profileCase(places: Places, c: Case, o: RunOptions): Promise<Profiled> {
  const place = await places.get(c.place, false);
  const directory = mkdtempSync(join(tmpdir(), 'tcpx-bench-'));
  try {
    const flags = ['--cpu-prof', `--cpu-prof-dir=${directory}`, '--cpu-prof-interval=200'];
    const { outcome } = await runAlone(place, c, clientOptions(place, c, o, 'tcpx'), flags, 1);
    const file = readdirSync(directory)[0];
    if (file === undefined) throw new Error('the profiler left nothing');
    const profile = JSON.parse(readFileSync(join(directory, file), 'utf8')) as CpuProfile;
    return sumProfile(c.name, profile, Number(outcome.said['t0']), Number(outcome.said['t1']));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

export function profileText(profiles: readonly Profiled[]): string {
  const percent = (n: number): string => `${(n * 100).toFixed(1).padStart(5)} %`;
  return profiles
    .map(({ name, shares, top }) =>
      [
        `where the time goes: ${name}`,
        ...GROUPS.map((group) => `  ${percent(shares[group])}  ${group}`),
        ...top.map(({ what, share }) => `      ${percent(share)}  ${what}`),
        '',
      ].join('\n'),
    )
    .join('\n');
}
