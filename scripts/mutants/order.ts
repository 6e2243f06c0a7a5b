/** What a sandbox asks of its worker, and what it hears. */

export interface TestOrder {
  /** From the root, in the order in which they run. */
  readonly files: readonly string[];
  /** Not these, by file: full names with ` > ` between the parts. */
  readonly without?: Readonly<Record<string, readonly string[]>>;
  /** Go on after the first failure. */
  readonly whole?: boolean;
  /** Where each step is written before it is taken, since a mutant may stop the process: lines of JSON, `Step`. */
  readonly log?: string;
  /** The sources have these built in (switchable.ts): each test is run with each that it comes by. */
  readonly mutants?: readonly { readonly id: number; readonly place: number }[];
  /** A test that takes more processor time by itself is put off. */
  readonly quickMs?: number;
}

/** What the test process writes. */
export type Step =
  /** A file was read, and these places passed. */
  | { readonly at: 'load'; readonly places: readonly number[] }
  /** Begins: `limitMs` of processor time are enough, unless it never ends. */
  | { readonly at: 'try'; readonly id: number; readonly test: TestName; readonly pid: number; readonly limitMs: number }
  | { readonly at: 'caught'; readonly id: number; readonly test: TestName; readonly why: string }
  /** The test is through; these places it passed. */
  | { readonly at: 'tested'; readonly test: TestName; readonly places: readonly number[] }
  /** It takes `ms` of processor time, which is long. */
  | { readonly at: 'put off'; readonly test: TestName; readonly ms: number }
  /** It fails without any mutant, so it says nothing; `after` one that it caught, perhaps, which left something behind. */
  | { readonly at: 'unfit'; readonly test: TestName; readonly why: string; readonly after: number };

export interface TestName {
  readonly file: string;
  readonly name: string;
}

export interface TestResult extends TestName {
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

export function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
