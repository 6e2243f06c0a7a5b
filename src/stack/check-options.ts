/** Socket options as a caller gives them: what the core could not live with is refused before it gets there. */
import { CONGESTION_NAMES, type SocketOptions } from '../tcp/config.ts';
import { TcpError } from './errors.ts';

/** Least and most of each number; 0 switches off or means the default where `least` is 0. */
const RANGES: Readonly<Partial<Record<keyof SocketOptions, readonly [least: number, most: number]>>> = {
  SO_SNDBUF: [0, 2 ** 30],
  SO_RCVBUF: [0, 2 ** 30],
  TCP_WINDOW_CLAMP: [0, 2 ** 30],
  TCP_USER_TIMEOUT: [0, 2 ** 31 - 1],
  TCP_MAXSEG: [0, 65_495],
  TCP_FASTOPEN: [0, 65_535],
  TCP_KEEPIDLE: [1, 32_767],
  TCP_KEEPINTVL: [1, 32_767],
  TCP_KEEPCNT: [1, 127],
  SO_MAX_PACING_RATE: [0, Number.MAX_SAFE_INTEGER],
  IP_TOS: [0, 255],
};
/** Linux's least for TCP_MAXSEG. */
const LEAST_MAXSEG = 88;

/** Returns `options`; throws TcpError EINVAL. */
export function checkOptions(options: Partial<SocketOptions>): Partial<SocketOptions> {
  for (const name of Object.keys(options) as (keyof SocketOptions)[]) checkOption(name, options[name]);
  return options;
}

export function checkOption(name: keyof SocketOptions, value: unknown): void {
  if (name === 'TCP_CONGESTION') {
    if (value !== '') checkCongestion(name, value);
    return;
  }
  const range = RANGES[name];
  if (range === undefined) {
    if (typeof value !== 'boolean') throw invalid(name, value, 'true or false');
    return;
  }
  const [least, most] = range;
  const fits = Number.isInteger(value) && Number(value) >= least && Number(value) <= most;
  const tooSmall = name === 'TCP_MAXSEG' && value !== 0 && Number(value) < LEAST_MAXSEG;
  if (!fits || tooSmall)
    throw invalid(name, value, `a whole number from ${tooSmall ? LEAST_MAXSEG : least} to ${most}`);
}

/** That there is such a controller; `name` is that of the setting. */
export function checkCongestion(name: string, value: unknown): void {
  if (!CONGESTION_NAMES.some((known) => known === value))
    throw invalid(name, `'${String(value)}'`, `one of ${CONGESTION_NAMES.join(', ')}`);
}

function invalid(name: string, value: unknown, wanted: string): TcpError {
  return new TcpError('EINVAL', `${name} can't be ${String(value)}`, `give ${wanted}`);
}
