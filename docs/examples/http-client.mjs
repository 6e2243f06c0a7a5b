// node http-client.mjs http://HOST/ …   Node's own http and https; the connection is kept between the requests.
import http from 'node:http';
import https from 'node:https';
import { text } from 'node:stream/consumers';
import { HttpAgent, HttpsAgent } from 'tcpx/adapters';

const agents = { 'http:': new HttpAgent({ keepAlive: true }), 'https:': new HttpsAgent({ keepAlive: true }) };

for (const url of process.argv.slice(2)) {
  const { protocol } = new URL(url);
  const answer = await new Promise((resolve, reject) => {
    (protocol === 'https:' ? https : http).get(url, { agent: agents[protocol] }, resolve).on('error', reject);
  });
  console.log(answer.statusCode, await text(answer));
}
for (const agent of Object.values(agents)) agent.destroy();
