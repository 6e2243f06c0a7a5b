/**
 * In every test process: counts each row that a connection takes. Tests drive connections with segments, calls and time;
 * only the machine's own test steps it directly, and what it does proves nothing about the way there.
 */
import { afterAll, expect } from 'vitest';
import { Machine } from '../../../src/tcp/machine.ts';
import { rowTaken, writeRows } from './rows.ts';

const step = Machine.prototype.step;
Machine.prototype.step = function counted(event) {
  const from = this.state;
  const to = step.call(this, event);
  if (!expect.getState().testPath?.endsWith('/machine.test.ts')) rowTaken('virtual', from, event);
  return to;
};

afterAll(writeRows);
