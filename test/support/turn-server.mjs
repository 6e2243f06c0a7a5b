/** A kernel's echo, discard and source in one process, silent but for their ports: {"event":"ready","echo","discard","source"}. */
import { once } from 'node:events';
import net from 'node:net';

const octets = Buffer.alloc(65_536);
for (let i = 0; i < octets.length; i++) octets[i] = (i ^ (i >>> 8)) & 0xff;

function pour(socket) {
  const more = () => {
    while (!socket.destroyed && socket.write(octets));
  };
  socket.on('drain', more).resume();
  more();
}

const services = {
  echo: (socket) => socket.pipe(socket),
  discard: (socket) => socket.on('end', () => socket.end()).resume(),
  source: pour,
};

const ports = {};
for (const [name, serve] of Object.entries(services)) {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => serve(socket.on('error', () => {})));
  server.listen({ port: 0, backlog: 511 });
  await once(server, 'listening');
  ports[name] = server.address().port;
}
process.stdout.write(`${JSON.stringify({ event: 'ready', ...ports })}\n`);
