/** Runs cases: pairs in turn, and the rows that come of them. */
import type { Case, Outcome } from './cases.ts';
import type { ClientOptions } from './client/measure.ts';
import type { StackName } from './client/stacks.ts';
import { type Cores, Place, type PlaceOptions } from './lab.ts';
import { compare, countedBetween } from './statistics.ts';

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
  readonly pairs: number;
  readonly seconds: number;
  readonly warmSeconds: number;
  readonly chunk: number;
  readonly dist: string;
  readonly cores: Cores;
  /** TCP_CONGESTION is left at tcpx's default where the case's is the same. */
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
  let failure: string | undefined;
  try {
    const place = await places.get(c.place, c.path !== undefined);
    for (let pair = 1; pair <= o.pairs; pair++) {
      for (const stack of o.stacks) {
        const { outcome, said } = await runOnce(place, c, o, stack, pair);
        outcomes[stack].push(outcome);
        about[stack] = said;
        o.progress(`${c.name}${c.driver === 'raw' ? ' (raw)' : ''} ${pair}/${o.pairs} ${stack}: ${told(c, outcome)}`);
      }
    }
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
    o.progress(`${c.name}: ${failure}`);
  }
  return {
    name: c.name,
    driver: c.driver,
    rows: rowsOf(c, outcomes),
    outcomes,
    about,
    ...(failure !== undefined && { failure }),
  };
}

async function runOnce(
  place: Place,
  c: Case,
  o: RunOptions,
  stack: StackName,
  seed: number,
): Promise<{ outcome: Outcome; said: unknown }> {
  const patience = c.patience ?? 1;
  const options: ClientOptions = {
    stack,
    driver: c.driver,
    address: place.serverAddress,
    interface: place.clientInterface,
    mode: c.mode,
    ownAddress: place.ownAddress,
    cc: o.cc ?? (c.place.cc === 'cubic' ? '' : c.place.cc),
    work: c.work,
    seconds: o.seconds * patience,
    warmSeconds: o.warmSeconds * patience,
    count: c.count,
    chunk: o.chunk,
    dist: o.dist,
  };
  const bridge =
    c.path === undefined
      ? undefined
      : await place.startBridge({ ...c.path, seed }, c.work === 'receive' ? 'in' : 'out');
  try {
    const { about, result } = await place.measure(options, o.nodeArgs);
    return { outcome: await outcomeOf(place, c, result), said: about };
  } finally {
    bridge?.kill();
    await bridge?.ended();
  }
}

/** With what the peer counted. */
async function outcomeOf(place: Place, c: Case, said: Readonly<Record<string, unknown>>): Promise<Outcome> {
  const [t0, t1] = [Number(said['t0']), Number(said['t1'])];
  const received = Number(said['received'] ?? 0);
  if (c.work !== 'send' && c.work !== 'both') return { sent: 0, received, seconds: (t1 - t0) / 1e6, said };
  const { samples } = await place.peer.said('discarded', 10_000, (s) => s['port'] === said['port']);
  // As peer.c prints them.
  return { sent: countedBetween(samples as number[], t0, t1), received, seconds: (t1 - t0) / 1e6, said };
}

const told = (c: Case, outcome: Outcome): string =>
  c.figures.map((f) => `${significant(f.of(outcome))} ${f.unit}`).join(', ');

function rowsOf(c: Case, outcomes: Readonly<Record<StackName, readonly Outcome[]>>): readonly Row[] {
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
      spread: [rounded(spread[0]) ?? 0, rounded(spread[1]) ?? 0],
      lowerIsBetter,
    };
  });
}

const rounded = (n: number): number | null => (Number.isFinite(n) ? Number(n.toPrecision(4)) : null);

/** Four digits, without an exponent. */
export const significant = (n: number): string => {
  const digits = Number.isFinite(n) ? Number(n.toPrecision(4)) : n;
  return String(digits);
};
