/**
 * A server of plain HTTP/2 whose clients end their side in the middle, while its session still has something to say: on tcpx
 * by `onTcpx`, or, with the argument `bare`, handed its connections as any stream may be. Prints what it heard of each.
 */
import { once } from 'node:events';
import http2 from 'node:http2';
import { onTcpx } from '../../src/adapters.ts';
import { Server } from '../../src/socket/net-server.ts';
import { Socket } from '../../src/socket/net-socket.ts';
import { turnNetwork } from './turn-network.ts';

const CLIENTS = 3;
const { network } = turnNetwork();
const h2 = http2.createServer();
const isBare = process.argv[2] === 'bare';
const server = isBare ? new Server({ network }) : onTcpx(h2, { network });
if (isBare) server.on('connection', (socket) => void h2.emit('connection', socket));

const heard: (readonly string[])[] = [];
const sockets: Socket[] = [];
server.prependListener('connection', (socket: Socket) => void sockets.push(socket));
h2.on('session', (session) => {
  const own: string[] = [];
  heard.push(own);
  sockets.at(-1)?.on('end', () => {
    own.push('end');
    session.ping(() => {});
  });
  session.on('close', () => {
    own.push('close');
    if (heard.filter((each) => each.includes('close')).length < CLIENTS) return;
    console.log(JSON.stringify(heard));
    process.exit();
  });
  session.on('error', ({ message }) => void own.push(message));
});
h2.on('stream', (stream) => {
  stream.on('error', () => {}).respond();
  stream.write('so far');
});

server.listen(80, '127.0.0.2');
await once(server, 'listening');
for (let i = 0; i < CLIENTS; i++) {
  const socket = new Socket({ network }).connect(80, '127.0.0.2');
  const client = http2.connect('http://there', { createConnection: () => socket as never });
  client.on('error', () => {});
  client
    .request({ ':method': 'POST' })
    .on('error', () => {})
    .once('data', () => socket.end());
}
