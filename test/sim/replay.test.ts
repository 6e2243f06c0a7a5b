/** What was recorded of a connection, through faults, is run through the core again and gives the same. */
import { expect, test } from 'vitest';
import type { TraceRecord } from '../../src/tcp/trace.ts';
import { readLog } from '../../src/tools/log-ndjson.ts';
import { LogTally } from '../../src/tools/log-record.ts';
import { type ReplayResult, replayLog } from '../../src/tools/replay.ts';
import { HEADER } from '../support/recorded.ts';
import { expectOrderly, Sim, type SimOptions, type UserOptions } from '../support/sim.ts';

/** As a log would hold them: JSON, line by line. */
function replayed(records: readonly string[]): Promise<ReplayResult> {
  const tally = new LogTally();
  for (const record of records) tally.add(JSON.parse(record));
  const lines = [JSON.stringify(HEADER), ...records, JSON.stringify(tally.summary(0 as never))];
  return replayLog(readLog([new TextEncoder().encode(`${lines.join('\n')}\n`)]));
}

function recorded(o: SimOptions, a: UserOptions, b: UserOptions): string[] {
  const records: string[] = [
    JSON.stringify({
      type: 'open',
      t: 0,
      conn: 1,
      local: '10.0.0.1',
      localPort: 1,
      remote: '10.0.0.2',
      remotePort: 80,
    }),
  ];
  const onRecord = (record: TraceRecord): unknown => records.push(JSON.stringify(record));
  const sim = new Sim({ ...o, onRecord });
  expectOrderly(sim, sim.connect(a, b), [a.send, b.send]);
  return records;
}

const FAULTS = { loss: 0.1, duplicate: 0.1, reorder: 0.2, corrupt: 0.05 };

test.each([1, 2, 3, 4, 5])(
  'a connection through faults of every kind replays to the same outcome (seed %i)',
  async (seed) => {
    const records = recorded({ seed, faults: FAULTS }, { send: 20_000 }, { send: 20_000 });
    const result = await replayed(records);
    expect(result.difference).toBeUndefined();
    expect(result.compared).toBe(records.length - 1);
    expect(result.transitions).toBeGreaterThanOrEqual(5);
  },
);

test.each([
  ['slow readers and small windows', { readPace: 500, options: { SO_RCVBUF: 3000 } }],
  [
    'Nagle off, a user’s patience, segments of his size',
    { options: { TCP_NODELAY: true, TCP_USER_TIMEOUT: 100_000, TCP_MAXSEG: 700 } },
  ],
])('with %s too', async (_, o) => {
  const records = recorded({ seed: 11, faults: FAULTS }, { send: 9000, ...o }, { send: 9000, ...o });
  expect((await replayed(records)).difference).toBeUndefined();
});

test('a paced connection too, though a log does not say what was held back', async () => {
  const sysctl = { tcp_pacing: true };
  const records = recorded({ seed: 3, sysctl, faults: { loss: 0.02 } }, { send: 300_000 }, { send: 1000 });
  expect(records.some((r) => r.includes('"timer":"pacing"'))).toBe(true);
  expect((await replayed(records)).difference).toBeUndefined();
});

test('one octet less in one segment is found', async () => {
  const records = recorded({ seed: 6, faults: FAULTS }, { send: 20_000 }, { send: 20_000 });
  const at = records.findLastIndex((r) => r.includes('"dir":"in"') && !r.includes('"len":0'));
  const changed = records.with(
    at,
    records[at]!.replace(/"len":(\d+)/, (_, n) => `"len":${Number(n) - 1}`),
  );
  expect((await replayed(changed)).difference).toBeDefined();
});
