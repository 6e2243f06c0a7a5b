/** The ways into each state, by calls and segments alone, the same on every stack. */
import type { CallRequest } from '../../src/tools/scenario/calls.ts';
import { Msg, O_NONBLOCK, Shut } from '../../src/tools/scenario/constants.ts';
import { TcpFlag } from '../../src/wire/tcp.ts';
import type { SituationName } from './cells.ts';
import { type Line, must } from './line.ts';
import { lenOf, type Peer, type Seen, seenText } from './peer.ts';
import type { Reached } from './play.ts';

const PATIENCE_US = 3_000_000;
/** Octets that each side sends first, and those of ours that stay unacknowledged. */
const FIRST = 100;
const UNACKNOWLEDGED = 20;
/** Long enough for tcpx to put a connection away. */
const IDLE_US = 1_000_000;
/** Octets of SO_RCVBUF, so that a window is soon full. */
const SMALL_BUFFER = 8192;
const FILLING = 1000;

const NOBODY: Reached = { fd: undefined, listener: undefined, returnsToListen: false };

export async function reach(name: SituationName, line: Line, peer: Peer): Promise<Reached> {
  switch (name) {
    case 'CLOSED':
      return NOBODY;
    case 'LISTEN':
      return { fd: undefined, listener: await listen(line), returnsToListen: true };
    case 'SYN-SENT':
      return { ...NOBODY, fd: await connect(line, peer) };
    case 'SYN-RECEIVED': {
      const listener = await listen(line);
      line.send(peer.honest('S'));
      await next(line, peer, TcpFlag.SYN | TcpFlag.ACK);
      return { fd: undefined, listener, returnsToListen: true };
    }
    case 'SYN-RECEIVED, simultaneous open': {
      const fd = await connect(line, peer);
      line.send(peer.honest('S'));
      await next(line, peer, TcpFlag.SYN | TcpFlag.ACK);
      return { ...NOBODY, fd };
    }
    case 'ESTABLISHED': {
      const fd = await established(line, peer);
      await write(line, peer, fd, UNACKNOWLEDGED);
      return { ...NOBODY, fd };
    }
    case 'ESTABLISHED, idle': {
      const fd = await established(line, peer);
      await line.pass(IDLE_US);
      return { ...NOBODY, fd };
    }
    case 'ESTABLISHED, window shut': {
      const fd = await established(line, peer, SMALL_BUFFER);
      await fill(line, peer);
      return { ...NOBODY, fd };
    }
    case 'CLOSE-WAIT': {
      const fd = await established(line, peer);
      await write(line, peer, fd, UNACKNOWLEDGED);
      await peerCloses(line, peer, false);
      return { ...NOBODY, fd };
    }
    case 'FIN-WAIT-1':
      return { ...NOBODY, fd: await shut(line, peer, await established(line, peer)) };
    case 'FIN-WAIT-1, user gone':
      await leave(line, peer, await established(line, peer));
      return NOBODY;
    case 'FIN-WAIT-2': {
      const fd = await shut(line, peer, await established(line, peer));
      line.send(peer.honest('.'));
      await state(line, 'FIN-WAIT-2');
      return { ...NOBODY, fd };
    }
    case 'FIN-WAIT-2, user gone':
      await leave(line, peer, await established(line, peer));
      line.send(peer.honest('.'));
      await state(line, 'FIN-WAIT-2');
      return NOBODY;
    case 'CLOSING': {
      const fd = await shut(line, peer, await established(line, peer));
      await peerCloses(line, peer, false);
      return { ...NOBODY, fd };
    }
    case 'CLOSING, user gone':
      await leave(line, peer, await established(line, peer));
      await peerCloses(line, peer, false);
      return NOBODY;
    case 'LAST-ACK': {
      const fd = await established(line, peer);
      await peerCloses(line, peer, true);
      return { ...NOBODY, fd: await shut(line, peer, fd) };
    }
    case 'LAST-ACK, user gone': {
      const fd = await established(line, peer);
      await peerCloses(line, peer, true);
      await leave(line, peer, fd);
      return NOBODY;
    }
    case 'TIME-WAIT, user gone':
      await leave(line, peer, await established(line, peer));
      line.send(peer.honest('.'));
      await state(line, 'FIN-WAIT-2');
      await peerCloses(line, peer, true);
      return NOBODY;
    case 'TIME-WAIT': {
      const fd = await shut(line, peer, await established(line, peer));
      line.send(peer.honest('.'));
      await state(line, 'FIN-WAIT-2');
      await peerCloses(line, peer, true);
      return { ...NOBODY, fd };
    }
  }
}

async function socket(line: Line): Promise<number> {
  const fd = await must(line, { call: 'socket' });
  // Urgent octets among the others, as tcpx has them.
  await must(line, { call: 'setsockopt', fd, option: 'SO_OOBINLINE', value: 1 });
  await must(line, { call: 'bind', fd, port: line.addresses.sutPort });
  return fd;
}

async function listen(line: Line, buffer = 0): Promise<number> {
  const fd = await socket(line);
  if (buffer > 0) await must(line, { call: 'setsockopt', fd, option: 'SO_RCVBUF', value: buffer });
  await must(line, { call: 'listen', fd, backlog: 5 });
  return fd;
}

async function connect(line: Line, peer: Peer): Promise<number> {
  const fd = await socket(line);
  await must(line, { call: 'fcntl', fd, command: 'F_SETFL', flags: O_NONBLOCK });
  await line.call({ call: 'connect', fd, address: line.addresses.peer, port: line.addresses.peerPort });
  await next(line, peer, TcpFlag.SYN);
  return fd;
}

/** Opened by the peer; both sides have sent, and all of it is acknowledged and read. */
async function established(line: Line, peer: Peer, buffer = 0): Promise<number> {
  const listener = await listen(line, buffer);
  line.send(peer.honest('S'));
  await next(line, peer, TcpFlag.SYN | TcpFlag.ACK);
  line.send(peer.honest('.'));
  await state(line, 'ESTABLISHED');
  const fd = await must(line, { call: 'accept', fd: listener });
  line.send(peer.honest('P.', FIRST));
  await next(line, peer, TcpFlag.ACK);
  const read: CallRequest = { call: 'read', fd, len: FIRST, flags: Msg.DONTWAIT };
  await must(line, read);
  await write(line, peer, fd, FIRST);
  line.send(peer.honest('.'));
  await acknowledged(line, fd);
  return fd;
}

/** The peer sends until there is no window left. */
async function fill(line: Line, peer: Peer): Promise<void> {
  while (peer.rcvWnd > 0) {
    line.send(peer.honest('P.', Math.min(peer.rcvWnd, FILLING)));
    await next(line, peer, TcpFlag.ACK);
  }
}

async function write(line: Line, peer: Peer, fd: number, len: number): Promise<void> {
  await must(line, { call: 'write', fd, len, flags: 0 }, len);
  await next(line, peer, TcpFlag.PSH | TcpFlag.ACK);
}

async function shut(line: Line, peer: Peer, fd: number): Promise<number> {
  await must(line, { call: 'shutdown', fd, how: Shut.WR });
  await next(line, peer, TcpFlag.FIN | TcpFlag.ACK);
  return fd;
}

async function leave(line: Line, peer: Peer, fd: number): Promise<void> {
  await must(line, { call: 'close', fd });
  await next(line, peer, TcpFlag.FIN | TcpFlag.ACK);
}

/** `acks`: its FIN acknowledges all that we sent, else nothing that wasn't before. */
async function peerCloses(line: Line, peer: Peer, acks: boolean): Promise<void> {
  line.send(peer.honest('F.', 0, acks ? peer.sutNxt : peer.sutUna));
  await next(line, peer, TcpFlag.ACK);
}

/** The stack's next segment, which has these flags. */
async function next(line: Line, peer: Peer, flags: number): Promise<Seen> {
  await line.pass(PATIENCE_US, () => line.sent.length > 0);
  const packet = line.sent.shift();
  const seen = packet === undefined ? undefined : peer.read(packet.bytes);
  if (seen === undefined || seen.flags !== flags)
    throw new Error(`on the way: ${seen === undefined ? 'nothing' : seenText(seen)} left instead of flags ${flags}`);
  if (lenOf(seen) > 0 || seen.flags & TcpFlag.ACK) peer.note(seen);
  return seen;
}

async function until(line: Line, what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let waited = 0; waited < PATIENCE_US; waited += 2000) {
    if (await holds()) return;
    await line.pass(2000);
  }
  throw new Error(`on the way: ${what} never came`);
}

const state = (line: Line, wanted: Awaited<ReturnType<Line['state']>>): Promise<void> =>
  until(line, String(wanted), async () => (await line.state()) === wanted);

const acknowledged = (line: Line, fd: number): Promise<void> =>
  until(line, 'the acknowledgment', async () => {
    const { values } = await line.call({ call: 'ioctl', fd, request: 'SIOCOUTQ' });
    return values?.[0] === 0;
  });
