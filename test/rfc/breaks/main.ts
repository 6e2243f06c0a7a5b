/**
 * `npm run rfc -- --breaks [ID…]`: proves the breaks of these requirements, or of all, and ends with how many were seen to
 * fail. `--find-breaks [ID…]`: looks for breaks of those that have none or a stale one, or anew for those named.
 */
import { loadScenarios } from '../../../src/tools/scenario/library.ts';
import { type Row, requirementRows } from '../rows.ts';
import { type Break, breakText, readBreaks, staleness, writeBreaks } from './breaks.ts';
import { findBreaks } from './find.ts';
import { type Proof, proveBreaks } from './prove.ts';

/** Returns the exit code: 0 when all were seen to fail, or found. */
export async function breaksMain(args: readonly string[]): Promise<number> {
  const ids = args.filter((arg) => !arg.startsWith('--'));
  const all = requirementRows(loadScenarios([]).plans);
  const unknown = ids.filter((id) => !all.some((row) => row.requirement.id === id));
  if (unknown.length > 0) {
    process.stderr.write(`rfc: there is no requirement ${unknown.join(', ')}\n  hint: docs/rfc-matrix.md lists them\n`);
    return 2;
  }
  const checked = all.filter((row) => row.scenarios.length + row.tests.length > 0);
  const rows = checked.filter((row) => ids.length === 0 || ids.includes(row.requirement.id));
  return args.includes('--find-breaks') ? find(rows, checked, ids.length > 0) : prove(rows, args.includes('--json'));
}

async function prove(rows: readonly Row[], json: boolean): Promise<number> {
  const proofs = await proveBreaks(rows, readBreaks(), (proof) => {
    if (!json || proof.verdict !== 'seen to fail') process.stderr.write(`${proofLine(proof)}\n`);
  });
  const not = proofs.filter((p) => p.verdict !== 'seen to fail').map((p) => p.id);
  const seen = proofs.length - not.length;
  process.stdout.write(
    json
      ? `${JSON.stringify({ rows: proofs.length, seenToFail: seen, not })}\n`
      : `${proofs.length} requirements with a check: ${seen} seen to fail with the rule broken, ${not.length} not${not.length > 0 ? `: ${not.join(' ')}` : ''}\n`,
  );
  return not.length === 0 ? 0 : 1;
}

const proofLine = ({ id, verdict, break: b }: Proof): string =>
  `${verdict.padEnd(16)} ${id.padEnd(14)} ${b === undefined ? '' : breakText(b)}`.trimEnd();

async function find(rows: readonly Row[], checked: readonly Row[], anew: boolean): Promise<number> {
  const known = readBreaks();
  const missing = rows.filter(({ requirement: { id } }) => {
    const its = known[id];
    return anew || its === undefined || staleness(its) !== undefined;
  });
  const found = new Map<string, Break>(Object.entries(known));
  const fresh = await findBreaks(missing, checked, (line) => process.stderr.write(`${line}\n`));
  for (const [id, its] of fresh) found.set(id, its);
  writeBreaks(
    Object.fromEntries(
      checked.flatMap(({ requirement: { id } }) => {
        const its = found.get(id);
        return its === undefined ? [] : [[id, its]];
      }),
    ),
  );
  const not = missing.map((row) => row.requirement.id).filter((id) => !fresh.has(id));
  process.stdout.write(`${fresh.size} breaks found${not.length > 0 ? `, none for ${not.join(' ')}` : ''}\n`);
  return not.length === 0 ? 0 : 1;
}
