/** What a comparison does with a connection: the user's side on either stack and, in a lab, what the peer and the path do. */

import type { PathRule } from '../lab/path-rule.ts';
import type { LabSocket } from '../lab/peer.ts';
import type { Outcome, Talk } from './talk.ts';

export interface Scenario {
  readonly name: string;
  readonly summary: string;
  /** 'any': a peer that listens; 'closed': nothing listens on the port; 'lab': a peer and a path that do as they are told. */
  readonly peer: 'any' | 'closed' | 'lab';
  /** What an outcome must look like for the comparison to mean something; the complaint, or undefined when it does. */
  readonly complaint: (outcome: Outcome) => string | undefined;
  readonly converse: (talk: Talk, meet: Meet) => Promise<void>;
  /** In a lab. */
  readonly lab?: LabPart;
}

export interface LabPart {
  /** Of the socket that the peer listens with. */
  readonly options?: Readonly<Record<string, number>>;
  /** The peer's side; it ends with the run, whatever it waits for. */
  readonly serve?: (end: PeerEnd, meet: Meet) => Promise<void>;
  /** What the path does to this run's segments; the port is added. */
  readonly rules?: readonly Omit<PathRule, 'port'>[];
  /** The peer connects instead of listening. */
  readonly connects?: true;
  /** Milliseconds of silence that end the run, instead of the usual ones. */
  readonly quiet?: number;
  /** Milliseconds that the peer may take for each step. */
  readonly patience?: number;
  /** Stays until TIME-WAIT is over. */
  readonly staysInTimeWait?: true;
  /** Once over, the same ports connect again: where does the next ISS begin? */
  readonly connectsAgain?: true;
  /** More than a minute: only when it is asked for, or all are. */
  readonly slow?: true;
}

/** Resolves when both sides have called it: what comes next happens at the same moment. */
export type Meet = () => Promise<void>;

/** The peer's kernel, for one run. */
export interface PeerEnd {
  /** The connection that the run makes. */
  accept(): Promise<LabSocket>;
  /** Connects to the port that the run's own connection comes from. */
  connect(): Promise<LabSocket>;
  sleep(ms: number): Promise<void>;
}

export const mustConnect = (outcome: Outcome): string | undefined =>
  outcome.connected ? undefined : `no connection (${outcome.error ?? outcome.undone ?? 'unknown'})`;

/** The peer's side of most: reads to the end, then closes. */
export async function readAndClose(end: PeerEnd): Promise<void> {
  await readToEnd(await end.accept());
}

export async function readToEnd(socket: LabSocket): Promise<void> {
  await socket.readAll();
  await socket.close();
}
