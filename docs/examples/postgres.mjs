// node postgres.mjs HOST   pg; Pool takes the same option, and `ssl` works as it does elsewhere.
import pg from 'pg';
import { Socket } from 'tcpx';

const client = new pg.Client({ host: process.argv[2], user: 'postgres', stream: () => new Socket() });
await client.connect();
const { rows } = await client.query('select 6 * $1::int as answer, client_addr from pg_stat_activity where pid = pg_backend_pid()', [7]);
console.log(rows[0]);
await client.end();
