/** What the process that runs the checks is asked, and what it answers (worker.ts, runner.ts). */

/** A test by its file, from the root, and a part of its full name: as tests.json has it, or the beginning of a scenario's. */
export interface Check {
  readonly file: string;
  readonly name: string;
}

export interface CheckOrder {
  readonly checks: readonly Check[];
  /** Sources that have changed since the last order. */
  readonly changed: readonly string[];
  /** The sources can be switched: says which places each check passes. */
  readonly tellsPlaces?: true;
  /** Changes to try on each check, by `keyOf`: for each requirement, in order, until one is caught. */
  readonly tries?: Readonly<Record<string, readonly Tries[]>>;
}

export interface Tries {
  readonly row: string;
  readonly ids: readonly number[];
}

/** What the runner writes, a line of JSON each: before what it does, since a change may stop it. */
export type Step =
  | { readonly at: 'passed'; readonly check: string; readonly places: readonly number[] }
  | { readonly at: 'try'; readonly check: string; readonly row: string; readonly id: number }
  | { readonly at: 'caught'; readonly check: string; readonly row: string; readonly id: number };

export interface CheckResult {
  /** `keyOf` of the check that it belongs to. */
  readonly check: string;
  readonly test: string;
  readonly state: 'passed' | 'failed' | 'skipped' | 'pending';
  readonly why: string;
}

export interface CheckOutcome {
  readonly results: readonly CheckResult[];
  /** Files that could not even be read. */
  readonly broken: readonly string[];
}

/** The global function that switchable sources call at each place. */
export const PASS = '__tcpxPass';

export const ORDER_FILE = 'rfc-order.json';
export const STEPS_FILE = 'rfc-steps.ndjson';

export const keyOf = ({ file, name }: Check): string => `${file}: ${name}`;

/** `fullName` with blanks or ` > ` between its parts. */
export function isOf({ name }: Check, fullName: string): boolean {
  return fullName.replaceAll(' > ', ' ').includes(name);
}
