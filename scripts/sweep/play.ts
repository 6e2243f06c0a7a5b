/** Plays one cell on one line: brings a connection to its state, sends the segment, and says what came of it. */
import { seqAdd, seqDiff, seqInt } from '../../src/base/seq.ts';
import type { State } from '../../src/tcp/machine.ts';
import type { CallRequest } from '../../src/tools/scenario/calls.ts';
import { Msg, O_NONBLOCK } from '../../src/tools/scenario/constants.ts';
import { TcpFlag } from '../../src/wire/tcp.ts';
import { CARRIED, type Cell } from './cells.ts';
import { type Line, must } from './line.ts';
import { Peer, type Seen } from './peer.ts';
import { reach } from './reach.ts';

/** What came of a cell. Plain JSON; equal outcomes are equal texts. */
export interface Outcome {
  /** What left, in order: 'ACK', 'ACK +10' (that much was taken), 'RST', 'SYN,ACK'. */
  readonly sent: readonly string[];
  /** State afterwards. */
  readonly state: State;
  /** What the user sees that was not to be seen before: 'reads 10', 'end', an errno. */
  readonly user: readonly string[];
}

/** Longer than any ACK is delayed, shorter than any retransmission takes. */
const LOOK_FOR_US = 260_000;

export async function playCell(cell: Cell, line: Line): Promise<Outcome> {
  try {
    const peer = new Peer(line.addresses, cell.stamp !== undefined);
    const place = await reach(cell.situation.name, line, peer);
    const queued = place.fd === undefined ? undefined : await queuedOf(line, place.fd, 'SIOCOUTQ');
    const unread = (place.fd === undefined ? undefined : await queuedOf(line, place.fd, 'SIOCINQ')) ?? 0;
    const { octets, seq, ack, len } = peer.segmentOf(cell);
    const before = peer.rcvNxt;
    const from = line.now();
    line.send(octets);
    await line.pass(LOOK_FOR_US);
    const sent = line.sent
      .splice(0)
      .filter(({ t }) => t < from + LOOK_FOR_US)
      .flatMap(({ bytes }) => peer.read(bytes) ?? []);
    const { state: was } = cell.situation;
    const state = (await line.state()) ?? (was === 'LISTEN' || place.returnsToListen ? 'LISTEN' : 'CLOSED');
    const user = await userSees(line, place, unread);
    if (place.fd !== undefined && queued !== undefined && state === was) {
      const left = await queuedOf(line, place.fd, 'SIOCOUTQ');
      if (left !== undefined && left < queued) user.push(`${queued - left} of ours acknowledged`);
    }
    const isAck = CARRIED[cell.carried].flags.includes('.');
    const texts = sent.map((seen) => textOf(seen, { peer, before, seq, ack: isAck ? ack : undefined, len }));
    return { sent: texts, state, user };
  } finally {
    await line.close();
  }
}

interface Against {
  readonly peer: Peer;
  readonly before: Peer['rcvNxt'];
  readonly seq: Peer['rcvNxt'];
  readonly ack: Peer['rcvNxt'] | undefined;
  readonly len: number;
}

/** A segment as a reader of the page wants it: what is as expected isn't said. */
function textOf(seen: Seen, a: Against): string {
  const has = (flag: number): boolean => (seen.flags & flag) !== 0;
  const stands = seqDiff(seen.seq, a.peer.sutNxt);
  if (has(TcpFlag.RST)) {
    if (!has(TcpFlag.ACK)) {
      if (seqDiff(seen.seq, a.ack ?? seqAdd(seen.seq, 1)) === 0) return 'RST';
      return stands === 0 ? 'RST at SND.NXT' : `RST at ${seqInt(seen.seq) >>> 0}`;
    }
    const covers = seqDiff(seen.ack, seqAdd(a.seq, a.len)) === 0;
    if (seqInt(seen.seq) === 0 && covers) return 'RST,ACK';
    if (stands === 0) return `RST,ACK at SND.NXT${ackText(seqDiff(seen.ack, a.before))}`;
    return `RST,ACK at ${seqInt(seen.seq) >>> 0}`;
  }
  if (has(TcpFlag.SYN)) {
    const answers = seqDiff(seen.ack, seqAdd(a.seq, 1));
    if (!has(TcpFlag.ACK)) return 'SYN';
    // A next incarnation has numbers of its own.
    const isSame = a.peer.iss !== undefined && seqDiff(seen.seq, a.peer.iss) === 0;
    if (isSame) return 'SYN,ACK';
    return answers === 0 ? 'new SYN,ACK' : `new SYN,ACK${ackText(answers)}`;
  }
  const parts = [has(TcpFlag.FIN) ? 'FIN,ACK' : seen.len > 0 ? `data ${seen.len}` : 'ACK'];
  const moved = ackText(seqDiff(seen.ack, a.before));
  if (seen.len === 0 && stands !== 0) parts.push(` at SND.NXT ${stands > 0 ? '+' : '−'} ${Math.abs(stands)}`);
  parts.push(moved);
  const [left] = seen.sack;
  if (left !== undefined) parts.push(seqDiff(left, seen.ack) < 0 ? ' dsack' : ' sack');
  return parts.join('');
}

const ackText = (moved: number): string => (moved === 0 ? '' : moved > 0 ? ` +${moved}` : ` −${-moved}`);

/** Where a connection was brought to. */
export interface Reached {
  /** The user's, if there is one that can read. */
  readonly fd: number | undefined;
  readonly listener: number | undefined;
  /** Without a connection the port is as it was: a listener's. */
  readonly returnsToListen: boolean;
}

/** `unread`: octets that were there to be read before. */
async function userSees(line: Line, place: Reached, unread: number): Promise<string[]> {
  if (place.fd !== undefined) return reads(line, place.fd, unread);
  if (place.listener === undefined) return [];
  await must(line, { call: 'fcntl', fd: place.listener, command: 'F_SETFL', flags: O_NONBLOCK });
  const { result, errno } = await line.call({ call: 'accept', fd: place.listener });
  if (result < 0) return errno === 'EAGAIN' ? [] : [`accept: ${errno}`];
  return ['accepts', ...(await reads(line, result, 0))];
}

const READ_LEN = 4096;

/** Reads until there is nothing, an end or an error. */
async function reads(line: Line, fd: number, unread: number): Promise<string[]> {
  const request: CallRequest = { call: 'read', fd, len: READ_LEN, flags: Msg.DONTWAIT };
  for (let sum = -unread; ; ) {
    const { result, errno } = await line.call(request);
    if (result > 0) {
      sum += result;
      continue;
    }
    const seen = sum > 0 ? [`reads ${sum}`] : sum < 0 ? ['loses the unread'] : [];
    if (result === 0) return [...seen, 'end'];
    return errno === 'EAGAIN' ? seen : [...seen, errno ?? 'fails'];
  }
}

/** Octets not yet acknowledged, or not yet read. */
async function queuedOf(line: Line, fd: number, request: 'SIOCOUTQ' | 'SIOCINQ'): Promise<number | undefined> {
  const { values } = await line.call({ call: 'ioctl', fd, request });
  return typeof values?.[0] === 'number' ? values[0] : undefined;
}

export const outcomeText = (o: Outcome): string => [o.sent.join(', ') || '–', o.state, ...o.user].join('; ');
