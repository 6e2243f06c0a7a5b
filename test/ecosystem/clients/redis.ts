/** ioredis on tcpx with redis-server, plain and in TLS. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Redis, type RedisOptions } from 'ioredis';
import { RedisConnector } from '../../../src/adapters.ts';
import { many, plan, sha256, step } from './common.ts';

const { host, cert, requests, octets } = plan;
const big = randomBytes(octets);

for (const [name, o] of [
  ['redis', { port: 6379 }],
  ['redis tls', { port: 6380, tls: { ca: readFileSync(cert) } }],
] as const satisfies readonly (readonly [string, RedisOptions])[]) {
  const open = (more: RedisOptions = {}): Redis =>
    new Redis({ host, ...o, Connector: RedisConnector, ...more }).on('error', () => {});
  const redis = open();
  await step(`${name} requests`, async () => {
    await redis.del('count');
    const counts = await many(requests, 1, () => redis.incr('count'));
    return counts.every((count, i) => count === i + 1);
  });
  await step(`${name} in one go`, async () => {
    const pipeline = redis.pipeline();
    for (let i = 0; i < requests; i++) pipeline.set(`key ${i}`, i).get(`key ${i}`);
    const answers = (await pipeline.exec()) ?? [];
    return answers.filter(([error, value], i) => error === null && i % 2 === 1 && value === String((i - 1) / 2)).length;
  });
  await step(`${name} large`, async () => {
    await redis.set('big', big);
    const got = await redis.getBuffer('big');
    return got !== null && sha256(got) === sha256(big);
  });
  await step(`${name} told`, async () => {
    const listener = open();
    const heard: string[] = [];
    const all = new Promise<void>((resolve) =>
      listener.on('message', (_channel, text) => {
        if (heard.push(text) === 100) resolve();
      }),
    );
    await listener.subscribe('news');
    await Promise.all(Array.from({ length: 100 }, (_, i) => redis.publish('news', String(i))));
    await all;
    await listener.quit();
    return heard.join() === Array.from({ length: 100 }, (_, i) => i).join();
  });
  await step(`${name} left by us`, async () => {
    const client = open({ maxRetriesPerRequest: 0 });
    await client.ping();
    const asked = client.getBuffer('big').catch((error: Error) => error.message);
    client.disconnect();
    return asked;
  });
  await step(`${name} left by the peer`, async () => {
    // It tries again by itself.
    const client = open();
    const id = await client.client('ID');
    const again = new Promise((resolve) => client.once('reconnecting', () => resolve(true)));
    await redis.client('KILL', 'ID', id);
    const outcome = [await again, await client.ping()];
    await client.quit();
    return outcome;
  });
  await redis.quit();
}

await step('redis refused', async () => {
  const client = new Redis({ host, port: 81, Connector: RedisConnector, retryStrategy: () => null, lazyConnect: true });
  let code: unknown;
  client.on('error', (error: NodeJS.ErrnoException) => {
    code = error.code;
  });
  await client.connect().catch(() => {});
  return code;
});
