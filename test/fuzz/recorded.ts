/**
 * Runs whose outcome is on record, line by line: what changes in the protocol's behaviour, meant or not, shows as a
 * difference in the record, and whoever means it records anew.
 */
import { Keeper } from '../../src/base/keeper.ts';
import type { Micros } from '../../src/base/time.ts';
import type { CongestionName } from '../../src/tcp/config.ts';
import { Connection } from '../../src/tcp/connection.ts';
import type { TcpSegment } from '../../src/wire/tcp.ts';
import { innards } from '../support/innards.ts';
import { Path, type PathOptions } from '../support/path-model.ts';
import { drawAlone } from './alone.ts';
import type { EndOptions } from './end.ts';
import { playPair } from './pair.ts';
import { drawPair, type PairSetup } from './pair-setup.ts';
import { drawTransfer } from './transfer-setup.ts';

/** Runs are in groups, each a test of its own that takes a moment. */
export const GROUPS = 20;
const PAIRS = 6;
const ALONE = 25;
const FIRST = 4e12;
/** Long ones, by themselves. */
export const TRANSFER_GROUPS = 8;
const TRANSFERS = 10;
/** One of so many goes octet by octet. */
const SINGLE_EVERY = 3;

/** The lines of a group of drawn runs. */
export function groupLines(group: number): readonly string[] {
  const pairs = Array.from({ length: PAIRS }, (_, i) => {
    const number = group * PAIRS + i;
    return `pair ${number}: ${pairText(drawPair(FIRST + number))}`;
  });
  const alone = Array.from({ length: ALONE }, (_, i) => aloneLine(FIRST + group * ALONE + i));
  return [...pairs, ...alone];
}

export function transferLines(group: number): readonly string[] {
  return Array.from({ length: TRANSFERS }, (_, i) => {
    const number = group * TRANSFERS + i;
    return `transfer ${number}: ${pairText(drawTransfer(FIRST + number, i % SINGLE_EVERY === 0))}`;
  });
}

/** One of so many segments is looked behind. */
const LOOK_EVERY = 4;
const NO_VARIABLES: ReadonlySet<string> = new Set(['tracer', 'config', 'machine', 'options']);
const keeper = new Keeper();

/** Sums up its variables as it goes: what nobody sees on the wire may matter one day. */
class Followed extends Connection {
  #left = 0;
  #sum = '';

  override emit(now: Micros, out: TcpSegment): boolean {
    const left = super.emit(now, out);
    if (left && this.#left++ % LOOK_EVERY === 0) this.#look();
    return left;
  }

  /** Of the variables on the way, and of what its user is told in the end. */
  get sum(): string {
    return hash(`${this.#sum} ${JSON.stringify(this.info())}`);
  }

  #look(): void {
    const { variables } = this;
    if (variables === undefined) return;
    const { rtt, ackPolicy, pathMtu, rack, rate, loss, congestion } = variables;
    keeper.pack();
    for (const part of [rtt, ackPolicy, pathMtu, rack, rate, loss]) part.keep(keeper);
    congestion.keep?.(keeper);
    const seen = JSON.stringify(variables, (name, value: unknown) => (NO_VARIABLES.has(name) ? undefined : value));
    this.#sum = hash(`${this.#sum} ${seen} ${keeper.packed()}`);
  }
}

/** Keeps hold of the connection, to ask it in the end. */
function watched(): { readonly o: EndOptions; readonly sum: () => string } {
  let connection: Followed | undefined;
  const make: EndOptions['make'] = (...args) => {
    connection = new Followed(...args);
    return connection;
  };
  return { o: { make }, sum: () => connection?.sum ?? 'none' };
}

function pairText(setup: PairSetup): string {
  const ends = [watched(), watched()] as const;
  const { digests, segmentsOut, violation } = playPair(setup, [ends[0].o, ends[1].o]);
  const { path, users } = setup;
  const names = setup.ends.map((end) => end.sysctl.tcp_congestion_control).join(' and ');
  const wire = path.wire === undefined ? '' : `, ${path.wire.rate / 1000} kB/s`;
  const loss = path.loss > 0 ? `, ${path.loss * 100} % lost` : '';
  const sum = hash(`${digests} ${ends.map((end) => end.sum()).join()}`);
  return `${names}, ${users[0].octets} and ${users[1].octets} octets, ${path.delay} µs${wire}${loss}: ${segmentsOut} segments, ${sum}${violation === undefined ? '' : ` ${violation.rule}`}`;
}

function aloneLine(number: number): string {
  const end = watched();
  const { segmentsIn, segmentsOut, digest } = drawAlone(number, end.o);
  return `run ${number - FIRST}: ${segmentsIn} segments in, ${segmentsOut} out, ${hash(`${digest} ${end.sum()}`)}`;
}

export const CONTROLLERS: readonly CongestionName[] = ['reno', 'cubic', 'bbr'];
const PATHS: Readonly<Record<string, PathOptions>> = {
  '1 MB/s, 20 ms': { rate: 1e6, rtt: 20_000 },
  '1 MB/s, 20 ms, a small queue': { rate: 1e6, rtt: 20_000, queue: 5000 },
  '1 MB/s, 20 ms, a deep queue': { rate: 1e6, rtt: 20_000, queue: 200_000 },
  '1 MB/s, 20 ms, 1 % lost': { rate: 1e6, rtt: 20_000, loss: 0.01 },
  '3 MB/s, 100 ms, 0.1 % lost': { rate: 3e6, rtt: 100_000, loss: 0.001 },
  '200 kB/s, 400 ms': { rate: 2e5, rtt: 400_000 },
};

/** A controller alone on each path, second by second, then beside a second flow, and with a writer who has little. */
export function controllerLines(name: CongestionName): readonly string[] {
  return Object.entries(PATHS).flatMap(([title, o]) => {
    const path = new Path(o);
    const flow = path.add(name);
    const lines: string[] = [];
    const note = (what: string): void => {
      const { cwnd, ssthresh, pacingRate } = flow.control;
      const [kilo, pace] = [flow.delivered, pacingRate].map((n) => Math.round(n / 1000));
      const all = hash(JSON.stringify(innards(flow.control, [])));
      lines.push(
        `  ${what}: ${kilo} kB, cwnd ${Math.round(cwnd)}, ssthresh ${Math.round(ssthresh)}, pace ${pace} kB/s, ${flow.lost} lost, ${all}`,
      );
    };
    for (const at of [0.1, 0.2, 0.5, 1, 2, 3, 5, 7]) {
      path.run(at * 1e6 - path.now);
      note(`${at} s`);
    }
    path.add(name);
    for (const at of [8, 11]) {
      path.run(at * 1e6 - path.now);
      note(`${at} s, beside another`);
    }
    flow.limit(20_000);
    path.run(2e6);
    note('with 20 kB/s to send');
    flow.limit(1e9);
    path.run(3e6);
    note('with all again');
    return [`${name}, ${title}`, ...lines];
  });
}

/** FNV-1a, 32 bits. */
function hash(text: string): string {
  let h = 0x811c_9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x0100_0193);
  return (h >>> 0).toString(16).padStart(8, '0');
}
