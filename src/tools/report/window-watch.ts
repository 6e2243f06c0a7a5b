/**
 * The congestion window at every moment of a log. A log names it only where a loss changes it; but it holds every input, so
 * that the core, given them again, has the same window as then. Where it does something else than the log says (another version
 * made it), what the log names is all there is from there on.
 */
import type { TraceRecord } from '../../tcp/trace.ts';
import { Replay } from '../replay.ts';
import type { ReportSamples } from './model.ts';

export type WindowSample = ReportSamples['congestion'][number];

export class WindowWatch {
  readonly #replay = new Replay((record, connection) => {
    const { snd_cwnd, snd_ssthresh } = connection.info();
    this.#sample(record, snd_cwnd, snd_ssthresh);
  });
  readonly #samples = new Map<number, WindowSample[]>();
  #follows = true;

  /** Takes the next record of the log, of whichever connection. `line`: where it stands in it. */
  take(line: number, record: TraceRecord): void {
    if (this.#follows) {
      try {
        this.#follows = this.#replay.take(line, record);
      } catch {
        // Whatever the core makes of a log that was not its own: the window is then not known, and nothing else is.
        this.#follows = false;
      }
    }
    if (!this.#follows && record.type === 'congestion') this.#sample(record, record.cwnd, record.ssthresh);
  }

  of(conn: number): readonly WindowSample[] {
    return this.#samples.get(conn) ?? [];
  }

  #sample({ t, conn }: TraceRecord, cwnd: number, threshold: number): void {
    const samples = this.#samples.get(conn) ?? [];
    if (samples.length === 0) this.#samples.set(conn, samples);
    // -1: never set.
    const ssthresh = threshold < 0 ? undefined : threshold;
    const last = samples.at(-1);
    if (last?.cwnd === cwnd && last.ssthresh === ssthresh) return;
    if (last?.t === t) samples.pop();
    samples.push({ t, cwnd, ssthresh });
  }
}
