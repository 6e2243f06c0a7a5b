/**
 * `npm run docs`: prints the pages of docs/ anew that take neither a kernel nor long: the state machine, the list of scenarios,
 * and in the sweep what tcpx does.
 */
import { writeFileSync } from 'node:fs';
import { DOCUMENTS, pathOf, textNow } from './documents.ts';

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
