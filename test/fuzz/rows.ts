/** Counts the rows of the transition table that connections of this thread take, whoever drives them. */
import { Machine } from '../../src/tcp/machine.ts';
import { rowText } from './model.ts';

let counts: Map<string, number> | undefined;

/** From now on. */
export function countRows(): void {
  if (counts !== undefined) return;
  counts = new Map();
  const { step } = Machine.prototype;
  Machine.prototype.step = function counted(event) {
    const from = this.state;
    const to = step.call(this, event);
    const row = rowText(from, event, to);
    counts!.set(row, (counts!.get(row) ?? 0) + 1);
    return to;
  };
}

/** By rowText, since the last time. */
export function takeRows(): ReadonlyMap<string, number> {
  const taken = counts ?? new Map<string, number>();
  if (counts !== undefined) counts = new Map();
  return taken;
}
