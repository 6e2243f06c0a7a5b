/**
 * Checks that try it: the guard with a knock of the kernel's own, the driver on the chosen interface, and a handshake of
 * tcpx with a kernel listener of this process. Nothing of it leaves this machine.
 */
import { readFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { guardPort, type PortGuard } from '../../link/guard.ts';
import { RECEIVE_BUFFER } from '../../link/packet-socket.ts';
import type { Interface } from '../../link/route.ts';
import { type DriverName, openDriver } from '../../socket/driver.ts';
import { openHost } from '../../socket/host.ts';
import { TcpSocket } from '../../socket/tcp-socket.ts';
import { type Ipv4, ipv4Text } from '../../wire/ipv4.ts';
import { type Check, failure, failureOf, ok, warning } from './check.ts';

/** Milliseconds in which a kernel that answers has answered, and a handshake is over. */
const KNOCK = 300;
const HANDSHAKE = 5000;

/** Whether this kernel can drop in silence what has no signature; otherwise firewall rules must. */
export function md5Check(address: Ipv4): Check {
  const name = 'TCP-MD5';
  try {
    guardPort({ kind: 'md5', address, port: 0 }).close();
    return ok(name, 'the kernel takes a key for every peer');
  } catch (error) {
    const found = failureOf(name, error);
    return warning(
      name,
      found.detail,
      'CONFIG_TCP_MD5SIG in the kernel; otherwise --guard nft, which needs CAP_NET_ADMIN',
    );
  }
}

/** Opens the guard that --guard auto would, and connects to it with a kernel socket: nobody must answer. */
export async function guardCheck(address: Ipv4): Promise<Check> {
  const name = 'guard';
  let guard: PortGuard;
  try {
    guard = guardPort({ kind: 'auto', address, port: 0 });
  } catch (error) {
    return failureOf(name, error);
  }
  try {
    const before = droppedInSilence();
    const answer = await knock(ipv4Text(address), guard.port);
    const dropped = droppedInSilence() - before;
    if (answer !== 'silence')
      return failure(
        name,
        `${guard.kind}: the kernel answered for the port (${answer})`,
        guard.kind === 'md5' ? 'try --guard nft, and report this kernel' : 'see the rules of nft list ruleset',
      );
    const counted = guard.kind === 'md5' ? `, ${dropped} SYN dropped and counted` : '';
    return ok(name, `${guard.kind}: the kernel stays silent on ${ipv4Text(address)}:${guard.port}${counted}`);
  } finally {
    guard.close();
  }
}

/** What the kernel has dropped for want of a key, or for its TTL. */
function droppedInSilence(): number {
  const [names = '', values = ''] = readFileSync('/proc/net/netstat', 'utf8').split('\n');
  const at = (name: string): number => Number(values.split(' ')[names.split(' ').indexOf(name)] ?? 0);
  return at('TCPMD5NotFound') + at('TCPMinTTLDrop');
}

function knock(host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const done = (answer: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => done('silence'), KNOCK);
    socket.once('connect', () => done('connected'));
    socket.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
  });
}

/** Opens and closes both drivers on the interface. One that isn't built is no failure where the other works. */
export async function driverChecks(i: Interface, address: Ipv4): Promise<readonly Check[]> {
  const packet = await driverCheck('packet', i, address);
  const raw = await driverCheck('raw', i, address);
  return [softened(packet, raw), softened(raw, packet)];
}

function softened(check: Check, other: Check): Check {
  if (check.why !== 'not available' || other.status !== 'ok') return check;
  return warning(check.name, `${check.detail}; ${other.name} works`, check.remedy ?? '');
}

async function driverCheck(driver: DriverName, i: Interface, address: Ipv4): Promise<Check> {
  const name = `driver ${driver}`;
  try {
    const { link, receiveBuffer } = await openDriver({
      driver,
      interface: i.name,
      addresses: [address],
      ports: [9],
      mtu: Math.min(i.mtu, 65_535),
      loopback: i.loopback,
      bind: false,
      ...(driver === 'raw' && { buffers: { receive: 1 << 20 } }),
    });
    link.close();
    return ok(name, `opens on ${i.name}${driver === 'packet' ? packetText(receiveBuffer ?? 0) : ''}`);
  } catch (error) {
    return failureOf(name, error);
  }
}

function packetText(receiveBuffer: number): string {
  const limit = receiveBuffer < RECEIVE_BUFFER ? ', all that net.core.rmem_max allows without CAP_NET_ADMIN' : '';
  return `, and is the default; receive buffer ${Math.round(receiveBuffer / 1024)} KiB${limit}`;
}

/** A connection of tcpx's with a listener of the kernel's at `address`: packets of this machine to itself, on loopback. */
export async function handshakeCheck(address: Ipv4): Promise<Check> {
  const name = 'handshake';
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket));
  try {
    const port = await listening(server, ipv4Text(address));
    const host = await openHost({ remote: address, remotePort: port, sysctl: { tcp_syn_retries: 1 } });
    try {
      const socket = new TcpSocket(host.stack.connect({ address, port, localPort: host.port }));
      const outcome = await echoed(socket);
      if (outcome !== 'echoed')
        return failure(
          name,
          `with the kernel at ${ipv4Text(address)}:${port}: ${outcome}`,
          'a firewall rule may drop or reset it; sudo tcpx connect -v to that address shows each segment',
        );
      const { min_rtt } = socket.endpoint.info();
      socket.resetAndDestroy();
      return ok(
        name,
        `with this kernel, through ${host.route.interface}: connected, echoed, RTT ${(min_rtt / 1000).toFixed(1)} ms`,
      );
    } finally {
      host.close();
    }
  } catch (error) {
    return failureOf(name, error);
  } finally {
    server.close();
  }
}

function listening(server: Server, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port: 0 }, () => {
      const at = server.address();
      resolve(typeof at === 'object' && at !== null ? at.port : 0);
    });
  });
}

function echoed(socket: TcpSocket): Promise<string> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(`nothing came back within ${HANDSHAKE / 1000} s`), HANDSHAKE);
    const done = (outcome: string): void => {
      clearTimeout(timer);
      resolve(outcome);
    };
    socket.on('error', (error) => done(error.message));
    socket.once('data', () => done('echoed'));
    socket.write('tcpx');
  });
}
