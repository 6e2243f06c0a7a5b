/** Which of our addresses a connection has: the one its user names, else the one that the way out has (RFC 9293 §3.9.1.1). */
import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { VirtualTime } from '../../../src/base/virtual-time.ts';
import type { Route } from '../../../src/link/route.ts';
import type { Host, HostOptions } from '../../../src/socket/host.ts';
import { HostPool } from '../../../src/socket/host-pool.ts';
import { StackNetwork } from '../../../src/socket/stack-network.ts';
import { Stack } from '../../../src/stack/stack.ts';
import { type Ipv4, Ipv4At, ipv4Text, parseIpv4, toIpv4 } from '../../../src/wire/ipv4.ts';
import { readI32 } from '../../../src/wire/octets.ts';
import { THEM, tcpPacket, US, Wire } from '../stack/wire.ts';

const SECOND = parseIpv4('10.0.0.9')!;

interface Way {
  readonly wire: Wire;
  readonly stack: Stack;
}

function way(address: Ipv4): Way {
  const wire = new Wire();
  return { wire, stack: new Stack({ clock: new VirtualTime().clock(), random: seededRandom(1), link: wire, address }) };
}

/** Flags, source and port of what has left; its checksums, which count the address, are good. */
const left = ({ wire }: Way): readonly string[] =>
  wire
    .take()
    .map(({ flags, srcPort, packet }) => `${flags} ${ipv4Text(toIpv4(readI32(packet, Ipv4At.SRC)))}:${srcPort}`);

test('a connect leaves from the address it names, and from the first where it names none', () => {
  const [first, second] = [way(US), way(SECOND)];
  const network = new StackNetwork([first.stack, second.stack]);
  network.connect({ address: THEM, port: 80, localAddress: SECOND, localPort: 1000 });
  expect([left(first), left(second)]).toEqual([[], ['S 10.0.0.9:1000']]);
  network.connect({ address: THEM, port: 80, localPort: 1000 });
  expect([left(first), left(second)]).toEqual([['S 10.0.0.1:1000'], []]);
  expect(() => network.connect({ address: THEM, port: 80, localAddress: THEM })).toThrow('10.0.0.2 is ours');
});

test('a listener on one address refuses who comes to another', () => {
  const [first, second] = [way(US), way(SECOND)];
  const network = new StackNetwork([first.stack, second.stack]);
  const listening = network.listen({ address: US, port: 7 });
  const knock = (): void => {
    first.wire.deliver(tcpPacket({ srcPort: 5, dstPort: 7, flags: 'S' }, { dst: US }));
    second.wire.deliver(tcpPacket({ srcPort: 5, dstPort: 7, flags: 'S' }, { dst: SECOND }));
  };
  knock();
  expect([left(first), left(second)]).toEqual([['S. 10.0.0.1:7'], ['R. 10.0.0.9:7']]);
  listening.close();
  left(first);
  network.listen({ port: 7 });
  knock();
  expect([left(first), left(second)]).toEqual([['S. 10.0.0.1:7'], ['S. 10.0.0.9:7']]);
});

test('where none is named the route says which, before the first SYN', async () => {
  const routeTo = (to: Ipv4, { source }: { source?: Ipv4 } = {}): Route => ({
    interface: 'eth0',
    ifindex: 1,
    source: source ?? (ipv4Text(to).startsWith('10.0.0.') ? US : SECOND),
    gateway: undefined,
    mtu: 1500,
    loopback: false,
  });
  const ways: Way[] = [];
  const open = async (o: HostOptions): Promise<Host> => {
    const route = routeTo(o.remote, o);
    const { wire, stack } = way(route.source);
    ways.push({ wire, stack });
    const guard = { kind: 'none', address: route.source, port: 0, note: '', close() {} } as const;
    return { stack, route, guard, link: wire, clock: new VirtualTime().clock(), port: 0, close: () => stack.close() };
  };
  const pool = new HostPool({}, { open, route: routeTo });
  const beyond = parseIpv4('192.0.2.1')!;
  for (const address of [THEM, beyond]) await pool.connect({ address, port: 80 });
  await pool.connect({ address: beyond, port: 81, localAddress: US });
  expect(ways.map((each) => left(each).map((text) => text.split(':')[0]))).toEqual([
    ['S 10.0.0.1', 'S 10.0.0.1'],
    ['S 10.0.0.9'],
  ]);
  pool.close();
});
