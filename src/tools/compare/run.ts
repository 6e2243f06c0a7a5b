/**
 * One run of a scenario: a connection on one of the two stacks, everything of it captured at the same place on the
 * same interface, and both ends' doings turned into a `Run`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Micros, micros } from '../../base/time.ts';
import type { Route } from '../../link/route.ts';
import { openSniffer } from '../../link/sniffer.ts';
import type { Addresses } from '../../link/socket-diag.ts';
import type { State } from '../../tcp/machine.ts';
import { type Ipv4, ipv4Text } from '../../wire/ipv4.ts';
import { Capture, type KeptPacket, shotsOf } from './capture.ts';
import type { Run, Side, StateSource } from './model.ts';
import { type Scenario, type ScenarioOptions, type ScenarioSocket, Talk } from './scenarios.ts';
import { inferredMarks, mergeMarks } from './states.ts';

export interface Target {
  readonly route: Route;
  readonly remote: Ipv4;
  readonly remotePort: number;
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
  readonly seen: readonly State[];
  /** A packet has been captured. */
  nudge(): void;
  /** Idempotent. */
  close(): void;
}

/** Starts a connection; called once the capture runs. */
export type OpenContact = (target: Target) => Promise<Contact>;

export interface RunOptions {
  /** Keep packets whole, for a capture file. */
  readonly keepPayload: boolean;
  /** Ends the run: the connection is reset, and what there is by then is the result. */
  readonly signal: AbortSignal;
  /** What a scenario sends and how long it waits. */
  readonly talk: Omit<ScenarioOptions, 'onCall' | 'signal'>;
}

export interface RunResult {
  readonly run: Run;
  readonly packets: readonly KeptPacket[];
}

const RING_OCTETS = 16 << 20;
const now = (): Micros => micros(performance.now() * 1000);
const idleTime = (): Micros => micros(performance.eventLoopUtilization().idle * 1000);

/** Throws what opening throws (LinkFailure); what becomes of the connection is in the result. */
export async function runScenario(
  side: Side,
  open: OpenContact,
  scenario: Scenario,
  target: Target,
  o: RunOptions,
): Promise<RunResult> {
  const capture = new Capture(now, side === 'kernel' ? now : idleTime, o.keepPayload);
  let contact: Contact | undefined;
  const sniffer = openSniffer({
    interface: target.route.interface,
    filter: `tcp port ${target.remotePort} and host ${ipv4Text(target.remote)}`,
    ringOctets: RING_OCTETS,
    onPacket: (bytes, at, end) => {
      capture.add(bytes, at, end);
      contact?.nudge();
    },
  });
  try {
    contact = await open(target);
    const { socket, addresses } = contact;
    const talk = new Talk(socket, { ...o.talk, signal: o.signal, onCall: () => capture.onCall() });
    await scenario.converse(talk);
    const { outcome } = talk;
    if (outcome.undone === undefined) await settled(contact, capture, o.talk, o.signal);
    if (o.signal.aborted) {
      socket.resetAndDestroy();
    } else if (!isOver(contact.state)) {
      socket.destroy();
      await settled(contact, capture, { ...o.talk, patience: o.talk.quiet * 2 }, o.signal);
    }
    const shots = shotsOf(capture.packets, addresses);
    const notes = [...contact.notes];
    if (capture.overflow > 0) notes.push(`${capture.overflow} packets more were not kept`);
    return {
      run: {
        side,
        local: { address: addresses.local, port: addresses.localPort },
        remote: { address: addresses.remote, port: addresses.remotePort },
        shots,
        states: mergeMarks(inferredMarks(shots), contact.seen, contact.source, contact.wholeStates),
        outcome,
        notes,
      },
      packets: capture.packets,
    };
  } finally {
    contact?.close();
    sniffer.close();
  }
}

const isOver = (state: State | undefined): boolean =>
  state === undefined || state === 'CLOSED' || state === 'TIME-WAIT';

/** Until the connection is over and the wire is quiet, or patience ends. */
async function settled(
  contact: Contact,
  capture: Capture,
  o: { quiet: number; patience: number },
  signal: AbortSignal,
): Promise<void> {
  const end = performance.now() + o.patience;
  while (performance.now() < end && !signal.aborted && !(isOver(contact.state) && capture.silence > o.quiet * 1000))
    await sleep(5);
}
