/**
 * What a probe is: one question to a TCP, answered from what it puts on the wire. Each names the clause that speaks of
 * it, and the Linux settings (ip-sysctl) that shape the answer. Times are microseconds.
 */
import type { Bench } from './bench.ts';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

export interface Finding {
  /** Short enough for a column: '5: 1 2 4 8 16 s'. */
  readonly value: string;
  /** The same for programs. */
  readonly data: Json;
  /** It could not be told, and `value` says why. */
  readonly unknown?: true;
}

/** One of Linux's settings as text, without 'net.ipv4.'; undefined where the kernel has none of that name. */
export type ReadSetting = (name: string) => string | undefined;

/** What Linux's documentation makes of the settings. */
export interface Expected {
  /** In a column beside the finding's value: 'tcp_synack_retries=5: 1 2 4 8 16 s'. */
  readonly text: string;
  agrees(data: Json): boolean;
}

/**
 * 'moment': over in a second or two; these follow one another, since some count what others cause.
 * 'wait': mostly waiting; all of these run beside the others.
 */
export type Lane = 'moment' | 'wait';

export interface Probe {
  readonly name: string;
  /** What stands in front of its row. */
  readonly title: string;
  readonly group: 'Opening' | 'Resets and challenges' | 'Receiving' | 'Sending' | 'Closing';
  /** Where it is written: 'RFC 6928 §2'. */
  readonly clause: string;
  /** How it is found out, one sentence. */
  readonly how: string;
  readonly lane: Lane;
  /** 'data': the peer has to send something, 'close': to close first. Both take a request that makes it. */
  readonly needs?: 'data' | 'close';
  /** The settings whose change changes the answer. */
  readonly settings: readonly string[];
  /** Absent: no setting has a say. `patience`: how long the run waited for what takes its time. */
  expected?(setting: ReadSetting, patience: number): Expected | undefined;
  run(bench: Bench): Promise<Finding>;
}

/** The peer did not do what a probe begins with: no answer, a RST, no data. */
export class CannotTell extends Error {
  override readonly name = 'CannotTell';
}

/** A setting that is a number; undefined when it isn't there. */
export function numberIn(setting: ReadSetting, name: string): number | undefined {
  const text = setting(name)?.trim();
  return text === undefined || text === '' ? undefined : Number(text.split(/\s+/)[0]);
}

/** An object's member by name. */
export function member(data: Json, name: string): Json | undefined {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return undefined;
  return (data as { readonly [name: string]: Json })[name];
}

/** Expected to be exactly that in the member `name` of a finding's data. */
export const expectMember = (text: string, name: string, wanted: Json): Expected => ({
  text,
  agrees: (data) => member(data, name) === wanted,
});
