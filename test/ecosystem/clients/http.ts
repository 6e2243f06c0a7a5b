/** http 1.0 and 1.1, https and http/2 against nginx: through Node's own clients and undici, over tcpx. */
import { once } from 'node:events';
import { createReadStream, readFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { Agent, Client, request } from 'undici';
import { connectHttp2, HttpAgent, HttpsAgent, undiciConnect } from '../../../src/adapters.ts';
import { connect } from '../../../src/net.ts';
import { hashOf, many, plan, step } from './common.ts';

const { host, cert, requests, octets, directory } = plan;
const ca = readFileSync(cert);
const big = join(directory, 'site/big');

function get(url: string, o: https.RequestOptions): Promise<http.IncomingMessage> {
  const from = url.startsWith('https') ? https : http;
  return new Promise((resolve, reject) => void from.get(url, o, resolve).on('error', reject));
}

function put(url: string, o: https.RequestOptions, body: Readable): Promise<number | undefined> {
  const to = url.startsWith('https') ? https : http;
  return new Promise((resolve, reject) => {
    const sent = to.request(url, { ...o, method: 'PUT', headers: { 'content-length': octets } }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode));
    });
    pipeline(body, sent).catch(reject);
    sent.on('error', reject);
  });
}

/** Whatever it was that ended early, said as one word. */
const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : String(error));

await step('one by one', async () => {
  // HTTP/1.0: a connection each.
  const answers = await many(Math.ceil(requests / 10), 4, () =>
    text(connect(80, host).end('GET /who HTTP/1.0\r\n\r\n')),
  );
  return answers.filter((answer) => answer.endsWith('\r\n\r\nHTTP/1.0   1')).length;
});

await step('in one go', async () => {
  const ask = 'GET /who HTTP/1.1\r\nHost: it\r\n\r\n';
  const last = 'GET /who HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n';
  const socket = connect(80, host);
  // Not `end`: nginx drops what it has not yet looked at when it sees a FIN.
  socket.write(ask.repeat(requests - 1) + last);
  const answers = await text(socket);
  return [answers.match(/HTTP\/1\.1 200 OK/g)?.length, answers.endsWith(`HTTP/1.1   ${requests}`)];
});

for (const [name, Kind, base] of [
  ['http', HttpAgent, `http://${host}`],
  ['https', HttpsAgent, `https://${host}`],
] as const) {
  const agent = new Kind({ keepAlive: true, maxSockets: 4, ca } as https.AgentOptions);
  const ports = new Set<number | undefined>();
  await step(`${name} requests`, async () => {
    const answers = await many(requests, 8, async () => {
      const answer = await get(`${base}/who`, { agent });
      ports.add(answer.socket.localPort);
      return text(answer);
    });
    return [answers.filter((answer) => answer.startsWith('HTTP/1.1 ')).length, ports.size <= 4];
  });
  await step(`${name} download`, async () => hashOf(await get(`${base}/big`, { agent })));
  await step(`${name} upload`, () => put(`${base}/up/${name}`, { agent }, createReadStream(big)));
  await step(`${name} left by us`, async () => {
    const another = new Kind({ ca } as https.AgentOptions);
    const gone = await many(5, 5, async () => {
      const answer = await get(`${base}/big`, { agent: another });
      const closed = once(answer.socket, 'close');
      answer.once('data', () => answer.destroy());
      await closed;
      return !answer.complete;
    });
    // And in the middle of what we send.
    const sent = (name === 'http' ? http : https).request(`${base}/up/never`, {
      agent,
      method: 'PUT',
      headers: { 'content-length': octets },
    });
    const over = new Promise((resolve) => sent.on('error', (error) => resolve(codeOf(error))));
    sent.write(Buffer.alloc(100_000), () => sent.destroy());
    return [gone.filter(Boolean).length, await over, await text(await get(`${base}/who`, { agent }))];
  });
  await step(`${name} left by the peer`, async () => {
    const answer = await get(`${base}/cut`, { agent });
    let got = 0;
    const end = await pipeline(answer, async (pieces: AsyncIterable<Uint8Array>) => {
      for await (const piece of pieces) got += piece.length;
    }).catch(codeOf);
    return [end, got];
  });
  agent.destroy();
}

await step('https again', async () => {
  const agent = new HttpsAgent({ keepAlive: false, ca, maxVersion: 'TLSv1.2' });
  const first = await text(await get(`https://${host}/who`, { agent }));
  const second = await text(await get(`https://${host}/who`, { agent }));
  const newer = new HttpsAgent({ keepAlive: false, ca });
  const third = await text(await get(`https://${host}/who`, { agent: newer }));
  const fourth = await text(await get(`https://${host}/who`, { agent: newer }));
  return [first, second, third, fourth];
});

await step('http/2', async () => {
  const session = http2.connect(`https://${host}`, { createConnection: connectHttp2, ca });
  const ask = (path: string, headers: http2.OutgoingHttpHeaders = {}): http2.ClientHttp2Stream =>
    session.request({ ':path': path, ...headers }, { endStream: headers[':method'] !== 'PUT' });
  const answers = await many(requests, 50, () => text(ask('/who')));
  const download = await hashOf(ask('/big'));
  const upload = ask('/up/h2', { ':method': 'PUT', 'content-length': octets });
  await pipeline(createReadStream(big), upload.resume());
  const aborted = ask('/big');
  for await (const _ of aborted) break;
  const after = await text(ask('/who'));
  session.close();
  const right = answers.filter((answer) => answer.startsWith('HTTP/2.0 TLSv1.3')).length;
  return [right, download, aborted.rstCode, after.slice(0, 8)];
});

for (const [name, base, o] of [
  ['undici', `http://${host}`, {}],
  ['undici https', `https://${host}`, { ca }],
  ['undici h2', `https://${host}`, { ca, allowH2: true }],
] as const) {
  await step(name, async () => {
    const connector = undiciConnect(o);
    const dispatcher = new Agent({ connect: connector, connections: 2, pipelining: 10, allowH2: 'allowH2' in o });
    const answers = await many(requests, 40, async () => (await request(`${base}/who`, { dispatcher })).body.text());
    const download = await hashOf((await request(`${base}/big`, { dispatcher })).body);
    const body = createReadStream(big);
    const headers = { 'content-length': String(octets) };
    const up = `${base}/up/${name.replaceAll(' ', '-')}`;
    const { statusCode, body: said } = await request(up, { dispatcher, method: 'PUT', body, headers });
    await said.dump();
    const aborted = await request(`${base}/big`, { dispatcher });
    aborted.body.on('error', () => {}).destroy();
    const cut = await request(`${base}/cut`, { dispatcher }).then(({ body }) => hashOf(body).catch(codeOf), codeOf);
    await dispatcher.close();
    const protocols = new Set(answers.map((answer) => answer.split(' ')[0]));
    return [...protocols, answers.length, download, statusCode, cut];
  });
}

await step('undici refused', async () => {
  const client = new Client(`http://${host}:81`, { connect: undiciConnect() });
  const why = await client.request({ path: '/', method: 'GET' }).catch(codeOf);
  await client.destroy();
  return why;
});
