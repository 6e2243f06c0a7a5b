/** `npm run trace-agreement`: does `tcpx trace` see in a capture what tshark sees? */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { flagsGiven } from '../flags.ts';
import { REASONS } from './differences.ts';
import { type Measured, measure } from './measure.ts';
import { agreementText, docsText } from './render.ts';
import { share } from './tally.ts';

const DOCS = fileURLToPath(new URL('../../docs/trace.md', import.meta.url));
const LEAST = 0.95;

const flags = flagsGiven(
  'trace-agreement',
  ['--json', '--check'],
  `usage: npm run trace-agreement [-- --json] [-- --check]

Compares \`tcpx trace\` with tshark's analysis on made and recorded captures, prints precision and recall kind by kind, and
writes docs/trace.md from it.

  --json    one line of JSON, nothing written
  --check   fails when docs/trace.md is not what would be written
  --help

Exit codes: 0 fine, 1 less than 95 % agrees over all or a difference has no reason, 2 wrong usage.
`,
);
const measured = measure();
const { precision, recall } = measured.tally.overall;
if (flags.has('--json')) process.stdout.write(`${JSON.stringify(document(measured))}\n`);
else {
  process.stdout.write(agreementText(measured));
  const text = await docsText(measured);
  if (!flags.has('--check')) writeFileSync(DOCS, text);
  else if (readFileSync(DOCS, 'utf8') !== text) {
    process.stderr.write('docs/trace.md is not current: npm run trace-agreement writes it\n');
    process.exitCode = 1;
  }
}
for (const d of measured.unexplained)
  process.stderr.write(`no reason for ${d.capture} record ${d.record}: kinds ${d.our} and ${d.their}\n`);
if (precision < LEAST || recall < LEAST || measured.unexplained.length > 0) process.exitCode = 1;

function document({ tally, parts, recorded, explained, unexplained }: Measured): object {
  return {
    captures: parts.length + recorded.length,
    segments: tally.segments,
    precision,
    recall,
    kinds: tally.kinds.map(({ name, both, ours, theirs }) => ({
      name,
      both,
      ours,
      tshark: theirs,
      precision: share(both, ours),
      recall: share(both, theirs),
    })),
    differences: REASONS.map(({ title }, i) => ({ title, count: explained[i] })),
    unexplained: unexplained.length,
  };
}
