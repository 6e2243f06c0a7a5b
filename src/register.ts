/** `node --import tcpx/register app.js`: the program's `net`, and with it http, https, tls and http2, on tcpx. */
import { patchNet } from './socket/net-patch.ts';

patchNet();
