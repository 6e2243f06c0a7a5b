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
import http2 from 'node:http2';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import tls from 'node:tls';
// It holds on to what it finds of `net` when it is loaded, as http2 does.
import 'node:https';
import { connect } from '../net.ts';
import { type Loose, normalized } from './net-arguments.ts';
import { Socket, type SocketOpts } from './net-socket.ts';
import { answerForAll, isTcp, tlsConnectOver } from './over-tls.ts';
import { type Method, replaceMethod } from './replace-method.ts';
import { takeAllServers } from './served.ts';
import { mendWriteAfterShutdown } from './write-after-shutdown.ts';

const NodeSocket = net.Socket;
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
  Object.assign(tls, { connect: tlsConnectOver(connect) });
  // A function with properties of its own.
  Object.assign(http2, {
    connect: new Proxy(http2.connect, {
      apply(target, self, args) {
        mendWriteAfterShutdown();
        return Reflect.apply(target as Method, self, args);
      },
    }),
  });
  answerForAll();
  takeAllServers();
  warnOfSubclasses();
  syncBuiltinESMExports();
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

function warnOfSubclasses(): void {
  let warned = false;
  replaceMethod(NodeSocket.prototype, 'connect', (_socket, original, args) => {
    if (!warned && isTcp(normalized(args)[0])) {
      warned = true;
      process.emitWarning('a class that extends net.Socket stays on the kernel’s TCP', { code: 'TCPX_NET_SUBCLASS' });
    }
    return original(...args);
  });
}
