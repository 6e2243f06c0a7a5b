/** What a sandbox asks of its worker, and what it hears. */

export interface TestOrder {
  /** From the root, in the order in which they run. */
  readonly files: readonly string[];
  /** Only these, by file: full names with ` > ` between the parts. All of them where a file is not named here. */
  readonly tests?: Readonly<Record<string, readonly string[]>>;
  /** Go on after the first failure. */
  readonly whole?: boolean;
  /** The file to which is written which of the instrumented places each test passes. */
  readonly places?: string;
}

export interface TestResult {
  readonly file: string;
  readonly name: string;
  readonly state: 'passed' | 'failed' | 'skipped' | 'pending';
  readonly ms: number;
  /** First line of what was wrong. */
  readonly why?: string;
}

export interface TestOutcome {
  readonly verdict: 'passed' | 'failed';
  /** What failed first, for people; empty when all passed. */
  readonly why: string;
  readonly tests: readonly TestResult[];
  /** What is wrong with files that could not even be read. */
  readonly broken: readonly string[];
}

/** Between the worker and the process that runs the tests. */
export const ORDER_FILE = 'mutants-order.json';

/** The global where instrumented sources set a 1 for each place they pass. */
export const PLACES = '__tcpxPlaces';
