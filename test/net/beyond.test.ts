/** What tcpx's sockets have and those of `net` have not. */
import { on, once } from 'node:events';
import { afterAll, expect, test } from 'vitest';
import { netOver } from '../../src/socket/net-api.ts';
import type { Socket } from '../../src/socket/net-socket.ts';
import type { Transition } from '../../src/socket/transitions.ts';
import { turnNetwork } from '../support/turn-network.ts';

const { network, stacks, close } = turnNetwork();
const net = netOver(network);

afterAll(close);

async function pair(): Promise<{ readonly client: Socket; readonly peer: Socket; readonly end: () => void }> {
  const server = net.createServer();
  const connection = once(server, 'connection');
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = net.connect(server.address()!.port, '127.0.0.1');
  const [peer] = (await connection) as [Socket];
  if (client.connecting) await once(client, 'connect');
  return { client, peer, end: () => void server.close() };
}

test('transitions come with their causes, from the OPEN to CLOSED, and end when nobody listens', async () => {
  const server = net.createServer((peer) => peer.resume());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = net.connect(server.address()!.port, '127.0.0.1');
  const seen: string[] = [];
  client.on('transition', ({ from, to, event, cause, rule }) => seen.push(`${from} ${to} ${event} ${cause} ${rule}`));
  client.end();
  await once(client.resume(), 'close');
  expect(seen.slice(0, 4)).toEqual([
    'CLOSED SYN-SENT active OPEN call RFC 9293 §3.10.1',
    'SYN-SENT ESTABLISHED rcv SYN,ACK segment RFC 9293 §3.10.7.3 fourth',
    'ESTABLISHED FIN-WAIT-1 CLOSE call RFC 9293 §3.10.4',
    'FIN-WAIT-1 FIN-WAIT-2 rcv ACK of FIN segment RFC 9293 §3.10.7.4 fifth',
  ]);
  server.close();
});

test('events can be iterated over', async () => {
  const { client, peer, end } = await pair();
  const transitions = on(client, 'transition');
  client.resume();
  peer.resume();
  peer.end();
  const states: string[] = [];
  for await (const [{ to }] of transitions as AsyncIterable<[Transition]>) {
    states.push(to);
    if (to === 'CLOSED') break;
  }
  expect(states).toEqual(['CLOSE-WAIT', 'LAST-ACK', 'CLOSED']);
  end();
});

/** linux/tcp.h, struct tcp_info, of Linux 6.18. */
const STRUCT_TCP_INFO =
  `state ca_state retransmits probes backoff options snd_wscale rcv_wscale delivery_rate_app_limited
  fastopen_client_fail rto ato snd_mss rcv_mss unacked sacked lost retrans fackets last_data_sent last_ack_sent last_data_recv
  last_ack_recv pmtu rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss reordering rcv_rtt rcv_space total_retrans pacing_rate
  max_pacing_rate bytes_acked bytes_received segs_out segs_in notsent_bytes min_rtt data_segs_in data_segs_out delivery_rate
  busy_time rwnd_limited sndbuf_limited delivered delivered_ce bytes_sent bytes_retrans dsack_dups reord_seen rcv_ooopack
  snd_wnd rcv_wnd rehash total_rto total_rto_recoveries total_rto_time`
    .split(/\s+/)
    .map((name) => `tcpi_${name}`);
/** Left out, see LinuxTcpInfo. */
const NOT_KEPT =
  `last_data_sent last_data_recv last_ack_recv busy_time rwnd_limited sndbuf_limited rcv_rtt rcv_space ato
  delivered_ce rehash fastopen_client_fail total_rto total_rto_recoveries total_rto_time`
    .split(/\s+/)
    .map((name) => `tcpi_${name}`);

test('tcpInfo has the names and units of Linux’s struct tcp_info, while there is a connection', async () => {
  const { client, peer, end } = await pair();
  client.write(Buffer.alloc(100_000));
  peer.resume();
  while ((client.tcpInfo()?.tcpi_bytes_acked ?? 0) < 100_000) await new Promise((resolve) => setImmediate(resolve));
  const info = client.tcpInfo()!;
  expect(info).toMatchObject({ tcpi_state: 1, state: 'ESTABLISHED', tcpi_ca_state: 0, tcpi_bytes_acked: 100_000 });
  expect(info.tcpi_options & 7).toBe(7);
  // segments, of an initial window of ten
  expect(info.tcpi_snd_cwnd).toBeGreaterThanOrEqual(10);
  expect(info.tcpi_snd_cwnd).toBeLessThan(100);
  expect(info.tcpi_rtt).toBeGreaterThan(0);
  expect(info).toMatchObject({ tcpi_retransmits: 0, tcpi_probes: 0, tcpi_pmtu: 65_535, tcpi_max_pacing_rate: -1 });
  expect(info.tcpi_rcv_ssthresh).toBeGreaterThanOrEqual(info.tcpi_rcv_wnd);
  const names = Object.keys(info).filter((name) => name.startsWith('tcpi_'));
  expect([...names, ...NOT_KEPT].sort()).toEqual([...STRUCT_TCP_INFO].sort());
  client.destroy();
  expect(client.tcpInfo()).toBeUndefined();
  peer.destroy();
  end();
});

test('congestion control can be chosen before and during a connection, by a name there is', async () => {
  const { client, peer, end } = await pair();
  expect(client.setCongestionControl('bbr')).toBe(client);
  expect(client.tcpInfo()?.congestion).toBe('bbr');
  expect(() => client.setCongestionControl('vegas' as 'bbr')).toThrow("can't be 'vegas'");
  const early = new net.Socket().setCongestionControl('reno');
  early.on('error', () => {});
  early.connect({ port: client.remotePort!, host: '127.0.0.1' });
  await once(early, 'connect');
  expect(early.tcpInfo()?.congestion).toBe('reno');
  for (const socket of [client, peer, early]) socket.destroy();
  end();
});

test('the type of service can be set before and during a connection, and ECN’s bits are not part of it', async () => {
  const { client, peer, end } = await pair();
  expect(client.getTypeOfService()).toBe(0);
  expect(client.setTypeOfService(0xbb)).toBe(client);
  expect([client.getTypeOfService(), client.endpoint?.getOption('IP_TOS')]).toEqual([0xb8, 0xb8]);
  expect(() => client.setTypeOfService(256)).toThrow("can't be 256");
  const early = new net.Socket().setTypeOfService(0x28);
  expect(early.getTypeOfService()).toBe(0x28);
  early.on('error', () => {});
  early.connect({ port: client.remotePort!, host: '127.0.0.1' });
  await once(early, 'connect');
  expect(early.endpoint?.getOption('IP_TOS')).toBe(0x28);
  for (const socket of [client, peer, early]) socket.destroy();
  end();
});

test('a socket that is done leaves nothing behind but TIME-WAIT', async () => {
  for (let i = 0; i < 50; i++) {
    const { client, peer, end } = await pair();
    peer.resume();
    client.end('x');
    await once(client.resume(), 'close');
    end();
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  const left = stacks.flatMap((stack) => [...stack.endpoints()]).map(({ state }) => state);
  expect(new Set(left)).toEqual(new Set(['TIME-WAIT']));
  expect(left.length).toBeLessThan(60);
});
