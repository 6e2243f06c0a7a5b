/** In every test process: counts each row that a connection takes. Tests drive connections with segments, calls and time. */
import { afterAll } from 'vitest';
import { Machine } from '../../../src/tcp/machine.ts';
import { rowTaken, writeRows } from './rows.ts';

const step = Machine.prototype.step;
Machine.prototype.step = function counted(event) {
  const from = this.state;
  const to = step.call(this, event);
  rowTaken('virtual', from, event);
  return to;
};

afterAll(writeRows);
