/**
 * A tls server on tcpx, for `openssl s_client`: `who` says who asks, `large` gives a large body, every other line comes back in
 * reverse. A client that sends more lines than one has them all answered, then the server ends.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import tls from 'node:tls';
import { onTcpx } from '../../../src/adapters.ts';
import { plan, sha256 } from './common.ts';

const big = randomBytes(plan.octets);
const options = { key: readFileSync(plan.key), cert: readFileSync(plan.cert) };

const server = onTcpx(tls.createServer(options, serve));
server.listen(443, () => console.log(`{"event":"ready"}\n{"event":"large","hash":"${sha256(big)}"}`));
server.on('tlsClientError', () => {});
process.once('SIGTERM', () => server.close());

function serve(peer: tls.TLSSocket): void {
  let text = '';
  let lines = 0;
  peer.on('error', () => {});
  peer.setEncoding('utf8').on('data', (more: string) => {
    text += more;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      const line = text.slice(0, end);
      text = text.slice(end + 1);
      if (line === 'who')
        peer.end(`you are ${peer.remoteAddress}, session taken up again: ${peer.isSessionReused()}\n`);
      else if (line === 'large') peer.end(big);
      else {
        peer.write(`${[...line].reverse().join('')}\n`);
        if (++lines === plan.requests) peer.end();
      }
    }
  });
}
