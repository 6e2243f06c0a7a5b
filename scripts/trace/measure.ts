/** The whole comparison: made captures in one file, recorded ones as they are; what agrees, what differs, and why. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Part, writeCases } from './captures.ts';
import { CASES } from './cases.ts';
import { ourNotes, tsharkNotes } from './compare.ts';
import { CaptureIndex, REASONS, reasonOf } from './differences.ts';
import { type Difference, Tally } from './tally.ts';

const FIXTURES = fileURLToPath(new URL('../../test/fixtures/', import.meta.url));

export interface Measured {
  readonly tally: Tally;
  readonly parts: readonly Part[];
  /** Names of the recorded captures. */
  readonly recorded: readonly string[];
  /** How many differences each reason explains, in the list's order. */
  readonly explained: readonly number[];
  readonly unexplained: readonly Difference[];
}

export function measure(): Measured {
  const folder = mkdtempSync(join(tmpdir(), 'tcpx-trace-'));
  try {
    const made = join(folder, 'cases.pcap');
    const parts = writeCases(made, CASES);
    const recorded = readdirSync(FIXTURES).filter((name) => /^trace-.*\.pcap$/.test(name));
    const tally = new Tally();
    const explained = REASONS.map(() => 0);
    const unexplained: Difference[] = [];
    for (const path of [made, ...recorded.map((name) => join(FIXTURES, name))]) {
      const from = tally.differences.length;
      tally.add(path === made ? 'made' : path.slice(FIXTURES.length), ourNotes(path), tsharkNotes(path));
      const index = new CaptureIndex(path);
      for (const difference of tally.differences.slice(from)) {
        const reason = reasonOf(difference, index);
        if (reason === undefined) unexplained.push(difference);
        else explained[REASONS.indexOf(reason)]!++;
      }
    }
    return { tally, parts, recorded, explained, unexplained };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
