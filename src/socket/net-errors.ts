/**
 * Errors as Node's `net` makes them: message, properties, and their order. What a wrong argument is answered with is
 * thrown by Node's own functions, on an object that is thrown away: then it is what this version of Node says.
 */
import net from 'node:net';
import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';

/** As they were when the program began: `tcpx/register` puts others in their place. */
const { Socket: NodeSocket, Server: NodeServer } = net;
const nodeListen = NodeServer.prototype.listen;

/** Of the system: errno's name and number, the call, and the end it is about. */
export interface NetError extends Error {
  readonly errno?: number;
  readonly code: string;
  readonly syscall: string;
  readonly address?: string;
  readonly port?: number;
  readonly localAddress?: string;
  readonly localPort?: number;
  /** What can be done about it, where that isn't obvious. */
  readonly hint?: string;
}

/** `read ECONNRESET`. */
export function errnoError(code: string, syscall: string): NetError {
  return Object.assign(new Error(`${syscall} ${code}`), { errno: errnoOf(code), code, syscall });
}

/** `connect ECONNREFUSED 10.0.0.2:81`, and where we come from when the user has said so. */
export function hostPortError(
  code: string,
  syscall: string,
  address: string,
  port: number,
  local?: { readonly address: string | undefined; readonly port: number | undefined },
): NetError {
  const where = port > 0 ? `${address}:${port}` : address;
  const details =
    local?.address !== undefined && local.port !== undefined ? ` - Local (${local.address}:${local.port})` : '';
  const error = Object.assign(new Error(`${syscall} ${code} ${where}${details}`), {
    errno: errnoOf(code),
    code,
    syscall,
    address,
    ...(port > 0 && { port }),
  });
  if (local?.address === undefined || local.port === undefined) return error;
  return Object.assign(error, { localAddress: local.address, localPort: local.port });
}

/** `listen EADDRINUSE: address already in use 127.0.0.1:80`. */
export function listenError(code: string, address: string, port: number): NetError {
  const text = [...getSystemErrorMap().values()].find(([name]) => name === code)?.[1] ?? code;
  const where = port > 0 ? `${address}:${port}` : address;
  return Object.assign(new Error(`listen ${code}: ${text} ${where}`), {
    code,
    errno: errnoOf(code),
    syscall: 'listen',
    address,
    ...(port > 0 && { port }),
  });
}

/** What Node's own would never fail with, and the way out of it. */
export function explained<E extends NetError>(error: E, why: unknown): E {
  if (!(why instanceof Error)) return error;
  const hint = 'hint' in why ? String(why.hint) : undefined;
  const isUsual = USUAL.has(error.code);
  if (!isUsual) error.message += ` (${why.message}${hint === undefined ? '' : `; ${hint}`})`;
  return Object.assign(error, hint !== undefined && !isUsual && { hint });
}

const USUAL: ReadonlySet<string> = new Set([
  'EADDRINUSE',
  'EADDRNOTAVAIL',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAFNOSUPPORT',
]);

const errnoOf = (code: string): number => {
  const number = constants.errno[code as keyof typeof constants.errno];
  return number === undefined ? Number.NaN : -number;
};

/** Node's own, with a code that it prints behind the name. */
export function codedError(code: string, message: string, Kind: ErrorConstructor = Error): Error & { code: string } {
  const error = new Kind(message);
  const { name } = error;
  // As Node does it, so that the stack says it too.
  error.name = `${name} [${code}]`;
  void error.stack;
  Reflect.deleteProperty(error, 'name');
  return Object.assign(error, { code });
}

export const socketClosed = (): Error => codedError('ERR_SOCKET_CLOSED', 'Socket is closed');
export const closedBeforeConnect = (): Error =>
  codedError('ERR_SOCKET_CLOSED_BEFORE_CONNECTION', 'Socket closed before the connection was established');

/** All addresses failed. */
export function everyAddressFailed(errors: readonly Error[]): AggregateError {
  const first = errors[0];
  const code = first !== undefined && 'code' in first ? first.code : undefined;
  return Object.assign(new AggregateError(errors), { code });
}

/** No Unix sockets, and no descriptors, here. */
export function notTcp(name: string, value: unknown): Error {
  return codedError(
    'ERR_INVALID_ARG_VALUE',
    `The argument '${name}' ${String(value)} is not supported: tcpx has TCP connections only; for others use node:net`,
    TypeError,
  );
}

/** Throws what Node does when `port` can't be one. */
export function checkPort(port: unknown): void {
  if (isPort(port)) return;
  // any value, as a program without types gives it
  new NodeSocket().connect({ host: '127.0.0.1', port: port as number });
  throw codedError('ERR_SOCKET_BAD_PORT', `${String(port)} is no port`, RangeError);
}

function isPort(port: unknown): boolean {
  if (typeof port === 'string' && port.trim() === '') return false;
  if (typeof port !== 'number' && typeof port !== 'string') return false;
  return +port === +port >>> 0 && +port <= 0xffff;
}

/** The same for `listen`; `o`: what it was asked for. */
export function checkListenPort(port: unknown, o: object): void {
  const isGiven = typeof port === 'number' || typeof port === 'string';
  if (isGiven && isPort(port)) return;
  nodeListen.call(new NodeServer(), isGiven ? { port } : o);
}

/** Throws what Node does when `signal` can't be one. */
export function checkListenSignal(signal: unknown): void {
  const isSignal = typeof signal === 'object' && signal !== null && 'aborted' in signal;
  if (!isSignal && signal !== undefined) nodeListen.call(new NodeServer(), { port: 0, signal: signal as AbortSignal });
}

/** Throws what Node does about the options that its Socket's constructor looks at. */
export function checkConstruction(options: object): void {
  const delay: unknown = Reflect.get(options, 'keepAliveInitialDelay');
  const fd: unknown = Reflect.get(options, 'fd');
  const isWrong =
    (fd !== undefined && fd !== null && !(Number.isInteger(fd) && Number(fd) >= 0 && Number(fd) < 2 ** 31)) ||
    (delay !== undefined && typeof delay !== 'number') ||
    OBJECT_MODES.some((name) => Boolean(Reflect.get(options, name)));
  if (isWrong) new NodeSocket({ ...options, signal: undefined } as net.SocketConstructorOpts);
}

const OBJECT_MODES = ['objectMode', 'readableObjectMode', 'writableObjectMode'];

/** Throws what Node does about the options of `connect`, the port apart. */
export function checkConnect(o: Readonly<Record<string, unknown>>): void {
  const { localAddress, localPort, lookup, autoSelectFamily, autoSelectFamilyAttemptTimeout: patience } = o;
  const isWrong =
    (Boolean(localAddress) && !net.isIP(String(localAddress))) ||
    (Boolean(localPort) && typeof localPort !== 'number') ||
    (lookup != null && typeof lookup !== 'function') ||
    (autoSelectFamily != null && typeof autoSelectFamily !== 'boolean') ||
    (patience != null && !(Number.isInteger(patience) && Number(patience) >= 1 && Number(patience) < 2 ** 31));
  if (!isWrong) return;
  const host = typeof o['host'] === 'string' ? o['host'] : 'localhost';
  new NodeSocket().connect({ ...o, host, path: undefined } as unknown as net.TcpSocketConnectOpts).destroy();
}

/** Milliseconds of a timeout as Node takes them: throws what it throws, and warns where it warns. */
export function timeoutMs(msecs: unknown, callback: unknown): number {
  const isFine = typeof msecs === 'number' && msecs >= 0 && msecs < 2 ** 31;
  if (!isFine || (callback !== undefined && typeof callback !== 'function'))
    new NodeSocket().setTimeout(msecs as number, callback as () => void).setTimeout(0);
  return Math.min(Number(msecs), 2 ** 31 - 1);
}

/** Throws what Node does about the options of a server. */
export function checkServerOptions(options: unknown): void {
  if (typeof options !== 'object' || options === null) {
    if (options != null && typeof options !== 'function') new NodeServer(options as net.ServerOpts);
    return;
  }
  const isWrong = ['keepAliveInitialDelay', 'highWaterMark'].some((name) => {
    const value: unknown = Reflect.get(options, name);
    return value !== undefined && typeof value !== 'number';
  });
  if (isWrong) new NodeServer(options as net.ServerOpts);
}
