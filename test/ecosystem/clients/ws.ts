/** ws on tcpx in both roles: a client for a server on the kernel's TCP, a server for a client on it. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { WebSocket, WebSocketServer } from 'ws';
import { HttpAgent, HttpsAgent, onTcpx } from '../../../src/adapters.ts';
import { plan, step } from './common.ts';
import { exercise, serve } from './ws-both.ts';

const { host, address, cert, key, requests, octets } = plan;
const ca = readFileSync(cert);
const tls = { cert: ca, key: readFileSync(key) };
const big = randomBytes(octets);

const servers = [onTcpx(http.createServer()).listen(80, address), onTcpx(https.createServer(tls)).listen(443, address)];
const doors = servers.map((server) => serve(new WebSocketServer({ server, maxPayload: 2 * octets })));
await Promise.all(servers.map((server) => once(server, 'listening')));
// The other role: the client on the kernel's TCP says when it is through, be it before we are.
process.once('SIGTERM', () => {
  for (const door of doors) door.close();
  for (const server of servers) server.close();
});
console.log(JSON.stringify({ event: 'ready' }));

await step('ws', () =>
  exercise(() => new WebSocket(`ws://${host}/`, { agent: new HttpAgent(), maxPayload: 2 * octets }), requests, big),
);
await step('wss', () =>
  exercise(
    () => new WebSocket(`wss://${host}/`, { agent: new HttpsAgent({ ca }), maxPayload: 2 * octets }),
    requests,
    big,
  ),
);
