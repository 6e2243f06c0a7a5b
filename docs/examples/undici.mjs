// node undici.mjs URL   undici, and with it fetch; HTTP/1.1 requests in a pipeline.
import { Agent, fetch } from 'undici';
import { undiciConnect } from 'tcpx/adapters';

const dispatcher = new Agent({ connect: undiciConnect(), pipelining: 10, connections: 1 });
const answers = [1, 2, 3].map(async () => (await fetch(process.argv[2], { dispatcher })).text());
console.log((await Promise.all(answers)).join(''));
await dispatcher.close();
