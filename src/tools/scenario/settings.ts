/**
 * What a scenario asks for beside its steps: `--name=value`, and commands in backquotes. Commands are not run: those that
 * set what TCP is to do, and those that wait, are understood; the rest is an error.
 */
import { CONGESTION_NAMES, profileSysctl, type Sysctl } from '../../tcp/config.ts';
import { MAX_SECONDS, type Place, type Scenario, ScenarioError, type ScenarioOption } from './model.ts';

export interface Settings {
  /** Microseconds by which something may come too early or too late. */
  readonly tolerance: number;
  readonly mtu: number;
  /** The stack's port that connections come to, and the peer's that it connects to. */
  readonly bindPort: number;
  readonly connectPort: number;
  /** Microseconds of one step of TSval, when it is to be checked. */
  readonly tsTick: number | undefined;
}

/** What a command does. */
export type Effect =
  | { readonly kind: 'sysctl'; readonly name: string; readonly value: string }
  | { readonly kind: 'wait'; readonly us: number };

const DEFAULT_TOLERANCE = 4000;

/** Throws ScenarioError. */
export function settingsOf(scenario: Scenario): Settings {
  const of = (name: string): ScenarioOption | undefined => scenario.options.findLast((option) => option.name === name);
  const number = (name: string, fallback: number, least: number, most: number): number => {
    const option = of(name);
    if (option === undefined) return fallback;
    const n = Number(option.value);
    if (!/^[0-9]+$/.test(option.value) || n < least || n > most)
      throw new ScenarioError(
        option.place,
        `--${name} takes a whole number from ${least} to ${most}, not '${option.value}'`,
      );
    return n;
  };
  const version = of('ip_version');
  if (version !== undefined && version.value !== 'ipv4')
    throw new ScenarioError(version.place, `--ip_version=${version.value} is not supported: IPv4 only`);
  const tsTick = number('tcp_ts_tick_usecs', 0, 0, 1e6);
  return {
    tolerance: number('tolerance_usecs', DEFAULT_TOLERANCE, 0, 1e9),
    // What every host takes (RFC 791), and what a packet can be.
    mtu: number('mtu', 1500, 68, 65_535),
    bindPort: number('bind_port', 8080, 1, 65_535),
    connectPort: number('connect_port', 8080, 1, 65_535),
    tsTick: tsTick > 0 ? tsTick : undefined,
  };
}

/** packetdrill's own settings for its tests, as its defaults.sh makes them. */
const PACKETDRILL_DEFAULTS: readonly (readonly [string, string])[] = [
  ['tcp_rmem', '4096 540000 15728640'],
  ['tcp_wmem', '4096 262144 4194304'],
  ['tcp_timestamps', '1'],
  ['tcp_syn_retries', '5'],
  ['tcp_synack_retries', '5'],
  ['tcp_sack', '1'],
  ['tcp_dsack', '1'],
  ['tcp_ecn', '0'],
  ['tcp_syncookies', '1'],
];

/** Effects of a command; `place`: of the backquote in front. Throws ScenarioError where one is not understood. */
export function commandEffects(command: string, place: Place): readonly Effect[] {
  // Each is replaced by as much, so that what is behind it keeps its place.
  const blank = (gone: string): string => ' '.repeat(gone.length);
  const lines = command
    // A backslash at the end of a line: it goes on.
    .replaceAll(/\\[ \t]*(\n|$)/g, blank)
    .replaceAll('&&', ';;')
    .replaceAll(/&?>\s*\/dev\/null|2>&1/g, blank)
    .matchAll(/[^\s;][^\n;]*/g);
  return [...lines].flatMap((line) => lineEffects(line[0].trimEnd(), placeIn(command, line.index, place)));
}

function placeIn(command: string, at: number, { line, column }: Place): Place {
  const before = command.slice(0, at).split('\n');
  return before.length === 1
    ? { line, column: column + 1 + at }
    : { line: line + before.length - 1, column: before.at(-1)!.length + 1 };
}

function lineEffects(line: string, place: Place): readonly Effect[] {
  const words = line.split(/\s+/);
  const [program = '', ...args] = words;
  if (/(^|\/)defaults\.sh$/.test(program))
    return PACKETDRILL_DEFAULTS.map(([name, value]) => ({ kind: 'sysctl', name, value }));
  if (/(^|\/)sysctl_restore_.*\.sh$/.test(program) || program === 'true') return [];
  if (program === 'ip' && args[0] === 'tcp_metrics') return [];
  if (program === 'sleep') {
    const seconds = args.length === 1 ? Number(args[0]) : Number.NaN;
    if (!(seconds >= 0 && seconds <= MAX_SECONDS))
      throw new ScenarioError(place, `sleep takes seconds, from 0 to ${MAX_SECONDS}, not '${args.join(' ')}'`);
    return [{ kind: 'wait', us: seconds * 1e6 }];
  }
  if (program === 'sysctl' || /(^|\/)set_sysctls\.py$/.test(program)) {
    const text = args.filter((word) => !/^-[qw]+$/.test(word)).join(' ');
    return [...assignments(text, place)].map(([name, value]) => ({ kind: 'sysctl', name, value }));
  }
  throw new ScenarioError(place, `the command '${line}' is not supported: sysctl and sleep are`);
}

/** `net.ipv4.tcp_rmem="4096 1 2"`, `/proc/sys/net/ipv4/tcp_sack=0`. */
function* assignments(text: string, place: Place): Iterable<readonly [string, string]> {
  let rest = text.trim();
  while (rest !== '') {
    const found = /^([\w./-]+)\s*=\s*("[^"]*"|'[^']*'|\S+)\s*/.exec(rest);
    const name = found === null ? undefined : /(?:^net\.ipv4\.|^\/proc\/sys\/net\/ipv4\/)(\w+)$/.exec(found[1]!)?.[1];
    if (found === null || name === undefined)
      throw new ScenarioError(place, `'${rest}' is no setting of net.ipv4, as in net.ipv4.tcp_sack=0`);
    const value = found[2]!.replace(/^["']|["']$/g, '');
    checkValue(name, value, place);
    yield [name, value];
    rest = rest.slice(found[0].length);
  }
}

/** Of a setting that the stack has too: it has a type. */
function checkValue(name: string, value: string, place: Place): void {
  const like = settingOf(profileSysctl('linux'), name);
  const wanted =
    like === undefined || typeof like === 'string' ? undefined : Array.isArray(like) ? like.length : (1 as const);
  if (wanted === undefined) return;
  const numbers = value.trim().split(/\s+/);
  if (numbers.length === wanted && numbers.every((n) => /^[0-9]+$/.test(n))) return;
  throw new ScenarioError(
    place,
    `${name} takes ${wanted === 1 ? 'a whole number' : `${wanted} whole numbers`}, not '${value}'`,
  );
}

const settingOf = (of: Sysctl, name: string): unknown =>
  Object.hasOwn(of, name) ? of[name as keyof Sysctl] : undefined;

/** Kernel settings that have no counterpart here, and of which only this value is the way tcpx is. */
const SAME_ANYWAY: Readonly<Record<string, readonly string[]>> = {
  tcp_slow_start_after_idle: ['1'],
  tcp_stdurg: ['0'],
  tcp_no_metrics_save: ['1'],
  tcp_autocorking: ['0'],
  tcp_abort_on_overflow: ['0'],
};

/** Settings of our stack by the kernel's names. `known`: the stack's own. Returns why one can't be had. */
export function sysctlOf(
  effects: readonly Effect[],
  known: Sysctl,
): { readonly sysctl: Partial<Sysctl>; readonly missing: readonly string[] } {
  const sysctl: Record<string, unknown> = {};
  const missing: string[] = [];
  for (const effect of effects) {
    if (effect.kind !== 'sysctl') continue;
    const { name, value } = effect;
    const now = settingOf(known, name);
    if (name === 'tcp_congestion_control' && !CONGESTION_NAMES.some((one) => one === value))
      missing.push(`${name}=${value}`);
    else if (typeof now === 'number') sysctl[name] = Number(value);
    else if (typeof now === 'boolean') sysctl[name] = Number(value) !== 0;
    else if (Array.isArray(now)) sysctl[name] = value.trim().split(/\s+/).map(Number);
    else if (typeof now === 'string') sysctl[name] = value;
    else if (!Object.hasOwn(SAME_ANYWAY, name) || SAME_ANYWAY[name]?.includes(value) !== true)
      missing.push(`${name}=${value}`);
  }
  // Names and values are the scenario's; each was given the type of what the stack has there.
  return { sysctl: sysctl as Partial<Sysctl>, missing };
}
