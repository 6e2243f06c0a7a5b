/**
 * The TCP state machine, RFC 9293 §3.3.2 (figure 5) and §3.10.
 *
 * Rule 1: `step` is the only writer of a connection's state.
 * Rule 2: this file knows no sequence numbers. segment-arrives.ts finds *that* our FIN was acknowledged; the
 *         table says what follows.
 * Rule 3: log lines, the diagram and the count of rows taken are read from TRANSITIONS; there is no second list.
 */
// biome-ignore format: read as a list
export type State =
  | 'CLOSED' | 'LISTEN' | 'SYN-SENT' | 'SYN-RECEIVED' | 'ESTABLISHED' | 'FIN-WAIT-1'
  | 'FIN-WAIT-2' | 'CLOSE-WAIT' | 'CLOSING' | 'LAST-ACK' | 'TIME-WAIT';

/**
 * What moves a connection. '… passive' is an event in SYN-RECEIVED of a connection that began in LISTEN: it goes
 * back there (RFC 9293 MUST-11). 'give up' is R2, the user timeout (§3.8.3) or keep-alives (§3.8.4), 'ICMP error' a hard one (§3.9.2.2).
 * 'FIN-WAIT-2 timeout' is Linux's tcp_fin_timeout, for a connection whose user has gone; the RFC has no such row.
 */
// biome-ignore format: read as a list
export type Event =
  | 'passive OPEN' | 'active OPEN' | 'SEND' | 'CLOSE' | 'ABORT'
  | 'rcv SYN' | 'rcv SYN,ACK' | 'rcv ACK of SYN' | 'rcv FIN' | 'rcv ACK of FIN' | 'rcv RST'
  | 'rcv SYN, passive' | 'rcv RST, passive' | 'ICMP error'
  | 'give up' | 'FIN-WAIT-2 timeout' | '2MSL';

/** Where a row leads, and the section of RFC 9293 (unless it names another) that says so. */
export type Row = readonly [to: State, rule: string];

const ABORT = ['CLOSED', '§3.10.5'] as const;
const RESET = ['CLOSED', '§3.10.7.4 second'] as const;
const GIVE_UP = ['CLOSED', '§3.8.3'] as const;

/** What ends a synchronized connection at once, whatever it was doing. */
const dies = { ABORT, 'rcv RST': RESET, 'give up': GIVE_UP } as const;

/*
 * Two arrows one might look for are absent because another rule comes first: a FIN in SYN-RECEIVED counts only on a
 * segment whose ACK has already moved the connection to ESTABLISHED (§3.10.7.4, fifth before eighth), and a FIN that
 * acknowledges ours in FIN-WAIT-1 takes two rows, by way of FIN-WAIT-2.
 */
// biome-ignore format: read as a table
export const TRANSITIONS = {
  'CLOSED': {
    'passive OPEN':     ['LISTEN',       '§3.10.1'],
    'active OPEN':      ['SYN-SENT',     '§3.10.1'],
  },
  'LISTEN': {
    'rcv SYN':          ['SYN-RECEIVED', '§3.10.7.2 third'],
    'active OPEN':      ['SYN-SENT',     '§3.10.1'],
    'SEND':             ['SYN-SENT',     '§3.10.2'],
    'CLOSE':            ['CLOSED',       '§3.10.4'],
    'ABORT':            ABORT,
  },
  'SYN-SENT': {
    'rcv SYN,ACK':      ['ESTABLISHED',  '§3.10.7.3 fourth'],
    'rcv SYN':          ['SYN-RECEIVED', '§3.10.7.3 fourth'],
    'rcv RST':          ['CLOSED',       '§3.10.7.3 second'],
    'ICMP error':       ['CLOSED',       '§3.9.2.2'],
    'CLOSE':            ['CLOSED',       '§3.10.4'],
    'ABORT':            ABORT,
    'give up':          GIVE_UP,
  },
  'SYN-RECEIVED': {
    'rcv ACK of SYN':   ['ESTABLISHED',  '§3.10.7.4 fifth'],
    'rcv SYN, passive': ['LISTEN',       '§3.10.7.4 fourth'],
    'rcv RST, passive': ['LISTEN',       '§3.10.7.4 second'],
    'rcv RST':          RESET,
    'ICMP error':       ['CLOSED',       '§3.9.2.2'],
    'CLOSE':            ['FIN-WAIT-1',   '§3.10.4'],
    'ABORT':            ABORT,
    'give up':          GIVE_UP,
  },
  'ESTABLISHED': {
    'rcv FIN':          ['CLOSE-WAIT',   '§3.10.7.4 eighth'],
    'CLOSE':            ['FIN-WAIT-1',   '§3.10.4'],
    ...dies,
  },
  'FIN-WAIT-1': {
    'rcv ACK of FIN':   ['FIN-WAIT-2',   '§3.10.7.4 fifth'],
    'rcv FIN':          ['CLOSING',      '§3.10.7.4 eighth'],
    ...dies,
  },
  'FIN-WAIT-2': {
    'rcv FIN':          ['TIME-WAIT',    '§3.10.7.4 eighth'],
    'FIN-WAIT-2 timeout': ['CLOSED',     'Linux tcp_fin_timeout'],
    ...dies,
  },
  'CLOSE-WAIT': {
    'CLOSE':            ['LAST-ACK',     '§3.10.4'],
    ...dies,
  },
  'CLOSING': {
    'rcv ACK of FIN':   ['TIME-WAIT',    '§3.10.7.4 fifth'],
    ...dies,
  },
  'LAST-ACK': {
    'rcv ACK of FIN':   ['CLOSED',       '§3.10.7.4 fifth'],
    ...dies,
  },
  'TIME-WAIT': {
    '2MSL':             ['CLOSED',       '§3.10.8'],
    'rcv SYN':          ['CLOSED',       '§3.6.1 MAY-2, RFC 6191'],
    ABORT,
    'rcv RST':          RESET,
  },
} as const satisfies Readonly<Record<State, Readonly<Partial<Record<Event, Row>>>>>;

const table: Readonly<Record<State, Readonly<Partial<Record<Event, Row>>>>> = TRANSITIONS;

export interface TransitionSink {
  transition(from: State, event: Event, to: State, rule: string): void;
}

/** The rule of a row as a reader can look it up: 'RFC 9293 §3.10.4', or another source where the row names one. */
export function ruleText(rule: string): string {
  return rule.startsWith('§') ? `RFC 9293 ${rule}` : rule;
}

/** Every row of the table, in its order: for the diagram, and for counting which ones a run has taken. */
export function allRows(): readonly { readonly from: State; readonly event: Event; readonly to: State }[] {
  return Object.entries(TRANSITIONS).flatMap(([from, rows]) =>
    Object.entries(rows).map(([event, row]) => ({ from: from as State, event: event as Event, to: row[0] })),
  );
}

/** Where `event` leads from `from`; undefined when there is no such row. For those who infer a state from outside. */
export function follow(from: State, event: Event): State | undefined {
  return table[from][event]?.[0];
}

export class Machine {
  #state: State;
  readonly #sink: TransitionSink;

  /** `state`: for a connection that was put away and is made again. */
  constructor(sink: TransitionSink, state: State = 'CLOSED') {
    this.#sink = sink;
    this.#state = state;
  }

  get state(): State {
    return this.#state;
  }

  /** Moves along one row of the table. A missing row is a bug in the caller, never the peer's doing. */
  step(event: Event): State {
    const from = this.#state;
    const row = table[from][event];
    if (row === undefined) throw new Error(`no transition from ${from} on ${event}`);
    this.#state = row[0];
    this.#sink.transition(from, event, row[0], row[1]);
    return row[0];
  }
}
