/**
 * `npm run docs`: prints the pages of docs/ anew that take neither a kernel nor long: the state machine, the list of scenarios,
 * and in the sweep what tcpx does.
 */
import { writeFileSync } from 'node:fs';
import { flagsGiven } from '../flags.ts';
import { DOCUMENTS, pathOf, textNow } from './documents.ts';

flagsGiven(
  'docs',
  [],
  `usage: npm run docs

Writes the pages of docs/ that take neither a kernel nor long, and names those that it wrote. Names others that are out of
date, and what writes them.
`,
);

for (const { file, renewedBy, text } of DOCUMENTS) {
  const wanted = await text();
  if (wanted === textNow(file)) continue;
  if (renewedBy === 'npm run rfc') {
    process.stderr.write(`docs/${file} is out of date: ${renewedBy}\n`);
    continue;
  }
  writeFileSync(pathOf(file), wanted);
  process.stdout.write(`docs/${file}\n`);
}
