/**
 * A server of `net`'s, or of what is made of it (http, https, http2, tls), that has its connections from tcpx: it keeps its
 * class, its events and what it says of itself, and its `listen` and their kin go to a Server of ours.
 *
 * http's `close` and tls's end in `net.Server`'s, whose methods are therefore exchanged, when the first server asks for it;
 * for other servers they do what they did.
 */
import net from 'node:net';
import tls from 'node:tls';
import { normalized } from './net-arguments.ts';
import { codedError } from './net-errors.ts';
import { Server } from './net-server.ts';
import type { Network } from './network.ts';
import { answerFor, isTcp } from './over-tls.ts';
import { replaceMethod } from './replace-method.ts';
import { mendWriteAfterShutdown } from './write-after-shutdown.ts';

const servers = new WeakMap<object, Server>();
const nodeServer = net.Server.prototype;
let isPatched = false;
let takesAll = false;

/**
 * The server, whose `listen` now means tcpx: `onTcpx(http.createServer(handler)).listen(80)`. Before it listens. A path
 * (a Unix socket) is listened on as ever.
 */
export function onTcpx<S extends net.Server>(server: S, o: { readonly network?: Network } = {}): S {
  if (server.listening)
    throw codedError('ERR_SERVER_ALREADY_LISTEN', 'A server is put on tcpx before it listens, not afterwards.');
  patchServers();
  serverFor(server, o.network);
  return server;
}

/** Every server of the process, those there are included, from its next `listen` on. */
export function takeAllServers(): void {
  patchServers();
  takesAll = true;
}

function patchServers(): void {
  if (isPatched) return;
  isPatched = true;
  replaceMethod(nodeServer, 'listen', (server, original, args) => {
    const [o] = normalized(args);
    const isOurs = takesAll || servers.has(server);
    if (!isOurs || !isTcp(o) || o['_handle']) return original(...args);
    serverFor(server as net.Server).listen(...args);
    return server;
  });
  replaceMethod(nodeServer, 'close', (server, original, args) => {
    const ours = oursOf(server);
    if (ours === undefined) return original(...args);
    ours.close(...(args as [never]));
    return server;
  });
  replaceMethod(nodeServer, 'address', (server, original, args) => oursOf(server)?.address() ?? original(...args));
  replaceMethod(nodeServer, 'getConnections', (server, original, args) => {
    const ours = oursOf(server);
    if (ours === undefined) return original(...args);
    ours.getConnections(...(args as [never]));
    return server;
  });
  for (const name of ['ref', 'unref'] as const) {
    replaceMethod(nodeServer, name, (server, original, args) => {
      servers.get(server)?.[name]();
      return original(...args);
    });
  }
  const nodeListening = Object.getOwnPropertyDescriptor(nodeServer, 'listening');
  Object.defineProperty(nodeServer, 'listening', {
    configurable: true,
    enumerable: true,
    get(this: net.Server) {
      const isListening = Boolean(nodeListening?.get?.call(this));
      return servers.get(this)?.listening || isListening;
    },
  });
  replaceMethod(nodeServer, Symbol.asyncDispose, (server, original, args) => {
    const ours = oursOf(server);
    return ours === undefined ? original(...args) : ours[Symbol.asyncDispose]();
  });
}

/** Undefined: it is none of ours, or listens elsewhere. */
function oursOf(server: object): Server | undefined {
  // a handle: Node's own, of a Unix socket
  return Reflect.get(server, '_handle') ? undefined : servers.get(server);
}

function serverFor(server: net.Server, network?: Network): Server {
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
    ...(network !== undefined && { network }),
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
  // Before whoever asks it for an address.
  if (server instanceof tls.Server) server.prependListener('secureConnection', answerFor);
  else if ('updateSettings' in server) {
    mendWriteAfterShutdown();
    server.prependListener('session', ({ socket }) => answerFor(socket));
  }
  servers.set(server, ours);
  return ours;
}

/** `socket.server` is the program's, and our own is told that the socket has gone. */
function owned(server: net.Server, ours: Server): net.Server {
  if (!('socketGone' in server)) Object.defineProperty(server, 'socketGone', { value: () => ours.socketGone() });
  return server;
}
