/**
 * TLS over a Socket of ours: `tls.connect` with the connection made here, and what a TLSSocket asks the handle beneath it
 * for (whose address, `ref`, Nagle, keep-alive), which has none of it over a stream.
 */
import net from 'node:net';
import tls from 'node:tls';
import type { Connect } from './net-api.ts';
import { type Loose, normalized } from './net-arguments.ts';
import { Socket } from './net-socket.ts';
import { type Args, type Method, replaceMethod } from './replace-method.ts';

/** As they were when the program began. */
const nodeConnect = tls.connect as Method;

/** Neither a Unix socket, nor something that exists already. */
export function isTcp(o: Loose): boolean {
  return !o['path'] && o['fd'] === undefined && !o['handle'];
}

/** `tls.connect` in all its forms, with the connections that `connect` makes. */
export function tlsConnectOver(connect: Connect): typeof tls.connect {
  const connectTls: Method = (...args) => {
    const [first, callback] = normalized(args);
    const more = args.slice(1, 3).find((arg) => typeof arg === 'object' && arg !== null);
    const o: Loose = { ...first, ...more };
    if (o['socket'] || !isTcp(o)) return nodeConnect(...args);
    // its options are checked where they are used
    const socket = connect({ ...o, signal: undefined, onread: undefined, highWaterMark: undefined } as never);
    const secure = nodeConnect({ ...o, socket }, callback) as tls.TLSSocket;
    const { timeout } = o;
    if (typeof timeout === 'number' && timeout > 0) secure.setTimeout(timeout);
    actAsConnecting(secure, socket);
    return secure;
  };
  // typed as its overloads are
  return connectTls as typeof tls.connect;
}

/** A TLSSocket that makes its own connection tells of it; one that is given a stream does not. */
export function actAsConnecting(secure: tls.TLSSocket, socket: Socket): void {
  // its types say that nobody writes to it
  Reflect.set(secure, 'connecting', true);
  for (const event of ['lookup', 'connectionAttempt', 'connectionAttemptFailed', 'connectionAttemptTimeout'])
    socket.on(event, (...args: Args) => void secure.emit(event, ...args));
  socket.once('connect', () => {
    Reflect.set(secure, 'connecting', false);
    secure.emit('connect');
    secure.emit('ready');
  });
  answerFor(secure);
}

type Answer = (under: Socket, stream: object, args: Args) => unknown;

/** What the Socket beneath answers in another stream's place; undefined: it doesn't know, either. */
const answers: ReadonlyMap<string, Answer> = new Map<string, Answer>([
  [
    '_getpeername',
    ({ remoteAddress, remoteFamily, remotePort }) =>
      remoteAddress === undefined ? undefined : { address: remoteAddress, family: remoteFamily, port: remotePort },
  ],
  ['_getsockname', (under) => under.address()],
  ...(['ref', 'unref', 'setNoDelay', 'setKeepAlive'] as const).map((name): [string, Answer] => [
    name,
    (under, stream, args) => {
      Reflect.apply(under[name] as Method, under, args);
      return stream;
    },
  ]),
]);

/** One stream, over one of ours: a TLSSocket, or what http2 shows of a session's. */
export function answerFor(stream: object): void {
  const under = socketUnder(stream);
  if (under === undefined) return;
  // asked now, so that it is known after the end
  void under.remoteAddress;
  for (const [name, answer] of answers) {
    if (isForbidden(stream, name)) continue;
    const original = Reflect.get(stream, name) as Method;
    const value = (...args: Args): unknown => answer(under, stream, args) ?? Reflect.apply(original, stream, args);
    Reflect.set(stream, name, value);
  }
}

/** http2 lets nobody but itself set these of its sockets. */
const isForbidden = (stream: object, name: string): boolean =>
  name.startsWith('set') && !(stream instanceof tls.TLSSocket);

let isPatched = false;

/** All there are and will be. Idempotent. */
export function answerForAll(): void {
  if (isPatched) return;
  isPatched = true;
  for (const [name, answer] of answers) {
    replaceMethod(net.Socket.prototype, name, (stream, original, args) => {
      const under = socketUnder(stream);
      return (under === undefined ? undefined : answer(under, stream, args)) ?? original(...args);
    });
  }
}

/** Ours: beneath the stream that stands for a handle beneath a TLSSocket, or beneath such a stream. */
function socketUnder(stream: object): Socket | undefined {
  // Node's own names for it, which have no types
  const { _handle, stream: direct } = stream as { _handle?: Handle | null; stream?: unknown };
  const under = direct ?? _handle?._parentWrap?.stream;
  return under instanceof Socket ? under : undefined;
}

type Handle = { readonly _parentWrap?: { readonly stream?: unknown } };
