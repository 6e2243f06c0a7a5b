/**
 * http2 without TLS over a Socket of ours, when a session writes after its stream's end: on a kernel's socket such a write
 * fails with EPIPE, which the session takes in its stride. Over any other stream Node has an inner class between the two
 * (JSStreamSocket), which asserts instead that there is no such write, and the assertion ends the process. The peer's FIN
 * is enough, with a frame of the session's still to come in the same turn: it is answered by our end.
 *
 * So that class's `doWrite` is exchanged, once, when the first such session is about to be made. It says EPIPE where the
 * assertion would fail, for streams that are ours; otherwise it does what it did. A Node whose class looks different, which
 * may not need it, is left alone.
 */
import { constants } from 'node:os';
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import { Socket } from './net-socket.ts';
import { replaceMethod } from './replace-method.ts';

let isMended = false;

/** Idempotent, and for good. */
export function mendWriteAfterShutdown(): void {
  if (isMended) return;
  isMended = true;
  const sample = wrapOf(new Duplex({ read() {} }));
  if (sample === undefined) return;
  // What is asserted to be null: the request for the end that is under way.
  const ending = Object.getOwnPropertySymbols(sample).find((s) => s.description === 'kCurrentShutdownRequest');
  if (ending === undefined) return;
  replaceMethod(Object.getPrototypeOf(sample) as object, 'doWrite', (wrap, original, args) => {
    const stream: unknown = Reflect.get(wrap, 'stream');
    const isOver = stream instanceof Socket && (stream.writableEnded || Boolean(Reflect.get(wrap, ending)));
    return isOver ? -constants.errno.EPIPE : original(...args);
  });
}

/** Node's wrap of a stream, which only TLS lets anybody see; undefined where it doesn't. */
function wrapOf(stream: Duplex): object | undefined {
  // With no authorities of its own, or all of the system's would be read.
  const secure = new tls.TLSSocket(stream, { ca: [] } as tls.TLSSocketOptions);
  // Node's own names, which have no types
  const { _handle: handle } = secure as unknown as { _handle?: { readonly _parentWrap?: unknown } | null };
  const wrap = handle?._parentWrap;
  secure.on('error', () => {}).destroy();
  return typeof wrap === 'object' && wrap !== null ? wrap : undefined;
}
