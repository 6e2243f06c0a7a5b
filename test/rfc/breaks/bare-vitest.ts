/**
 * As much of vitest as the checks of requirements use, without what vitest does around them: tests are collected when their file is
 * loaded, and run one by one by whoever asks. So a file can be loaded again and again with other sources.
 */
import { format } from 'node:util';
import { chai, JestAsymmetricMatchers, JestChaiExpect, JestExtend } from '@vitest/expect';

chai.use(JestExtend);
chai.use(JestChaiExpect);
chai.use(JestAsymmetricMatchers);

type Body = (...args: never[]) => unknown;
type After = (context: { readonly task: { readonly result: { readonly state: 'pass' | 'fail' } } }) => unknown;

export interface BareTest {
  /** With its groups' names before it. */
  readonly name: string;
  /** Rejects, or throws, when it fails. */
  run(): Promise<void>;
}

let groups: readonly string[] = [];
let tests: BareTest[] = [];
const afters: After[] = [];

/** What has been collected since the last time. */
export function takeTests(): readonly BareTest[] {
  const all = tests;
  tests = [];
  return all;
}

function addTest(name: string, body: Body, args: readonly unknown[] = []): void {
  const full = [...groups, name].join(' ');
  const run = async (): Promise<void> => {
    const failures: unknown[] = [];
    const attempt = async (what: () => unknown): Promise<void> => {
      try {
        await what();
      } catch (error) {
        failures.push(error);
      }
    };
    await attempt(() => body(...(args as never[])));
    const state = failures.length > 0 ? 'fail' : 'pass';
    for (const after of afters) await attempt(() => after({ task: { result: { state } } }));
    if (failures.length > 0) throw failures[0];
  };
  tests.push({ name: full, run });
}

function addGroup(name: string, body: Body, args: readonly unknown[] = []): void {
  const above = groups;
  groups = [...above, name];
  body(...(args as never[]));
  groups = above;
}

/** `%s` and its like take the row's items in turn, `$key` an object's property. */
function rowName(name: string, row: readonly unknown[]): string {
  const object = row[0];
  if (name.includes('$') && typeof object === 'object' && object !== null)
    return name.replace(/\$(\w+)/g, (_, key: string) => String(Reflect.get(object, key)));
  return format(name, ...row.slice(0, name.match(/%[sdifjo]/g)?.length ?? 0));
}

const eachOf =
  (add: typeof addTest) =>
  (rows: readonly unknown[]) =>
  (name: string, body: Body): void => {
    for (const row of rows) {
      const args = Array.isArray(row) ? row : [row];
      add(rowName(name, args), body, args);
    }
  };

/** As `each`, but a row that is a list comes as one. */
const forOf =
  (add: typeof addTest) =>
  (rows: readonly unknown[]) =>
  (name: string, body: Body): void => {
    for (const row of rows) add(rowName(name, Array.isArray(row) ? row : [row]), body, [row]);
  };

export const expect = chai.expect;
export const test = Object.assign(addTest, { each: eachOf(addTest), for: forOf(addTest) });
export const describe = Object.assign(addGroup, { each: eachOf(addGroup), for: forOf(addGroup) });
export const it = test;

export function afterEach(after: After): void {
  afters.push(after);
}
