/** After the peer's FIN, without allowHalfOpen: a write fails by the peer's doing, where 'write after end' would blame the writer. */
import type { Duplex } from 'node:stream';
import { codedError } from './net-errors.ts';

type Write = (chunk: unknown, encoding: BufferEncoding, callback: () => void) => boolean;

/** For 'end': from now on writes are refused. */
export function refuseWrites(this: Duplex): void {
  Reflect.set(this, 'write', writeAfterFin);
}

/** For a socket that begins again. */
export function allowWrites(socket: Duplex): void {
  if (Object.hasOwn(socket, 'write')) Reflect.deleteProperty(socket, 'write');
}

function writeAfterFin(this: Duplex, chunk: unknown, encoding?: unknown, callback?: unknown): boolean {
  const told = typeof encoding === 'function' ? encoding : callback;
  if (!this.writableEnded) {
    // the class's own, with the overloads of Duplex handed on
    const write = Reflect.get(Object.getPrototypeOf(this), 'write') as Write;
    return write.call(this, chunk, encoding as BufferEncoding, callback as () => void);
  }
  const error = codedError('EPIPE', 'This socket has been ended by the other party');
  if (typeof told === 'function') process.nextTick(told as () => void, error);
  this.destroy(error);
  return false;
}
