/** The connections and listeners of stacks, as others see them. To look brings none of them back that was put away. */
import type { Host } from '../../socket/host.ts';
import type { Endpoint } from '../../stack/endpoint.ts';
import type { Stack } from '../../stack/stack.ts';
import { TIMER_NAMES } from '../../tcp/timers.ts';
import { ipv4Text } from '../../wire/ipv4.ts';
import type { ConnectionStatus, TimerName } from './model.ts';

/** Of a Host, what is needed here. */
export type StatusHost = Pick<Host, 'stack' | 'route'>;

export function* connectionsOf(hosts: Iterable<StatusHost>, withInfo: boolean): IterableIterator<ConnectionStatus> {
  for (const { stack, route } of hosts) {
    for (const listener of stack.listeners()) {
      yield {
        id: 0,
        state: 'LISTEN',
        receiveQueue: listener.ready,
        sendQueue: listener.backlog,
        localAddress: ipv4Text(stack.address),
        localPort: listener.port,
        remoteAddress: '0.0.0.0',
        remotePort: 0,
        interface: route.interface,
      };
    }
    for (const endpoint of stack.endpoints()) yield connectionOf(endpoint, stack, route.interface, withInfo);
  }
}

function connectionOf(endpoint: Endpoint, stack: Stack, name: string, withInfo: boolean): ConnectionStatus {
  const { connection, state } = endpoint;
  const timer = timerOf(endpoint, stack);
  return {
    id: endpoint.id,
    state,
    receiveQueue: connection.variables?.receiveBuffer.unread ?? 0,
    sendQueue: endpoint.sendQueued,
    localAddress: ipv4Text(endpoint.localAddress),
    localPort: endpoint.localPort,
    remoteAddress: ipv4Text(endpoint.remoteAddress),
    remotePort: endpoint.remotePort,
    interface: name,
    ...(timer !== undefined && { timer }),
    ...(withInfo && { info: endpoint.info() }),
  };
}

const SS_NAMES: Readonly<Record<(typeof TIMER_NAMES)[number], TimerName>> = {
  reorder: 'reorder',
  tailLoss: 'on',
  retransmit: 'on',
  persist: 'persist',
  delayedAck: 'ack',
  user: 'user',
  keepAlive: 'keepalive',
  finWait2: 'timewait',
  timeWait: 'timewait',
  pacing: 'pacing',
};

function timerOf({ connection }: Endpoint, stack: Stack): ConnectionStatus['timer'] {
  const at = connection.nextTimeout();
  if (!Number.isFinite(at)) return undefined;
  const left = Math.max(0, at - stack.now());
  const { variables } = connection;
  // What is only a record waits for its end, or for the time to ask a silent peer.
  if (variables === undefined)
    return { name: connection.state === 'TIME-WAIT' ? 'timewait' : 'keepalive', in: left, count: 0 };
  const { timers, rtt } = variables;
  const name = TIMER_NAMES.find((_, i) => timers.at(i as Parameters<typeof timers.at>[0]) === at) ?? 'retransmit';
  return { name: SS_NAMES[name], in: left, count: rtt.backoff };
}
