import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ms } from '../../../src/base/time.ts';
import type { State } from '../../../src/tcp/machine.ts';
import { alignRuns } from '../../../src/tools/compare/align.ts';
import { type Circumstances, compareRuns } from '../../../src/tools/compare/differences.ts';
import { judgementOf } from '../../../src/tools/compare/json.ts';
import { comparisonWord } from '../../../src/tools/compare/model.ts';
import { inferredMarks, mergeMarks } from '../../../src/tools/compare/states.ts';
import { timeClass } from '../../../src/tools/compare/times.ts';
import { runOf, type ShotParts, shot } from './runs.ts';

const HANDSHAKE: readonly ShotParts[] = [
  { line: '> S 0 win 64240', options: ['mss 1460', 'sackOK', 'TS', 'nop', 'wscale 10'] },
  { line: '< S. 0 ack 1 win 65160' },
  { line: '> . 1 ack 1 win 63' },
];
const CLOSE: readonly ShotParts[] = [
  { line: '> F. 1 ack 1 win 63' },
  { line: '< F. 1 ack 2 win 64' },
  { line: '> . 2 ack 2 win 63' },
];

const ORDINARY: Circumstances = { scenario: 'handshake', loopback: false, complaint: undefined };
const compared = (kernel: readonly ShotParts[], tcpx: readonly ShotParts[], o: Partial<Circumstances> = {}) =>
  compareRuns(runOf('kernel', kernel), runOf('tcpx', tcpx), { ...ORDINARY, ...o });

describe('two runs side by side', () => {
  test('equal runs are the same, row by row', () => {
    const c = compared([...HANDSHAKE, ...CLOSE], [...HANDSHAKE, ...CLOSE]);
    expect(comparisonWord(c)).toBe('same');
    expect(c.differences).toEqual([]);
    expect(c.rows).toEqual([0, 1, 2, 3, 4, 5].map((i) => ({ kernel: i, tcpx: i })));
  });

  test('a segment that only one side has is a gap, and what follows still pairs', () => {
    const c = compared([...HANDSHAKE, ...CLOSE], [...HANDSHAKE, { line: '> . 1 ack 1 win 63' }, ...CLOSE]);
    expect(c.rows.filter((row) => row.kernel === undefined)).toHaveLength(1);
    expect(c.differences).toEqual([
      expect.objectContaining({ property: 'ACK policy', field: 'segment', kernel: '', tcpx: '. 1 ack 1 win 63' }),
    ]);
    expect(c.rows.at(-1)).toEqual({ kernel: 5, tcpx: 6 });
  });

  test('of two acknowledgments the one with the same number pairs', () => {
    const acks: readonly ShotParts[] = [{ line: '> . 1 ack 11 win 63' }, { line: '> . 1 ack 21 win 63' }];
    expect(alignRuns(acks.map(shot), [shot(acks[1]!)])).toEqual([
      { kernel: 0, tcpx: undefined },
      { kernel: 1, tcpx: 0 },
    ]);
  });

  test('each property that differs is named with both values', () => {
    const other: ShotParts = {
      line: '> S 0 win 65535',
      options: ['mss 1460', 'nop', 'wscale 7'],
      ttl: 128,
      dontFragment: false,
      tos: 2,
    };
    const c = compared([HANDSHAKE[0]!], [other]);
    expect(c.differences.map((d) => [d.field, d.kernel, d.tcpx])).toEqual([
      ['window', '64240', '65535'],
      ['options', 'mss 1460,sackOK,TS,nop,wscale 10', 'mss 1460,nop,wscale 7'],
      ['ttl', '64', '128'],
      ['df', 'set', 'not set'],
      ['tos', '0x0', '0x2'],
    ]);
    expect(new Set(c.differences.map((d) => d.property))).toEqual(
      new Set(['receive window', 'SYN options', 'IP header']),
    );
  });

  test('PSH is a difference and no reason to leave segments unpaired', () => {
    const c = compared([{ line: '> P. 1:19 ack 1 win 63' }], [{ line: '> . 1:19 ack 1 win 63' }]);
    expect(c.rows).toEqual([{ kernel: 0, tcpx: 0 }]);
    expect(c.differences.map((d) => d.field)).toEqual(['flags']);
  });

  test('what the peer does otherwise is shown and not counted', () => {
    const c = compared([...HANDSHAKE], [HANDSHAKE[0]!, { line: '< S. 0 ack 1 win 28960' }, HANDSHAKE[2]!]);
    expect(c.differences).toEqual([
      expect.objectContaining({ field: 'window', row: 1, ruling: expect.objectContaining({ word: 'peer' }) }),
    ]);
    expect(comparisonWord(c)).toBe('same');
  });

  test('microseconds are no difference, a delayed acknowledgment is', () => {
    const data: ShotParts = { line: '< P. 1:11 ack 1 win 64', at: ms(1) };
    const soon = compared(
      [data, { line: '> . 1 ack 11 win 63', at: ms(1.02) }],
      [data, { line: '> . 1 ack 11 win 63', at: ms(3) }],
    );
    expect(soon.differences).toEqual([]);
    const late = compared(
      [data, { line: '> . 1 ack 11 win 63', at: ms(41) }],
      [data, { line: '> . 1 ack 11 win 63', at: ms(1) }],
    );
    expect(late.differences).toEqual([
      expect.objectContaining({
        property: 'ACK policy',
        field: 'delay',
        row: 0,
        kernel: 'delayed, after 40.0 ms',
        tcpx: 'at once, after 0.0 ms',
      }),
    ]);
  });

  test('one ACK for two segments is a difference that does not count, in either order of arrival', () => {
    const data: ShotParts = { line: '< P. 1:82 ack 19 win 64' };
    const fin: ShotParts = { line: '< F. 82 ack 19 win 64' };
    const c = compared(
      [data, { line: '> . 19 ack 82 win 63' }, fin, { line: '> F. 19 ack 83 win 63' }],
      [data, fin, { line: '> . 19 ack 83 win 63' }, { line: '> F. 19 ack 83 win 63' }],
    );
    expect(c.differences.map((d) => [d.property, d.field, d.ruling?.word])).toEqual([
      ['ACK policy', 'segment', 'allowed'],
      ['ACK policy', 'segment', 'allowed'],
    ]);
    expect(comparisonWord(c)).toBe('allowed');
  });

  test('an acknowledgment more than there were segments is forbidden', () => {
    const data: ShotParts = { line: '< P. 1:11 ack 1 win 64' };
    const ack: ShotParts = { line: '> . 1 ack 11 win 63' };
    const c = compared([data, ack], [data, ack, ack]);
    expect(c.differences).toEqual([
      expect.objectContaining({ field: 'segment', kernel: '', ruling: expect.objectContaining({ word: 'forbidden' }) }),
    ]);
  });

  test('what tcpx never acknowledges is forbidden, what the kernel never does is required', () => {
    const data: ShotParts = { line: '< P. 1:11 ack 1 win 64' };
    const acked: readonly ShotParts[] = [data, { line: '> . 1 ack 11 win 63', at: ms(1) }];
    const delays = (kernel: readonly ShotParts[], tcpx: readonly ShotParts[]) =>
      compared(kernel, tcpx).differences.filter((d) => d.field === 'delay');
    expect(delays(acked, [data])).toEqual([
      expect.objectContaining({
        kernel: 'at once, after 1.0 ms',
        tcpx: 'never',
        ruling: expect.objectContaining({ word: 'forbidden', clause: 'RFC 9293 §3.8.6.3 (MUST-40)' }),
      }),
    ]);
    expect(delays([data], acked)[0]?.ruling?.word).toBe('required');
  });

  test('on loopback, and only there, tcpx may ask for segments smaller by an Ethernet header', () => {
    const syn = (mss: number, win: number): readonly ShotParts[] => [
      { line: `> S 0 win ${win}`, options: [`mss ${mss}`, 'sackOK'] },
    ];
    const why = (kernel: readonly ShotParts[], tcpx: readonly ShotParts[], loopback: boolean) =>
      compared(kernel, tcpx, { loopback }).differences.find((d) => d.field === 'options')?.ruling?.why;
    expect(why(syn(65495, 65495), syn(65481, 65481), true)).toMatch(/loopback/);
    expect(why(syn(65495, 65495), syn(65481, 65481), false)).not.toMatch(/loopback/);
    expect(why(syn(65495, 65495), syn(65479, 65479), true)).not.toMatch(/loopback/);
    const other: readonly ShotParts[] = [{ line: '> S 0 win 65481', options: ['mss 65481'] }];
    expect(why(syn(65495, 65495), other, true)).not.toMatch(/loopback/);
  });

  test('retransmissions after one and after two seconds differ; after 1.0 and 1.05 they do not', () => {
    const syn = HANDSHAKE[0]!;
    const again = (at: number): readonly ShotParts[] => [syn, { ...syn, at: ms(at) }];
    expect(compared(again(1000), again(2000)).differences.map((d) => [d.property, d.field])).toEqual([
      ['retransmission', 'schedule'],
    ]);
    expect(compared(again(1000), again(1050)).differences).toEqual([]);
  });

  test('how long the user takes to call is no difference', () => {
    const fin = (at: number): readonly ShotParts[] => [
      ...HANDSHAKE,
      { line: '> F. 1 ack 1 win 63', at: ms(at), calledBefore: ms(1) },
    ];
    expect(compared(fin(250), fin(900)).differences).toEqual([]);
  });

  test('a value just beside the bound of its class is no difference', () => {
    expect(timeClass(ms(24))).not.toBe(timeClass(ms(26)));
    const gap = (at: number): readonly ShotParts[] => [HANDSHAKE[0]!, { line: '> P. 1:5 ack 1 win 63', at: ms(at) }];
    expect(compared(gap(24), gap(26)).differences).toEqual([]);
  });

  test('a complaint is neither same nor different', () => {
    expect(judgementOf(compared(HANDSHAKE, HANDSHAKE, { complaint: 'not refused' }))).toBe('trouble');
  });

  test('states are compared by name, whatever they are known from', () => {
    const c = compared([...HANDSHAKE, ...CLOSE], [...HANDSHAKE, CLOSE[0]!]);
    expect(c.differences.filter((d) => d.field === 'states')).toEqual([
      expect.objectContaining({
        kernel: 'SYN-SENT ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT',
        tcpx: 'SYN-SENT ESTABLISHED FIN-WAIT-1',
      }),
    ]);
  });

  test('an alignment keeps every segment of both runs, in order', () => {
    const line = fc.constantFrom(
      '> S 0 win 1',
      '< S. 0 ack 1 win 1',
      '> . 1 ack 1 win 1',
      '< P. 1:5 ack 1 win 1',
      '> F. 1 ack 5 win 1',
      '< R 5 win 0',
    );
    const run = fc.array(line, { maxLength: 20 }).map((lines) => lines.map((text) => shot({ line: text })));
    fc.assert(
      fc.property(run, run, (kernel, tcpx) => {
        const rows = alignRuns(kernel, tcpx);
        expect(rows.flatMap((row) => row.kernel ?? [])).toEqual(kernel.map((_, i) => i));
        expect(rows.flatMap((row) => row.tcpx ?? [])).toEqual(tcpx.map((_, i) => i));
        for (const row of rows) {
          if (row.kernel !== undefined && row.tcpx !== undefined)
            expect(kernel[row.kernel]!.dir).toBe(tcpx[row.tcpx]!.dir);
        }
      }),
    );
  });

  test('a run aligned with itself has no gap', () => {
    const line = fc.constantFrom(
      '> . 1 ack 1 win 1',
      '> . 1 ack 2 win 1',
      '< P. 1:5 ack 1 win 1',
      '< P. 5:9 ack 1 win 1',
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 20 }), (lines) => {
        const shots = lines.map((text) => shot({ line: text }));
        expect(alignRuns(shots, shots)).toEqual(shots.map((_, i) => ({ kernel: i, tcpx: i })));
      }),
    );
  });
});

describe('states of a run', () => {
  const inferred = inferredMarks([...HANDSHAKE, ...CLOSE].map(shot));
  const seen = (...states: readonly State[]) => states.map((state, i) => ({ state, at: ms(i) }));

  test('what was seen is marked, the rest stays inferred, each at its segment', () => {
    expect(mergeMarks(inferred, seen('ESTABLISHED', 'TIME-WAIT'), 'observed', false)).toEqual([
      { state: 'SYN-SENT', shot: 0, source: 'inferred' },
      { state: 'ESTABLISHED', shot: 1, source: 'observed', at: 0 },
      { state: 'FIN-WAIT-1', shot: 3, source: 'inferred' },
      { state: 'FIN-WAIT-2', shot: 4, source: 'inferred' },
      { state: 'TIME-WAIT', shot: 4, source: 'observed', at: ms(1) },
    ]);
  });

  test('a state that was seen and no segment shows has no place', () => {
    expect(mergeMarks(inferred, seen('CLOSED'), 'observed', false).at(0)).toEqual({
      state: 'CLOSED',
      shot: undefined,
      source: 'observed',
      at: 0,
    });
  });

  test('a whole record drops what was only inferred', () => {
    expect(mergeMarks(inferred, seen('SYN-SENT', 'ESTABLISHED', 'CLOSED'), 'log', true)).toEqual([
      { state: 'SYN-SENT', shot: 0, source: 'log', at: 0 },
      { state: 'ESTABLISHED', shot: 1, source: 'log', at: ms(1) },
      { state: 'CLOSED', shot: undefined, source: 'log', at: ms(2) },
    ]);
  });
});
