// node --import tcpx/register unchanged.mjs HOST   A program that knows nothing of tcpx, with what it uses.
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { text } from 'node:stream/consumers';
import { Redis } from 'ioredis';
import pg from 'pg';
import { WebSocket, WebSocketServer } from 'ws';

const [host] = process.argv.slice(2);
const get = (from, url) =>
  new Promise((resolve, reject) => from.get(url, (answer) => resolve(text(answer))).on('error', reject));

console.log('http', await get(http, `http://${host}/who`));
console.log('https', await get(https, `https://${host}/who`));
console.log('fetch', await (await fetch(`http://${host}/who`)).text());

const session = http2.connect(`https://${host}`);
console.log('http2', await text(session.request({ ':path': '/who' })));
session.close();

const redis = new Redis({ host });
console.log('ioredis', await redis.ping());
await redis.quit();

const client = new pg.Client({ host, user: 'postgres' });
await client.connect();
console.log('pg', (await client.query('select 6 * 7 as answer')).rows[0].answer);
await client.end();

const server = http.createServer();
new WebSocketServer({ server }).on('connection', (peer) => peer.on('message', (data) => peer.send(data)));
server.listen(0, '127.0.0.1', () => {
  const socket = new WebSocket(`ws://127.0.0.1:${server.address().port}`);
  socket.on('open', () => socket.send('there and back'));
  socket.on('message', (data) => {
    console.log('ws', `${data}`);
    socket.close();
  });
  socket.on('close', () => server.close());
});
