/** `npm run sweep`: every kind of segment in every state, on tcpx and on this kernel. */
import { readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { flagsGiven } from '../flags.ts';
import { CELLS } from './cells.ts';
import { documentText, kernelOutcomes, type Outcomes, type SweepDocument, sweepResult } from './document.ts';
import { sweepMarkdown } from './page.ts';
import { playOnTcpx, surelyOnKernel } from './run.ts';

const JSON_FILE = fileURLToPath(new URL('../../docs/state-sweep.json', import.meta.url));
const PAGE_FILE = fileURLToPath(new URL('../../docs/state-sweep.md', import.meta.url));

const flags = flagsGiven(
  'sweep',
  ['--no-kernel'],
  `usage: npm run sweep [-- --no-kernel]

Every kind of segment in every state, on tcpx and on this kernel. Writes docs/state-sweep.md and docs/state-sweep.json.

  --no-kernel   tcpx only, beside what the kernel did last time (the kernel needs root)
  --help

Exit codes: 0 fine, 1 a difference has no explanation or an explanation no difference, 2 wrong usage.
`,
);

const begun = performance.now();
const tcpx = await playOnTcpx(CELLS, 'linux');
const rfc = await playOnTcpx(CELLS, 'rfc');
const [kernel, kernelRelease] = flags.has('--no-kernel') ? lastTime() : await onKernel();
const { document, complaints } = sweepResult({ tcpx, rfc, kernel, release: kernelRelease });
writeFileSync(JSON_FILE, documentText(document));
writeFileSync(PAGE_FILE, sweepMarkdown(document));
for (const complaint of complaints) process.stderr.write(`${complaint}\n`);
const differing = Object.values(document.cells).filter((cell) => cell.tcpx !== cell.kernel).length;
process.stdout.write(
  `${CELLS.length} cases, ${differing} of them otherwise on Linux ${kernelRelease}; ${complaints.length} complaints; ${((performance.now() - begun) / 1000).toFixed(0)} s\n`,
);
process.exitCode = complaints.length === 0 ? 0 : 1;

async function onKernel(): Promise<readonly [Outcomes, string]> {
  const outcomes = await surelyOnKernel(CELLS, (cell) =>
    process.stderr.write(`not the same each time on the kernel: ${cell.id}\n`),
  );
  // What follows the numbers is whoever built it.
  return [outcomes, /^[\d.]+/.exec(release())?.[0] ?? release()];
}

function lastTime(): readonly [Outcomes, string] {
  // Written by this program.
  const last = JSON.parse(readFileSync(JSON_FILE, 'utf8')) as SweepDocument;
  return [kernelOutcomes(last), last.kernel];
}
