/** What a process that tries breaks is told, and what it answers (worker.ts, trials.ts). */
import type { Break } from './breaks.ts';

/** A scenario by its file, from scenarios/, or a test by its file, from test/, and a part of its full name. */
export type Check = { readonly scenario: string } | { readonly file: string; readonly name: string };

export interface Trial {
  /** Undefined: the sources as they are. */
  readonly broken: Break | undefined;
  readonly checks: readonly Check[];
}

export interface CheckOutcome {
  /** 'missing': there is no such test. */
  readonly verdict: 'pass' | 'fail' | 'missing';
  /** Its first line. */
  readonly why: string;
}

export type TrialOutcome =
  /** Of the checks, in their order. */
  | { readonly outcomes: readonly CheckOutcome[] }
  /** The sources can't be loaded. */
  | { readonly unloadable: string };
