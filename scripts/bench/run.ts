/** Runs cases: pairs in turn, and the rows that come of them. */
import type { Case, Outcome } from './cases.ts';
import type { ClientOptions } from './client/measure.ts';
import type { StackName } from './client/stacks.ts';
import { type Client, type Cores, Place, type PlaceOptions } from './lab.ts';
import { type Once, runAlone, runOnce } from './once.ts';
import { compare } from './statistics.ts';

/** A line of the result; null where a stack could not be measured. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly driver: string;
  readonly tcpx: number | null;
  readonly net: number | null;
  /** tcpx by net: the median of the pairs'. */
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
  /** Pairs that were measured again because others disturbed them, and those that count although they did. */
  readonly disturbed: { readonly again: number; readonly counted: number };
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

/** More of the machine than that taken away by its hypervisor during a run, and it says little. */
const MUCH_STOLEN = 0.02;

/** Until a connection of a process that is warm has found its pace. */
const SETTLE_SECONDS = 0.25;

/** A stack beside the other, one right after the other. */
interface Pair {
  readonly of: Readonly<Partial<Record<StackName, Once>>>;
  readonly stolen: number;
  /** What grew in the peer's kernel, octets; in `idle`. */
  readonly peerGrowth: number;
}

/**
 * Pairs one after the other, the first of a pair by turns. Both stacks stay in their processes, warm, and a pair takes moments:
 * what disturbs a machine for longer disturbs both. What is measured alone has a process of its own each time.
 * A pair with a run that others on the physical machine disturbed is measured again, half as many in all at most; those that
 * count are then the least disturbed ones.
 */
export async function runCase(places: Places, c: Case, o: RunOptions): Promise<CaseResult> {
  const wanted = o.pairs ?? Math.max(1, c.pairs[o.quick ? 0 : 1]);
  // Where time is short, once at most, and not what takes long.
  const again = o.quick ? Math.min(1, wanted - 1) : Math.ceil(wanted / 2);
  const most = wanted + again;
  const title = `${c.name}${c.driver === 'raw' ? ' (raw)' : ''}`;
  const done: Pair[] = [];
  const isDone = (): boolean =>
    done.length >= most || done.filter((pair) => pair.stolen <= MUCH_STOLEN).length >= wanted;
  const clients = new Map<StackName, Client>();
  let failure: string | undefined;
  try {
    const place = await places.get(c.place, c.path !== undefined);
    while (!isDone()) {
      const of: Partial<Record<StackName, Once>> = {};
      let peerGrowth = 0;
      for (const stack of done.length % 2 === 0 ? o.stacks : o.stacks.toReversed()) {
        const once = isAlone(c)
          ? await runAlone(place, c, clientOptions(place, c, o, stack), o.nodeArgs, done.length + 1)
          : await runOnce(place, c, () => warmClient(clients, place, c, o, stack), SETTLE_SECONDS, done.length + 1);
        of[stack] = once;
        if (c.work === 'idle' && stack === 'tcpx')
          peerGrowth = await growthOfPeer(place, c, clientOptions(place, c, o, stack), once.outcome);
        const disturbed = once.stolen > MUCH_STOLEN ? `; ${(once.stolen * 100).toFixed(0)} % stolen` : '';
        o.progress(`${title} ${done.length + 1}/${wanted} ${stack}: ${told(c, once.outcome)}${disturbed}`);
      }
      done.push({ of, stolen: Math.max(...o.stacks.map((stack) => of[stack]!.stolen)), peerGrowth });
    }
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
    o.progress(`${title}: ${failure}`);
  } finally {
    for (const client of clients.values()) await client.close();
  }
  const counted = [...done].sort((a, b) => a.stolen - b.stolen).slice(0, wanted);
  return {
    ...resultOf(c, counted),
    disturbed: {
      again: Math.max(0, done.length - wanted),
      counted: counted.filter((pair) => pair.stolen > MUCH_STOLEN).length,
    },
    ...(failure !== undefined && { failure }),
  };
}

/**
 * What hangs on the process or on the path. How fast `net` receives hangs on what malloc has come to in its process, for as long
 * as that lives.
 */
const isAlone = (c: Case): boolean => c.path !== undefined || c.work === 'idle' || c.work === 'receive';

/** The one of `clients`, or a new one, which it is from then on. */
async function warmClient(
  clients: Map<StackName, Client>,
  place: Place,
  c: Case,
  o: RunOptions,
  stack: StackName,
): Promise<Client> {
  const kept = clients.get(stack);
  if (kept !== undefined) return kept;
  const client = await place.openClient(clientOptions(place, c, o, stack), o.nodeArgs);
  clients.set(stack, client);
  await client.warmUp();
  return client;
}

function resultOf(c: Case, pairs: readonly Pair[]): Omit<CaseResult, 'disturbed' | 'failure'> {
  const runsOf = (stack: StackName): readonly Once[] => pairs.flatMap((pair) => pair.of[stack] ?? []);
  const [tcpx, net] = [runsOf('tcpx'), runsOf('net')];
  const found = { tcpx: tcpx.map((once) => once.outcome), net: net.map((once) => once.outcome) };
  const growth = pairs.map((pair) => pair.peerGrowth);
  const outcomes = c.work === 'idle' ? withoutPeer(found, c, growth) : found;
  const about = { ...(tcpx[0] && { tcpx: tcpx[0].about }), ...(net[0] && { net: net[0].about }) };
  return { name: c.name, driver: c.driver, rows: rowsOf(c, outcomes), outcomes, about };
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
  const { outcome } =
    c.mode === 'own' ? { outcome: ours } : await runAlone(place, c, { ...client, mode: 'own' }, [], 0);
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
