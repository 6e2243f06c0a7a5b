/**
 * A program's `net` put on tcpx, for those who can't change its imports: `tcpx/register`.
 *
 * What has TCP in Node comes to it by few doors. `net.connect` and `new net.Socket` are exchanged; servers, http's and tls's
 * too, have `net.Server` for their prototype, whose `listen` and its kin are; `http.Agent` keeps the `net.connect` it found;
 * `tls.connect` makes its own socket unless it is given one. Pipes, descriptors and what has a handle stay where they were.
 *
 * Not to be caught: a class that extends `net.Socket` (it has the kernel's handle; a warning says so), the ports that a
 * cluster's processes share, and what doesn't use `net` (dgram, native addons). `instanceof net.Socket` doesn't hold for
 * tcpx's sockets: TLS would look for a handle in them.
 */
import http from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import tls from 'node:tls';
// They hold on to what they find of `net` when they are loaded.
import 'node:https';
import 'node:http2';
import { connect } from '../net.ts';
import { type Loose, normalized } from './net-arguments.ts';
import { Server } from './net-server.ts';
import { Socket, type SocketOpts } from './net-socket.ts';

type Args = readonly unknown[];
type Method = (...args: Args) => unknown;

const NodeSocket = net.Socket;
const nodeServer = net.Server.prototype;
let isPatched = false;

/** Idempotent, and for good. */
export function patchNet(): void {
  if (isPatched) return;
  isPatched = true;
  const nodeConnect = net.connect as Method;
  const connectTcp: Method = (...args) =>
    isTcp(normalized(args)[0]) ? connect(...(args as [never])) : nodeConnect(...args);
  Object.assign(net, { connect: connectTcp, createConnection: connectTcp, Socket: socketFor, Stream: socketFor });
  Object.assign(http.Agent.prototype, { createConnection: connectTcp });
  patchTls();
  patchOverTls();
  patchServer();
  warnOfSubclasses();
  syncBuiltinESMExports();
}

/** Neither a Unix socket, nor something that exists already. */
function isTcp(o: Loose): boolean {
  return !o['path'] && o['fd'] === undefined && !o['handle'];
}

const socketFor: typeof NodeSocket = new Proxy(NodeSocket, {
  construct(target, args, newTarget): object {
    const o: Loose = args[0] ?? {};
    const isPlain = newTarget === socketFor && typeof o === 'object' && isTcp(o);
    return isPlain ? new Socket(o as SocketOpts) : Reflect.construct(target, args, newTarget);
  },
  apply(target, self, args): unknown {
    // TLSSocket, and classes of the old style, are made this way.
    if (self instanceof NodeSocket) return Reflect.apply(target as unknown as Method, self, args);
    return Reflect.construct(socketFor, args);
  },
});

function patchTls(): void {
  const nodeConnect = tls.connect as Method;
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
    pretendToConnect(secure, socket);
    return secure;
  };
  Object.assign(tls, { connect: connectTls });
}

/** A TLSSocket that makes its own connection tells of it; one that is given a stream does not. */
function pretendToConnect(secure: tls.TLSSocket, socket: Socket): void {
  // its types say that nobody writes to it
  Reflect.set(secure, 'connecting', true);
  for (const event of ['lookup', 'connectionAttempt', 'connectionAttemptFailed', 'connectionAttemptTimeout'])
    socket.on(event, (...args: readonly unknown[]) => void secure.emit(event, ...args));
  socket.once('connect', () => {
    Reflect.set(secure, 'connecting', false);
    secure.emit('connect');
    secure.emit('ready');
  });
}

/** What a TLSSocket asks its handle for, which has none of it over a stream. */
function patchOverTls(): void {
  replace(NodeSocket.prototype, '_getpeername', (socket, original, args) => {
    const under = streamUnder(socket);
    if (under?.remoteAddress === undefined) return original(...args);
    return { address: under.remoteAddress, family: under.remoteFamily, port: under.remotePort };
  });
  replace(NodeSocket.prototype, '_getsockname', (socket, original, args) => {
    const under = streamUnder(socket);
    return under === undefined ? original(...args) : under.address();
  });
  for (const name of ['ref', 'unref', 'setNoDelay', 'setKeepAlive'] as const) {
    replace(NodeSocket.prototype, name, (socket, original, args) => {
      const under = streamUnder(socket);
      if (under === undefined) return original(...args);
      Reflect.apply(under[name] as Method, under, args);
      return socket;
    });
  }
}

/** Ours, beneath the stream that stands for a handle beneath a TLSSocket. */
function streamUnder(socket: object): Socket | undefined {
  // Node's own names for it, which have no types
  const { _handle } = socket as { _handle?: { _parentWrap?: { stream?: unknown } } | null };
  const stream = _handle?._parentWrap?.stream;
  return stream instanceof Socket ? stream : undefined;
}

const servers = new WeakMap<object, Server>();

/** What is a server to the program keeps its class, and has its connections from one of ours. */
function patchServer(): void {
  replace(nodeServer, 'listen', (server, original, args) => {
    const [o] = normalized(args);
    if (!isTcp(o) || o['_handle'] || servers.get(server)?.listening) return original(...args);
    const ours = serverFor(server as net.Server);
    ours.listen(...args);
    return server;
  });
  replace(nodeServer, 'close', (server, original, args) => {
    const ours = servers.get(server);
    if (ours === undefined) return original(...args);
    ours.close(...(args as [never]));
    return server;
  });
  replace(nodeServer, 'address', (server, original, args) => servers.get(server)?.address() ?? original(...args));
  replace(nodeServer, 'getConnections', (server, original, args) => {
    const ours = servers.get(server);
    if (ours === undefined) return original(...args);
    ours.getConnections(...(args as [never]));
    return server;
  });
  for (const name of ['ref', 'unref'] as const) {
    replace(nodeServer, name, (server, original, args) => {
      servers.get(server)?.[name]();
      return original(...args);
    });
  }
  const nodeListening = Object.getOwnPropertyDescriptor(nodeServer, 'listening');
  Object.defineProperty(nodeServer, 'listening', {
    configurable: true,
    enumerable: true,
    get(this: net.Server) {
      return servers.get(this)?.listening ?? nodeListening?.get?.call(this);
    },
  });
  replace(nodeServer, Symbol.asyncDispose, (server, original, args) => {
    const ours = servers.get(server);
    return ours === undefined ? original(...args) : ours[Symbol.asyncDispose]();
  });
}

function serverFor(server: net.Server): Server {
  const known = servers.get(server);
  if (known !== undefined) return known;
  // set by its constructor, though no type has them
  const o = server as unknown as Readonly<
    Record<'allowHalfOpen' | 'pauseOnConnect' | 'noDelay' | 'keepAlive', boolean>
  > &
    Readonly<Record<'keepAliveInitialDelay' | 'highWaterMark', number>>;
  const ours = new Server({
    allowHalfOpen: o.allowHalfOpen,
    pauseOnConnect: o.pauseOnConnect,
    noDelay: o.noDelay,
    keepAlive: o.keepAlive,
    keepAliveInitialDelay: o.keepAliveInitialDelay * 1000,
  });
  ours.highWaterMark = o.highWaterMark;
  // `unref` may have come before `listen`.
  if (Reflect.get(server, '_unref') === true) ours.unref();
  Object.defineProperty(ours, 'maxConnections', { get: () => server.maxConnections });
  ours.on('connection', (socket) => {
    Object.defineProperty(socket, 'server', { value: owned(server, ours), writable: true });
    server.emit('connection', socket);
  });
  for (const event of ['listening', 'close', 'drop', 'error'])
    ours.on(event, (...args: readonly unknown[]) => void server.emit(event, ...args));
  servers.set(server, ours);
  return ours;
}

/** `socket.server` is the program's, and our own is told that the socket has gone. */
function owned(server: net.Server, ours: Server): net.Server {
  if (!('socketGone' in server)) Object.defineProperty(server, 'socketGone', { value: () => ours.socketGone() });
  return server;
}

function warnOfSubclasses(): void {
  let warned = false;
  replace(NodeSocket.prototype, 'connect', (_socket, original, args) => {
    if (!warned && isTcp(normalized(args)[0])) {
      warned = true;
      process.emitWarning('a class that extends net.Socket stays on the kernel’s TCP', { code: 'TCPX_NET_SUBCLASS' });
    }
    return original(...args);
  });
}

function replace(
  prototype: object,
  name: string | symbol,
  by: (self: object, original: Method, args: Args) => unknown,
): void {
  const original: unknown = Reflect.get(prototype, name);
  if (typeof original !== 'function') return;
  Object.defineProperty(prototype, name, {
    configurable: true,
    writable: true,
    value(this: object, ...args: Args) {
      return by(this, (...own) => Reflect.apply(original, this, own), args);
    },
  });
}
