/** The overloads of `net`'s connect and listen, made one. Which is meant is decided as Node decides it. */
import net from 'node:net';
import { checkConnect, checkPort, codedError, notTcp } from './net-errors.ts';
import type { Destination } from './net-opening.ts';

export type Callback = () => void;

/** Options as a program without types may give them. */
export type Loose = Readonly<Record<string, unknown>>;

/** (options[, cb]), (port[, host][, cb]), (path[, cb]). */
export function normalized(args: readonly unknown[]): readonly [options: Loose, callback: Callback | undefined] {
  // Node's own callers hand on what they have normalized already.
  const [given] = args;
  const list = Array.isArray(given) && Object.getOwnPropertySymbols(given).length > 0 ? given : args;
  const [first] = list;
  const last = list.at(-1);
  // `net` has no other callbacks here
  const callback = typeof last === 'function' ? (last as Callback) : undefined;
  if (list.length === 0) return [{}, undefined];
  if (typeof first === 'object' && first !== null) return [first as Loose, callback];
  if (typeof first === 'string' && !(Number(first) >= 0)) return [{ path: first }, callback];
  return [{ port: first, ...(typeof list[1] === 'string' && { host: list[1] }) }, callback];
}

/** Throws what `net` does where they are wrong, and says so where a path or a descriptor is meant. */
export function destination(o: Loose): Destination {
  const { port, path } = o;
  if (port === undefined && path == null)
    throw codedError('ERR_MISSING_ARGS', 'The "options" or "port" or "path" argument must be specified', TypeError);
  if (path) throw notTcp('options.path', path);
  checkConnect(o);
  if (port !== undefined) checkPort(port);
  const patience = o['autoSelectFamilyAttemptTimeout'];
  // checked above, but for the host: the lookup looks at that, as with `net`
  return {
    host: o['host'] ? (o['host'] as string) : 'localhost',
    port: Number(port) | 0,
    localAddress: o['localAddress'] ? String(o['localAddress']) : undefined,
    localPort: o['localPort'] ? Number(o['localPort']) : undefined,
    family: FAMILIES.get(o['family']) ?? (o['family'] as number | undefined),
    hints: Number(o['hints'] ?? 0),
    lookup: (o['lookup'] ?? undefined) as net.LookupFunction | undefined,
    autoSelectFamily: (o['autoSelectFamily'] as boolean | null | undefined) ?? net.getDefaultAutoSelectFamily(),
    attemptTimeout: patience == null ? net.getDefaultAutoSelectFamilyAttemptTimeout() : Math.max(10, Number(patience)),
    options: {},
  };
}

const FAMILIES: ReadonlyMap<unknown, 4 | 6> = new Map<unknown, 4 | 6>([
  ['IPv4', 4],
  ['IPv6', 6],
]);

/** As `net` takes a socket's options: a number is a descriptor, and what can't have any is as good as none. */
export function socketOptions<O extends object>(given: O): O {
  // whatever a program without types has passed
  const o: unknown = given;
  if (typeof o === 'number') return { fd: o } as unknown as O;
  return (typeof o === 'object' || typeof o === 'function') && o !== null ? given : ({} as O);
}
