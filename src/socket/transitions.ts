/** The state transitions of single connections, for those who ask; while nobody does, no trace record is made. */
import type { Micros } from '../base/time.ts';
import type { StackTracer } from '../stack/stack-options.ts';
import { type Event, ruleText, type State, TRANSITIONS } from '../tcp/machine.ts';
import type { Cause, TraceRecord } from '../tcp/trace.ts';

/** One arrow of RFC 9293's figure 5 (§3.3.2), taken. */
export interface Transition {
  /** Microseconds since the stack began; undefined of one that was over when it was asked for. */
  readonly t: Micros | undefined;
  readonly from: State;
  readonly event: Event;
  readonly to: State;
  /** What the event came of. */
  readonly cause: Cause;
  /** Where it is written: 'RFC 9293 §3.10.4'. */
  readonly rule: string;
}

type Told = (transition: Transition) => void;

/** A tracer for stacks that share a count of connections; `inner` gets everything as well. */
export class TransitionTracer implements StackTracer {
  readonly #inner: StackTracer | undefined;
  readonly #told = new Map<number, Told>();

  constructor(inner?: StackTracer) {
    this.#inner = inner;
  }

  get enabled(): boolean {
    return this.#told.size > 0 || this.#inner?.enabled === true;
  }

  /** Returns what ends it. */
  watch(conn: number, told: Told): () => void {
    this.#told.set(conn, told);
    return () => {
      if (this.#told.get(conn) === told) this.#told.delete(conn);
    };
  }

  open(...args: Parameters<StackTracer['open']>): void {
    if (this.#inner?.enabled) this.#inner.open(...args);
  }

  record(record: TraceRecord): void {
    if (this.#inner?.enabled) this.#inner.record(record);
    if (record.type !== 'state') return;
    const { t, from, event, to, cause, rule } = record;
    this.#told.get(record.conn)?.({ t, from, event, to, cause, rule: ruleText(rule) });
  }
}

/** The first one of a connection that we open: over before anyone can ask for it. */
export function activeOpen(): Transition {
  const [to, rule] = TRANSITIONS.CLOSED['active OPEN'];
  return { t: undefined, from: 'CLOSED', event: 'active OPEN', to, cause: 'call', rule: ruleText(rule) };
}
