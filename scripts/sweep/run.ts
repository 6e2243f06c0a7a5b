/** Plays cells: on tcpx one after another, on the kernel many side by side. */
import type { Profile } from '../../src/tcp/config.ts';
import type { Cell } from './cells.ts';
import type { Outcomes } from './document.ts';
import { KernelLines } from './on-kernel.ts';
import { openTcpxLine } from './on-tcpx.ts';
import { type Outcome, outcomeText, playCell } from './play.ts';

export async function playOnTcpx(cells: readonly Cell[], profile: Profile): Promise<Outcomes> {
  const outcomes = new Map<string, Outcome>();
  for (const cell of cells) outcomes.set(cell.id, await named(cell, playCell(cell, openTcpxLine(profile))));
  return outcomes;
}

/** Connections at once: more make a busy machine late, and each of them waits a quarter of a second anyway. */
const AT_ONCE = 80;
/** How often a cell may fail to come to its state: a busy machine lets the kernel send something twice. */
const ATTEMPTS = 5;

/** Throws LinkFailure, and what kept a cell from its state. */
export async function playOnKernel(cells: readonly Cell[]): Promise<Outcomes> {
  const outcomes = new Map<string, Outcome>();
  for (let attempt = 1, open = cells; open.length > 0; attempt++) {
    const failed = new Map<string, unknown>();
    for (let i = 0; i < open.length; i += AT_ONCE) await playSome(open.slice(i, i + AT_ONCE), outcomes, failed);
    open = open.filter((cell) => failed.has(cell.id));
    if (attempt === ATTEMPTS) for (const error of failed.values()) throw error;
  }
  return outcomes;
}

/** In a namespace of their own. */
async function playSome(
  cells: readonly Cell[],
  outcomes: Map<string, Outcome>,
  failed: Map<string, unknown>,
): Promise<void> {
  const lines = await KernelLines.open();
  const play = async (cell: Cell): Promise<void> => {
    try {
      outcomes.set(cell.id, await named(cell, playCell(cell, lines.line())));
    } catch (error) {
      failed.set(cell.id, error);
    }
  };
  try {
    await Promise.all(cells.map(play));
  } finally {
    await lines.close();
  }
}

/** Most runs that a cell gets to agree with itself. */
const VOTES = 5;

/**
 * What the kernel does every time: all cells twice, and those that came out differently again, until one outcome leads by
 * two. `onUnsure`: a cell that never did; the most frequent outcome counts. Throws LinkFailure.
 */
export async function surelyOnKernel(cells: readonly Cell[], onUnsure: (cell: Cell) => void): Promise<Outcomes> {
  const votes = new Map(cells.map((cell) => [cell.id, new Map<string, { n: number; outcome: Outcome }>()]));
  let open = cells;
  for (let run = 1; run <= VOTES && open.length > 0; run++) {
    const outcomes = await playOnKernel(open);
    for (const cell of open) count(votes.get(cell.id)!, outcomes.get(cell.id)!);
    if (run > 1) open = open.filter((cell) => lead(votes.get(cell.id)!) < 2);
  }
  for (const cell of open) onUnsure(cell);
  return new Map([...votes].map(([id, of]) => [id, ranked(of)[0]!.outcome]));
}

type Votes = Map<string, { n: number; readonly outcome: Outcome }>;

function count(votes: Votes, outcome: Outcome): void {
  const text = outcomeText(outcome);
  const vote = votes.get(text);
  if (vote === undefined) votes.set(text, { n: 1, outcome });
  else vote.n++;
}

const ranked = (votes: Votes): readonly { readonly n: number; readonly outcome: Outcome }[] =>
  [...votes.values()].sort((a, b) => b.n - a.n);

function lead(votes: Votes): number {
  const [first, second] = ranked(votes);
  return (first?.n ?? 0) - (second?.n ?? 0);
}

async function named(cell: Cell, played: Promise<Outcome>): Promise<Outcome> {
  try {
    return await played;
  } catch (error) {
    throw new Error(`${cell.id}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
