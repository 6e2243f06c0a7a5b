/** Connections that a reset has ended before anyone looked: what `net` on the kernel makes of them, and tcpx. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import kernelNet from 'node:net';
import { afterAll, expect, test } from 'vitest';
import { netOver } from '../../src/socket/net-api.ts';
import { turnNetwork } from '../support/turn-network.ts';
import { type Net, pause, portOf } from './trial.ts';

const { network, stacks, close } = turnNetwork();
// the same names, which is what is shown here
const tcpx = netOver(network) as unknown as Net;

afterAll(close);

/** What a server sees of a client that has said something and reset, when it looks for the first time. */
async function seen(net: Net, comeAndGo: (server: kernelNet.Server) => Promise<void>): Promise<readonly string[]> {
  const log: string[] = [];
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    log.push(`connection ${socket.readyState}`);
    socket.on('data', (data) => log.push(`data ${data}`));
    socket.on('end', () => log.push('end'));
    socket.on('error', (error) => log.push(`error ${error.message}`));
    socket.on('close', (hadError) => log.push(`close ${hadError}`));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await comeAndGo(server);
  await pause(50);
  server.close();
  return log;
}

/** Nothing else happens here meanwhile: the kernel's handshake needs nobody. */
const onKernel = (said: string) => async (server: kernelNet.Server) => {
  const program = `
    const socket = require('node:net').connect(${portOf(server)}, '127.0.0.1', () => {
      socket.write(${JSON.stringify(said)}, () => setTimeout(() => socket.resetAndDestroy(), 20));
    });`;
  spawnSync(process.execPath, ['-e', program]);
};

/** The listener's word comes late. */
const onTcpx = (said: string) => async (server: kernelNet.Server) => {
  const listener = stacks.flatMap((stack) => [...stack.listeners()]).find(({ port }) => port === portOf(server))!;
  const tell = listener.onConnection!;
  listener.onConnection = undefined;
  const client = tcpx.connect(portOf(server), '127.0.0.1');
  await once(client, 'connect');
  client.write(said);
  await pause(20);
  client.resetAndDestroy();
  await pause(20);
  tell();
};

const RESET = ['error read ECONNRESET', 'close true'];

test('one that was reset before it was accepted is handed to the server, and fails then', async () => {
  const onNet = await seen(kernelNet, onKernel(''));
  expect(onNet).toEqual(['connection open', ...RESET]);
  expect(await seen(tcpx, onTcpx(''))).toEqual(onNet);
});

test('what it had said is read first', async () => {
  const onNet = await seen(kernelNet, onKernel('hello'));
  expect(onNet.slice(0, 2)).toEqual(['connection open', 'data hello']);
  expect(await seen(tcpx, onTcpx('hello'))).toEqual([...onNet.slice(0, 2), ...RESET]);
});

test.each([1, 1000, 40_000])('of %i octets none is missing when the reader comes back after the reset', async (len) => {
  for (const net of [kernelNet as Net, tcpx]) {
    const server = net.createServer({ pauseOnConnect: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const connection = once(server, 'connection');
    const client = net.connect(portOf(server), '127.0.0.1');
    const [peer] = (await connection) as [kernelNet.Socket];
    client.write(Buffer.alloc(len));
    await pause(20);
    client.resetAndDestroy();
    await pause(20);
    let octets = 0;
    let ending = '';
    peer.on('data', (data) => {
      octets += data.length;
    });
    for (const event of ['end', 'error']) peer.on(event, () => (ending ||= `${event} after ${octets}`));
    peer.resume();
    await once(peer, 'close').catch(() => {});
    // libuv takes the reset for an end unless its last read was of 64 KiB.
    expect(ending).toBe(`${net === tcpx ? 'error' : 'end'} after ${len}`);
    server.close();
  }
});
