import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { micros, ms, seconds } from '../../../src/base/time.ts';
import type { Endpoint } from '../../../src/stack/endpoint.ts';
import { DEFAULT_SOCKET_OPTIONS, profileSysctl } from '../../../src/tcp/config.ts';
import { DECIDED } from '../../../src/tcp/idle-record.ts';
import { Tcb } from '../../../src/tcp/tcb.ts';
import { NO_TRACE } from '../../../src/tcp/trace.ts';
import { pattern } from '../../support/harness.ts';
import { innards } from '../../support/innards.ts';
import { B, Sim, type SimOptions } from '../../support/sim.ts';

test('somebody has decided what becomes of every variable of a connection', () => {
  const config = {
    profile: 'linux',
    sysctl: profileSysctl('linux'),
    options: DEFAULT_SOCKET_OPTIONS,
    path: { receiveMss: 1460, sendMss: 1460, defaultMss: 536, maxGsoPayload: 0 },
  } as const;
  expect(Object.keys(new Tcb(1, config, NO_TRACE)).toSorted()).toEqual([...new Set(DECIDED)].toSorted());
});

/** Both ends of a connection that has seen some traffic and is quiet. */
function quiet(o: SimOptions, pieces: readonly number[]): { readonly sim: Sim; readonly ends: readonly Endpoint[] } {
  const sim = new Sim(o);
  const listener = sim.b.stack.listen({ port: 80 });
  const a = sim.a.stack.connect({ address: B, port: 80, options: { TCP_NODELAY: true } });
  sim.until(() => listener.ready > 0 && a.state === 'ESTABLISHED');
  const b = listener.accept()!;
  const ends = [a, b];
  const readAll = (): void => {
    for (const end of ends) while (typeof end.receive() !== 'string');
  };
  a.onEvent = readAll;
  b.onEvent = readAll;
  pieces.forEach((len, i) => {
    ends[i % 2]!.send(pattern(0, len));
    sim.time.runUntil(micros(sim.time.now + ms(len % 90)));
  });
  sim.time.runUntil(micros(sim.time.now + seconds(3600)));
  return { sim, ends };
}

/** What may differ: set before anyone looks, or room that is kept for what comes. */
const ROOM = ['#chunks', '#tailFill', '#headSkip', '#cursorChunk', '#cursorAt'];
const LEFT = ['now', 'cause', 'tracer', 'config', ...ROOM];
const OPTIONS = fc.record({
  seed: fc.nat(),
  loss: fc.constantFrom(0, 0.05, 0.2),
  reorder: fc.constantFrom(0, 0.2),
  pieces: fc.array(fc.integer({ min: 1, max: 20_000 }), { maxLength: 12 }),
});

test('an idle connection that was put away is the same in every variable when it is back', () => {
  fc.assert(
    fc.property(OPTIONS, ({ seed, loss, reorder, pieces }) => {
      const { sim, ends } = quiet({ seed, faults: { loss, reorder } }, pieces);
      for (const { connection } of ends) {
        // Whole, whatever the stack has done with it.
        connection.onTimeout(sim.time.now);
        const before = innards(connection, LEFT);
        expect(connection.putAway()).toBe(true);
        expect(connection.isPutAway).toBe(true);
        connection.onTimeout(sim.time.now);
        expect(connection.isPutAway).toBe(false);
        expect(innards(connection, LEFT)).toEqual(before);
      }
    }),
    { numRuns: 40 },
  );
});

test('to look at it does not bring it back', () => {
  const { ends } = quiet({ seed: 1 }, [5000, 100]);
  const [{ connection }] = ends as [Endpoint];
  connection.putAway();
  expect(connection.takeEvents()).toBe(0);
  const { bytes_acked, state } = connection.info();
  expect({ bytes_acked, state }).toEqual({ bytes_acked: 5000, state: 'ESTABLISHED' });
  expect(connection.options.TCP_NODELAY).toBe(true);
  expect([connection.error, connection.softError, connection.sendQueued, connection.memory]).toEqual([
    undefined,
    undefined,
    0,
    0,
  ]);
  expect(connection.sendRoom).toBeGreaterThan(10_000);
  expect(ends[0]!.receive()).toBe('empty');
  expect(connection.isPutAway).toBe(true);
});

test('nor does a link that is writable again, or memory that is short', () => {
  const { sim, ends } = quiet({ seed: 1, sysctl: { tcp_mem_octets: 1000 } }, [100]);
  const [a] = ends as [Endpoint];
  expect(a.connection.isPutAway).toBe(true);
  sim.a.receiver.onWritable();
  expect(a.connection.isPutAway).toBe(true);
  const other = sim.a.stack.connect({ address: B, port: 80 });
  other.send(pattern(0, 5000));
  expect(a.connection.isPutAway).toBe(true);
  a.send(pattern(0, 1));
  expect(a.connection.isPutAway).toBe(false);
});

describe('a connection is not put away', () => {
  test('while something it sent is not acknowledged', () => {
    const { sim, ends } = quiet({ seed: 1 }, []);
    ends[0]!.send(pattern(0, 10));
    expect(ends[0]!.connection.putAway()).toBe(false);
    sim.time.runUntil(micros(sim.time.now + seconds(1)));
    ends[0]!.connection.putAway();
    expect(ends[0]!.connection.isPutAway).toBe(true);
  });

  test('while something is unread', () => {
    const { sim, ends } = quiet({ seed: 1 }, []);
    const [a, b] = ends as [Endpoint, Endpoint];
    a.onEvent = undefined;
    b.onEvent = undefined;
    a.send(pattern(0, 10));
    sim.time.runUntil(micros(sim.time.now + seconds(1)));
    expect(b.connection.putAway()).toBe(false);
    b.receive();
    expect(b.connection.putAway()).toBe(true);
  });

  test('once a side has closed', () => {
    const { sim, ends } = quiet({ seed: 1 }, []);
    ends[0]!.shutdown();
    sim.time.runUntil(micros(sim.time.now + seconds(1)));
    expect(ends.map((e) => [e.state, e.connection.putAway()])).toEqual([
      ['FIN-WAIT-2', false],
      ['CLOSE-WAIT', false],
    ]);
  });
});

test('keep-alive goes on asking', () => {
  const sim = new Sim({ seed: 1 });
  const listener = sim.b.stack.listen({ port: 80 });
  const options = { SO_KEEPALIVE: true, TCP_KEEPIDLE: 10, TCP_KEEPINTVL: 2, TCP_KEEPCNT: 3 };
  const a = sim.a.stack.connect({ address: B, port: 80, options });
  sim.until(() => listener.ready > 0);
  sim.time.runUntil(micros(sim.time.now + seconds(1)));
  a.connection.putAway();
  expect(a.connection.isPutAway).toBe(true);
  expect(a.connection.nextTimeout()).toBeGreaterThan(sim.time.now + seconds(8));
  sim.time.runUntil(micros(sim.time.now + seconds(35)));
  expect(a.info().segs_out).toBe(2 + 3);
  sim.b.link.close();
  sim.until(() => a.state === 'CLOSED');
  expect(a.error).toBe('ETIMEDOUT');
});
