import net from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { type Addresses, hasSocketDiag, SocketDiag } from '../../src/link/socket-diag.ts';
import { toIpv4 } from '../../src/wire/ipv4.ts';

const LOOPBACK = toIpv4(0x7f000001);
/** Linux's numbers, include/net/tcp_states.h. */
const ESTABLISHED = 1;
const FIN_WAIT_1 = 4;
const FIN_WAIT_2 = 5;
const TIME_WAIT = 6;
const CLOSE_WAIT = 8;

const open: { destroy(): unknown }[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
});

const once = (emitter: NodeJS.EventEmitter, event: string): Promise<void> =>
  new Promise((resolve) => emitter.once(event, () => resolve()));

/** A connection on loopback between two kernel sockets of this process. */
async function connection() {
  const server = net.createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = new Promise<net.Socket>((resolve) => server.once('connection', resolve));
  const { port } = server.address() as net.AddressInfo;
  const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const peer = await accepted;
  server.close();
  open.push(client, peer);
  client.resume();
  peer.resume();
  const ends: Addresses = { local: LOOPBACK, localPort: client.localPort!, remote: LOOPBACK, remotePort: port };
  return { client, peer, ends };
}

const turned = ({ local, localPort, remote, remotePort }: Addresses): Addresses => ({
  local: remote,
  localPort: remotePort,
  remote: local,
  remotePort: localPort,
});

test('the state of exactly one connection is told, each end on its own, up to TIME-WAIT', async () => {
  const { client, peer, ends } = await connection();
  const ours = new SocketDiag(ends);
  const theirs = new SocketDiag(turned(ends));
  expect([ours.state(), theirs.state()]).toEqual([ESTABLISHED, ESTABLISHED]);
  const ended = once(peer, 'end');
  client.end();
  await ended;
  // the acknowledgment of the FIN may be delayed
  expect([FIN_WAIT_1, FIN_WAIT_2]).toContain(ours.state());
  expect(theirs.state()).toBe(CLOSE_WAIT);
  const closed = once(client, 'close');
  peer.end();
  await closed;
  expect([ours.state(), theirs.state()]).toEqual([TIME_WAIT, undefined]);
  ours.close();
  theirs.close();
});

test('a connection that does not exist has no state', async () => {
  const { ends } = await connection();
  const diag = new SocketDiag({ ...ends, remotePort: ends.remotePort ^ 1 });
  expect(diag.state()).toBeUndefined();
  diag.close();
});

test('closing twice is closing once', async () => {
  const diag = new SocketDiag((await connection()).ends);
  diag.close();
  expect(() => diag.close()).not.toThrow();
});

test('this kernel has diagnostics, and asking leaves no socket behind', () => {
  const sockets = () => process.getActiveResourcesInfo().length;
  const before = sockets();
  expect(hasSocketDiag()).toBe(true);
  expect(sockets()).toBe(before);
});
