/**
 * A measurement from its first octet to its last: streams that begin together, rows at equal intervals, an end by the
 * clock or by the count, and then the time that it takes until the peer has everything.
 */
import { type Interval, intervalOf, type PerfPlan, type Reading } from './model.ts';
import type { PerfSocket } from './socket.ts';
import { type Budget, PerfStream, patternBuffer, type StreamEvents, type Trouble } from './stream.ts';

/** After its end a measurement waits so long, in seconds, for the next acknowledgment (or octet of an echo). */
const PATIENCE = 5;
/** How often it is looked whether all has arrived, ms. */
const LOOK = 5;
const PROGRESS = 200;
/** A last interval shorter than this share of the others has no row. */
const LEAST_ROW = 0.05;

export type Outcome =
  | { readonly how: 'done' }
  /** By `stop`. */
  | { readonly how: 'stopped' }
  | { readonly how: 'failed'; readonly stream: number; readonly trouble: Trouble }
  /** Nothing came from the peer, or back from it. */
  | { readonly how: 'silence' }
  /** So many octets stayed unacknowledged (or did not come back) for so many seconds. */
  | { readonly how: 'stalled'; readonly octets: number; readonly seconds: number };

export interface StreamResult {
  readonly id: number;
  /** Octets given to the socket. */
  readonly written: number;
  readonly reading: Reading;
}

export interface PerfResult {
  readonly outcome: Outcome;
  /** Until the last write, or the last octet that was wanted. */
  readonly seconds: number;
  /** Until the peer had everything, as far as that is known. */
  readonly deliveredSeconds: number;
  readonly streams: readonly StreamResult[];
  /** Of this process in `seconds`, in seconds. */
  readonly cpu: { readonly user: number; readonly system: number };
}

export interface RunEvents {
  onInterval(interval: Interval): void;
  /** Several times a second: what the row to come would say now. */
  onProgress?(elapsed: number, soFar: Interval): void;
}

/** Rejects with the socket's error, or with ETIMEDOUT after `seconds`. Errors that come later go to the run. */
export function connected(sockets: readonly PerfSocket[], seconds: number | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    let waiting = sockets.length;
    const timer =
      seconds === undefined
        ? undefined
        : setTimeout(() => {
            const error = new Error(`no answer within ${seconds} s`);
            reject(Object.assign(error, { code: 'ETIMEDOUT', ours: true }));
          }, seconds * 1000);
    const over = (): void => clearTimeout(timer);
    for (const { stream } of sockets) {
      stream.on('error', (error) => {
        over();
        reject(error);
      });
      stream.once('connect', () => {
        waiting--;
        if (waiting > 0) return;
        over();
        resolve();
      });
    }
  });
}

export class PerfRun implements StreamEvents {
  readonly #plan: PerfPlan;
  readonly #events: RunEvents;
  readonly #streams: readonly PerfStream[];
  #phase: 'running' | 'draining' | 'over' = 'running';
  #outcome: Outcome = { how: 'done' };
  #startedAt = 0;
  #stoppedAt = 0;
  #cpu = process.cpuUsage();
  /** When the row that is being measured began, and how all stood then. */
  #rowAt = 0;
  #rowReadings: readonly Reading[] = [];
  #rows = 0;
  /** The last time that something had arrived, and how much that was. */
  #progressAt = 0;
  #arrived = 0;
  readonly #timers: NodeJS.Timeout[] = [];
  #rowTimeout: NodeJS.Timeout | undefined;
  #resolve: (result: PerfResult) => void = () => {};

  /** The sockets are connected. */
  constructor(sockets: readonly PerfSocket[], plan: PerfPlan, events: RunEvents) {
    this.#plan = plan;
    this.#events = events;
    const data = patternBuffer(plan.length);
    const budget: Budget = { octets: plan.octets ?? Number.POSITIVE_INFINITY };
    this.#streams = sockets.map((socket, i) => new PerfStream(i + 1, socket, plan.mode, data, budget, this));
    for (const stream of this.#streams) stream.socket.stream.on('error', (error) => stream.fail(error));
  }

  run(): Promise<PerfResult> {
    return new Promise((resolve) => {
      this.#resolve = resolve;
      const { seconds, interval } = this.#plan;
      this.#startedAt = performance.now();
      this.#cpu = process.cpuUsage();
      this.#rowReadings = this.#readings();
      if (seconds !== undefined) this.#timers.push(setTimeout(() => this.#stop(), seconds * 1000));
      if (interval > 0) this.#rowTimer(1);
      if (this.#events.onProgress !== undefined)
        this.#timers.push(setInterval(() => this.#events.onProgress?.(this.#elapsed, this.#row()), PROGRESS));
      for (const stream of this.#streams) if (this.#phase !== 'over') stream.start();
    });
  }

  /** Ends it before its time, with what there is; called again it waits for nothing more. */
  stop(): void {
    this.#outcome = { how: 'stopped' };
    if (this.#phase === 'running') this.#stop();
    else this.#finish();
  }

  // What streams say.

  onSpent(): void {
    this.#stop();
  }

  onTrouble(stream: PerfStream, trouble: Trouble): void {
    if (this.#phase === 'over') return;
    // A source that has an end; how much was to come decides whether it came too soon.
    if (trouble.why === 'peer closed' && this.#plan.mode === 'receive' && this.#plan.octets === undefined) {
      stream.stop();
      if (this.#streams.every((s) => s.over)) this.#stop();
      return;
    }
    this.#outcome = { how: 'failed', stream: stream.id, trouble };
    if (this.#phase === 'running') this.#markStop();
    this.#finish();
  }

  onOver(): void {
    if (this.#phase === 'draining') this.#look();
  }

  get #elapsed(): number {
    return (performance.now() - this.#startedAt) / 1000;
  }

  #readings(): readonly Reading[] {
    return this.#streams.map((stream) => stream.reading());
  }

  #row(): Interval {
    return intervalOf(this.#plan.mode, this.#rowAt, this.#elapsed, this.#rowReadings, this.#readings());
  }

  /** The `n`-th row is due at `n` intervals, however late those before were. */
  #rowTimer(n: number): void {
    const { interval } = this.#plan;
    this.#rowTimeout = setTimeout(
      () => {
        this.#endRow();
        this.#rowTimer(Math.max(n, Math.floor(this.#elapsed / interval)) + 1);
      },
      Math.max(0, n * interval - this.#elapsed) * 1000,
    );
  }

  #endRow(): void {
    const row = this.#row();
    this.#rowAt = row.to;
    this.#rowReadings = this.#readings();
    this.#rows++;
    this.#events.onInterval(row);
  }

  #lastRow(): void {
    const { interval } = this.#plan;
    if (interval > 0 && (this.#rows === 0 || this.#elapsed - this.#rowAt > interval * LEAST_ROW)) this.#endRow();
  }

  #stop(): void {
    if (this.#phase !== 'running') return;
    this.#markStop();
    for (const stream of this.#streams) stream.stop();
    this.#progressAt = this.#elapsed;
    this.#timers.push(setInterval(() => this.#look(), LOOK));
    this.#look();
  }

  #markStop(): void {
    this.#phase = 'draining';
    this.#stoppedAt = this.#elapsed;
    this.#cpu = process.cpuUsage(this.#cpu);
    // By the count a measurement lasts until all has arrived; by the clock its rows end here.
    if (this.#plan.seconds !== undefined) this.#endRows();
  }

  #endRows(): void {
    this.#lastRow();
    clearTimeout(this.#rowTimeout);
    for (const timer of this.#timers.splice(0)) clearTimeout(timer);
  }

  #look(): void {
    if (this.#phase !== 'draining') return;
    for (const stream of this.#streams) stream.look();
    if (this.#phase !== 'draining') return;
    const arrived = this.#readings().reduce((sum, { octetsOut, octetsIn }) => sum + octetsOut + octetsIn, 0);
    const over = this.#streams.every((stream) => stream.over);
    if (arrived > this.#arrived || over) this.#progressAt = this.#elapsed;
    this.#arrived = arrived;
    if (over) this.#finish();
    else if (this.#elapsed - this.#progressAt > PATIENCE) this.#giveUp();
  }

  /** A peer that never sends its FIN may have everything all the same. */
  #giveUp(): void {
    if (this.#streams.some((stream) => !stream.delivered) && this.#outcome.how === 'done') {
      const octets = this.#streams.reduce((sum, stream) => {
        const { octetsOut, octetsIn } = stream.reading();
        return sum + stream.written - (this.#plan.mode === 'echo' ? octetsIn : octetsOut);
      }, 0);
      this.#outcome = { how: 'stalled', octets, seconds: PATIENCE };
    }
    this.#finish();
  }

  #finish(): void {
    if (this.#phase === 'over') return;
    if (this.#plan.seconds === undefined) this.#endRows();
    this.#phase = 'over';
    for (const timer of this.#timers) clearTimeout(timer);
    const streams = this.#streams.map((stream) => ({
      id: stream.id,
      written: stream.written,
      reading: stream.reading(),
    }));
    for (const stream of this.#streams) {
      if (stream.over) stream.socket.stream.destroy();
      else stream.leave();
    }
    const { user, system } = this.#cpu;
    this.#resolve({
      outcome: this.#outcomeOf(streams),
      seconds: this.#stoppedAt,
      deliveredSeconds: Math.max(this.#stoppedAt, this.#progressAt),
      streams,
      cpu: { user: user / 1e6, system: system / 1e6 },
    });
  }

  #outcomeOf(streams: readonly StreamResult[]): Outcome {
    const quiet = this.#plan.mode !== 'send' && streams.every(({ reading }) => reading.octetsIn === 0);
    const ended = this.#outcome.how === 'done' || this.#outcome.how === 'stalled';
    return quiet && ended && this.#plan.octets !== 0 ? { how: 'silence' } : this.#outcome;
  }
}
