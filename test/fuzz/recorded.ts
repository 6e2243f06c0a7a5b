/**
 * Runs whose outcome is on record, line by line: what changes in the protocol's behaviour, meant or not, shows as a
 * difference in the record, and whoever means it records anew.
 */
import type { CongestionName } from '../../src/tcp/config.ts';
import { Connection } from '../../src/tcp/connection.ts';
import { Path, type PathOptions } from '../support/path-model.ts';
import { drawAlone } from './alone.ts';
import type { EndOptions } from './end.ts';
import { playPair } from './pair.ts';
import { drawPair } from './pair-setup.ts';

/** Runs are in groups, each a test of its own that takes a moment. */
export const GROUPS = 20;
const PAIRS = 6;
const ALONE = 25;
const FIRST = 4e12;

/** The lines of a group of drawn runs. */
export function groupLines(group: number): readonly string[] {
  const pairs = Array.from({ length: PAIRS }, (_, i) => pairLine(FIRST + group * PAIRS + i));
  const alone = Array.from({ length: ALONE }, (_, i) => aloneLine(FIRST + group * ALONE + i));
  return [...pairs, ...alone];
}

/** Keeps hold of the connection, to ask it in the end. */
function watched(): { readonly o: EndOptions; readonly infoText: () => string } {
  let connection: Connection | undefined;
  const make: EndOptions['make'] = (...args) => {
    connection = new Connection(...args);
    return connection;
  };
  return { o: { make }, infoText: () => JSON.stringify(connection?.info()) };
}

function pairLine(number: number): string {
  const ends = [watched(), watched()] as const;
  const setup = drawPair(number);
  const { digests, segmentsOut, violation } = playPair(setup, [ends[0].o, ends[1].o]);
  const { path, users } = setup;
  const names = setup.ends.map((end) => end.sysctl.tcp_congestion_control).join(' and ');
  const loss = path.loss > 0 ? `, ${path.loss * 100} % lost` : '';
  const sum = hash(`${digests} ${ends.map((end) => end.infoText()).join()}`);
  return `pair ${number - FIRST}: ${names}, ${users[0].octets} and ${users[1].octets} octets, ${path.delay} µs${loss}: ${segmentsOut} segments, ${sum}${violation === undefined ? '' : ` ${violation.rule}`}`;
}

function aloneLine(number: number): string {
  const end = watched();
  const { segmentsIn, segmentsOut, digest } = drawAlone(number, end.o);
  return `run ${number - FIRST}: ${segmentsIn} segments in, ${segmentsOut} out, ${hash(`${digest} ${end.infoText()}`)}`;
}

export const CONTROLLERS: readonly CongestionName[] = ['reno', 'cubic', 'bbr'];
const PATHS: Readonly<Record<string, PathOptions>> = {
  '1 MB/s, 20 ms': { rate: 1e6, rtt: 20_000 },
  '1 MB/s, 20 ms, a small queue': { rate: 1e6, rtt: 20_000, queue: 5000 },
  '1 MB/s, 20 ms, a deep queue': { rate: 1e6, rtt: 20_000, queue: 200_000 },
  '1 MB/s, 20 ms, 1 % lost': { rate: 1e6, rtt: 20_000, loss: 0.01 },
  '3 MB/s, 100 ms, 0.1 % lost': { rate: 3e6, rtt: 100_000, loss: 0.001 },
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
      lines.push(
        `  ${what}: ${kilo} kB, cwnd ${Math.round(cwnd)}, ssthresh ${Math.round(ssthresh)}, pace ${pace} kB/s, ${flow.lost} lost`,
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
