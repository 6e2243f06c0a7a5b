/** Runs cases: pairs in turn, and the rows that come of them. */
import type { Case, Outcome } from './cases.ts';
import type { ClientOptions } from './client/measure.ts';
import type { StackName } from './client/stacks.ts';
import { type Cores, Place, type PlaceOptions } from './lab.ts';
import { runOnce } from './once.ts';
import { compare } from './statistics.ts';

/** A line of the result; null where a stack could not be measured. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly driver: string;
  readonly tcpx: number | null;
  readonly net: number | null;
  /** Of the medians, tcpx by net. */
  readonly ratio: number | null;
  /** Least and most ratio of a pair. */
  readonly spread: readonly [number, number] | null;
  readonly lowerIsBetter: boolean;
}

/** Everything that was measured of a case. */
export interface CaseResult {
  readonly name: string;
  readonly driver: string;
  readonly rows: readonly Row[];
  readonly outcomes: Readonly<Record<StackName, readonly Outcome[]>>;
  /** What the stacks said of themselves. */
  readonly about: Readonly<Partial<Record<StackName, unknown>>>;
  readonly failure?: string;
}

export interface RunOptions {
  readonly quick: boolean;
  /** Instead of the cases' own. */
  readonly pairs?: number;
  readonly seconds?: number;
  readonly chunk: number;
  readonly dist: string;
  /** TCP_CONGESTION; absent: tcpx's default, or the case's where that is another. */
  readonly cc?: string;
  readonly stacks: readonly StackName[];
  readonly nodeArgs: readonly string[];
  progress(what: string): void;
}

/** Places are kept from case to case: making one takes half a second. */
export class Places {
  readonly #kept = new Map<string, Place>();
  readonly #cores: Cores;

  constructor(cores: Cores) {
    this.#cores = cores;
  }

  async get(o: PlaceOptions, bridged: boolean): Promise<Place> {
    const key = JSON.stringify([o, bridged]);
    const place = this.#kept.get(key) ?? (await Place.open(o, this.#cores, bridged));
    this.#kept.set(key, place);
    return place;
  }

  close(): void {
    for (const place of this.#kept.values()) place.close();
    this.#kept.clear();
  }
}

export async function runCase(places: Places, c: Case, o: RunOptions): Promise<CaseResult> {
  const outcomes: Record<StackName, Outcome[]> = { tcpx: [], net: [] };
  const about: Partial<Record<StackName, unknown>> = {};
  const extent = o.quick ? 0 : 1;
  const pairs = o.pairs ?? Math.max(1, c.pairs[extent]);
  const title = `${c.name}${c.driver === 'raw' ? ' (raw)' : ''}`;
  const peerGrowth: number[] = [];
  let failure: string | undefined;
  try {
    const place = await places.get(c.place, c.path !== undefined);
    for (let pair = 1; pair <= pairs; pair++) {
      for (const stack of o.stacks) {
        const client = clientOptions(place, c, o, stack);
        const once = await runOnce(place, c, client, o.nodeArgs, pair);
        outcomes[stack].push(once.outcome);
        about[stack] = once.about;
        if (c.work === 'idle' && stack === 'tcpx') peerGrowth.push(await growthOfPeer(place, c, client, once.outcome));
        o.progress(`${title} ${pair}/${pairs} ${stack}: ${told(c, once.outcome)}`);
      }
    }
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
    o.progress(`${title}: ${failure}`);
  }
  const done = c.work === 'idle' ? withoutPeer(outcomes, c, peerGrowth) : outcomes;
  return {
    name: c.name,
    driver: c.driver,
    rows: rowsOf(c, done),
    outcomes: done,
    about,
    ...(failure !== undefined && { failure }),
  };
}

export function clientOptions(place: Place, c: Case, o: RunOptions, stack: StackName): ClientOptions {
  const extent = o.quick ? 0 : 1;
  return {
    stack,
    driver: c.driver,
    address: place.serverAddress,
    interface: place.clientInterface,
    mode: c.mode,
    ownAddress: place.freshAddress(),
    offload: c.place.offload ?? true,
    cc: o.cc ?? (c.place.cc === 'cubic' ? '' : c.place.cc),
    work: c.work,
    seconds: o.seconds ?? c.seconds[extent],
    warmSeconds: c.warmSeconds[extent],
    count: c.count,
    chunk: o.chunk,
    dist: o.dist,
  };
}

/**
 * The kernel's growth is that of both ends, and the peer's is the same in every run. With an address of its own tcpx has nothing
 * in the kernel for a connection, so what grows in such a run is the peer's.
 */
async function growthOfPeer(place: Place, c: Case, client: ClientOptions, ours: Outcome): Promise<number> {
  const { outcome } = c.mode === 'own' ? { outcome: ours } : await runOnce(place, c, { ...client, mode: 'own' }, [], 0);
  return Number(outcome.said['kernelGrowth']);
}

function withoutPeer(
  outcomes: Readonly<Record<StackName, readonly Outcome[]>>,
  c: Case,
  peerGrowth: readonly number[],
): Record<StackName, Outcome[]> {
  const without = (o: Outcome, i: number): Outcome => ({
    ...o,
    said: {
      ...o.said,
      processOctets: Number(o.said['processGrowth']) / c.count,
      kernelOctets: (Number(o.said['kernelGrowth']) - (peerGrowth[i] ?? 0)) / c.count,
    },
  });
  return { tcpx: outcomes.tcpx.map(without), net: outcomes.net.map(without) };
}

const told = (c: Case, outcome: Outcome): string =>
  c.work === 'idle'
    ? `process ${megabytes(outcome.said['processGrowth'])}, kernel at both ends ${megabytes(outcome.said['kernelGrowth'])}`
    : c.figures.map((f) => `${significant(f.of(outcome))} ${f.unit}`).join(', ');

const megabytes = (octets: unknown): string => `${(Number(octets) / 1e6).toFixed(1)} MB`;

export function rowsOf(c: Case, outcomes: Readonly<Record<StackName, readonly Outcome[]>>): readonly Row[] {
  return c.figures.map((figure) => {
    const { name, unit, lowerIsBetter } = figure;
    const both = Math.min(outcomes.tcpx.length, outcomes.net.length);
    const pairs = Array.from({ length: both }, (_, i) => ({
      tcpx: figure.of(outcomes.tcpx[i]!),
      net: figure.of(outcomes.net[i]!),
    }));
    const base = { name, unit, driver: c.driver };
    if (pairs.length === 0) {
      return { ...base, tcpx: null, net: null, ratio: null, spread: null, lowerIsBetter };
    }
    const { tcpx, net, ratio, spread } = compare(pairs);
    return {
      ...base,
      tcpx: rounded(tcpx),
      net: rounded(net),
      ratio: rounded(ratio),
      spread: Number.isFinite(spread[0] + spread[1]) ? [rounded(spread[0])!, rounded(spread[1])!] : null,
      lowerIsBetter,
    };
  });
}

const rounded = (n: number): number | null => (Number.isFinite(n) ? Number(n.toPrecision(4)) : null);

/** Four digits, without an exponent. */
export const significant = (n: number): string => String(Number.isFinite(n) ? Number(n.toPrecision(4)) : n);
