/** The transition table as arrows of a picture: rows with the same two ends are one, and what ends a connection at once is apart. */
import { allRows, type Event, type State, TRANSITIONS } from '../../tcp/machine.ts';

export interface Arrow {
  readonly from: State;
  readonly to: State;
  readonly events: readonly Event[];
}

/** They lead to CLOSED from nearly everywhere; drawn, they would hide the rest. */
const ENDINGS: ReadonlySet<Event> = new Set(['ABORT', 'rcv RST', 'give up', 'ICMP error']);

export const STATES = Object.keys(TRANSITIONS) as readonly State[];

export function arrows(): readonly Arrow[] {
  const byEnds = new Map<string, { from: State; to: State; events: Event[] }>();
  for (const { from, event, to } of allRows()) {
    if (ENDINGS.has(event)) continue;
    const key = `${from}>${to}`;
    const arrow = byEnds.get(key) ?? { from, to, events: [] };
    arrow.events.push(event);
    byEnds.set(key, arrow);
  }
  return [...byEnds.values()];
}

/** In which states each of them ends the connection. */
export function endings(): readonly { readonly event: Event; readonly states: readonly State[] }[] {
  return [...ENDINGS].map((event) => ({
    event,
    states: allRows()
      .filter((row) => row.event === event)
      .map((row) => row.from),
  }));
}

/** 'every state but CLOSED, LISTEN', or the states themselves, whichever is shorter. */
export function statesText(states: readonly State[]): string {
  const others = STATES.filter((state) => !states.includes(state));
  return states.length <= others.length ? states.join(', ') : `every state but ${others.join(', ')}`;
}
