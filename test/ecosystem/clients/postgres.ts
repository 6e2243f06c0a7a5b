/** pg on tcpx with PostgreSQL, plain and in TLS. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { Socket } from '../../../src/net.ts';
import { many, plan, sha256, step } from './common.ts';

const { host, cert, requests, octets } = plan;
const big = randomBytes(octets);
const stream = (): never => new Socket() as never;

for (const [name, ssl] of [
  ['pg', false],
  ['pg tls', { ca: readFileSync(cert) }],
] as const) {
  const config = { host, user: 'postgres', database: 'postgres', ssl, stream };
  const client = new pg.Client(config);
  await step(`${name} connect`, async () => {
    await client.connect();
    const { rows } = await client.query(
      'select ssl, client_addr from pg_stat_ssl join pg_stat_activity using (pid) where pid = pg_backend_pid()',
    );
    return rows;
  });
  await step(`${name} requests`, async () => {
    const answers = await many(requests, 1, (i) => client.query('select $1::int * 2 as twice', [i]));
    return answers.filter(({ rows }, i) => rows[0].twice === 2 * i).length;
  });
  await step(`${name} in one go`, async () => {
    const piped = new pg.Client({ ...config, pipeline: true });
    await piped.connect();
    const asked = Array.from({ length: requests }, (_, i) => piped.query('select $1::int + 1 as next', [i]));
    const answers = await Promise.all(asked);
    await piped.end();
    return answers.filter(({ rows }, i) => rows[0].next === i + 1).length;
  });
  await step(`${name} large`, async () => {
    const sent = await client.query("select encode(sha256($1), 'hex') as hash", [big]);
    await client.query('create temporary table bulk (octets bytea)');
    await client.query('insert into bulk values ($1)', [big]);
    // @types/pg doesn't know of `binary`
    const inBinary: pg.QueryConfig = Object.assign({ text: 'select octets from bulk' }, { binary: true });
    const { rows } = await client.query(inBinary);
    return [sent.rows[0].hash === sha256(big), sha256(rows[0].octets) === sha256(big)];
  });
  await step(`${name} left by us`, async () => {
    const leaving = new pg.Client(config);
    leaving.on('error', () => {});
    await leaving.connect();
    const asked = leaving.query("select repeat('x', 1000) from generate_series(1, 100000)").catch(() => 'over');
    await new Promise((resolve) => setImmediate(resolve));
    (leaving as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    return asked;
  });
  await step(`${name} left by the peer`, async () => {
    const victim = new pg.Client(config);
    victim.on('error', () => {});
    await victim.connect();
    const { rows } = await victim.query('select pg_backend_pid() as pid');
    const asked = victim.query('select pg_sleep(60)').catch((error: { code?: string }) => error.code);
    await client.query('select pg_terminate_backend($1)', [rows[0].pid]);
    return asked;
  });
  await client.end();
}

await step('pool', async () => {
  const pool = new pg.Pool({ host, user: 'postgres', max: 4, stream } as pg.PoolConfig);
  const answers = await many(requests, 20, (i) => pool.query('select $1::int as same', [i]));
  const outcome = [answers.filter(({ rows }, i) => rows[0].same === i).length, pool.totalCount <= 4];
  await pool.end();
  return outcome;
});

await step('pg refused', async () => {
  const client = new pg.Client({ host, port: 81, user: 'postgres', stream });
  return client.connect().catch((error: { code?: string }) => error.code);
});
