/** What a namespace's kernel says of its TCP: sockets, queues and counters, from /proc/net. */
import { endianness } from 'node:os';
import { stateOfNumber } from '../../tcp/linux-states.ts';
import type { State } from '../../tcp/machine.ts';
import { type Ipv4, ipv4Text, toIpv4 } from '../../wire/ipv4.ts';

/** A socket, a half-open connection or one in TIME-WAIT. Queues in octets; of a listener in connections. */
export interface KernelSocket {
  readonly state: State;
  readonly local: Ipv4;
  readonly localPort: number;
  readonly remote: Ipv4;
  readonly remotePort: number;
  readonly sendQueue: number;
  /** Of a listener: connections that wait for accept(). */
  readonly receiveQueue: number;
  /** Unanswered retransmissions. */
  readonly retransmits: number;
}

/** /proc/net/tcp. */
export function readSockets(text: string): readonly KernelSocket[] {
  return text
    .split('\n')
    .slice(1)
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, local = '', remote = '', state = '', queues = '', , retransmits = ''] = line.trim().split(/\s+/);
      const [sendQueue = '', receiveQueue = ''] = queues.split(':');
      return {
        state: stateOfNumber(Number.parseInt(state, 16)),
        local: addressOf(local),
        localPort: portOf(local),
        remote: addressOf(remote),
        remotePort: portOf(remote),
        sendQueue: Number.parseInt(sendQueue, 16),
        receiveQueue: Number.parseInt(receiveQueue, 16),
        retransmits: Number.parseInt(retransmits, 16),
      };
    });
}

/** The address is printed as the number that the machine has in memory. */
function addressOf(text: string): Ipv4 {
  const n = Number.parseInt(text.slice(0, 8), 16);
  if (endianness() === 'BE') return toIpv4(n);
  return toIpv4(((n & 0xff) << 24) | ((n & 0xff00) << 8) | ((n >>> 8) & 0xff00) | (n >>> 24));
}

const portOf = (text: string): number => Number.parseInt(text.slice(9), 16);

/** /proc/net/snmp and netstat: pairs of lines, names then values; the names as nstat has them (TcpOutRsts, TcpExtListenDrops). */
export function readCounters(text: string): Readonly<Record<string, number>> {
  const counters: Record<string, number> = {};
  const lines = text.split('\n');
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const [group = '', ...names] = lines[i]!.split(' ');
    const values = lines[i + 1]!.split(' ').slice(1);
    names.forEach((name, k) => {
      counters[group.replace(':', '') + name] = Number(values[k]);
    });
  }
  return counters;
}

export const socketText = (s: KernelSocket): string =>
  `${s.state} ${ipv4Text(s.local)}:${s.localPort} ${ipv4Text(s.remote)}:${s.remotePort}`;
