import { describe, expect, test } from 'vitest';
import { type Random, seededRandom } from '../../../src/base/random.ts';
import { type Clock, type Micros, micros, ms, NEVER, seconds } from '../../../src/base/time.ts';
import type { Endpoint } from '../../../src/stack/endpoint.ts';
import { TcpError } from '../../../src/stack/errors.ts';
import { Stack } from '../../../src/stack/stack.ts';
import type { StackOptions } from '../../../src/stack/stack-options.ts';
import { IcmpType, UnreachableCode } from '../../../src/wire/icmp.ts';
import { ipv4Text, parseIpv4 } from '../../../src/wire/ipv4.ts';
import { icmpPacket, type Left, type SegmentFields, THEM, tcpPacket, US, Wire } from './wire.ts';

/** A clock that is turned by hand. */
class HandClock implements Clock {
  time: Micros = seconds(50);
  #at: Micros = NEVER;
  #wake: () => void = () => {};
  /** How often an alarm was set. */
  set = 0;

  now(): Micros {
    return this.time;
  }

  wakeAt(at: Micros, wake: () => void): void {
    this.set++;
    this.#at = at;
    this.#wake = wake;
  }

  get alarm(): Micros {
    return this.#at;
  }

  /** Rings once, late. */
  jump(to: Micros): void {
    this.time = to;
    if (this.#at > to) return;
    this.#at = NEVER;
    this.#wake();
  }

  pass(by: Micros): void {
    const target = micros(this.time + by);
    while (this.#at <= target) {
      this.time = micros(Math.max(this.#at, this.time));
      this.#at = NEVER;
      this.#wake();
    }
    this.time = target;
  }
}

interface Rig {
  readonly clock: HandClock;
  readonly wire: Wire;
  readonly stack: Stack;
}

function rig(o: Partial<StackOptions> & { random?: Random; wire?: Wire; clock?: HandClock } = {}): Rig {
  const clock = o.clock ?? new HandClock();
  const wire = o.wire ?? new Wire();
  const sysctl = { tcp_timestamps: false, tcp_sack: false, tcp_window_scaling: false, ...o.sysctl };
  const stack = new Stack({ random: seededRandom(1), ...o, clock, link: wire, address: US, sysctl });
  return { clock, wire, stack };
}

/** A connection of ours to THEM:80, established, with what the peer needs to answer. */
function connected(r: Rig): { readonly endpoint: Endpoint; readonly ack: number; reply(fields: SegmentFields): void } {
  const endpoint = r.stack.connect({ address: THEM, port: 80 });
  const syn = r.wire.take()[0]!;
  const ack = (syn.seq + 1) >>> 0;
  const reply = (fields: SegmentFields): void =>
    r.wire.deliver(tcpPacket({ srcPort: 80, dstPort: syn.srcPort, seq: 5001, ack, ...fields }));
  reply({ seq: 5000, flags: 'S.', mss: 1460 });
  r.wire.take();
  return { endpoint, ack, reply };
}

/** A SYN to our port 80, from `srcPort`. */
const synFrom = (srcPort: number, seq = 1000): Uint8Array =>
  tcpPacket({ srcPort, dstPort: 80, seq, flags: 'S', mss: 1460 });
const ackFrom = (srcPort: number, answer: Left, seq = 1001): Uint8Array =>
  tcpPacket({ srcPort, dstPort: 80, seq, ack: (answer.seq + 1) >>> 0, flags: '.' });

/** The TcpError that `call` throws. */
function thrown(call: () => unknown): TcpError {
  try {
    call();
  } catch (error) {
    if (error instanceof TcpError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('a port without a connection', () => {
  test.each([
    ['a SYN', { flags: 'S', seq: 100 }, { flags: 'R.', seq: 0, ack: 101 }],
    ['a SYN with octets', { flags: 'S', seq: 100, payload: new Uint8Array(10) }, { flags: 'R.', seq: 0, ack: 111 }],
    [
      'a FIN with octets and no ACK',
      { flags: 'F', seq: 100, payload: new Uint8Array(5) },
      { flags: 'R.', seq: 0, ack: 106 },
    ],
    ['a segment without flags', { flags: '', seq: 0xffff_ffff }, { flags: 'R.', seq: 0, ack: 0xffff_ffff }],
    ['an ACK', { flags: '.', seq: 100, ack: 7777 }, { flags: 'R', seq: 7777, ack: 0 }],
    ['a SYN-ACK', { flags: 'S.', seq: 100, ack: 7777 }, { flags: 'R', seq: 7777, ack: 0 }],
    ['octets', { flags: 'P.', seq: 100, ack: 7777, payload: new Uint8Array(5) }, { flags: 'R', seq: 7777, ack: 0 }],
  ] as const)('%s is answered by RST (RFC 9293 §3.10.7.1)', (_, fields, answer) => {
    const { wire, stack } = rig();
    wire.deliver(tcpPacket({ srcPort: 5, dstPort: 6, ...fields }));
    const [left, ...more] = wire.take();
    expect(left).toMatchObject({ srcPort: 6, dstPort: 5, dst: THEM, len: 0, ...answer });
    expect(more).toEqual([]);
    expect(stack.counters).toMatchObject({ noConnection: 1, resetsOut: 1, segmentsIn: 1, segmentsOut: 1 });
  });

  test.each(['R', 'R.', 'SR'])('a segment with %s is not', (flags) => {
    const { wire, stack } = rig();
    wire.deliver(tcpPacket({ flags, ack: 5 }));
    expect(wire.take()).toEqual([]);
    expect(stack.counters).toMatchObject({ noConnection: 1, resetsOut: 0 });
  });

  test('a port that is not ours to answer for is left alone', () => {
    const { wire } = rig({ ownsPort: (port) => port === 6 });
    wire.deliver(tcpPacket({ dstPort: 7, flags: 'S' }));
    expect(wire.take()).toEqual([]);
    wire.deliver(tcpPacket({ dstPort: 6, flags: 'S' }));
    expect(wire.take()).toHaveLength(1);
  });

  test('what is broken, or for others, is counted and not answered', () => {
    const { wire, stack } = rig();
    const bad = tcpPacket({ flags: 'S' });
    bad[bad.length - 1]! ^= 1;
    wire.deliver(bad, new Uint8Array(3), tcpPacket({ flags: 'S' }, { dst: THEM }));
    expect(wire.take()).toEqual([]);
    expect(stack.counters).toMatchObject({ badChecksum: 1, malformed: 1, notForUs: 1, segmentsIn: 0 });
  });
});

describe('connect', () => {
  test('sends a SYN from a port of its own', () => {
    const { wire, stack } = rig();
    const endpoint = stack.connect({ address: THEM, port: 80 });
    expect(wire.take()).toMatchObject([
      { flags: 'S', dst: THEM, dstPort: 80, srcPort: endpoint.localPort, mss: 1460, ttl: 64 },
    ]);
    expect(endpoint).toMatchObject({ state: 'SYN-SENT', localAddress: US, remoteAddress: THEM, remotePort: 80, id: 1 });
    expect(wire.flushes).toBeGreaterThan(0);
  });

  test('ports are drawn from 32768 to 60999, and none twice for one peer', () => {
    const { stack } = rig();
    const ports = Array.from({ length: 300 }, () => stack.connect({ address: THEM, port: 80 }).localPort);
    expect(new Set(ports).size).toBe(300);
    expect(Math.min(...ports)).toBeGreaterThanOrEqual(32_768);
    expect(Math.max(...ports)).toBeLessThanOrEqual(60_999);
    const firsts = Array.from({ length: 20 }, (_, i) => stack.connect({ address: THEM, port: 81 + i }).localPort);
    expect(Math.max(...firsts) - Math.min(...firsts)).toBeGreaterThan(10_000);
  });

  test('the last free one is found, and when all are taken it says so', () => {
    const { stack } = rig();
    for (let localPort = 32_768; localPort <= 60_999; localPort++)
      if (localPort !== 50_000) stack.connect({ address: THEM, port: 80, localPort });
    expect(stack.connect({ address: THEM, port: 80 }).localPort).toBe(50_000);
    expect(thrown(() => stack.connect({ address: THEM, port: 80 })).code).toBe('EADDRNOTAVAIL');
    stack.connect({ address: THEM, port: 81 });
  });

  test('a port that listens is not drawn', () => {
    const drawn = rig({ random: { uint32: () => 0 } }).stack.connect({ address: THEM, port: 80 }).localPort;
    const { stack } = rig({ random: { uint32: () => 0 } });
    stack.listen({ port: drawn });
    expect(stack.connect({ address: THEM, port: 80 }).localPort).toBe(drawn + 1);
  });

  test('the same four numbers twice are EADDRINUSE, the same port to another peer is not', () => {
    const { stack } = rig();
    stack.connect({ address: THEM, port: 80, localPort: 1000 });
    const error = thrown(() => stack.connect({ address: THEM, port: 80, localPort: 1000 }));
    expect(error.code).toBe('EADDRINUSE');
    expect(error.hint).not.toBe('');
    stack.connect({ address: THEM, port: 81, localPort: 1000 });
    stack.connect({ address: parseIpv4('10.0.0.3')!, port: 80, localPort: 1000 });
    expect([...stack.endpoints()]).toHaveLength(3);
  });

  test('a controller that there is not is EINVAL, and the hint names those that there are', () => {
    const { stack } = rig();
    // What a program in JavaScript can do.
    const vegas = 'vegas' as 'reno';
    const error = thrown(() => stack.connect({ address: THEM, port: 80, options: { TCP_CONGESTION: vegas } }));
    expect(error).toMatchObject({ code: 'EINVAL', hint: 'give one of cubic, reno, bbr' });
    expect(error.message).toBe("TCP_CONGESTION can't be 'vegas'");
    const endpoint = stack.connect({ address: THEM, port: 80, options: { TCP_CONGESTION: 'bbr' } });
    expect(endpoint.info().congestion).toBe('bbr');
    expect(thrown(() => endpoint.setOption('TCP_CONGESTION', vegas)).code).toBe('EINVAL');
    endpoint.setOption('TCP_CONGESTION', '');
    expect(endpoint.info().congestion).toBe('cubic');
  });

  test.each([0, -1, 65_536, 1.5, Number.NaN])('%d is no port', (port) => {
    const { stack, wire } = rig();
    expect(thrown(() => stack.connect({ address: THEM, port })).code).toBe('EINVAL');
    expect(thrown(() => stack.connect({ address: THEM, port: 80, localPort: port })).code).toBe('EINVAL');
    expect(thrown(() => stack.listen({ port })).code).toBe('EINVAL');
    expect(wire.take()).toEqual([]);
  });

  test.each(['255.255.255.255', '224.0.0.1', '0.0.0.0'])('%s is no peer (MUST-46)', (text) => {
    const { stack, wire } = rig();
    expect(thrown(() => stack.connect({ address: parseIpv4(text)!, port: 80 })).code).toBe('ENETUNREACH');
    expect(wire.take()).toEqual([]);
  });

  test('options and TTL go along', () => {
    const { stack, wire } = rig();
    const endpoint = stack.connect({ address: THEM, port: 80, ttl: 5, options: { TCP_MAXSEG: 500 } });
    expect(wire.take()).toMatchObject([{ ttl: 5, mss: 500 }]);
    expect(endpoint.getOption('TCP_MAXSEG')).toBe(500);
    expect(endpoint.getOption('TCP_NODELAY')).toBe(false);
    endpoint.setOption('TCP_NODELAY', true);
    expect(endpoint.getOption('TCP_NODELAY')).toBe(true);
  });

  test('the DiffServ value goes to IP unchanged, any of the 64, and the bits of ECN are not touched', () => {
    const r = rig();
    const { endpoint, ack, reply } = connected(r);
    for (let dscp = 0; dscp < 64; dscp++) {
      endpoint.setOption('IP_TOS', (dscp << 2) | (dscp & 3));
      endpoint.send(new Uint8Array(10));
      expect(r.wire.take().map(({ tos }) => tos)).toEqual([dscp << 2]);
      reply({ flags: '.', ack: ack + 10 * (dscp + 1) });
    }
    for (const tos of [-1, 256, 1.5, '0'])
      expect(thrown(() => endpoint.setOption('IP_TOS', tos as number)).code).toBe('EINVAL');
  });

  test('the MSS is the link’s MTU less the headers, and no more than was asked for', () => {
    expect(
      rig({ wire: new Wire({ mtu: 9000 }) })
        .stack.connect({ address: THEM, port: 80 })
        .info().advmss,
    ).toBe(8960);
    expect(rig({ advmss: 1200 }).stack.connect({ address: THEM, port: 80 }).info().advmss).toBe(1200);
    expect(rig({ advmss: 9999 }).stack.connect({ address: THEM, port: 80 }).info().advmss).toBe(1460);
  });
});

describe('initial sequence numbers (RFC 6528)', () => {
  const isn = (r: Rig, localPort: number, port = 80): number => {
    const endpoint = r.stack.connect({ address: THEM, port, localPort });
    const { seq } = r.wire.take()[0]!;
    endpoint.abort();
    r.wire.take();
    return seq;
  };

  test('step by one in 4 µs for the same four numbers', () => {
    const r = rig();
    const first = isn(r, 1000);
    r.clock.pass(seconds(10));
    expect((isn(r, 1000) - first) >>> 0).toBe(2_500_000);
    r.clock.pass(micros(3));
    expect((isn(r, 1000) - first) >>> 0).toBe(2_500_000);
    r.clock.pass(micros(1));
    expect((isn(r, 1000) - first) >>> 0).toBe(2_500_001);
  });

  test('tell nothing of each other for others, and hang on the secret', () => {
    const r = rig();
    const all = Array.from({ length: 200 }, (_, i) => isn(r, 1000 + i));
    const steps = all.slice(1).map((n, i) => (n - all[i]!) >>> 0);
    expect(new Set(steps).size).toBe(199);
    // About as many differ upwards as downwards.
    const up = steps.filter((n) => n < 2 ** 31).length;
    expect(up).toBeGreaterThan(60);
    expect(up).toBeLessThan(140);
    expect(isn(rig({ random: seededRandom(2) }), 1000)).not.toBe(all[0]);
    expect(isn(rig(), 1000)).toBe(all[0]);
    expect(isn(rig(), 1000, 81)).not.toBe(all[0]);
  });

  test('of a stack that begins anew, its clock too, are not in the window of what went before (RFC 9293 §3.4.3)', () => {
    const r = rig();
    const old = isn(r, 1000);
    const window = 65_535;
    const near = Array.from({ length: 1000 }, (_, i) => isn(rig({ random: seededRandom(100 + i) }), 1000)).filter(
      (anew) => (anew - old + window) >>> 0 <= 2 * window,
    );
    // One in 32768 is by chance.
    expect(near.length).toBeLessThanOrEqual(1);
  });

  test('timestamps begin where four numbers and the secret say, the same each time', () => {
    const r = rig({ sysctl: { tcp_timestamps: true, tcp_sack: false, tcp_window_scaling: false } });
    const stampOf = (localPort: number): number => {
      const endpoint = r.stack.connect({ address: THEM, port: 80, localPort });
      const { ts } = r.wire.take()[0]!;
      endpoint.abort();
      return ts![0];
    };
    const first = stampOf(1000);
    expect(stampOf(1001)).not.toBe(first);
    r.clock.pass(seconds(2));
    expect((stampOf(1000) - first) >>> 0).toBe(2000);
  });
});

describe('listen', () => {
  test('a SYN makes a child, which is accepted when its handshake is over', () => {
    const { wire, stack } = rig();
    const listener = stack.listen({ port: 80 });
    let told = 0;
    listener.onConnection = () => told++;
    wire.deliver(synFrom(1));
    const answer = wire.take()[0]!;
    expect(answer).toMatchObject({ flags: 'S.', ack: 1001, srcPort: 80, dstPort: 1 });
    expect(listener.accept()).toBeUndefined();
    expect(told).toBe(0);
    wire.deliver(ackFrom(1, answer));
    expect(told).toBe(1);
    const endpoint = listener.accept()!;
    expect(endpoint).toMatchObject({ state: 'ESTABLISHED', localPort: 80, remotePort: 1, remoteAddress: THEM });
    expect(listener.accept()).toBeUndefined();
  });

  test('the one that has waited longest is accepted first', () => {
    const { wire, stack } = rig();
    const listener = stack.listen({ port: 80 });
    wire.deliver(synFrom(1), synFrom(2), synFrom(3));
    const answers = wire.take();
    for (const i of [2, 0, 1]) wire.deliver(ackFrom(i + 1, answers[i]!));
    expect([listener.accept(), listener.accept(), listener.accept()].map((e) => e?.remotePort)).toEqual([3, 1, 2]);
  });

  test('what is not a first SYN is answered as in LISTEN: an ACK by RST, anything else by silence', () => {
    const { wire, stack } = rig();
    stack.listen({ port: 80 });
    wire.deliver(tcpPacket({ srcPort: 1, dstPort: 80, flags: '.', ack: 77 }));
    expect(wire.take()).toMatchObject([{ flags: 'R', seq: 77 }]);
    wire.deliver(tcpPacket({ srcPort: 1, dstPort: 80, flags: 'S.', ack: 78 }));
    expect(wire.take()).toMatchObject([{ flags: 'R', seq: 78 }]);
    for (const flags of ['R', 'R.', 'SR', 'F', '', 'PU']) wire.deliver(tcpPacket({ srcPort: 1, dstPort: 80, flags }));
    expect(wire.take()).toEqual([]);
    expect([...stack.endpoints()]).toEqual([]);
  });

  test('a second listener on the port is EADDRINUSE, until the first has closed', () => {
    const { stack } = rig();
    const first = stack.listen({ port: 80 });
    expect(thrown(() => stack.listen({ port: 80 })).code).toBe('EADDRINUSE');
    first.close();
    stack.listen({ port: 80 });
  });

  test('after close there is nobody, and those not accepted are reset; the accepted live on', () => {
    const { wire, stack } = rig();
    const listener = stack.listen({ port: 80 });
    wire.deliver(synFrom(1), synFrom(2), synFrom(3));
    const answers = wire.take();
    wire.deliver(ackFrom(1, answers[0]!), ackFrom(2, answers[1]!));
    const accepted = listener.accept()!;
    listener.close();
    expect(wire.take().map((l) => [l.dstPort, l.flags])).toEqual([
      [3, 'R.'],
      [2, 'R.'],
    ]);
    expect(accepted.state).toBe('ESTABLISHED');
    wire.deliver(synFrom(4));
    expect(wire.take()).toMatchObject([{ flags: 'R.', dstPort: 4 }]);
    expect([...stack.endpoints()]).toEqual([accepted]);
  });

  test('a child that is reset before it is established is gone, and the listener listens on (MUST-11)', () => {
    const { wire, stack } = rig();
    const listener = stack.listen({ port: 80, backlog: 1 });
    wire.deliver(synFrom(1));
    wire.take();
    wire.deliver(tcpPacket({ srcPort: 1, dstPort: 80, seq: 1001, flags: 'R' }));
    expect(wire.take()).toEqual([]);
    expect([...stack.endpoints()]).toEqual([]);
    wire.deliver(synFrom(1, 9000));
    expect(wire.take()).toMatchObject([{ flags: 'S.', ack: 9001 }]);
    expect(listener.accept()).toBeUndefined();
  });

  test('a child that is reset before it is accepted is handed out all the same, and only once', () => {
    const { wire, stack } = rig();
    const listener = stack.listen({ port: 80 });
    wire.deliver(synFrom(1), synFrom(2));
    const [first, second] = wire.take();
    wire.deliver(ackFrom(1, first!));
    wire.deliver(tcpPacket({ srcPort: 1, dstPort: 80, seq: 1001, flags: 'R' }));
    let told = 0;
    listener.onConnection = () => told++;
    // Both at once: the reset comes before anyone has heard of the connection.
    wire.deliver(ackFrom(2, second!), tcpPacket({ srcPort: 2, dstPort: 80, seq: 1001, flags: 'R' }));
    expect(told).toBe(1);
    expect([listener.accept(), listener.accept()]).toMatchObject([
      { remotePort: 1, state: 'CLOSED', error: 'ECONNRESET' },
      { remotePort: 2, state: 'CLOSED', error: 'ECONNRESET' },
    ]);
    expect(listener.accept()).toBeUndefined();
    expect([...stack.endpoints()]).toEqual([]);
  });

  test('beyond the backlog, without cookies, a SYN is dropped and counted; its retry finds room', () => {
    const { wire, stack } = rig({ sysctl: { tcp_syncookies: 0 } });
    stack.listen({ port: 80, backlog: 2 });
    wire.deliver(synFrom(1), synFrom(2), synFrom(3));
    const answers = wire.take();
    expect(answers.map((l) => l.dstPort)).toEqual([1, 2]);
    expect(stack.counters.backlogFull).toBe(1);
    wire.deliver(ackFrom(1, answers[0]!));
    wire.deliver(synFrom(3));
    expect(wire.take()).toMatchObject([{ flags: 'S.', dstPort: 3 }]);
  });

  test('options are its children’s', () => {
    const { wire, stack } = rig();
    const listener = stack.listen({ port: 80, options: { TCP_NODELAY: true, TCP_MAXSEG: 300 } });
    wire.deliver(synFrom(1));
    const answer = wire.take()[0]!;
    expect(answer.mss).toBe(300);
    wire.deliver(ackFrom(1, answer));
    expect(listener.accept()!.getOption('TCP_NODELAY')).toBe(true);
  });

  test('listening does not disturb connections on the port (MUST-41, MUST-42)', () => {
    const { wire, stack } = rig();
    const out = stack.connect({ address: THEM, port: 99, localPort: 80 });
    wire.take();
    stack.listen({ port: 80 });
    wire.deliver(synFrom(1));
    expect(wire.take()).toMatchObject([{ flags: 'S.', dstPort: 1 }]);
    expect(out.state).toBe('SYN-SENT');
  });
});

describe('the life of a connection', () => {
  test('octets both ways, half-close, TIME-WAIT, and then there is nothing left', () => {
    const r = rig();
    const { endpoint, reply } = connected(r);
    expect(endpoint.state).toBe('ESTABLISHED');
    endpoint.send(new Uint8Array([1, 2, 3]));
    const [sent] = r.wire.take();
    expect(sent).toMatchObject({ flags: 'P.', len: 3, ack: 5001 });
    reply({ flags: 'P.', ack: (sent!.seq + 3) >>> 0, payload: Uint8Array.from([9, 8]) });
    expect(endpoint.receive()).toEqual(Uint8Array.from([9, 8]));
    expect(endpoint.receive()).toBe('empty');
    endpoint.shutdown();
    const fin = r.wire.take().at(-1)!;
    expect(fin.flags).toBe('F.');
    reply({ seq: 5003, flags: 'F.', ack: (fin.seq + 1) >>> 0 });
    expect(endpoint).toMatchObject({ state: 'TIME-WAIT', error: undefined });
    expect(endpoint.receive()).toBe('end');
    r.clock.pass(micros(seconds(60) - 1));
    expect([...r.stack.endpoints()]).toEqual([endpoint]);
    r.clock.pass(micros(1));
    expect(endpoint.state).toBe('CLOSED');
    expect([...r.stack.endpoints()]).toEqual([]);
    expect(r.clock.alarm).toBe(NEVER);
    expect(r.stack.counters.resetsOut).toBe(0);
  });

  test('its port is free again only after TIME-WAIT', () => {
    const r = rig();
    const { endpoint, reply } = connected(r);
    endpoint.shutdown();
    const fin = r.wire.take().at(-1)!;
    reply({ flags: 'F.', ack: (fin.seq + 1) >>> 0 });
    const again = (): unknown => r.stack.connect({ address: THEM, port: 80, localPort: endpoint.localPort });
    expect(thrown(again).code).toBe('EADDRINUSE');
    r.clock.pass(seconds(60));
    again();
  });

  test('the alarm is set for the soonest of all deadlines, and moves', () => {
    const r = rig();
    r.stack.connect({ address: THEM, port: 80 });
    expect(r.clock.alarm).toBe(r.clock.time + seconds(1));
    r.clock.pass(ms(500));
    r.stack.connect({ address: THEM, port: 81 });
    expect(r.clock.alarm).toBe(r.clock.time + ms(500));
    r.wire.take();
    r.clock.pass(ms(500));
    expect(r.wire.take()).toMatchObject([{ flags: 'S', dstPort: 80 }]);
    expect(r.clock.alarm).toBe(r.clock.time + ms(500));
    r.clock.pass(ms(500));
    expect(r.wire.take()).toMatchObject([{ flags: 'S', dstPort: 81 }]);
  });

  test('a batch is answered when it is over, by one ACK a connection', () => {
    const r = rig();
    const { endpoint, ack } = connected(r);
    const octets = (n: number): Uint8Array =>
      tcpPacket({ dstPort: endpoint.localPort, seq: 5001 + n * 100, flags: 'P.', ack, payload: new Uint8Array(100) });
    r.wire.deliver(octets(0), octets(1), octets(2));
    expect(r.wire.take()).toMatchObject([{ flags: '.', ack: 5301 }]);
  });

  test('but of what is out of order each segment is reported as it comes', () => {
    const r = rig();
    const { endpoint, ack } = connected(r);
    const octets = (n: number): Uint8Array =>
      tcpPacket({ dstPort: endpoint.localPort, seq: 5001 + n * 100, flags: 'P.', ack, payload: new Uint8Array(100) });
    r.wire.deliver(octets(1), octets(2), octets(0), octets(3));
    expect(r.wire.take()).toMatchObject([{ ack: 5001 }, { ack: 5001 }, { flags: '.', ack: 5401 }]);
  });

  test('close with unread octets resets, abort resets, each once', () => {
    const r = rig();
    const first = connected(r);
    first.reply({ flags: 'P.', payload: new Uint8Array(10) });
    r.wire.take();
    first.endpoint.close();
    expect(r.wire.take()).toMatchObject([{ flags: 'R.', ack: 5011 }]);
    first.endpoint.abort();
    const second = connected(r);
    second.endpoint.abort();
    expect(r.wire.take()).toMatchObject([{ flags: 'R.', ack: 5001 }]);
    expect(r.stack.counters.resetsOut).toBe(2);
    expect([...r.stack.endpoints()]).toEqual([]);
  });

  test('a connection that has ended takes nothing more: its port answers by RST', () => {
    const r = rig();
    const { endpoint, reply } = connected(r);
    reply({ flags: 'R' });
    expect(endpoint).toMatchObject({ state: 'CLOSED', error: 'ECONNRESET' });
    expect(endpoint.send(new Uint8Array(1))).toBe(0);
    reply({ flags: '.' });
    expect(r.wire.take()).toMatchObject([{ flags: 'R' }]);
  });
});

describe('onEvent', () => {
  test('comes after the batch, once for all that happened in it', () => {
    const r = rig();
    const { endpoint, reply } = connected(r);
    const seen: string[] = [];
    endpoint.onEvent = () => seen.push(endpoint.state);
    reply({ flags: 'FP.', payload: new Uint8Array(10) });
    expect(seen).toEqual(['CLOSE-WAIT']);
    reply({ flags: '.' });
    expect(seen).toEqual(['CLOSE-WAIT']);
  });

  test('the ACK of what it tells of waits for what is done there', () => {
    const r = rig();
    const { endpoint, reply } = connected(r);
    endpoint.onEvent = () => {
      if (endpoint.state === 'CLOSE-WAIT') endpoint.shutdown();
    };
    reply({ flags: 'F.' });
    expect(r.wire.take().map((l) => l.flags)).toEqual(['F.']);
  });

  test('calls made in it take effect when it returns, and it is not called within itself', () => {
    const r = rig();
    const { endpoint, reply } = connected(r);
    let depth = 0;
    let calls = 0;
    endpoint.onEvent = () => {
      expect(++depth).toBe(1);
      calls++;
      if (calls === 1) {
        endpoint.send(new Uint8Array(5));
        endpoint.abort();
        expect(r.wire.take()).toEqual([]);
      }
      depth--;
    };
    reply({ flags: 'P.', payload: new Uint8Array(10) });
    expect(calls).toBe(2);
    expect(r.wire.take().map((l) => l.flags)).toEqual(['R.']);
  });

  test('tells of a refusal, and of silence', () => {
    const r = rig({ sysctl: { tcp_syn_retries: 1 } });
    const ends: unknown[] = [];
    const refused = r.stack.connect({ address: THEM, port: 80 });
    refused.onEvent = () => ends.push(refused.error);
    const syn = r.wire.take()[0]!;
    r.wire.deliver(tcpPacket({ dstPort: syn.srcPort, flags: 'R.', ack: (syn.seq + 1) >>> 0 }));
    const silent = r.stack.connect({ address: THEM, port: 81 });
    silent.onEvent = () => ends.push(silent.error);
    r.clock.pass(seconds(3));
    expect(ends).toEqual(['ECONNREFUSED', 'ETIMEDOUT']);
    expect([...r.stack.endpoints()]).toEqual([]);
  });
});

describe('ICMP', () => {
  const opening = (): { r: Rig; endpoint: Endpoint; syn: Left } => {
    const r = rig();
    const endpoint = r.stack.connect({ address: THEM, port: 80 });
    return { r, endpoint, syn: r.wire.take()[0]! };
  };

  test.each([
    [IcmpType.UNREACHABLE, UnreachableCode.NET, 'ENETUNREACH'],
    [IcmpType.UNREACHABLE, UnreachableCode.HOST, 'EHOSTUNREACH'],
    [IcmpType.UNREACHABLE, UnreachableCode.PROTOCOL, 'ENOPROTOOPT'],
    [IcmpType.UNREACHABLE, UnreachableCode.PORT, 'ECONNREFUSED'],
    [IcmpType.UNREACHABLE, UnreachableCode.SOURCE_ROUTE_FAILED, 'EHOSTUNREACH'],
    [IcmpType.UNREACHABLE, UnreachableCode.NET_UNKNOWN, 'ENETUNREACH'],
    [IcmpType.UNREACHABLE, UnreachableCode.HOST_UNKNOWN, 'EHOSTUNREACH'],
    [IcmpType.UNREACHABLE, UnreachableCode.NET_PROHIBITED, 'ENETUNREACH'],
    [IcmpType.UNREACHABLE, UnreachableCode.NET_TOS, 'ENETUNREACH'],
    [IcmpType.UNREACHABLE, UnreachableCode.ADMINISTRATIVELY_PROHIBITED, 'EHOSTUNREACH'],
    [IcmpType.TIME_EXCEEDED, 0, 'EHOSTUNREACH'],
    [IcmpType.PARAMETER_PROBLEM, 0, 'EPROTO'],
  ])('type %i code %i about our SYN ends the connection with %s', (type, code, error) => {
    const { r, endpoint, syn } = opening();
    r.wire.deliver(icmpPacket(type, code, syn.packet, { src: parseIpv4('10.9.9.9')! }));
    expect(endpoint).toMatchObject({ state: 'CLOSED', error });
    expect(r.stack.counters).toMatchObject({ icmpErrors: 1, icmpIgnored: 0 });
  });

  test('source quench and redirects are ignored (MUST-55)', () => {
    const { r, endpoint, syn } = opening();
    r.wire.deliver(icmpPacket(IcmpType.SOURCE_QUENCH, 0, syn.packet), icmpPacket(IcmpType.REDIRECT, 1, syn.packet));
    expect(endpoint.state).toBe('SYN-SENT');
    expect(endpoint.softError).toBeUndefined();
  });

  test('an error about another connection is ignored and counted (MUST-54)', () => {
    const { r, endpoint, syn } = opening();
    const other = syn.packet.slice();
    other[23]! ^= 1;
    r.wire.deliver(icmpPacket(IcmpType.UNREACHABLE, 1, other));
    expect(endpoint.state).toBe('SYN-SENT');
    expect(r.stack.counters.icmpIgnored).toBe(1);
  });

  test('in a connection an error is only remembered, and told', () => {
    const r = rig();
    const { endpoint } = connected(r);
    endpoint.send(new Uint8Array(10));
    let told = 0;
    endpoint.onEvent = () => told++;
    r.wire.deliver(icmpPacket(IcmpType.UNREACHABLE, UnreachableCode.HOST, r.wire.take()[0]!.packet));
    expect(endpoint).toMatchObject({ state: 'ESTABLISHED', softError: 'EHOSTUNREACH', error: undefined });
    expect(told).toBe(1);
  });

  test.each([
    [1400, 1360],
    [0, 536],
    [67, 536],
    [68, 48],
    [9000, 1460],
  ])('fragmentation needed with an MTU of %i makes segments of %i', (mtu, mss) => {
    const r = rig();
    const { endpoint } = connected(r);
    endpoint.send(new Uint8Array(3000));
    const first = r.wire.take()[0]!;
    expect(first.len).toBe(1460);
    r.wire.deliver(icmpPacket(IcmpType.UNREACHABLE, UnreachableCode.FRAGMENTATION_NEEDED, first.packet, { mtu }));
    expect(endpoint.info().snd_mss).toBe(mss);
    if (mss < 1460) expect(r.wire.take()[0]).toMatchObject({ seq: first.seq, len: mss });
  });

  test('what the path carries changes nothing in the MSS that SYNs to the same host announce (RFC 1191 §6.4)', () => {
    const r = rig();
    const { endpoint } = connected(r);
    r.stack.listen({ port: 80 });
    endpoint.send(new Uint8Array(3000));
    const { packet } = r.wire.take()[0]!;
    r.wire.deliver(icmpPacket(IcmpType.UNREACHABLE, UnreachableCode.FRAGMENTATION_NEEDED, packet, { mtu: 576 }));
    r.wire.take();
    expect(endpoint.info()).toMatchObject({ snd_mss: 536, advmss: 1460 });
    r.stack.connect({ address: THEM, port: 80 });
    r.wire.deliver(synFrom(1));
    expect(r.wire.take()).toMatchObject([
      { flags: 'S', mss: 1460 },
      { flags: 'S.', mss: 1460 },
    ]);
  });
});

describe('the link', () => {
  test('a segment that it does not take is counted, and comes again', () => {
    const r = rig();
    r.wire.outcome = 'full';
    r.stack.connect({ address: THEM, port: 80 });
    expect(r.stack.counters).toMatchObject({ sendFailures: 1, segmentsOut: 0 });
    r.wire.outcome = 'sent';
    r.wire.take();
    r.clock.pass(seconds(1));
    expect(r.wire.take()).toMatchObject([{ flags: 'S' }]);
    expect(r.stack.counters).toMatchObject({ sendFailures: 1, segmentsOut: 1 });
  });

  test('an error of it is told; only a fatal one ends the connections', () => {
    const errors: string[] = [];
    const r = rig({ onLinkError: (e) => errors.push(e.code) });
    const { endpoint } = connected(r);
    r.wire.receiver.onError({ code: 'ENOBUFS', message: '', fatal: false });
    expect(endpoint.state).toBe('ESTABLISHED');
    r.wire.receiver.onError({ code: 'ENETDOWN', message: '', fatal: true });
    expect(endpoint).toMatchObject({ state: 'CLOSED', error: 'ENETUNREACH' });
    expect(errors).toEqual(['ENOBUFS', 'ENETDOWN']);
  });

  test('close resets what lives, ends listeners and alarms, and is idempotent', () => {
    const r = rig();
    const { endpoint } = connected(r);
    const listener = r.stack.listen({ port: 80 });
    r.wire.deliver(synFrom(1));
    r.wire.take();
    r.stack.close();
    expect(r.wire.take().map((l) => l.flags)).toEqual(['R.', 'R.']);
    expect(endpoint).toMatchObject({ state: 'CLOSED', error: 'ECONNABORTED' });
    expect(listener.accept()).toBeUndefined();
    expect(r.wire.closed).toBe(true);
    expect(r.clock.alarm).toBe(NEVER);
    r.stack.close();
    expect(r.wire.take()).toEqual([]);
  });

  test('what it cuts itself is told the size, and its checksum is left to it where it completes them', () => {
    const wire = new Wire({ maxGsoPayload: 10_000, completesChecksum: true });
    const r = rig({ wire });
    const { endpoint } = connected(r);
    endpoint.send(new Uint8Array(7300));
    expect(wire.take()).toMatchObject([{ len: 7300, gsoSize: 1460 }]);
    expect(endpoint.state).toBe('ESTABLISHED');
  });

  test('packets are numbered, one after the other, and may not be fragmented', () => {
    const r = rig();
    for (let i = 0; i < 3; i++) r.stack.connect({ address: THEM, port: 80 + i });
    const ids = r.wire.take().map(({ packet }) => (packet[4]! << 8) | packet[5]!);
    expect([(ids[1]! - ids[0]!) & 0xffff, (ids[2]! - ids[1]!) & 0xffff]).toEqual([1, 1]);
    r.stack.connect({ address: THEM, port: 90 });
    expect(r.wire.take()[0]!.packet[6]).toBe(0x40);
  });
});

test('a tracer hears of a connection before its first record', () => {
  const story: string[] = [];
  const tracer = {
    enabled: true,
    open: (conn: number, a: { remoteAddress: Parameters<typeof ipv4Text>[0] }) =>
      story.push(`open ${conn} ${ipv4Text(a.remoteAddress)}`),
    record: (r: { type: string; conn: number }) => story.push(`${r.type} ${r.conn}`),
  };
  const r = rig({ tracer });
  r.stack.connect({ address: THEM, port: 80 });
  r.stack.connect({ address: THEM, port: 81 });
  expect(story).toEqual([
    'open 1 10.0.0.2',
    'call 1',
    'state 1',
    'segment 1',
    'open 2 10.0.0.2',
    'call 2',
    'state 2',
    'segment 2',
  ]);
});

describe('a process that slept', () => {
  test('looks at what has come before a timer speaks: an ACK that was waiting keeps its segment from being sent again', () => {
    const r = rig();
    const { endpoint, ack, reply } = connected(r);
    endpoint.send(new Uint8Array(3));
    r.wire.take();
    r.wire.onPoll = () => reply({ flags: '.', ack: ack + 3, wnd: 1000 });
    r.clock.pass(seconds(2));
    expect(r.wire.take()).toEqual([]);
    expect(endpoint.info().total_retrans).toBe(0);
  });

  test('waits with its timers while batch follows upon batch, and 50 ms at most', () => {
    const r = rig();
    const { endpoint } = connected(r);
    endpoint.send(new Uint8Array(3));
    r.wire.take();
    const due = r.clock.alarm;
    const flood = (): void => r.wire.receiver.onBatchEnd(true);
    r.wire.onPoll = flood;
    r.clock.jump(due);
    expect(r.wire.take()).toEqual([]);
    r.clock.jump(micros(due + ms(50) - 1));
    expect(r.wire.take()).toEqual([]);
    r.clock.jump(micros(due + ms(50)));
    expect(r.wire.take()).toMatchObject([{ flags: 'P.' }]);
    expect(endpoint.info().total_retrans).toBe(1);
  });
});

describe('the ACK of what has come in one batch', () => {
  test.each([
    [2, 0],
    [3, 1],
  ])('of %i full segments: the user, whose answer may take it along, is told when %i has left', (segments, acks) => {
    const r = rig();
    const { endpoint, ack, reply } = connected(r);
    const packet = (i: number): Uint8Array => {
      const seq = 5001 + i * 1460;
      return tcpPacket({
        srcPort: 80,
        dstPort: endpoint.localPort,
        seq,
        ack,
        flags: '.',
        payload: new Uint8Array(1460),
      });
    };
    // Two in a batch, so that it is known what is full.
    r.wire.deliver(packet(0), packet(1));
    while (typeof endpoint.receive() !== 'string');
    r.wire.take();
    let left = -1;
    endpoint.onEvent = () => {
      left = r.wire.take().length;
    };
    r.wire.deliver(...Array.from({ length: segments }, (_, i) => packet(2 + i)));
    expect(left).toBe(acks);
    reply({ seq: 5001 + (2 + segments) * 1460, flags: 'R' });
  });
});

describe('the ACK that ends the handshake', () => {
  const opened = (
    onConnected: (endpoint: Endpoint) => void,
  ): { flushesBefore: number; flushes: number; left: string[] } => {
    const r = rig();
    const endpoint = r.stack.connect({ address: THEM, port: 80 });
    const syn = r.wire.take()[0]!;
    const begun = r.wire.flushes;
    let flushesBefore = -1;
    endpoint.onEvent = () => {
      if (flushesBefore >= 0) return;
      flushesBefore = r.wire.flushes - begun;
      onConnected(endpoint);
    };
    r.wire.deliver(
      tcpPacket({ srcPort: 80, dstPort: syn.srcPort, seq: 5000, ack: syn.seq + 1, flags: 'S.', mss: 1460 }),
    );
    return { flushesBefore, flushes: r.wire.flushes - begun, left: r.wire.take().map(({ flags }) => flags) };
  };

  test('waits for the user, who is told first, and leaves in front of what he says', () => {
    expect(opened((e) => e.send(new Uint8Array(10)))).toEqual({ flushesBefore: 0, flushes: 1, left: ['.', 'P.'] });
  });

  test('leaves when he says nothing, and when he has enough already', () => {
    expect(opened(() => {}).left).toEqual(['.']);
    expect(opened((e) => e.abort()).left).toEqual(['.', 'R.']);
  });
});

describe('where more may be done in the same moment', () => {
  const soonRig = (): Rig & { later(): void } => {
    const waiting: (() => void)[] = [];
    const clock = Object.assign(new HandClock(), { soon: (run: () => void) => waiting.push(run) });
    const r = rig({ clock });
    const later = (): void => {
      for (const run of waiting.splice(0)) run();
    };
    return { ...r, later };
  };

  test('what opens and closes leaves together, once', () => {
    const r = soonRig();
    const endpoints = [1, 2, 3].map((port) => r.stack.connect({ address: THEM, port }));
    expect(r.wire.take()).toEqual([]);
    r.later();
    expect(r.wire.take()).toMatchObject([{ flags: 'S' }, { flags: 'S' }, { flags: 'S' }]);
    // One turn: what the stack has to say, and what its users say to that.
    expect(r.wire.flushes).toBe(2);
    for (const e of endpoints) e.shutdown();
    r.later();
    expect(endpoints.map((e) => e.state)).toEqual(['CLOSED', 'CLOSED', 'CLOSED']);
  });

  test('what comes in between takes it along, and nothing is left for later', () => {
    const r = soonRig();
    r.stack.connect({ address: THEM, port: 1 });
    r.wire.deliver(tcpPacket({ flags: '.', dstPort: 7, ack: 5 }));
    expect(r.wire.take()).toMatchObject([{ flags: 'R' }, { flags: 'S' }]);
    r.later();
    expect(r.wire.take()).toEqual([]);
  });
});

describe('octets that are lent', () => {
  test('are free with their ACK on a short path, and copied once they have left on a long one', () => {
    const free = [ms(0), ms(20)].map((delay) => {
      const r = rig();
      const syn = ((): Left => {
        r.stack.connect({ address: THEM, port: 80 });
        return r.wire.take()[0]!;
      })();
      const [endpoint] = [...r.stack.endpoints()];
      const answer = (fields: SegmentFields): void => {
        r.clock.pass(micros(delay + 100));
        r.wire.deliver(tcpPacket({ srcPort: 80, dstPort: syn.srcPort, wnd: 60_000, ...fields }));
      };
      answer({ seq: 5000, ack: syn.seq + 1, flags: 'S.', mss: 1460 });
      answer({ seq: 5001, ack: syn.seq + 1, flags: '.' });
      let events = 0;
      endpoint!.onEvent = () => events++;
      const seen: [lent: number, events: number][] = [];
      expect(endpoint!.lend(new Uint8Array(90_000))).toBe(90_000);
      for (const segments of [10, 20, 30, 40]) {
        seen.push([endpoint!.lent, events]);
        answer({ seq: 5001, ack: syn.seq + 1 + segments * 1460, flags: '.' });
      }
      seen.push([endpoint!.lent, events]);
      return seen;
    });
    // With the third ACK all has left, but for a rest that waits for more to go with it; before, there is nothing to copy for.
    const [first, second, third] = [
      [90_000, 0],
      [75_400, 0],
      [60_800, 0],
    ];
    expect(free).toEqual([
      // Few are left at last, and their ACK may be held back.
      [first, second, third, [46_200, 0], [0, 1]],
      [first, second, third, [0, 1], [0, 1]],
    ]);
  });

  test('one octet is copied as well, and its writer free at once', () => {
    const r = rig();
    const endpoint = r.stack.connect({ address: THEM, port: 80 });
    const syn = r.wire.take()[0]!;
    for (const flags of ['S.', '.'] as const) {
      r.clock.pass(micros(30_000));
      const seq = flags === '.' ? 5001 : 5000;
      r.wire.deliver(tcpPacket({ srcPort: 80, dstPort: syn.srcPort, wnd: 60_000, seq, ack: syn.seq + 1, flags }));
    }
    let events = 0;
    endpoint.onEvent = () => events++;
    endpoint.lend(new Uint8Array(1));
    r.clock.pass(micros(1));
    expect([endpoint.lent, events]).toEqual([0, 1]);
  });
});
