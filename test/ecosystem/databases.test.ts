/** ioredis and pg on tcpx, with redis-server and PostgreSQL, plain and in TLS. */
import { expect, test } from 'vitest';
import { startPostgres, startRedis } from './counterparts.ts';
import { paths, resultsOf, setLoss, startProgram, useStage } from './stage.ts';

const stage = useStage(async ({ server, directory, certificate }) => {
  await Promise.all([startRedis(server, directory, certificate), startPostgres(server, directory, certificate)]);
});

test.each(paths)('ioredis with redis-server%s', async (_name, size, loses) => {
  setLoss(stage(), loses);
  const { requests } = size;
  const expected = (name: string): Record<string, unknown> => ({
    [`${name} requests`]: true,
    [`${name} in one go`]: requests,
    [`${name} large`]: true,
    [`${name} told`]: true,
    [`${name} left by us`]: 'Connection is closed.',
    [`${name} left by the peer`]: [true, 'PONG'],
  });
  const results = await resultsOf(stage(), startProgram(stage(), 'redis', size));
  expect(results).toEqual({ ...expected('redis'), ...expected('redis tls'), 'redis refused': 'ECONNREFUSED' });
});

test.each(paths)('pg with PostgreSQL%s', async (_name, size, loses) => {
  setLoss(stage(), loses);
  const { requests } = size;
  const expected = (name: string, ssl: boolean): Record<string, unknown> => ({
    [`${name} connect`]: [{ ssl, client_addr: stage().clientAddress }],
    [`${name} requests`]: requests,
    [`${name} in one go`]: requests,
    [`${name} large`]: [true, true],
    [`${name} left by us`]: 'over',
    [`${name} left by the peer`]: ADMIN_SHUTDOWN,
  });
  const results = await resultsOf(stage(), startProgram(stage(), 'postgres', size));
  expect(results).toEqual({
    ...expected('pg', false),
    ...expected('pg tls', true),
    pool: [requests, true],
    'pg refused': 'ECONNREFUSED',
  });
});

const ADMIN_SHUTDOWN = '57P01';
