/** http, https and http/2 servers of Node's on tcpx, for curl. Ends when SIGTERM asks for it, and nothing is open any more. */
import { createReadStream, readFileSync } from 'node:fs';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import http2, { type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import { join } from 'node:path';
import { onTcpx } from '../../../src/adapters.ts';
import { hashOf, plan } from './common.ts';

const big = join(plan.directory, 'site/big');
const tls = { key: readFileSync(plan.key), cert: readFileSync(plan.cert), allowHTTP1: true };
const connections = new WeakMap<object, number>();
let aborted = 0;

const answer = async (
  request: IncomingMessage | Http2ServerRequest,
  response: (ServerResponse | Http2ServerResponse) & NodeJS.WritableStream,
): Promise<void> => {
  const { socket, url, httpVersion } = request;
  // http/2's socket is a stand-in of its own in each request
  const connection = 'stream' in request ? (request.stream.session ?? socket) : socket;
  const nth = (connections.get(connection) ?? 0) + 1;
  connections.set(connection, nth);
  response.on('close', () => {
    if (!response.writableFinished) aborted++;
  });
  if (url === '/big') {
    response.setHeader('content-length', plan.octets);
    createReadStream(big)
      .on('error', () => {})
      .pipe(response);
  } else if (url === '/cut') {
    response.setHeader('content-length', plan.octets);
    response.write(Buffer.alloc(100_000), () => response.destroy());
  } else if (url === '/up') {
    response.end(`${await hashOf(request).catch(() => 'aborted')}\n`);
  } else response.end(`${httpVersion} ${nth} ${socket.remoteAddress}\n`);
};

// any of the two kinds of request and response
const handler = answer as never;
const servers = [
  onTcpx(http.createServer(handler)).listen(80),
  onTcpx(http2.createSecureServer(tls, handler)).listen(443),
  onTcpx(http2.createServer(handler)).listen(8080),
];
let open = servers.length;
for (const server of servers) {
  server.on('listening', () => {
    if (--open === 0) console.log(JSON.stringify({ event: 'ready' }));
  });
  server.on('sessionError', () => {}).on('tlsClientError', () => {});
}
process.once('SIGTERM', () => {
  for (const server of servers) server.close();
});
process.once('exit', () => {
  const addresses = servers.map((server) => [server.listening, server.address()]);
  console.log(JSON.stringify({ event: 'over', aborted, addresses }));
});
