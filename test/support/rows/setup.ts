/** Around a whole run of the tests: makes the place where rows are counted, and prints what was taken at the end. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROWS_DIR, readRows, rowsSummary, rowsTable } from './rows.ts';

export function setup(): () => void {
  const dir = mkdtempSync(join(tmpdir(), 'tcpx-rows-'));
  process.env[ROWS_DIR] = dir;
  return () => {
    const rows = readRows(dir);
    rmSync(dir, { recursive: true });
    if (rows.every((r) => r.virtual + r.live === 0)) return;
    // A run of a few files would bury its result under the table.
    const whole = rows.some((r) => r.live > 0) || process.env['TCPX_TEST_ROWS'] === 'all';
    process.stdout.write(`\n${whole ? `${rowsTable(rows)}\n` : ''}${rowsSummary(rows)}\n`);
  };
}
