/** The other end of ws.ts, on the kernel's TCP: `serve` echoes on 80 and 443, `use` goes through what ws.ts has there. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { WebSocket, WebSocketServer } from 'ws';
import { plan } from './common.ts';
import { exercise, serve } from './ws-both.ts';

const { address, cert, key, requests, octets } = plan;
const maxPayload = 2 * octets;
const ca = readFileSync(cert);

if (process.argv[3] === 'serve') {
  const servers = [
    http.createServer().listen(80),
    https.createServer({ cert: ca, key: readFileSync(key) }).listen(443),
  ];
  for (const server of servers) serve(new WebSocketServer({ server, maxPayload }));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  console.log(JSON.stringify({ event: 'ready' }));
} else {
  const big = randomBytes(octets);
  const found: Record<string, unknown> = {};
  for (const scheme of ['ws', 'wss'])
    found[scheme] = await exercise(() => new WebSocket(`${scheme}://${address}/`, { ca, maxPayload }), requests, big);
  console.log(JSON.stringify({ event: 'done', found }));
}
