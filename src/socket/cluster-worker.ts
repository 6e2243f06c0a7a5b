/**
 * One worker of a cluster: a stack for the connections it opens, from source ports of its own, and one for its share of
 * the connections to each port that is listened to. It knows nothing of the other workers.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { routeTo } from '../link/route.ts';
import { Stack } from '../stack/stack.ts';
import {
  type FromWorker,
  type Names,
  ownOctets,
  READ_AHEAD,
  sentError,
  type ToWorker,
  type WorkerSettings,
} from './cluster-messages.ts';
import { openDriver } from './driver.ts';
import { type Host, openHost } from './host.ts';
import { nodeClock, nodeRandom } from './node-clock.ts';
import { TcpSocket } from './tcp-socket.ts';

// what cluster.ts starts it with
const settings = workerData as WorkerSettings;
const front = parentPort!;
const sockets = new Map<number, Held>();
const listening: Stack[] = [];
let host: Host;
let lastAccepted = -1;

interface Held {
  readonly socket: TcpSocket;
  /** Octets given to the front and not yet taken by its reader. */
  ahead: number;
}

const say = (message: FromWorker, transfer: readonly ArrayBuffer[] = []): void => front.postMessage(message, transfer);

function hold(id: number, socket: TcpSocket): void {
  const held: Held = { socket, ahead: 0 };
  sockets.set(id, held);
  let failure: Error | undefined;
  socket.on('data', (chunk: Uint8Array) => {
    const octets = ownOctets(chunk);
    held.ahead += octets.length;
    say({ type: 'data', id, octets }, [octets.buffer]);
    if (held.ahead >= READ_AHEAD) socket.pause();
  });
  socket.once('end', () => say({ type: 'ended', id }));
  // Nobody in the front waits for TIME-WAIT: the stack goes on with it alone.
  socket.once('time-wait', () => {
    if (socket.readableEnded) socket.destroy();
    else socket.once('end', () => socket.destroy());
  });
  socket.once('error', (error) => {
    failure = error;
  });
  socket.once('close', () => {
    sockets.delete(id);
    say({ type: 'gone', id, ...(failure !== undefined && { error: sentError(failure) }) });
  });
}

function names({ endpoint }: TcpSocket): Names {
  const { localAddress, localPort, remoteAddress, remotePort } = endpoint;
  return { localAddress, localPort, remoteAddress, remotePort };
}

function connect(m: ToWorker & { type: 'connect' }): void {
  const { id, address, port, options } = m;
  try {
    const socket = new TcpSocket(host.stack.connect({ address, port, ...(options !== undefined && { options }) }));
    hold(id, socket);
    socket.once('connect', () => say({ type: 'connected', id, names: names(socket) }));
  } catch (error) {
    say({ type: 'gone', id, error: sentError(error) });
  }
}

/** The front keeps the port from the kernel. */
async function listen(m: ToWorker & { type: 'listen' }): Promise<void> {
  const { index, of, remote } = settings;
  const route = routeTo(remote, {
    ...(settings.source !== undefined && { source: settings.source }),
    ...(settings.interface !== undefined && { interface: settings.interface }),
  });
  const { link } = await openDriver({
    driver: 'packet',
    interface: route.interface,
    addresses: [route.source],
    ports: [m.port],
    share: { index, of },
    mtu: route.mtu,
    loopback: route.loopback,
    bind: settings.interface !== undefined,
    ...(settings.offload !== undefined && { offload: settings.offload }),
  });
  const stack = new Stack({
    clock: nodeClock(),
    random: nodeRandom(),
    link,
    address: route.source,
    ownsPort: (port) => port === m.port,
    ...(settings.profile !== undefined && { profile: settings.profile }),
    ...(settings.sysctl !== undefined && { sysctl: settings.sysctl }),
  });
  listening.push(stack);
  const { port, backlog, options } = m;
  const listener = stack.listen({
    port,
    ...(backlog !== undefined && { backlog }),
    ...(options !== undefined && { options }),
  });
  listener.onConnection = () => {
    for (let e = listener.accept(); e !== undefined; e = listener.accept()) {
      lastAccepted += 2;
      const id = lastAccepted;
      const socket = new TcpSocket(e);
      say({ type: 'accepted', id, names: names(socket) });
      hold(id, socket);
    }
  };
  say({ type: 'listening', port });
}

function onMessage(m: ToWorker): void {
  switch (m.type) {
    case 'connect':
      connect(m);
      return;
    case 'listen':
      listen(m).catch((error: unknown) => say({ type: 'failed', error: sentError(error) }));
      return;
    case 'close':
      host.close();
      for (const stack of listening) stack.close();
      front.close();
      return;
  }
  const held = sockets.get(m.id);
  if (held === undefined) return;
  const { socket } = held;
  switch (m.type) {
    case 'write':
      socket.write(m.octets, (error) => {
        if (error === null || error === undefined) say({ type: 'written', id: m.id });
      });
      return;
    case 'end':
      socket.end(() => say({ type: 'finished', id: m.id }));
      return;
    case 'taken':
      held.ahead -= m.len;
      if (held.ahead < READ_AHEAD / 2) socket.resume();
      return;
    case 'destroy':
      if (m.reset) socket.resetAndDestroy();
      else socket.destroy();
      return;
  }
}

try {
  host = await openHost({ ...settings, ports: 'many' });
  front.on('message', onMessage);
  say({ type: 'ready' });
} catch (error) {
  say({ type: 'failed', error: sentError(error) });
}
