// node http2-client.mjs https://HOST/   Several requests on one connection.
import http2 from 'node:http2';
import { text } from 'node:stream/consumers';
import { connectHttp2 } from 'tcpx/adapters';

const { origin, pathname } = new URL(process.argv[2]);
const session = http2.connect(origin, { createConnection: connectHttp2 });
const answers = [1, 2, 3].map(() => text(session.request({ ':path': pathname })));
console.log((await Promise.all(answers)).join(''));
session.close();
