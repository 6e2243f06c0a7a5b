/**
 * An ordinary program, which knows nothing of tcpx: http, https, http2, fetch, tls and pipes, with itself. Arguments: key and
 * certificate for localhost. Prints what it got, as JSON, and ends when all is closed.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import { text } from 'node:stream/consumers';
import tls from 'node:tls';

const [key, cert] = process.argv.slice(2).map((file) => readFileSync(file));
const got = {};

async function listening(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
}

function get(client, options) {
  return new Promise((resolve, reject) => {
    client.get({ host: 'localhost', ca: cert, ...options }, (answer) => resolve(text(answer))).on('error', reject);
  });
}

async function stream(session) {
  const request = session.request({ ':path': '/' });
  const answer = await text(request);
  session.close();
  return answer;
}

const answer = (request, response) => response.end(`${request.socket.remoteAddress} ${request.socket.remotePort > 0}`);
const plain = http.createServer(answer);
const secure = https.createServer({ key, cert }, answer);
const h2 = http2.createSecureServer({ key, cert }).on('stream', (s) => s.end('h2'));
const h2c = http2.createServer().on('stream', (s) => s.end('h2c'));
const echo = net.createServer((peer) => peer.pipe(peer));
const tlsEcho = tls.createServer({ key, cert }, (peer) => peer.pipe(peer));

const port = await listening(plain);
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
got.http = [await get(http, { port, agent }), await get(http, { port, agent })];
got.fetch = await (await fetch(`http://127.0.0.1:${port}`)).text();
got.https = await get(https, { port: await listening(secure), agent: new https.Agent({ keepAlive: true }) });
got.h2 = await stream(http2.connect(`https://localhost:${await listening(h2)}`, { ca: cert }));
got.h2c = await stream(http2.connect(`http://localhost:${await listening(h2c)}`));
got.net = await text(net.connect(await listening(echo), '127.0.0.1').end('through net'));
got.socket = await text(new net.Socket().connect(echo.address().port, '127.0.0.1').end('through Socket'));
got.tls = await text(tls.connect(await listening(tlsEcho), 'localhost', { ca: cert }).end('through tls'));
got.refused = await get(https, { port: 1, host: '127.0.0.1' }).catch((error) => error.message);
got.pipe = execFileSync('echo', ['pipes stay where they were']).toString().trim();
got.classes = [new net.Socket().constructor === http.Server, plain instanceof net.Server, secure.listening];
const servers = [plain, secure, h2, h2c, echo, tlsEcho];
for (const server of servers) server.close();
plain.closeAllConnections();
secure.closeAllConnections();
await Promise.all(servers.map((server) => once(server, 'close')));
console.log(JSON.stringify(got));
