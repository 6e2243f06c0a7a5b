/** Node's tls on tcpx, with `openssl s_server`: it answers in reverse, line by line (4433 and 4434), or gives files (4435). */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type tls from 'node:tls';
import { connectTls } from '../../../src/adapters.ts';
import { many, plan, sha256, step } from './common.ts';

const { host, cert, requests } = plan;
const ca = readFileSync(cert);

function open(port: number, o: tls.ConnectionOptions): Promise<tls.TLSSocket> {
  const socket = connectTls({ host, port, ca, ...o });
  return once(socket, 'secureConnect').then(() => socket);
}

async function get(path: string, o: tls.ConnectionOptions): Promise<Buffer> {
  const socket = await open(4435, o);
  socket.write(`GET /${path} HTTP/1.0\r\n\r\n`);
  const pieces: Buffer[] = [];
  for await (const piece of socket) pieces.push(piece);
  const all = Buffer.concat(pieces);
  return all.subarray(all.indexOf('\r\n\r\n') + 4);
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  const o = { minVersion: version, maxVersion: version };
  const port = version === 'TLSv1.2' ? 4433 : 4434;
  await step(`${version} lines`, async () => {
    const socket = await open(port, o);
    const answers: string[] = [];
    let text = '';
    const all = new Promise<void>((resolve) =>
      socket.setEncoding('utf8').on('data', (more: string) => {
        text += more;
        for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
          answers.push(text.slice(0, end));
          text = text.slice(end + 1);
        }
        if (answers.length === requests) resolve();
      }),
    );
    for (let i = 0; i < requests; i++) socket.write(`${i}\n`);
    await all;
    const outcome = [socket.getProtocol(), socket.remoteAddress, socket.authorized];
    socket.end();
    await once(socket, 'close');
    return [...outcome, answers.filter((answer, i) => answer === [...String(i)].reverse().join('')).length];
  });
  await step(`${version} again`, async () => {
    const first = connectTls({ host, port, ca, ...o });
    const [session] = (await once(first, 'session')) as [Buffer];
    first.destroy();
    const reused = await many(Math.ceil(requests / 10), 1, async () => {
      const socket = await open(port, { ...o, session });
      const isReused = socket.isSessionReused();
      socket.end();
      await once(socket.resume(), 'close');
      return isReused;
    });
    return reused.every(Boolean);
  });
  await step(`${version} large`, async () => sha256(await get('big', o)));
  await step(`${version} left by us`, async () => {
    const socket = await open(4435, o);
    socket.write('GET /big HTTP/1.0\r\n\r\n');
    socket.once('data', () => socket.destroy());
    await once(socket, 'close');
    return socket.destroyed;
  });
}

await step('not trusted', async () => {
  const socket = connectTls({ host, port: 4434 });
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  return error.code;
});
