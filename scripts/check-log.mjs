/**
 * What scripts ask of an NDJSON log.
 *   check-log.mjs states LOG STATE…     a tcpx log whose only connection went through exactly these states, then ended well
 *   check-log.mjs field LOG EVENT NAME  prints a field of the last record whose `event` is EVENT
 * Status 0, or 1 with one line on stderr.
 */
import { readFileSync } from 'node:fs';

const [what, file, ...rest] = process.argv.slice(2);

function fail(message) {
  console.error(`check-log: ${file}: ${message}`);
  process.exit(1);
}

/** Lines that are no JSON (a shell's or sudo's remark) are not part of the log. */
const records = readFileSync(file, 'utf8')
  .split('\n')
  .flatMap((line) => {
    try {
      return line.startsWith('{') ? [JSON.parse(line)] : [];
    } catch {
      return fail(`not JSON: ${line.slice(0, 80)}`);
    }
  });

if (what === 'states') {
  const steps = records.filter((record) => record.type === 'state');
  const path = steps.map((record) => record.to);
  if (path.join(' ') !== rest.join(' ')) fail(`states ${path.join(' -> ') || '(none)'}, expected ${rest.join(' -> ')}`);
  for (const { from, to, cause, event, rule } of steps) {
    if (!cause || !event || !rule) fail(`${from} -> ${to} has no cause or rule`);
  }
  const error = records.find((record) => record.type === 'error');
  if (error) fail(`error ${error.code}`);
  if (records.at(-1)?.type !== 'summary') fail('there is no summary at the end');
  console.log(`states: ${steps[0].from} -> ${path.join(' -> ')}`);
} else if (what === 'field') {
  const record = records.findLast((candidate) => candidate.event === rest[0]);
  if (!record) fail(`no record of ${rest[0]}`);
  console.log(record[rest[1]]);
} else {
  fail(`unknown question '${what}'`);
}
