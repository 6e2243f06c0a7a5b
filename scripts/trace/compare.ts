/** Our notes on a capture beside tshark's, segment by segment. */
import { readFileSync } from 'node:fs';
import { CaptureScanner } from '../../src/pcap/capture-scan.ts';
import { Kind } from '../../src/tools/trace/kinds.ts';
import { Trace } from '../../src/tools/trace/trace.ts';
import { run } from '../../test/support/lab.ts';

/** tshark's field for each kind. A SACK block below the ACK has a field of its own, without `analysis`. */
export const FIELDS: readonly (readonly [bit: number, field: string])[] = [
  [Kind.RETRANSMISSION, 'tcp.analysis.retransmission'],
  [Kind.FAST_RETRANSMISSION, 'tcp.analysis.fast_retransmission'],
  [Kind.SPURIOUS_RETRANSMISSION, 'tcp.analysis.spurious_retransmission'],
  [Kind.OUT_OF_ORDER, 'tcp.analysis.out_of_order'],
  [Kind.DUPLICATE_ACK, 'tcp.analysis.duplicate_ack'],
  [Kind.WINDOW_FULL, 'tcp.analysis.window_full'],
  [Kind.ZERO_WINDOW, 'tcp.analysis.zero_window'],
  [Kind.ZERO_WINDOW_PROBE, 'tcp.analysis.zero_window_probe'],
  [Kind.ZERO_WINDOW_PROBE_ACK, 'tcp.analysis.zero_window_probe_ack'],
  [Kind.WINDOW_UPDATE, 'tcp.analysis.window_update'],
  [Kind.KEEP_ALIVE, 'tcp.analysis.keep_alive'],
  [Kind.KEEP_ALIVE_ACK, 'tcp.analysis.keep_alive_ack'],
  [Kind.ACKED_UNSEEN, 'tcp.analysis.ack_lost_segment'],
  [Kind.NOT_CAPTURED, 'tcp.analysis.lost_segment'],
  [Kind.PORT_REUSED, 'tcp.analysis.reused_ports'],
  [Kind.D_SACK, 'tcp.options.sack.dsack'],
  [Kind.RTT_SAMPLE, 'tcp.analysis.ack_rtt'],
];

/** Kinds by record number, counted from 1; records that are no TCP have none. */
export type Notes = ReadonlyMap<number, number>;

export function tsharkNotes(path: string): Notes {
  const out = run('tshark', [
    ...['-n', '-r', path, '-T', 'fields', '-E', 'occurrence=f', '-E', 'separator=;', '-Y', 'tcp', '-e', 'frame.number'],
    ...FIELDS.flatMap(([, field]) => ['-e', field]),
  ]);
  const notes = new Map<number, number>();
  for (const line of out.split('\n')) {
    if (line === '') continue;
    const [frame, ...values] = line.split(';');
    let kinds = 0;
    FIELDS.forEach(([bit], i) => {
      if ((values[i] ?? '') !== '') kinds |= bit;
    });
    notes.set(Number(frame), kinds);
  }
  return notes;
}

export function ourNotes(path: string): Notes {
  const notes = new Map<number, number>();
  const trace = new Trace({
    segment: (_connection, _seg, note, _t, record) => notes.set(record, note.kinds),
    retired: () => {},
  });
  const scanner = new CaptureScanner(trace);
  scanner.push(readFileSync(path));
  scanner.finish();
  trace.finish();
  return notes;
}
