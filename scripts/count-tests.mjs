/**
 * count-tests.mjs REPORT STATUS: vitest's JSON report as 'PASSED FAILED WHY'. Skipped and wished-for tests are failures
 * here, and so is each file that broke before its tests could run, and a run that ended badly without saying why.
 */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';

const [file, status] = process.argv.slice(2);
const report = JSON.parse(readFileSync(file, 'utf8'));
const passed = report.numPassedTests;
const why = [];
let failed = 0;

for (const { name, status: outcome, assertionResults } of report.testResults) {
  const bad = assertionResults.filter((test) => test.status !== 'passed');
  failed += bad.length;
  for (const test of bad) why.push(`${test.status}: ${relative(process.cwd(), name)}: ${test.fullName}`);
  if (outcome !== 'passed' && bad.length === 0) {
    failed++;
    why.push(`${outcome}: ${relative(process.cwd(), name)}`);
  }
}
if (failed === 0 && (!report.success || status !== '0')) {
  failed = 1;
  why.push(`vitest ended with status ${status}`);
}
if (passed === 0 && failed === 0) {
  failed = 1;
  why.push('no test ran');
}
console.log(`${passed} ${failed} ${why.join('; ')}`);
