/**
 * The web server of a lab: Node's http, https and http2 on the kernel's sockets, in the peer's namespace, at the ports of
 * HTTP_PORTS. Reads key and certificate from stdin as JSON, then says 'ready' on stdout. Ends with its parent.
 */
import { createServer } from 'node:http';
import { createServer as createHttp2, createSecureServer } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import type { SecureVersion } from 'node:tls';
import { HTTP_PORTS } from './http-ports.ts';

let given = '';
process.stdin.setEncoding('utf8').on('data', (text: string) => {
  given += text;
  if (given.endsWith('\n')) serve(JSON.parse(given) as { readonly key: string; readonly cert: string });
});
process.stdin.on('end', () => process.exit(0));

const BODY = 'x'.repeat(500);

function serve(identity: { readonly key: string; readonly cert: string }): void {
  const only = (version: SecureVersion) => ({ ...identity, minVersion: version, maxVersion: version });
  const answer = (_request: unknown, response: { end(body: string): unknown }): void => void response.end(BODY);
  const servers = [
    [createServer({ keepAliveTimeout: 60_000 }, answer), HTTP_PORTS.tcp.http1],
    [createHttp2(answer), HTTP_PORTS.tcp.http2],
    [createHttps({ ...only('TLSv1.2'), keepAliveTimeout: 60_000 }, answer), HTTP_PORTS['TLS 1.2'].http1],
    [createSecureServer(only('TLSv1.2'), answer), HTTP_PORTS['TLS 1.2'].http2],
    [createHttps({ ...only('TLSv1.3'), keepAliveTimeout: 60_000 }, answer), HTTP_PORTS['TLS 1.3'].http1],
    [createSecureServer(only('TLSv1.3'), answer), HTTP_PORTS['TLS 1.3'].http2],
  ] as const;
  let waiting = servers.length;
  for (const [server, port] of servers) {
    server.listen(port, () => {
      if (--waiting === 0) process.stdout.write('ready\n');
    });
  }
}
