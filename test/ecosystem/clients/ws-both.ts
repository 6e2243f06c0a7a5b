/** What WebSockets of either kind do with each other, whatever TCP is beneath them. */
import { once } from 'node:events';
import type { WebSocket, WebSocketServer } from 'ws';
import { sha256 } from './common.ts';

/** An echo, which leaves in the middle when it is told to. */
export function serve(door: WebSocketServer): WebSocketServer {
  return door.on('connection', (socket) => {
    socket.on('error', () => {});
    socket.on('message', (octets, isBinary) => {
      if (!isBinary && String(octets) === 'leave') socket.terminate();
      else socket.send(octets, { binary: isBinary });
    });
  });
}

/** One by one, all at once, a large one, ping, an orderly end, an end by the peer and one by us in the middle. */
export async function exercise(connect: () => WebSocket, requests: number, big: Buffer): Promise<readonly unknown[]> {
  const socket = connect();
  await once(socket, 'open');
  let inOrder = 0;
  for (let i = 0; i < requests; i++) {
    socket.send(`${i}`);
    if (String((await once(socket, 'message'))[0]) === `${i}`) inOrder++;
  }
  let next = 0;
  const all = new Promise<void>((resolve) => {
    socket.on('message', (octets) => {
      if (String(octets) === `${next}` && ++next === requests) resolve();
    });
  });
  for (let i = 0; i < requests; i++) socket.send(`${i}`);
  await all;
  socket.removeAllListeners('message');
  socket.send(big);
  const [got] = await once(socket, 'message');
  socket.ping('are you there');
  const [pong] = await once(socket, 'pong');
  socket.close(1000, 'done');
  const [code] = await once(socket, 'close');
  const left = connect();
  await once(left, 'open');
  left.on('error', () => {});
  left.send(big);
  left.send('leave');
  const [leftCode] = await once(left, 'close');
  const leaving = connect();
  await once(leaving, 'open');
  leaving.send(big);
  leaving.terminate();
  await once(leaving, 'close');
  return [inOrder, next, sha256(got) === sha256(big), String(pong), code, leftCode];
}
