/** One run of one stack, with what goes on beside it, and what the peer and the kernel counted meanwhile. */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import type { Case, Outcome } from './cases.ts';
import { type ClientOptions, processorSeconds } from './client/measure.ts';
import type { Client, Place } from './lab.ts';
import type { Program, Said } from './program.ts';
import { type Counted, countedBetween } from './statistics.ts';

/** One more than a bulk transfer wants, for what its peer has to say afterwards. */
const WITHIN = 10_000;
const PROBE_EVERY_MS = 20;
/** The least that plots want to know. */
const SERIES_EVERY_US = 250_000;

export interface Once {
  readonly outcome: Outcome;
  /** What the stack said of itself. */
  readonly about: Said;
  /** Of the machine, by its hypervisor, meanwhile: 0 to 1. */
  readonly stolen: number;
}

/** Measures with the client that `open` gives, which may be one that has measured before. The path is there when it is called. */
export async function runOnce(
  place: Place,
  c: Case,
  open: () => Promise<Client>,
  warmSeconds: number,
  seed: number,
): Promise<Once> {
  const bridge =
    c.path === undefined
      ? undefined
      : await place.startBridge({ ...c.path, seed }, c.work === 'receive' ? 'in' : 'out');
  const busy0 = bridge === undefined ? 0 : processSeconds(bridge.pid);
  const begun = performance.now();
  let beside: Program | undefined;
  const kernel: number[] = [];
  try {
    const client = await open();
    const openedAt = performance.now();
    const stolen0 = processorSeconds().stolen;
    beside = c.beside === undefined ? undefined : startBeside(place, c, client.options);
    const result = await client.measure(
      warmSeconds,
      c.work === 'idle' ? (program) => countMemory(program, kernel) : undefined,
    );
    const bridgeBusy =
      bridge === undefined
        ? {}
        : { bridgeBusy: (processSeconds(bridge.pid) - busy0) / ((performance.now() - begun) / 1000) };
    const extra = {
      ...bridgeBusy,
      ...(await besideOf(c, beside)),
      ...(kernel.length > 0 && { kernelGrowth: kernel[1]! - kernel[0]! }),
    };
    const stolen = (processorSeconds().stolen - stolen0) / (((performance.now() - openedAt) / 1000) * cpus().length);
    return { outcome: await outcomeOf(place, c, { ...result, ...extra }), about: client.about, stolen };
  } finally {
    beside?.kill('SIGKILL');
    bridge?.kill();
    await bridge?.ended();
  }
}

/** In a process that measures nothing else. */
export async function runAlone(
  place: Place,
  c: Case,
  o: ClientOptions,
  nodeArgs: readonly string[],
  seed: number,
): Promise<Once> {
  let client: Client | undefined;
  try {
    return await runOnce(place, c, async () => (client = await place.openClient(o, nodeArgs)), o.warmSeconds, seed);
  } finally {
    await client?.close();
  }
}

function startBeside(place: Place, c: Case, o: ClientOptions): Program {
  const { stack } = place.cores;
  if (c.beside === 'probe')
    return place.startPeer(place.here, stack, 'probe', place.serverAddress, String(PROBE_EVERY_MS));
  // It outlasts ours, and is ended when ours is over.
  const seconds = String(o.seconds + o.warmSeconds + 60);
  return place.startPeer(place.here, stack, 'send', place.serverAddress, seconds, '0');
}

/** Ends it. */
async function besideOf(c: Case, beside: Program | undefined): Promise<object> {
  if (beside === undefined) return {};
  if (c.beside === 'probe') {
    beside.endInput();
    // As peer.c prints them.
    const samples = (await beside.said('probed', WITHIN))['samples'] as readonly number[];
    const probes: [number, number][] = [];
    for (let i = 0; i < samples.length; i += 2) probes.push([samples[i]!, samples[i + 1]! / 1000]);
    return { probes };
  }
  beside.kill('SIGKILL');
  await beside.ended();
  return {};
}

/** With what the peer counted. */
async function outcomeOf(place: Place, c: Case, said: Said): Promise<Outcome> {
  const [t0, t1] = [Number(said['t0']), Number(said['t1'])];
  const received = Number(said['received'] ?? 0);
  const seconds = (t1 - t0) / 1e6;
  if (c.work !== 'send' && c.work !== 'both') return { sent: 0, received, seconds, said };
  // As peer.c prints them. One that ended before is of another run from the same port.
  const lasted = (s: Said): boolean => (s['samples'] as Counted).at(-2)! > t1;
  const samples = await discarded(place, (s) => s['port'] === said['port'] && lasted(s));
  const sent = countedBetween(samples, t0, t1);
  if (c.path?.rate === undefined) return { sent, received, seconds, said };
  const series = seriesOf(samples, t0, t1);
  if (c.beside !== 'flow') return { sent, received, seconds, said: { ...said, series } };
  const other = await discarded(place, (s) => s['port'] !== said['port'] && lasted(s));
  const sentBeside = countedBetween(other, t0, t1);
  return { sent, received, seconds, said: { ...said, sentBeside, series, seriesBeside: seriesOf(other, t0, t1) } };
}

async function discarded(place: Place, such: (said: Said) => boolean): Promise<Counted> {
  const { samples } = await place.peer.said('discarded', WITHIN, such);
  // As peer.c prints them.
  return samples as Counted;
}

/** Mbit/s in each quarter of a second. */
function seriesOf(samples: Counted, t0: number, t1: number): readonly number[] {
  const rates: number[] = [];
  for (let t = t0; t + SERIES_EVERY_US <= t1; t += SERIES_EVERY_US)
    rates.push(Math.round((countedBetween(samples, t, t + SERIES_EVERY_US) * 80) / SERIES_EVERY_US) / 10);
  return rates;
}

/** What the kernel holds before the connections are open and when they are: `into` gets both. */
async function countMemory(client: Program, into: number[]): Promise<void> {
  await client.said('before', 20_000);
  into.push(kernelOctets());
  client.write('open\n');
  await client.said('open', 120_000);
  into.push(kernelOctets());
  client.write('close\n');
}

/** Of both ends: sockets, guards and buffers live in slabs and pages of its own. */
function kernelOctets(): number {
  const text = readFileSync('/proc/meminfo', 'utf8');
  const kilobytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
  return (kilobytes('Slab') + kilobytes('KernelStack') + kilobytes('PageTables') + kilobytes('Percpu')) * 1024;
}

/** Processor time of a process so far. */
function processSeconds(pid: number): number {
  // utime and stime: the 14th and 15th field; the second may hold spaces.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
