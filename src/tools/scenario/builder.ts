/**
 * Scenarios in TypeScript: the same model as packetdrill's text, a step a call. Times are microseconds since the step
 * before; a range where two are given.
 *
 *     scenario('a FIN is acknowledged')
 *       .call('socket', [ANY, name('SOCK_STREAM'), name('IPPROTO_TCP')], 3)
 *       …
 *       .after(ms(100)).in('F.', 1, { ack: 1, wnd: 257 })
 *       .out('.', 1, { ack: 2 })
 *       .build();
 */
import { flagsFromText } from '../../wire/tcp-text.ts';
import { parseCode } from './assertions.ts';
import { formatScenario, formatStep } from './format.ts';
import type { About, IpSpec, OptionSpec, Scenario, ScenarioOption, SegmentSpec, Step, Value, When } from './model.ts';

/** What of a segment may be left out: no payload, no options, its window not looked at. */
export interface SegmentParts {
  readonly len?: number;
  readonly ack?: number;
  readonly wnd?: number;
  readonly urg?: number;
  readonly options?: readonly OptionSpec[] | 'any';
  readonly ip?: IpSpec;
}

/** `...` in a call. */
export const ANY: Value = { kind: 'any' };
export const name = (of: string): Value => ({ kind: 'name', name: of });
export const list = (...items: readonly (number | Value)[]): Value => ({ kind: 'list', items: items.map(asValue) });

const asValue = (of: number | Value): Value => (typeof of === 'number' ? { kind: 'number', n: of } : of);

export function scenario(title: string, about: Partial<About> = {}): ScenarioBuilder {
  return new ScenarioBuilder({ covers: [], exact: true, ...about, title });
}

export class ScenarioBuilder {
  readonly #about: About;
  readonly #options: ScenarioOption[] = [];
  readonly #steps: Step[] = [];
  #when: When = AT_ONCE;

  constructor(about: About) {
    this.#about = about;
  }

  /** `--name=value`. */
  option(optionName: string, value: string): this {
    this.#options.push({ name: optionName, value, place: { line: 1, column: 1 } });
    return this;
  }

  /** The next step comes so long after the one before; at once when this is left out. */
  after(from: number, to = from): this {
    this.#when = { kind: 'after', from, to };
    return this;
  }

  /** The next step, an `out`, may come whenever it likes. */
  whenever(): this {
    this.#when = { kind: 'any' };
    return this;
  }

  /** `until`: of a call that blocks, when it returns, counted as `after` is. */
  call(
    call: string,
    args: readonly (number | Value)[],
    result: number | Value,
    o: { readonly errno?: string; readonly until?: number } = {},
  ): this {
    return this.#add({ kind: 'call', name: call, args: args.map(asValue), result: asValue(result), ...o });
  }

  /** `flags` in tcpdump's letters; on a SYN `seq` is the number itself, else it counts from there. */
  in(flags: string, seq: number, parts: SegmentParts = {}): this {
    return this.#add({ kind: 'in', packet: segment(flags, seq, parts) });
  }

  out(flags: string, seq: number, parts: SegmentParts = {}): this {
    return this.#add({ kind: 'out', packet: segment(flags, seq, parts) });
  }

  /** As `%{ … }%`. */
  code(code: string): this {
    return this.#add({ kind: 'code', code, statements: parseCode(code, this.#place) });
  }

  command(command: string): this {
    return this.#add({ kind: 'command', command, textPlace: this.#place });
  }

  /** Another builder's steps, for beginnings that many scenarios share. */
  include(steps: (to: ScenarioBuilder) => unknown): this {
    steps(this);
    return this;
  }

  build(): Scenario {
    const lines = this.#steps.map(formatStep);
    const title = this.#about.title ?? 'scenario';
    return { name: title, file: title, about: this.#about, options: this.#options, steps: this.#steps, lines };
  }

  /** As text, to be kept in a file. */
  text(): string {
    return formatScenario(this.build());
  }

  get #place(): { readonly line: number; readonly column: number } {
    return { line: this.#steps.length + 1, column: 1 };
  }

  #add(step: StepParts): this {
    // The union of the parts of each kind, with what all have: a step.
    this.#steps.push({ ...step, when: this.#when, place: this.#place } as Step);
    this.#when = AT_ONCE;
    return this;
  }
}

const AT_ONCE: When = { kind: 'after', from: 0, to: 0 };

type StepParts = Step extends infer S ? (S extends Step ? Omit<S, 'when' | 'place'> : never) : never;

function segment(flags: string, seq: number, parts: SegmentParts): SegmentSpec {
  const bits = flagsFromText(flags);
  if (bits === undefined) throw new RangeError(`'${flags}' are no flags`);
  const { len = 0, ack, wnd, urg, options = [], ip = {} } = parts;
  return {
    kind: 'segment',
    ip,
    flags: bits,
    seq,
    len,
    ...(ack !== undefined && { ack }),
    ...(wnd !== undefined && { wnd }),
    ...(urg !== undefined && { urg }),
    options,
  };
}
