// node redis.mjs HOST   ioredis; it reconnects by itself, and `tls` works as it does elsewhere.
import { Redis } from 'ioredis';
import { RedisConnector } from 'tcpx/adapters';

const redis = new Redis({ host: process.argv[2], Connector: RedisConnector });
const answers = await redis.pipeline().set('greeting', 'hello').get('greeting').del('greeting').exec();
console.log(answers.map(([, answer]) => answer));
await redis.quit();
