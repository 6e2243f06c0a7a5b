/**
 * What WebSockets of either kind do with each other. Run by itself, on the kernel's TCP: `serve CERT KEY OCTETS` listens on 80
 * and 443, `use HOST CERT REQUESTS OCTETS` goes through it with a server and prints what it found.
 */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { WebSocket, WebSocketServer } from 'ws';

/** An echo, which leaves in the middle when it is told to. */
export function serve(door) {
  return door.on('connection', (socket) => {
    socket.on('error', () => {});
    socket.on('message', (octets, isBinary) => {
      if (!isBinary && octets.toString() === 'leave') socket.terminate();
      else socket.send(octets, { binary: isBinary });
    });
  });
}

const hash = (octets) => createHash('sha256').update(octets).digest('hex');

export async function exercise(connect, requests, big) {
  const socket = connect();
  await once(socket, 'open');
  const answers = [];
  for (let i = 0; i < requests; i++) {
    socket.send(`${i}`);
    answers.push((await once(socket, 'message'))[0].toString());
  }
  const inOrder = answers.filter((answer, i) => answer === `${i}`).length;
  // All at once.
  let next = 0;
  const all = new Promise((resolve) => {
    socket.on('message', (octets) => {
      if (octets.toString() === `${next}` && ++next === requests) resolve();
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
  // It leaves in the middle; then we do.
  const left = connect();
  await once(left, 'open');
  left.send(big);
  left.send('leave');
  left.on('error', () => {});
  const [leftCode] = await once(left, 'close');
  const leaving = connect();
  await once(leaving, 'open');
  leaving.send(big);
  leaving.terminate();
  await once(leaving, 'close');
  return [inOrder, next, hash(got) === hash(big), `${pong}`, code, leftCode];
}

const [, file, role, ...args] = process.argv;
if (file === import.meta.filename && role === 'serve') {
  const [cert, key, octets] = args;
  const tls = { cert: readFileSync(cert), key: readFileSync(key) };
  for (const [server, port] of [
    [http.createServer(), 80],
    [https.createServer(tls), 443],
  ]) {
    serve(new WebSocketServer({ server, maxPayload: 2 * octets }));
    await once(server.listen(port), 'listening');
  }
  console.log(JSON.stringify({ event: 'ready' }));
}
if (file === import.meta.filename && role === 'use') {
  const [host, cert, requests, octets] = args;
  const o = { ca: readFileSync(cert), maxPayload: 2 * octets };
  const big = randomBytes(Number(octets));
  const found = {};
  for (const scheme of ['ws', 'wss'])
    found[scheme] = await exercise(() => new WebSocket(`${scheme}://${host}/`, o), Number(requests), big);
  console.log(JSON.stringify({ event: 'done', found }));
}
