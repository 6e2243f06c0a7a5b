/**
 * This kernel's TCP settings (ip-sysctl) in our own terms, so that both stacks of a comparison run with the same ones
 * and what differs is behaviour. Settings of this process's network namespace.
 */
import { readFileSync } from 'node:fs';
import type { Sysctl } from '../tcp/config.ts';

type Names<T> = { [K in keyof Sysctl]: Sysctl[K] extends T ? K : never }[keyof Sysctl];
type NumberName = Exclude<Names<number>, 'tcp_msl' | 'initcwnd'>;
type FlagName = Names<boolean>;
type SizesName = Names<readonly [number, number, number]>;

const NUMBERS: readonly NumberName[] = [
  'tcp_syn_retries',
  'tcp_synack_retries',
  'tcp_syn_linear_timeouts',
  'tcp_retries2',
  'tcp_fin_timeout',
  'tcp_rto_min_us',
  'tcp_rto_max_ms',
  'tcp_invalid_ratelimit',
];
const FLAGS: readonly FlagName[] = [
  'tcp_timestamps',
  'tcp_window_scaling',
  'tcp_sack',
  'tcp_dsack',
  'tcp_moderate_rcvbuf',
];
const SIZES: readonly SizesName[] = ['tcp_rmem', 'tcp_wmem'];

/** What this kernel has of each; a setting that is missing here (an older kernel) is left out. */
export function kernelSettings(read: (name: string) => string | undefined = readSetting): Partial<Sysctl> {
  const found: { -readonly [K in keyof Sysctl]?: Sysctl[K] } = {};
  for (const name of NUMBERS) {
    const [n] = numbers(read(name));
    if (n !== undefined) found[name] = n;
  }
  for (const name of FLAGS) {
    const [n] = numbers(read(name));
    if (n !== undefined) found[name] = n !== 0;
  }
  for (const name of SIZES) {
    const [min, initial, max] = numbers(read(name));
    if (min !== undefined && initial !== undefined && max !== undefined) found[name] = [min, initial, max];
  }
  return found;
}

const numbers = (text: string | undefined): readonly number[] =>
  text === undefined ? [] : text.trim().split(/\s+/).map(Number);

function readSetting(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/net/ipv4/${name}`, 'utf8');
  } catch {
    return undefined;
  }
}
