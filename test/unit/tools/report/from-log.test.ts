import { expect, test } from 'vitest';
import type { LogRecord } from '../../../../src/tools/log-record.ts';
import { LogCollector, logConnections } from '../../../../src/tools/report/from-log.ts';
import { HEADER, recordedRun } from '../../../support/recorded.ts';

const ofConn = (records: readonly LogRecord[], conn: number): readonly LogRecord[] =>
  records.map((record) => ('conn' in record ? { ...record, conn } : record));

test('our moves are the log’s own, the peer’s are inferred', () => {
  const [c] = logConnections(recordedRun().log());
  const ours = c!.moves!.filter((move) => move.end === 'ours');
  expect(ours.map((move) => [move.to, move.event, move.rule])).toEqual([
    ['SYN-SENT', 'active OPEN', 'RFC 9293 §3.10.1'],
    ['ESTABLISHED', 'rcv SYN,ACK', 'RFC 9293 §3.10.7.3 fourth'],
    ['FIN-WAIT-1', 'CLOSE', 'RFC 9293 §3.10.4'],
    ['FIN-WAIT-2', 'rcv ACK of FIN', 'RFC 9293 §3.10.7.4 fifth'],
    ['TIME-WAIT', 'rcv FIN', 'RFC 9293 §3.10.7.4 eighth'],
    ['CLOSED', '2MSL', 'RFC 9293 §3.10.8'],
  ]);
  for (const move of ours) expect(c!.ladder.rows[move.row]!.ours).toBe(move.to);
  expect(c!.moves!.some((move) => move.end === 'peer' && move.to === 'CLOSE-WAIT')).toBe(true);
});

test('the congestion window is known at every moment, not only where a loss changed it', () => {
  const records = recordedRun().log();
  expect(records.some((r) => r.type === 'congestion')).toBe(false);
  const { congestion } = logConnections(records)[0]!.samples!;
  // Ten segments of 1448 octets, once it is known how large they are.
  expect(congestion.map((s) => s.cwnd).slice(-1)).toEqual([14_480]);
  expect(congestion.every((s) => s.ssthresh === undefined)).toBe(true);
});

test('of a log that the core would not have written the window is what it names', () => {
  const records = recordedRun({ lose: [4] }).log();
  const named = records.flatMap((r) => (r.type === 'congestion' ? [r.cwnd] : []));
  expect(named.length).toBeGreaterThan(0);
  const forged = records.map((r) =>
    r.type === 'segment' && r.dir === 'out' ? { ...r, seg: { ...r.seg, wnd: 1 } } : r,
  );
  const { congestion } = logConnections(forged)[0]!.samples!;
  // The call that opened it came out the same; and what is said twice is one sample.
  expect(congestion.slice(1).map((s) => s.cwnd)).toEqual(named.filter((cwnd, i) => cwnd !== named[i - 1]));
});

test('what a log says of itself, and what became of it', () => {
  const collector = new LogCollector();
  for (const record of recordedRun().log()) collector.add(record);
  collector.add({ type: 'failure', t: 9, message: 'it failed', hint: 'try again', exitCode: 1 });
  const lines = collector.about().flatMap((section) => section.lines);
  expect(lines[0]).toBe(
    'tcpx connect 10.0.0.2:7, 2026-01-02T03:04:05.678Z (tcpx 0.1.0, Node 20.0.0, Linux 6.1.0, eth0, driver memory)',
  );
  expect(lines.slice(1, 3)).toEqual(['it failed', 'try again']);
  expect(lines.at(-1)).toMatch(/^sent 5000 octets/);
  expect(collector.ended).toBe(true);
});

test('of many connections those that are asked for are kept, and the others counted', () => {
  const records = recordedRun().log();
  const many = [1, 2, 3].flatMap((conn) => ofConn(records, conn).filter((r) => 'conn' in r));
  const titles = logConnections([HEADER, ...many]).map((c) => c.title.split(' ')[0]);
  expect(titles).toEqual(['c1', 'c2', 'c3']);
  expect(logConnections(many, { conn: 2 }).map((c) => c.title.split(' ')[0])).toEqual(['c2']);
  const collector = new LogCollector({ most: 2 });
  for (const record of many) collector.add(record);
  expect(collector.connections().length).toBe(2);
  expect(collector.ignored).toBe(1);
});

test('a connection that is too long is told as far as it goes, and that it goes on', () => {
  const [c] = logConnections(recordedRun().log(), { mostRecords: 6 });
  expect(c!.ladder.rows.length).toBeGreaterThan(0);
  expect(c!.ladder.rows.length).toBeLessThan(6);
  expect(c!.remarks).toEqual([expect.stringMatching(/^\d+ records of the log after these are left out$/)]);
});

test('drops and errors stand where they happened', () => {
  const records = [...recordedRun().log()];
  records.splice(-1, 0, { type: 'drop', t: recordedRun().time.now, conn: 1, reason: 'out-of-window' });
  expect(logConnections(records)[0]!.notes).toEqual([{ t: expect.any(Number), text: 'dropped: out-of-window' }]);
});
