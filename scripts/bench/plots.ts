/** The plots of a run: which of its figures go on which axes. */
import type { Outcome } from './cases.ts';
import type { StackName } from './client/stacks.ts';
import type { Run } from './report.ts';
import type { CaseResult, Row } from './run.ts';
import { median } from './statistics.ts';
import { barSvg, type Line, lineSvg, roundUp } from './svg.ts';

const COLOURS = { tcpx: '#0b6bcb', raw: '#7db4e8', net: '#c4502e', c: '#8a8a8a' } as const;
const STACKS: readonly StackName[] = ['tcpx', 'net'];

export interface Plot {
  /** Its file's, without the directory. */
  readonly file: string;
  readonly caption: string;
  readonly svg: string;
}

/** Those for which there are figures. */
export function plotsOf(run: Run): readonly Plot[] {
  const plots: Plot[] = [];
  const add = (file: string, caption: string, svg: string | undefined): void => {
    if (svg !== undefined) plots.push({ file, caption, svg });
  };
  add('throughput.svg', 'Throughput over veth, medians', throughput(run));
  add('cpu.svg', 'Processor seconds of the whole machine per gigabyte, medians', processor(run));
  add('rtt.svg', 'One octet there and back', distribution(run, 'rtt', 'Round trip of one octet'));
  add('handshake.svg', 'From connect() to the event', distribution(run, 'handshake', 'Handshake'));
  for (const work of ['send', 'receive'] as const)
    add(`loss-${work}.svg`, `${work}, 10 ms, by loss; both axes of rates are logarithmic`, loss(run, work));
  add('queueing.svg', 'What the queue of the bottleneck holds, as datagrams meet it', queueing(run));
  add('shares.svg', 'tcpx and a flow of the kernel through one bottleneck', shares(run));
  return plots;
}

const resultOf = (run: Run, name: string, driver = 'packet'): CaseResult | undefined =>
  run.results.find((r) => r.name === name && r.driver === driver && r.failure === undefined);

const rowOf = (run: Run, name: string, driver = 'packet'): Row | undefined =>
  run.results.flatMap((r) => r.rows).find((row) => row.name === name && row.driver === driver && row.tcpx !== null);

function throughput(run: Run): string | undefined {
  // As references.ts made it.
  const fromC = (run.machine['kernelFromC'] ?? {}) as Readonly<Record<string, number>>;
  const groups = ['send', 'receive', 'both'].flatMap((name) => {
    const row = rowOf(run, name);
    if (row === undefined) return [];
    const raw = rowOf(run, name, 'raw');
    const bars = [
      { name: 'tcpx', colour: COLOURS.tcpx, value: row.tcpx ?? 0 },
      ...(raw === undefined ? [] : [{ name: 'tcpx, driver raw', colour: COLOURS.raw, value: raw.tcpx ?? 0 }]),
      { name: 'kernel through net', colour: COLOURS.net, value: row.net ?? 0 },
      ...(fromC[name] === undefined ? [] : [{ name: 'kernel from C', colour: COLOURS.c, value: fromC[name] }]),
    ];
    return [{ name, bars }];
  });
  return groups.length === 0 ? undefined : barSvg({ title: 'Throughput', unit: 'Gbit/s', groups });
}

function processor(run: Run): string | undefined {
  const groups = ['send', 'receive', 'both'].flatMap((name) => {
    const row = rowOf(run, `${name}-cpu`);
    if (row === undefined) return [];
    const bars = [
      { name: 'tcpx', colour: COLOURS.tcpx, value: row.tcpx ?? 0 },
      { name: 'kernel through net', colour: COLOURS.net, value: row.net ?? 0 },
    ];
    return [{ name, bars }];
  });
  return groups.length === 0
    ? undefined
    : barSvg({ title: 'Processor time', unit: 'CPU s/GB, lower is better', groups });
}

/** Per cent. */
const MOST_SHOWN = 97;

function distribution(run: Run, name: string, title: string): string | undefined {
  const result = resultOf(run, name);
  if (result === undefined) return undefined;
  const lines = STACKS.map((stack): Line => {
    const all = result.outcomes[stack].map((o) => o.said['quantiles'] as readonly number[]);
    const points = Array.from({ length: 100 }, (_, i) => [median(all.map((q) => q[i]!)), i] as const);
    return { name: nameOf(stack), colour: COLOURS[stack], points };
  });
  // The slowest few would leave the others no room.
  const to = roundUp(1.05 * Math.max(...lines.map((line) => line.points[MOST_SHOWN]![0])));
  return lineSvg({
    title,
    x: { title: 'µs', from: 0, to },
    y: { title: '% that take no longer', from: 0, to: 100 },
    lines: lines.map((line) => ({ ...line, points: line.points.filter(([us]) => us <= to) })),
  });
}

function loss(run: Run, work: string): string | undefined {
  // None has no logarithm: it is drawn where a hundredth of a percent would be.
  const at = [
    ['0', 0.01],
    ['0.1', 0.1],
    ['1', 1],
  ] as const;
  const lines = (['cubic', 'bbr'] as const).flatMap((cc) =>
    STACKS.map((stack): Line => {
      const points = at.flatMap(([share, x]): (readonly [number, number])[] => {
        const value = rowOf(run, `path10ms-${work}-${share}-${cc}`)?.[stack];
        return typeof value === 'number' ? [[x, value]] : [];
      });
      return { name: `${stack}, ${cc}`, colour: COLOURS[stack], dashed: cc === 'bbr', points };
    }),
  );
  if (lines.every((line) => line.points.length === 0)) return undefined;
  const values = lines.flatMap((line) => line.points.map(([, y]) => y));
  return lineSvg({
    title: `${work}, 10 ms round trip`,
    x: {
      title: 'packets lost',
      from: 0.007,
      to: 1.4,
      log: true,
      ticks: [
        [0.01, 'none'],
        [0.1, '0.1 %'],
        [1, '1 %'],
      ],
    },
    y: {
      title: 'Mbit/s',
      from: 10 ** Math.floor(Math.log10(Math.min(...values))),
      to: 10 ** Math.ceil(Math.log10(Math.max(...values))),
      log: true,
    },
    lines,
    marks: true,
  });
}

function queueing(run: Run): string | undefined {
  const result = resultOf(run, 'bottleneck');
  if (result === undefined) return undefined;
  const lines = STACKS.flatMap((stack): Line[] => {
    const said = result.outcomes[stack][0]?.said;
    if (said === undefined) return [];
    // As once.ts made them.
    const probes = said['probes'] as readonly (readonly [number, number])[];
    const t0 = Number(said['t0']);
    const points = probes.map(([t, ms]) => [(t - t0) / 1e6, ms] as const).filter(([t]) => t >= 0);
    return [{ name: nameOf(stack), colour: COLOURS[stack], points }];
  });
  const all = lines.flatMap((line) => line.points);
  if (all.length === 0) return undefined;
  return lineSvg({
    title: 'Round trip through the bottleneck: 100 Mbit/s, 20 ms, a queue of 20 ms',
    x: { title: 's', from: 0, to: Math.max(...all.map(([t]) => t)) },
    y: { title: 'ms', from: 0, to: roundUp(Math.max(...all.map(([, ms]) => ms))) },
    lines,
  });
}

function shares(run: Run): string | undefined {
  const outcome = resultOf(run, 'bottleneck-share')?.outcomes.tcpx[0];
  if (outcome === undefined) return undefined;
  const lines: readonly Line[] = [
    { name: 'tcpx', colour: COLOURS.tcpx, points: seconds(outcome, 'series') },
    { name: 'kernel', colour: COLOURS.c, points: seconds(outcome, 'seriesBeside') },
  ];
  const to = Math.max(...lines.flatMap((line) => line.points.map(([t]) => t)));
  return lineSvg({
    title: 'One bottleneck of 100 Mbit/s, two flows',
    x: { title: 's', from: 0, to },
    y: { title: 'Mbit/s', from: 0, to: 100 },
    lines,
  });
}

/** Means of whole seconds: a series has a value for each quarter. */
function seconds(outcome: Outcome, name: string): readonly (readonly [number, number])[] {
  const series = outcome.said[name] as readonly number[];
  return Array.from({ length: Math.floor(series.length / 4) }, (_, i) => {
    const four = series.slice(4 * i, 4 * i + 4);
    return [i + 0.5, four.reduce((a, b) => a + b, 0) / 4] as const;
  });
}

const nameOf = (stack: StackName): string => (stack === 'net' ? 'kernel through net' : 'tcpx');
