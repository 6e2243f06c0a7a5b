/**
 * A cluster, for its test: ADDR PORT [INTERFACE]. It listens on 7000 and echoes; and on lines of its input:
 *   connect N LEN    N connections to ADDR:PORT, each sends LEN octets and FIN, and wants them back
 *   hold N           N connections that stay
 *   kill I           worker I dies
 *   count            {"event":"count","counts":[…],"failed":{code:n}}
 *   end
 */
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { type ClusterSocket, openCluster } from '../../src/socket/cluster.ts';
import { patternPiece } from '../../src/tools/pattern.ts';
import { parseIpv4 } from '../../src/wire/ipv4.ts';

const [host = '', port = '', on] = process.argv.slice(2);
const address = parseIpv4(host)!;
const say = (event: string, fields: object = {}): void => console.log(JSON.stringify({ event, ...fields }));
const failed: Record<string, number> = {};
const accepted = [0, 0];

const cluster = await openCluster({
  workers: 2,
  remote: address,
  ...(on !== undefined && { interface: on }),
  onDeath: (index, code) => say('death', { index, code }),
});
await cluster.listen({ port: 7000 }, (socket) => {
  accepted[socket.worker]!++;
  socket.on('error', count);
  socket.pipe(socket);
});

function count(error: Error): void {
  const { code = error.message } = error as { code?: string };
  failed[code] = (failed[code] ?? 0) + 1;
}

async function echoed(len: number): Promise<boolean> {
  const socket = cluster.connect({ address, port: Number(port) });
  const into = createHash('sha256');
  const sent = patternPiece(0, len);
  const over = new Promise<void>((resolve) => {
    socket.on('error', count);
    socket.once('close', resolve);
  });
  socket.on('data', (octets: Uint8Array) => into.update(octets));
  socket.end(sent);
  await over;
  return into.digest('hex') === createHash('sha256').update(sent).digest('hex');
}

function hold(): Promise<void> {
  const socket: ClusterSocket = cluster.connect({ address, port: Number(port) });
  socket.on('error', count);
  socket.resume();
  return new Promise((resolve) => socket.once('connect', resolve));
}

createInterface({ input: process.stdin }).on('line', async (line) => {
  const [command, first, second] = line.split(' ');
  if (command === 'connect') {
    const all = await Promise.all(Array.from({ length: Number(first) }, () => echoed(Number(second))));
    say('done', { intact: all.filter(Boolean).length });
  } else if (command === 'hold') {
    await Promise.all(Array.from({ length: Number(first) }, hold));
    say('held', { counts: cluster.counts });
  } else if (command === 'kill') cluster.kill(Number(first));
  else if (command === 'count') say('count', { counts: cluster.counts, accepted, failed });
  else if (command === 'end') {
    await cluster.close();
    say('ended');
    process.exit();
  }
});
say('ready');
