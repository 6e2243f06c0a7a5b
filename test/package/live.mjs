/** The installed command against a server of the kernel's on loopback: what is sent comes back, and it ends well. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import net from 'node:net';

const server = net.createServer((socket) => socket.pipe(socket));
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));

const command = spawn('npx', ['--no', '--', 'tcpx', 'connect', `localhost:${server.address().port}`], {
  stdio: ['pipe', 'pipe', 'inherit'],
});
command.stdin.end('there and back\n');
let received = '';
command.stdout.setEncoding('utf8').on('data', (text) => {
  received += text;
});
const status = await new Promise((ended) => command.on('close', ended));
server.close();

assert.equal(status, 0);
assert.equal(received, 'there and back\n');
console.log('live: there and back');
