/**
 * `npm run rfc -- --breaks [ID…]`: proves the breaks of these requirements, or of all, and ends with how many were seen to
 * fail. `--json`: that as one line of JSON. `-v`: what each check said.
 */
import { loadScenarios } from '../../../src/tools/scenario/library.ts';
import { requirementRows } from '../rows.ts';
import { breakText, readBreaks } from './breaks.ts';
import { type Proof, proveBreaks } from './prove.ts';

/** Returns the exit code: 0 when all were seen to fail. */
export async function breaksMain(args: readonly string[]): Promise<number> {
  const ids = args.filter((arg) => !arg.startsWith('-'));
  const all = requirementRows(loadScenarios([]).plans);
  const unknown = ids.filter((id) => !all.some((row) => row.requirement.id === id));
  if (unknown.length > 0) {
    process.stderr.write(`rfc: there is no requirement ${unknown.join(', ')}\n  hint: docs/rfc-matrix.md lists them\n`);
    return 2;
  }
  const checked = all.filter((row) => row.scenarios.length + row.tests.length > 0);
  const rows = checked.filter((row) => ids.length === 0 || ids.includes(row.requirement.id));
  const json = args.includes('--json');
  const proofs = await proveBreaks(rows, readBreaks(), (proof) => {
    if (!json || proof.verdict !== 'seen to fail') process.stderr.write(`${proofLine(proof)}\n`);
    if (args.includes('-v') && proof.why !== '') process.stderr.write(`                 ${proof.why}\n`);
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
