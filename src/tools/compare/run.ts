/**
 * One run of a scenario: a connection on one of the two stacks, everything of it captured at the same place, and both ends'
 * doings turned into a `Run`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Micros, micros } from '../../base/time.ts';
import type { Route } from '../../link/route.ts';
import type { Addresses } from '../../link/socket-diag.ts';
import type { State } from '../../tcp/machine.ts';
import type { Ipv4 } from '../../wire/ipv4.ts';
import { Capture, connectionIn, type KeptPacket, type SeenAt } from './capture.ts';
import type { Run, Side, StateSource } from './model.ts';
import type { Meet, Scenario } from './scenario.ts';
import { inferredMarks, mergeMarks, type SeenState } from './states.ts';
import { type ScenarioSocket, Talk, type TalkOptions } from './talk.ts';

export interface Target {
  readonly route: Route;
  readonly remote: Ipv4;
  readonly remotePort: number;
  /** Absent: the kernel's choice. */
  readonly localPort?: number;
}

/** A connection under way on one of the stacks. */
export interface Contact {
  readonly socket: ScenarioSocket;
  readonly addresses: Addresses;
  /** Where `seen` comes from. */
  readonly source: StateSource;
  /** Every state is seen. */
  readonly wholeStates: boolean;
  readonly notes: readonly string[];
  /** The last of `seen`, as of now. */
  readonly state: State | undefined;
  /** States entered so far, in order. */
  readonly seen: readonly SeenState[];
  /** A packet has been captured. */
  nudge(): void;
  /** Asks a silent peer after so many seconds, then every second. */
  keepAlive(seconds: number): void;
  /** One more between the same ports, when this one is over; `close` ends it too. */
  again(): Promise<Contact>;
  /** Idempotent. */
  close(): void;
}

/** Starts a connection; called once the capture runs. */
export type OpenContact = (target: Target) => Promise<Contact>;

/** Where packets are seen, and by which clocks. */
export interface Watch {
  now(): SeenAt;
  /** The pace at an instant that is past, where it is known better by now than when the packet was seen. */
  paceAt?(t: Micros): Micros;
  /** Hands packets on from now on; returns what ends it. */
  start(target: Target, onPacket: OnPacket): () => void;
}
export type OnPacket = (bytes: Uint8Array, at: number, end: number, seenAt: SeenAt) => void;

export interface RunOptions {
  readonly watch: Watch;
  /** Keep packets whole, for a capture file. */
  readonly keepPayload: boolean;
  /** Ends the run: the connection is reset, and what there is by then is the result. */
  readonly signal: AbortSignal;
  /** What a scenario sends and how long it waits. */
  readonly talk: Omit<TalkOptions, 'onCall' | 'signal'>;
  /** In a lab: called when the connection is under way, does the peer's part. */
  readonly serve?: (contact: Contact) => void;
  readonly meet?: Meet;
}

export interface RunResult {
  readonly run: Run;
  readonly packets: readonly KeptPacket[];
}

/** Throws what opening throws (LinkFailure); what becomes of the connection is in the result. */
export async function runScenario(
  side: Side,
  open: OpenContact,
  scenario: Scenario,
  target: Target,
  o: RunOptions,
): Promise<RunResult> {
  const capture = new Capture(() => o.watch.now(), o.keepPayload);
  let contact: Contact | undefined;
  const stop = o.watch.start(target, (bytes, at, end, seenAt) => {
    capture.add(bytes, at, end, seenAt);
    contact?.nudge();
  });
  try {
    contact = await open(target);
    const opened = contact;
    const { socket, addresses } = opened;
    const talk = new Talk(socket, { ...o.talk, signal: o.signal, onCall: () => capture.onCall() }, (seconds) =>
      opened.keepAlive(seconds),
    );
    o.serve?.(opened);
    await scenario.converse(talk, o.meet ?? (() => Promise.resolve()));
    const { outcome } = talk;
    if (outcome.undone === undefined) await settled(opened, capture, scenario, o);
    if (o.signal.aborted) {
      socket.resetAndDestroy();
    } else if (!isOver(opened.state)) {
      socket.destroy();
      await settled(opened, capture, scenario, { ...o, talk: { ...o.talk, patience: o.talk.quiet * 2 } });
    }
    const endedAt = capture.now().t;
    const states = [...opened.seen];
    if (scenario.lab?.connectsAgain && !o.signal.aborted) await connectAgain(opened, capture, scenario, o);
    const { packets, calls } = repaced(capture, o.watch);
    const { shots, iss, startedAt } = connectionIn(
      packets.filter((p) => p.t <= endedAt),
      calls,
      addresses,
    );
    const next = connectionIn(
      packets.filter((p) => p.t > endedAt),
      calls,
      addresses,
    );
    const seen = states.map((s) => ({ state: s.state, at: micros(s.at - (startedAt ?? s.at)) }));
    const notes = [...opened.notes];
    if (capture.overflow > 0) notes.push(`${capture.overflow} packets more were not kept`);
    return {
      run: {
        side,
        local: { address: addresses.local, port: addresses.localPort },
        remote: { address: addresses.remote, port: addresses.remotePort },
        shots,
        states: mergeMarks(inferredMarks(shots), seen, opened.source, opened.wholeStates),
        outcome,
        again:
          iss === undefined || next.iss === undefined || startedAt === undefined || next.startedAt === undefined
            ? undefined
            : { issAhead: (next.iss - iss) >>> 0, later: micros(next.startedAt - startedAt) },
        notes,
      },
      packets,
    };
  } finally {
    contact?.close();
    stop();
  }
}

function repaced(capture: Capture, watch: Watch): Pick<Capture, 'packets' | 'calls'> {
  const { packets, calls } = capture;
  const paceAt = watch.paceAt?.bind(watch);
  if (paceAt === undefined) return capture;
  return { packets: packets.map((p) => ({ ...p, pace: paceAt(p.t) })), calls: calls.map(paceAt) };
}

/** The next incarnation: connects, and is reset. */
async function connectAgain(contact: Contact, capture: Capture, scenario: Scenario, o: RunOptions): Promise<void> {
  const next = await contact.again();
  const talk = new Talk(next.socket, { ...o.talk, signal: o.signal, onCall: () => capture.onCall() }, () => {});
  if (await talk.connected()) await talk.quiet();
  talk.abort();
  await settled(next, capture, scenario, o);
}

const isOver = (state: State | undefined): boolean =>
  state === undefined || state === 'CLOSED' || state === 'TIME-WAIT';

/** A minute of TIME-WAIT, and some more. */
const LONGEST_TIME_WAIT = 70_000;

/** Until the connection is over and the wire is quiet, or patience ends. */
async function settled(contact: Contact, capture: Capture, { lab }: Scenario, o: RunOptions): Promise<void> {
  const quiet = (lab?.quiet ?? o.talk.quiet) * 1000;
  const stays = lab?.staysInTimeWait === true;
  const begin = performance.now();
  const end = begin + (stays ? LONGEST_TIME_WAIT : Math.max(o.talk.patience, lab?.quiet ?? 0));
  const over = (): boolean => (stays ? contact.state === 'CLOSED' : isOver(contact.state));
  // What was done last has not been captured yet.
  const silence = (): number => Math.min(capture.silence, (performance.now() - begin) * 1000);
  while (performance.now() < end && !o.signal.aborted && !(over() && silence() > quiet)) await sleep(5);
}
