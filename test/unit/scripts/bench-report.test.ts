import { describe, expect, test } from 'vitest';
import { CASES, type Outcome } from '../../../scripts/bench/cases.ts';
import { BenchFailure } from '../../../scripts/bench/failure.ts';
import { optionsIn } from '../../../scripts/bench/options.ts';
import { plotsOf } from '../../../scripts/bench/plots.ts';
import { groupOf, sumProfile } from '../../../scripts/bench/profile.ts';
import { tableText } from '../../../scripts/bench/render.ts';
import { filled, type Run, tableMarkdown } from '../../../scripts/bench/report.ts';
import { type CaseResult, rowsOf } from '../../../scripts/bench/run.ts';
import { barSvg, lineSvg, roundUp } from '../../../scripts/bench/svg.ts';

const caseNamed = (name: string) => CASES.find((c) => c.name === name)!;

/** So many octets in a second. */
const moved = (sent: number, cpuSeconds: number): Outcome => ({ sent, received: 0, seconds: 1, said: { cpuSeconds } });

describe('rows', () => {
  const send = caseNamed('send');

  test('have these fields, in this order', () => {
    const rows = rowsOf(send, { tcpx: [moved(1.25e9, 1)], net: [moved(2.5e9, 1)] });
    expect(rows.map((row) => JSON.stringify(row))).toEqual([
      '{"name":"send","unit":"Gbit/s","driver":"packet","tcpx":10,"net":20,"ratio":0.5,"spread":[0.5,0.5],"lowerIsBetter":false}',
      '{"name":"send-cpu","unit":"CPU s/GB","driver":"packet","tcpx":0.8,"net":0.4,"ratio":2,"spread":[2,2],"lowerIsBetter":true}',
    ]);
  });

  test('of a stack that could not be measured have null', () => {
    const [row] = rowsOf(send, { tcpx: [], net: [moved(1e9, 1)] });
    expect(row).toMatchObject({ tcpx: null, net: null, ratio: null, spread: null });
  });

  test('a ratio that is no number is null: JSON has none', () => {
    const [, cpu] = rowsOf(send, { tcpx: [moved(1e9, 0)], net: [moved(1e9, 0)] });
    expect(cpu).toMatchObject({ tcpx: 0, net: 0, ratio: null, spread: null });
  });
});

test('every row of a full run has a name of its own for its driver', () => {
  const names = CASES.flatMap((c) => c.figures.map((f) => `${f.name} ${c.driver}`));
  expect(new Set(names).size).toBe(names.length);
  expect(names).toEqual(
    expect.arrayContaining(
      ['send', 'receive', 'both', 'rtt', 'handshake', 'connect-close', 'rpc', 'idle', 'bottleneck', 'mtu-send'].map(
        (name) => `${name} packet`,
      ),
    ),
  );
  expect(CASES.filter((c) => c.name.startsWith('path10ms-'))).toHaveLength(12);
});

describe('the command line', () => {
  const failure = (...args: string[]): BenchFailure => {
    try {
      optionsIn(args);
    } catch (error) {
      if (error instanceof BenchFailure) return error;
    }
    throw new Error('was taken');
  };

  test('workloads come after --only, with commas or spaces', () => {
    expect(optionsIn(['--only', 'send,rtt', 'rpc'])).toMatchObject({ only: ['send', 'rtt', 'rpc'] });
  });

  test('what it does not know it names, with what there is, as wrong usage', () => {
    expect(failure('--only', 'sent')).toMatchObject({ message: "no workload is called 'sent'", exitCode: 2 });
    expect(failure('--only', 'sent').hint).toContain('send');
    expect(failure('--pairs', '0')).toMatchObject({ exitCode: 2 });
    expect(failure('send')).toMatchObject({ message: "'send' is no option", exitCode: 2 });
    expect(failure('--fast')).toMatchObject({ exitCode: 2 });
    expect(failure('--driver', 'cable')).toMatchObject({ exitCode: 2 });
  });
});

describe('text', () => {
  const [row] = rowsOf(caseNamed('rtt'), {
    tcpx: [{ sent: 0, received: 0, seconds: Number.NaN, said: { p50: 20 } }],
    net: [{ sent: 0, received: 0, seconds: Number.NaN, said: { p50: 25 } }],
  });

  test('a table has its rows under its titles', () => {
    const [head, line] = tableText([row!], {}).split('\n');
    expect(head).toMatch(/^workload +driver +unit +tcpx +net +tcpx\/net +spread$/);
    expect(line).toMatch(/^rtt +packet +µs +20 +25 +0\.80 +0\.80–0\.80 +lower is better$/);
  });

  test('in markdown an arrow says that lower is better', () => {
    expect(tableMarkdown([row!]).split('\n').at(-1)).toBe('| rtt | packet | µs ↓ | 20 | 25 | **0.80** | 0.80 – 0.80 |');
  });

  test('a page keeps its prose: only what is between markers is new', () => {
    const page = 'Before.\n\n<!-- bench: table -->\nold\n<!-- bench: end -->\n\nAfter.\n';
    const once = filled(page, { table: 'new' });
    expect(once).toBe('Before.\n\n<!-- bench: table -->\nnew\n<!-- bench: end -->\n\nAfter.\n');
    expect(filled(once, { table: 'new' })).toBe(once);
  });

  test('a page without a place for it is an error', () => {
    expect(() => filled('Before.\n', { table: 'new' })).toThrow("performance.md has no place for 'table'");
  });
});

describe('plots', () => {
  test('larger values are higher, and what lies outside the axis is on its edge', () => {
    const svg = lineSvg({
      title: 'a < b',
      x: { title: 's', from: 0, to: 1 },
      y: { title: 'ms', from: 1, to: 100, log: true },
      lines: [
        {
          name: 'one',
          colour: '#000',
          points: [
            [0, 1],
            [0.5, 10],
            [1, 1000],
          ],
        },
      ],
    });
    expect(svg).toContain('points="70.0,310.0 385.0,190.0 700.0,70.0"');
    expect(svg).toContain('a &#60; b');
  });

  test('a bar has its value above it', () => {
    const svg = barSvg({
      title: 'bars',
      unit: 'Gbit/s',
      groups: [{ name: 'send', bars: [{ name: 'tcpx', colour: '#000', value: 12.34 }] }],
    });
    expect(svg).toContain('>12.3</text>');
  });

  test('axes end at round numbers', () => {
    expect([0.13, 1, 1.01, 3, 7, 70].map(roundUp)).toEqual([0.2, 1, 2, 5, 10, 100]);
  });

  test('only what was measured is drawn', () => {
    const empty: Run = { machine: {}, results: [], profiles: [] };
    expect(plotsOf(empty)).toEqual([]);
    const quantiles = Array.from({ length: 101 }, (_, i) => 10 + i);
    const outcome: Outcome = { sent: 0, received: 0, seconds: 1, said: { p50: 60, quantiles } };
    const outcomes = { tcpx: [outcome], net: [outcome] };
    const result: CaseResult = {
      name: 'rtt',
      driver: 'packet',
      rows: rowsOf(caseNamed('rtt'), outcomes),
      outcomes,
      about: {},
      disturbed: { again: 0, counted: 0 },
    };
    expect(plotsOf({ ...empty, results: [result] }).map((plot) => plot.file)).toEqual(['rtt.svg']);
  });
});

describe('a profile', () => {
  test('time is counted for who ran, between the two instants only', () => {
    const frame = (functionName: string, url: string) => ({ functionName, url });
    const profile = {
      startTime: 1000,
      nodes: [
        { id: 1, callFrame: frame('flush', 'file:///x/dist/link/batch.js') },
        { id: 2, callFrame: frame('segmentArrives', 'file:///x/dist/tcp/segment-arrives.js') },
        { id: 3, callFrame: frame('(idle)', '') },
      ],
      samples: [1, 1, 2, 3, 2],
      timeDeltas: [100, 100, 100, 200, 5000],
    };
    const { shares, top } = sumProfile('send', profile, 1150, 2000);
    expect(shares).toMatchObject({ 'system calls': 0.25, 'TCP and IP': 0.25, idle: 0.5, streams: 0 });
    expect(top.map(({ what }) => what)).toEqual([
      'flush dist/link/batch.js',
      'segmentArrives dist/tcp/segment-arrives.js',
    ]);
  });

  test.each([
    ['(garbage collector)', '', 'garbage collection'],
    ['onPacket', 'file:///x/dist/stack/stack.js', 'TCP and IP'],
    ['send', 'file:///x/dist/link/packet-socket.js', 'link'],
    ['_write', 'file:///x/dist/socket/tcp-socket.js', 'streams'],
    ['afterWrite', 'node:internal/streams/writable', 'streams'],
    ['processTimers', 'node:internal/timers', 'rest of Node'],
  ])('%s %s is %s', (functionName, url, group) => {
    expect(groupOf(functionName, url)).toBe(group);
  });
});
