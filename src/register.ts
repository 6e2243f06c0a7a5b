/**
 * `node --import tcpx/register app.js`: the program's `net`, and with it http, https, tls and http2, on tcpx. `tcpx ss` shows
 * its connections.
 */
import { basename } from 'node:path';
import { patchNet } from './socket/net-patch.ts';
import { processNetwork } from './socket/process-network.ts';
import { offerStatus } from './tools/status/offer.ts';

patchNet();
offerStatus({ command: basename(process.argv[1] ?? 'node'), hosts: () => processNetwork().hosts() });
