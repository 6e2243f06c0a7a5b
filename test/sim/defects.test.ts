/**
 * What goes wrong on one connection stays there: a bug of ours (its stand-in is a tracer that throws in the middle of the
 * core's work), or a user's function that throws.
 */
import { describe, expect, test } from 'vitest';
import {
  type Endpoint,
  memoryLink,
  ms,
  parseIpv4,
  Stack,
  type StackTracer,
  seconds,
  seededRandom,
  type TraceRecord,
  VirtualTime,
} from '../../src/stack/index.ts';

const OURS = parseIpv4('10.0.0.1')!;
const THEIRS = parseIpv4('10.0.0.2')!;
const TO = { address: THEIRS, port: 7 };

/** A tracer that throws at every record of which `isBug` says so. Not at a user's call: that one throws to its caller. */
const buggy = (isBug: (r: TraceRecord) => boolean): StackTracer => ({
  enabled: true,
  open: () => {},
  record: (r) => {
    // Nor at how the stack tells of it.
    const isTelling = r.type === 'error' || (r.type === 'state' && r.event === 'ABORT');
    if (!isTelling && !isCall(r) && isBug(r)) throw new Error('a bug');
  },
});
const isCall = (r: TraceRecord): boolean => r.type === 'call' || (r.type === 'state' && r.cause === 'call');
const bug = (conn: number, type: TraceRecord['type'], dir?: 'in' | 'out') => {
  let left = 1;
  return buggy((r) => r.conn === conn && r.type === type && (r.type !== 'segment' || r.dir === dir) && left-- > 0);
};

function stacks(o: { ours?: StackTracer; theirs?: StackTracer } = {}) {
  const time = new VirtualTime();
  const [a, b] = memoryLink(time, { delay: ms(1) });
  const stack = (link: typeof a, address: typeof OURS, seed: number, tracer: StackTracer | undefined) =>
    new Stack({
      clock: time.clock(),
      random: seededRandom(seed),
      link,
      address,
      ...(tracer !== undefined && { tracer }),
    });
  return { time, a, client: stack(a, OURS, 1, o.ours), server: stack(b, THEIRS, 2, o.theirs) };
}

/** Every connection is echoed until its peer has ended. */
function echo(server: Stack): void {
  const listener = server.listen({ port: TO.port });
  listener.onConnection = () => {
    for (let e = listener.accept(); e !== undefined; e = listener.accept()) e.onEvent = echoing(e);
  };
}
const echoing = (endpoint: Endpoint) => () => {
  for (let octets = endpoint.receive(); octets !== 'empty'; octets = endpoint.receive()) {
    if (octets === 'end') return endpoint.shutdown();
    endpoint.send(octets);
  }
};

const isWhole = (e: Endpoint, octets: number): boolean => {
  let got = 0;
  for (let o = e.receive(); o instanceof Uint8Array; o = e.receive()) got += o.length;
  return got === octets;
};

describe('a bug ends its own connection', () => {
  test.each([
    ['as a segment comes', bug(1, 'segment', 'in')],
    ['as a segment leaves', bug(1, 'segment', 'out')],
    ['at a transition', bug(1, 'state')],
    ['with an RTT sample', bug(1, 'rtt')],
  ])('%s', (_, ours) => {
    const { time, client, server } = stacks({ ours });
    echo(server);
    const [broken, sound] = [client.connect(TO), client.connect(TO)];
    for (const each of [broken, sound]) each.send(new Uint8Array(1000));
    time.runUntil(seconds(1));
    expect([broken.state, broken.error]).toEqual(['CLOSED', 'EPROTO']);
    expect(client.counters.defects).toBe(1);
    expect(sound.state).toBe('ESTABLISHED');
    expect(isWhole(sound, 1000)).toBe(true);
  });

  test('of the listening side: the listener takes the next', () => {
    const { time, client, server } = stacks({ theirs: bug(1, 'segment', 'in') });
    echo(server);
    client.connect(TO).send(new Uint8Array(10));
    time.runUntil(seconds(1));
    const next = client.connect(TO);
    next.send(new Uint8Array(1000));
    time.runUntil(seconds(2));
    expect(next.state).toBe('ESTABLISHED');
    expect(isWhole(next, 1000)).toBe(true);
  });

  test('wherever it is, over 200 connections: those without one all end well', () => {
    const random = seededRandom(20_26);
    const hit = new Set<number>();
    const ours = buggy((r) => {
      const isHit = !hit.has(r.conn) && random.uint32() < 0xffff_ffff / 100;
      if (isHit) hit.add(r.conn);
      return isHit;
    });
    const { time, client, server } = stacks({ ours });
    echo(server);
    const all = Array.from({ length: 200 }, () => client.connect(TO));
    for (const each of all) {
      each.send(new Uint8Array(5000));
      // CLOSE in SYN-SENT would give up what is queued.
      each.onEvent = () => {
        if (each.state === 'ESTABLISHED') each.shutdown();
      };
    }
    time.runUntil(seconds(30));
    const broken = all.filter((e) => hit.has(e.id));
    expect(broken.length).toBeGreaterThan(10);
    expect(broken.length).toBeLessThan(150);
    // One that is through when it is hit has nothing to lose.
    for (const e of broken) expect(['EPROTO', undefined]).toContain(e.error);
    for (const e of all) {
      if (hit.has(e.id)) continue;
      expect([e.state, e.error, isWhole(e, 5000)]).toEqual(['TIME-WAIT', undefined, true]);
    }
  });
});

describe("what a user's function throws comes out of the batch, after everybody's work is done", () => {
  test('onEvent', () => {
    const { time, client, server } = stacks();
    echo(server);
    const [careless, careful] = [client.connect(TO), client.connect(TO)];
    careless.onEvent = () => {
      throw new Error('careless');
    };
    let told = 0;
    careful.onEvent = () => {
      told++;
    };
    expect(() => time.runUntil(ms(2))).toThrow('careless');
    careless.onEvent = undefined;
    for (const each of [careless, careful]) each.send(new Uint8Array(1000));
    time.runUntil(seconds(1));
    expect(told).toBeGreaterThan(0);
    for (const each of [careless, careful]) expect([each.state, isWhole(each, 1000)]).toEqual(['ESTABLISHED', true]);
    expect(client.counters.defects).toBe(0);
  });

  test('onConnection: the connections wait to be accepted', () => {
    const { time, client, server } = stacks();
    const listener = server.listen({ port: TO.port });
    let told = 0;
    listener.onConnection = () => {
      told++;
      throw new Error('careless');
    };
    // Both in one batch.
    client.connect(TO);
    client.connect(TO);
    expect(() => time.runUntil(ms(3))).toThrow('careless');
    expect(told).toBe(2);
    expect([listener.accept()?.state, listener.accept()?.state]).toEqual(['ESTABLISHED', 'ESTABLISHED']);
  });
});
