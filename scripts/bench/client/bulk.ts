/** One connection as fast as it goes: `send`, `receive`, `both`. */
import { once } from 'node:events';
import { PORTS } from '../ports.ts';
import type { Said } from '../program.ts';
import { type ClientOptions, delay, nowUs, processorSeconds } from './measure.ts';
import type { Opened, Socket } from './stacks.ts';

const TO = { send: PORTS.discard, receive: PORTS.source, both: PORTS.both } as const;

/** What was sent is counted by the peer, at instants t0 and t1; what was received here. CPU is the whole machine's between the two. */
export async function bulk(stack: Opened, o: ClientOptions): Promise<Said> {
  const work = o.work as keyof typeof TO;
  const begun = performance.now();
  const socket = stack.connect(TO[work]);
  const failed = new Promise<never>((_, reject) => socket.on('error', reject));
  await Promise.race([once(socket, 'connect'), failed]);
  const connectMs = performance.now() - begun;
  let received = 0;
  socket.on('data', (octets: Uint8Array) => {
    received += octets.length;
  });
  if (work !== 'receive') pour(socket, Buffer.alloc(o.chunk, 'x'));
  await Promise.race([delay(o.warmSeconds), failed]);
  const t0 = nowUs();
  const cpu0 = processorSeconds().busy;
  const received0 = received;
  const retransmitted0 = stack.facts(socket).retransmitted;
  await Promise.race([delay(o.seconds), failed]);
  const t1 = nowUs();
  const cpu1 = processorSeconds().busy;
  const facts = stack.facts(socket);
  const outcome = {
    t0,
    t1,
    received: received - received0,
    cpuSeconds: cpu1 - cpu0,
    connectMs,
    port: facts.port,
    highWaterMark: socket.writableHighWaterMark,
    congestion: facts.congestion,
    retransmitted: facts.retransmitted - retransmitted0,
  };
  socket.resetAndDestroy();
  await delay(0.05);
  return outcome;
}

/** The same octets again and again, as `write` takes them. */
function pour(socket: Socket, piece: Uint8Array): void {
  const more = (): void => {
    while (!socket.destroyed && socket.write(piece));
  };
  socket.on('drain', more);
  more();
}
