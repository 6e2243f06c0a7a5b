// node http-server.mjs PORT [KEY CERTIFICATE]   The same for any server of Node's: https, http2, net, tls, express's and fastify's.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { onTcpx } from 'tcpx/adapters';

const [port, key, cert] = process.argv.slice(2);
const handler = (request, response) => response.end(`hello, ${request.socket.remoteAddress}\n`);
const server = key
  ? https.createServer({ key: readFileSync(key), cert: readFileSync(cert) }, handler)
  : http.createServer(handler);

onTcpx(server).listen(port, () => console.log('listening on', server.address()));
process.once('SIGTERM', () => server.close());
