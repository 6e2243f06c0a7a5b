/** Runs that differ in one thing: the line about it is there, with the right word, and gone when the difference is. */
import { describe, expect, test } from 'vitest';
import { type Micros, micros, ms } from '../../../src/base/time.ts';
import { compareRuns } from '../../../src/tools/compare/differences.ts';
import { groupDifferences } from '../../../src/tools/compare/group.ts';
import { compareDocument, isGood, judgementOf } from '../../../src/tools/compare/json.ts';
import type { Comparison, Property, Run, Side, VerdictWord } from '../../../src/tools/compare/model.ts';
import { tableLines } from '../../../src/tools/compare/table.ts';
import { paintFor } from '../../../src/tools/log-style.ts';
import { runOf, type ShotParts } from './runs.ts';

const SYN_OPTIONS = ['mss 1460', 'sackOK', 'TS', 'nop', 'wscale 10'];
const MSS = 1448;

/** What a client of a friendly server sends and gets; each part can be made otherwise. */
interface Story {
  readonly synOptions?: readonly string[];
  /** On every other segment of ours; and of the peer's. */
  readonly options?: readonly string[];
  /** Segments sent before the first ACK. */
  readonly flight?: number;
  /** How long the peer's octet waits for our ACK; 'never' leaves it out. */
  readonly ackAfter?: Micros | 'never';
  /** When the FIN leaves again, after it left first. */
  readonly finAgain?: readonly Micros[];
  readonly rst?: string;
  readonly timeWait?: Micros;
  readonly issRate?: number;
}

const SEGMENTS = 20;

function tell(side: Side, s: Story): Run {
  const options = s.options ?? ['nop', 'nop', 'TS'];
  const parts: ShotParts[] = [];
  let at = 0;
  const say = (line: string, o: readonly string[] = options): void => {
    parts.push({ line, at: micros(at), options: o });
  };
  say('> S 0 win 64240', s.synOptions ?? SYN_OPTIONS);
  at += ms(50);
  say('< S. 0 ack 1 win 65160', SYN_OPTIONS);
  say('> . 1 ack 1 win 63');
  const end = SEGMENTS * MSS + 1;
  const segment = (i: number): string =>
    `> ${i === SEGMENTS - 1 ? 'P.' : '.'} ${i * MSS + 1}:${(i + 1) * MSS + 1} ack 1 win 63`;
  const flight = s.flight ?? 10;
  for (let i = 0; i < flight; i++) say(segment(i));
  at += ms(50);
  say(`< . 1 ack ${flight * MSS + 1} win 64`);
  for (let i = flight; i < SEGMENTS; i++) say(segment(i));
  at += ms(50);
  say(`< P. 1:2 ack ${end} win 64`);
  if (s.ackAfter !== 'never') {
    at += s.ackAfter ?? ms(1);
    say(`> . ${end} ack 2 win 63`);
  }
  if (s.rst !== undefined) {
    say(`> ${s.rst}`);
  } else {
    at += ms(700);
    const fin = `> F. ${end} ack 2 win 63`;
    say(fin);
    const left = at;
    for (const later of s.finAgain ?? []) {
      at = left + later;
      say(fin);
    }
    at += ms(50);
    say(`< F. 2 ack ${end + 1} win 64`);
    say(`> . ${end + 1} ack 3 win 63`);
  }
  const run = runOf(side, parts);
  const last = run.states.at(-1)!;
  const states =
    s.timeWait === undefined
      ? run.states
      : [
          ...run.states.slice(0, -1),
          { ...last, at: micros(at) },
          { state: 'CLOSED' as const, shot: undefined, source: 'log' as const, at: micros(at + s.timeWait) },
        ];
  const again = s.issRate === undefined ? undefined : { issAhead: Math.round(s.issRate * 1e6), later: micros(1e6) };
  return { ...run, states, again };
}

const compared = (kernel: Story, tcpx: Story): Comparison =>
  compareRuns(tell('kernel', kernel), tell('tcpx', tcpx), { scenario: 'story', loopback: false, complaint: undefined });
const word = (c: Comparison, property: Property): VerdictWord | undefined =>
  c.verdicts.find((v) => v.property === property)?.word;

const seconds = (...at: readonly number[]): readonly Micros[] => at.map((s) => ms(1000 * s));
const without = (...names: readonly string[]): readonly string[] =>
  SYN_OPTIONS.filter((option) => !names.includes(option.split(' ')[0]!));

test('two equal stories have no difference, and a verdict on all that they show', () => {
  const c = compared({ issRate: 0.25, timeWait: ms(60_000) }, { issRate: 0.25, timeWait: ms(60_000) });
  expect(c.differences).toEqual([]);
  expect(c.verdicts.map((v) => [v.property, v.word])).toEqual([
    ['SYN options', 'same'],
    ['ISN', 'same'],
    ['initial window', 'same'],
    ['receive window', 'same'],
    ['ACK policy', 'same'],
    ['data', 'same'],
    ['close sequence', 'same'],
    ['TIME-WAIT', 'same'],
    ['IP header', 'same'],
    ['outcome', 'same'],
  ]);
});

describe('one thing is otherwise', () => {
  const otherwise: readonly [
    what: string,
    kernel: Story,
    tcpx: Story,
    property: Property,
    word: VerdictWord,
    clause: RegExp,
  ][] = [
    [
      'tcpx offers no timestamps',
      {},
      { synOptions: without('TS'), options: [] },
      'SYN options',
      'allowed',
      /7323 §3\.2/,
    ],
    ['it offers no SACK', {}, { synOptions: without('sackOK') }, 'SYN options', 'allowed', /2018 §2/],
    ['it leaves the MSS out', {}, { synOptions: without('mss') }, 'SYN options', 'allowed', /SHLD-5/],
    [
      'another shift count',
      {},
      { synOptions: [...without('wscale'), 'wscale 7'] },
      'SYN options',
      'allowed',
      /7323 §2\.3/,
    ],
    [
      'one that is too large',
      {},
      { synOptions: [...without('wscale'), 'wscale 15'] },
      'SYN options',
      'forbidden',
      /7323 §2\.3/,
    ],
    ['timestamps agreed on and left away', {}, { options: [] }, 'ACK policy', 'forbidden', /7323 §3\.2/],
    ['the kernel leaves them away', { options: [] }, {}, 'ACK policy', 'required', /7323 §3\.2/],
    ['an initial window of four', {}, { flight: 4 }, 'initial window', 'allowed', /6928 §2/],
    ['one of eighteen', {}, { flight: 18 }, 'initial window', 'forbidden', /6928 §2/],
    ["the kernel's of eighteen", { flight: 18 }, {}, 'initial window', 'required', /6928 §2/],
    ['no delayed ACK', { ackAfter: ms(40) }, { ackAfter: ms(1) }, 'ACK policy', 'allowed', /SHLD-18/],
    ['an ACK later than half a second', {}, { ackAfter: ms(600) }, 'ACK policy', 'forbidden', /MUST-40/],
    ['the kernel’s is', { ackAfter: ms(600) }, {}, 'ACK policy', 'required', /MUST-40/],
    [
      'timeouts that do not double',
      { finAgain: seconds(1, 3, 7) },
      { finAgain: seconds(1, 2, 3) },
      'retransmission',
      'forbidden',
      /6298 §5/,
    ],
    [
      'the kernel’s do not',
      { finAgain: seconds(1, 2, 3) },
      { finAgain: seconds(1, 3, 7) },
      'retransmission',
      'required',
      /6298 §5/,
    ],
    [
      'another least timeout',
      { finAgain: seconds(0.2, 0.6) },
      { finAgain: seconds(1, 3) },
      'retransmission',
      'allowed',
      /6298 §2/,
    ],
    [
      'it gives up sooner',
      { finAgain: seconds(1, 3, 7) },
      { finAgain: seconds(1, 3) },
      'retransmission',
      'allowed',
      /§3\.8\.3/,
    ],
    [
      'a window on the RST',
      { rst: 'R. 28961 ack 2 win 63' },
      { rst: 'R. 28961 ack 2 win 0' },
      'RST form',
      'allowed',
      /§3\.5\.3/,
    ],
    ['a RST without ACK', { rst: 'R. 28961 ack 2 win 0' }, { rst: 'R 28961 win 0' }, 'RST form', 'allowed', /§3\.5\.2/],
    [
      'a RST with a number from nowhere',
      { rst: 'R 28961 win 0' },
      { rst: 'R 999999 win 0' },
      'RST form',
      'forbidden',
      /§3\.5\.2/,
    ],
    ['TIME-WAIT half as long', { timeWait: ms(60_000) }, { timeWait: ms(30_000) }, 'TIME-WAIT', 'allowed', /§3\.4\.2/],
    ['next to none', { timeWait: ms(60_000) }, { timeWait: ms(10) }, 'TIME-WAIT', 'forbidden', /MUST-13/],
    ['an ISS clock of 64 ns in the kernel', { issRate: 15.6 }, { issRate: 0.25 }, 'ISN', 'required', /MUST-8/],
    ['an ISS that stands still', { issRate: 0.25 }, { issRate: 0 }, 'ISN', 'forbidden', /MUST-8/],
  ];

  test.for(otherwise)('%s', ([, kernel, tcpx, property, expected, clause]) => {
    const c = compared(kernel, tcpx);
    expect(word(c, property)).toBe(expected);
    const told = c.differences.filter((d) => d.property === property && d.ruling?.word === expected);
    expect(told.map((d) => d.ruling?.clause)).toEqual(expect.arrayContaining([expect.stringMatching(clause)]));
    expect(isGood(c)).toBe(expected !== 'forbidden');
    // with the difference goes its line
    for (const both of [kernel, tcpx])
      expect(compared(both, both).differences.filter((d) => d.property === property)).toEqual([]);
  });

  test('a last segment that waits for an ACK is Nagle’s, one that waits for nothing is unexplained', () => {
    const handshake: readonly ShotParts[] = [
      { line: '> S 0 win 64240', options: SYN_OPTIONS },
      { line: '< S. 0 ack 1 win 65160', options: SYN_OPTIONS },
    ];
    const waits = (at: number, acked: boolean) => [
      ...handshake,
      { line: '> . 1:1449 ack 1 win 63' },
      ...(acked ? [{ line: '< . 1 ack 1449 win 63' }] : []),
      { line: '> P. 1449:1549 ack 1 win 63', at: ms(at) },
    ];
    const rulingOf = (acked: boolean) =>
      compareRuns(runOf('kernel', waits(0, acked)), runOf('tcpx', waits(50, acked)), {
        scenario: 'nagle',
        loopback: false,
        complaint: undefined,
      }).differences.map((d) => [d.field, d.ruling?.clause]);
    expect(rulingOf(false)).toEqual([['time', 'RFC 9293 §3.7.4 (SHLD-7)']]);
    expect(rulingOf(true)).toEqual([['time', undefined]]);
  });

  test('what no rule covers is unexplained, and not good', () => {
    const kernel = tell('kernel', {});
    const tcpx = tell('tcpx', {});
    const c = compareRuns(
      kernel,
      { ...tcpx, outcome: { ...tcpx.outcome, error: 'ECONNRESET' } },
      { scenario: 'story', loopback: false, complaint: undefined },
    );
    expect(word(c, 'outcome')).toBe('unexplained');
    expect([judgementOf(c), isGood(c)]).toEqual(['unexplained', false]);
  });
});

describe('many comparisons', () => {
  const same = compared({}, {});
  const allowed = { ...compared({}, { synOptions: without('sackOK') }), scenario: 'other' };
  const forbidden = { ...compared({}, { flight: 18 }), scenario: 'third' };

  test('stand in one table, a line each, worst kinds of difference first', () => {
    const lines = tableLines([same, allowed, forbidden], { paint: paintFor(false), width: 120, rulings: true });
    expect(lines[1]).toMatch(/^story {15}= .* same$/);
    expect(lines[2]).toMatch(/^other {15}a .* allowed$/);
    expect(lines[3]).toMatch(/^third {15}= {3} {1,}.*X.* forbidden$/);
    const kinds = lines.filter((line) => /^(forbidden|allowed) /.test(line));
    expect(kinds[0]).toMatch(/^forbidden initial window: RFC 6928 §2: /);
    expect(kinds.some((line) => line.startsWith('allowed SYN options: RFC 2018 §2: '))).toBe(true);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(120);
  });

  test('differences of one kind are told once, with how often and where', () => {
    const again = { ...compared({}, { synOptions: without('sackOK') }), scenario: 'again' };
    const group = groupDifferences([allowed, again]).find((g) => g.first.property === 'SYN options');
    expect(group).toMatchObject({ count: 2, scenarios: ['other', 'again'] });
  });

  test('are one JSON document', () => {
    const facts = {
      target: 'lab',
      interface: 'lab0',
      gateway: undefined,
      kernel: '6.1',
      node: '20',
      tcpx: '0',
      driver: 'packet',
      guard: 'auto',
      sysctl: {},
    };
    const document = JSON.parse(
      JSON.stringify(compareDocument(facts, [same, forbidden], [{ name: 'story', summary: 'a story' }])),
    );
    expect(document).toMatchObject({
      schema: 'tcpx.compare/2',
      good: false,
      scenarios: [
        { name: 'story', summary: 'a story', verdict: 'same', differences: [] },
        { name: 'third', verdict: 'forbidden' },
      ],
    });
  });
});
