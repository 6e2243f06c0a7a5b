import { describe, expect, test } from 'vitest';
import { inAttempts, settle } from '../../../src/tools/compare/attempts.ts';
import { compareRuns } from '../../../src/tools/compare/differences.ts';
import { compareDocument, isGood, judgementOf } from '../../../src/tools/compare/json.ts';
import type { Comparison } from '../../../src/tools/compare/model.ts';
import { renderComparison } from '../../../src/tools/compare/render.ts';
import { tableLines } from '../../../src/tools/compare/table.ts';
import { paintFor } from '../../../src/tools/log-style.ts';
import { KERNEL, runOf, type ShotParts } from './runs.ts';

/** The last ACK must come within half a second, and nothing explains that it is missing. */
const MUTE = KERNEL.slice(0, 5);
const ALLOWED: readonly ShotParts[] = [{ ...KERNEL[0]!, line: '> S 0 win 65535' }, ...KERNEL.slice(1)];

function compared(tcpx: readonly ShotParts[], o: { readonly error?: string; readonly complaint?: string } = {}) {
  const run = runOf('tcpx', tcpx);
  const ours = o.error === undefined ? run : { ...run, outcome: { ...run.outcome, error: o.error } };
  return compareRuns(runOf('kernel', KERNEL), ours, {
    scenario: 'handshake',
    loopback: false,
    complaint: o.complaint,
  });
}

async function tried(most: number, ...comparisons: readonly Comparison[]): Promise<Comparison> {
  const left = [...comparisons];
  const { comparison } = await inAttempts(() => Promise.resolve({ comparison: left.shift()! }), most);
  expect(left).toEqual([]);
  return comparison;
}

const fields = (c: Comparison): readonly string[] => c.differences.map((d) => d.field);
const plain = { paint: paintFor(false), width: 120 };

describe('several attempts at one scenario', () => {
  test('a difference that every attempt shows stays, and the number of attempts is told', async () => {
    const c = await tried(3, compared(MUTE), compared(MUTE), compared(MUTE));
    expect([judgementOf(c), c.attempts, c.chance]).toEqual(['forbidden', 3, []]);
    expect(fields(c)).toContain('segment');
    expect(renderComparison(c, plain).at(-1)).toMatch(/^ {2}forbidden: .* \(3 attempts\)$/);
    const table = tableLines([c], { ...plain, rulings: false });
    expect(table[1]).toMatch(/ forbidden \(3 attempts\)$/);
    expect(table).toContain('(N attempts): run N times; X and ? are what each of them shows');
  });

  test('one that only the first attempt shows goes, and is named as chance', async () => {
    const c = await tried(3, compared(MUTE), compared(KERNEL));
    expect([judgementOf(c), c.attempts, c.differences]).toEqual(['same', 2, []]);
    expect(c.chance).toContainEqual(
      expect.objectContaining({ field: 'segment', kernel: '. 2 ack 2 win 63', row: undefined }),
    );
    expect(renderComparison(c, plain)).toContain(
      '  chance:      ACK policy only kernel: . 2 ack 2 win 63 (not in each attempt)',
    );
    expect(tableLines([c], { ...plain, rulings: false })[1]).toMatch(
      / same \(2 attempts; 2 differences not in each\)$/,
    );
  });

  test('of attempts that each show another, none counts; the verdicts are given anew', async () => {
    const c = await tried(2, compared(MUTE), compared(KERNEL, { error: 'EPIPE' }));
    expect([judgementOf(c), isGood(c), c.attempts]).toEqual(['same', true, 2]);
    expect(c.chance.map((d) => d.field)).toEqual(expect.arrayContaining(['segment', 'outcome']));
  });

  test('while none is clean by itself, another attempt is made', async () => {
    const c = await tried(3, compared(MUTE), compared(KERNEL, { error: 'EPIPE' }), compared(KERNEL));
    expect([judgementOf(c), c.attempts, c.differences]).toEqual(['same', 3, []]);
  });

  test('what stays is not hidden by an attempt that shows less', async () => {
    const both = compared(MUTE, { error: 'EPIPE' });
    const c = await tried(3, both, compared(MUTE), both);
    expect([judgementOf(c), c.attempts]).toEqual(['forbidden', 3]);
    expect(fields(c)).toContain('segment');
    expect(c.chance.map((d) => d.field)).toEqual(['outcome']);
  });

  test('chance is marked in the rows of the attempt that shows it', () => {
    const { comparison } = settle(
      [compared(MUTE), compared(KERNEL, { error: 'EPIPE' })].map((c) => ({ comparison: c })),
    );
    const lines = renderComparison(comparison, plain);
    expect(lines.find((line) => line.startsWith(' 6 '))).toMatch(/ \?$/);
    expect(lines).toContain('  chance:      6 > . only kernel: . 2 ack 2 win 63 (not in each attempt)');
  });

  test('the other side lacking the segment is another difference', async () => {
    const more = compareRuns(runOf('kernel', MUTE), runOf('tcpx', KERNEL), {
      scenario: 'handshake',
      loopback: false,
      complaint: undefined,
    });
    expect(isGood(await tried(2, compared(MUTE), more))).toBe(true);
  });

  test('an attempt that did not come about excuses nothing', async () => {
    const c = await tried(2, compared(MUTE), compared(KERNEL, { complaint: 'no connection' }));
    expect([judgementOf(c), c.attempts, c.chance]).toEqual(['forbidden', 2, []]);
  });

  test('what is the same is tried once, and nothing is said of attempts', async () => {
    const c = await tried(3, compared(KERNEL));
    expect(c.attempts).toBe(1);
    expect([...renderComparison(c, plain), ...tableLines([c], { ...plain, rulings: true })].join()).not.toMatch(
      /attempt/,
    );
  });

  test('what is allowed is tried twice', async () => {
    expect((await tried(3, compared(ALLOWED), compared(ALLOWED))).attempts).toBe(2);
  });

  test('the document has the number, and what was chance', async () => {
    const c = await tried(3, compared(MUTE), compared(KERNEL));
    const facts = { target: 'lab', interface: 'lab0', gateway: undefined, kernel: '6.1', node: '20', tcpx: '0' };
    const document = compareDocument({ ...facts, driver: 'packet', guard: 'auto', sysctl: {} }, [c], []);
    expect(document['scenarios']).toMatchObject([{ verdict: 'same', attempts: 2, chance: c.chance }]);
  });
});
