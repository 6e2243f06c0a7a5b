/** tcpx as a library: two stacks over a cable in memory, in virtual time, a hundred kilooctets from one to the other. */
import assert from 'node:assert/strict';
import { memoryLink, ms, parseIpv4, Stack, seconds, seededRandom, VirtualTime } from 'tcpx/stack';

const time = new VirtualTime();
const [here, there] = memoryLink(time, { delay: ms(10) });
const stackAt = (link, address, seed) =>
  new Stack({ clock: time.clock(), random: seededRandom(seed), link, address: parseIpv4(address) });
const client = stackAt(here, '10.0.0.1', 1);
const server = stackAt(there, '10.0.0.2', 2);

const sent = Uint8Array.from({ length: 100_000 }, (_, i) => (i ^ (i >> 8)) & 255);
const received = [];

const listener = server.listen({ port: 80 });
listener.onConnection = () => {
  const endpoint = listener.accept();
  endpoint.onEvent = () => {
    let octets = endpoint.receive();
    for (; octets instanceof Uint8Array; octets = endpoint.receive()) received.push(octets);
    if (octets === 'end') endpoint.close();
  };
  endpoint.onEvent();
};

const endpoint = client.connect({ address: server.address, port: 80 });
let taken = 0;
endpoint.onEvent = () => {
  if (endpoint.state !== 'ESTABLISHED') return;
  taken += endpoint.send(sent.subarray(taken));
  if (taken === sent.length) endpoint.shutdown();
};

assert(
  time.runWhile(() => endpoint.state !== 'TIME-WAIT', seconds(60)),
  `still ${endpoint.state}`,
);
assert.deepEqual(Buffer.concat(received), Buffer.from(sent));
console.log(`embed: ${sent.length} octets in ${time.now / 1000} ms of virtual time`);

assert(
  time.runWhile(() => endpoint.state !== 'CLOSED', seconds(120)),
  `still ${endpoint.state}`,
);
