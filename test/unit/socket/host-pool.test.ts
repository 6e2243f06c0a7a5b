/** Hosts for connections to anywhere, opened as routes want them and closed when nobody needs them. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { VirtualTime } from '../../../src/base/virtual-time.ts';
import { LinkFailure } from '../../../src/link/failure.ts';
import { memoryLink } from '../../../src/link/memory.ts';
import type { Host, HostOptions } from '../../../src/socket/host.ts';
import { HostPool } from '../../../src/socket/host-pool.ts';
import { Stack } from '../../../src/stack/stack.ts';
import { type Ipv4, ipv4Text, parseIpv4 } from '../../../src/wire/ipv4.ts';

const address = (text: string): Ipv4 => parseIpv4(text)!;
const SOURCE = address('10.0.0.1');

interface Opened extends Host {
  readonly asked: HostOptions;
  closed: boolean;
}

function openedBy(asked: HostOptions, opened: Opened[]): Opened {
  const time = new VirtualTime();
  const [link] = memoryLink(time, {});
  const clock = time.clock();
  const stack = new Stack({ clock, random: seededRandom(1), link, address: SOURCE });
  const host: Opened = {
    asked,
    closed: false,
    stack,
    clock,
    link,
    port: 40_000,
    route: { interface: 'eth0', ifindex: 1, source: SOURCE, gateway: undefined, mtu: 1500, loopback: false },
    guard: { kind: 'none', address: SOURCE, port: 40_000, note: '', close() {} },
    close() {
      host.closed = true;
      stack.close();
    },
  };
  opened.push(host);
  return host;
}

/** 10.0.1.x leaves by eth1, all else by eth0. `atOnce`: hosts are there before the call returns; what it throws is in the way. */
function machine(atOnce?: () => void): { readonly opened: Opened[]; readonly pool: HostPool } {
  const opened: Opened[] = [];
  const pool = new HostPool(
    { idleTime: 3000 },
    {
      open: async (asked) => openedBy(asked, opened),
      ...(atOnce !== undefined && {
        openNow: (asked) => {
          atOnce();
          return openedBy(asked, opened);
        },
      }),
      route: (to, { source = SOURCE } = {}) => ({
        interface: ipv4Text(to).startsWith('10.0.1.') ? 'eth1' : 'eth0',
        ifindex: 1,
        source,
        gateway: undefined,
        mtu: 1500,
        loopback: false,
      }),
    },
  );
  return { opened, pool };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setImmediate'] });
});
afterEach(() => {
  vi.useRealTimers();
});

test('there is one host for each way out, with ports for many, opened once', async () => {
  const { opened, pool } = machine();
  await Promise.all(['10.0.0.2', '10.0.0.3', '10.0.1.2'].map((to) => pool.connect({ address: address(to), port: 80 })));
  expect(opened.map(({ asked }) => [ipv4Text(asked.remote), asked.ports])).toEqual([
    ['10.0.0.2', 'many'],
    ['10.0.1.2', 'many'],
  ]);
  expect([...pool.hosts()]).toEqual(opened);
  pool.close();
  expect(opened.map(({ closed }) => closed)).toEqual([true, true]);
  await expect(pool.hostFor(address('10.0.0.2'))).rejects.toMatchObject({ code: 'ENETDOWN' });
});

test('a host without a connection is closed after a while, one with a connection is not', async () => {
  const { opened, pool } = machine();
  const endpoint = await pool.connect({ address: address('10.0.0.2'), port: 80 });
  await pool.hostFor(address('10.0.1.2'));
  vi.advanceTimersByTime(10_000);
  expect(opened.map(({ closed }) => closed)).toEqual([false, true]);
  endpoint.abort();
  vi.advanceTimersByTime(10_000);
  expect([opened[0]!.closed, [...pool.hosts()]]).toEqual([true, []]);
  await pool.hostFor(address('10.0.0.2'));
  expect(opened).toHaveLength(3);
  pool.close();
});

test('a host whose link is gone is not used again', async () => {
  const { opened, pool } = machine();
  await pool.hostFor(address('10.0.0.2'));
  opened[0]!.asked.onLinkError?.({ code: 'ENETDOWN', message: 'eth0 is down', fatal: true });
  vi.advanceTimersToNextTimer();
  expect(opened[0]!.closed).toBe(true);
  await pool.hostFor(address('10.0.0.2'));
  expect(opened).toHaveLength(2);
  pool.close();
});

test('a connection is there at once where a host is, or can be opened at once', async () => {
  const { pool } = machine(() => {});
  const first = pool.connect({ address: address('10.0.0.2'), port: 80 });
  expect(first).toMatchObject({ remotePort: 80, state: 'SYN-SENT' });
  pool.close();
  const slow = machine(() => {
    throw new LinkFailure('ENOTSUP', 'no Ethernet', 'use --driver raw');
  });
  const pending = slow.pool.connect({ address: address('10.0.0.2'), port: 80 });
  expect(pending).toBeInstanceOf(Promise);
  await pending;
  expect(slow.pool.connect({ address: address('10.0.0.3'), port: 80 })).not.toBeInstanceOf(Promise);
  slow.pool.close();
  const never = machine(() => {
    throw new LinkFailure('EPERM', 'not permitted', 'be root');
  });
  expect(() => never.pool.connect({ address: address('10.0.0.2'), port: 80 })).toThrow('not permitted');
});

test('who names a source address or port has a host for that', async () => {
  const { opened, pool } = machine(() => {});
  const other = address('10.0.0.9');
  void pool.connect({ address: address('10.0.0.2'), port: 80 });
  void pool.connect({ address: address('10.0.0.2'), port: 80, localAddress: other });
  void pool.connect({ address: address('10.0.0.2'), port: 80, localPort: 5000 });
  void pool.connect({ address: address('10.0.0.3'), port: 80, localPort: 5000 });
  expect(opened.map(({ asked }) => [asked.source, asked.sourcePort, asked.ports])).toEqual([
    [undefined, undefined, 'many'],
    [other, undefined, 'many'],
    [undefined, 5000, undefined],
  ]);
  pool.close();
  expect(opened.every(({ closed }) => closed)).toBe(true);
});
