/** Each rule can be broken: a connection with a fault of its own kind is found out, and the run that shows it is shrunk. */
import { expect, test } from 'vitest';
import { seqAdd } from '../../src/base/seq.ts';
import { NEVER } from '../../src/base/time.ts';
import { Connection } from '../../src/tcp/connection.ts';
import type { Tcb } from '../../src/tcp/tcb.ts';
import { parseScenario } from '../../src/tools/scenario/parse.ts';
import { TcpFlag, type TcpSegment } from '../../src/wire/tcp.ts';
import { drawAlone } from './alone.ts';
import type { EndOptions } from './end.ts';
import { RULES, type Rule } from './invariants.ts';
import { explain, violationIn } from './report.ts';

type Make = NonNullable<EndOptions['make']>;
/** Members of a connection that are otherwise than they should be. */
type Faults = { readonly [K in keyof Connection]?: unknown };

/** `c` with `faults` in place of its own members. */
function faulty(c: Connection, faults: Faults): Connection {
  return new Proxy(c, {
    get(target, name) {
      if (Object.hasOwn(faults, name)) {
        const fault = Object.getOwnPropertyDescriptor(faults, name)!;
        return fault.get === undefined ? fault.value : fault.get.call(faults);
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

const withFaults =
  (faults: (c: Connection) => Faults): Make =>
  (...args) => {
    const c = new Connection(...args);
    return faulty(c, faults(c));
  };

/** What leaves is changed on the way. */
const emitting = (change: (out: TcpSegment, c: Connection) => void): Make =>
  withFaults((c) => ({
    emit: (...[now, out]: Parameters<Connection['emit']>) => {
      if (!c.emit(now, out)) return false;
      change(out, c);
      return true;
    },
  }));

/** Variables that say something else. */
const pretending = (of: (t: Tcb) => Readonly<Record<string, unknown>>): Make =>
  withFaults((c) => ({
    get variables() {
      const t = c.variables;
      if (t === undefined) return undefined;
      return Object.create(t, Object.fromEntries(Object.entries(of(t as Tcb)).map(([n, value]) => [n, { value }])));
    },
  }));

const isPlain = (out: TcpSegment): boolean => (out.flags & (TcpFlag.SYN | TcpFlag.RST)) === 0;

const FAULTS: Readonly<Record<Rule, Make>> = {
  'no throw': withFaults(() => ({
    settle: () => {
      throw new Error('a fault');
    },
  })),
  'SND.UNA ≤ SND.NXT ≤ end of what was queued': pretending((t) => ({ sndNxt: seqAdd(t.sndUna, -1) })),
  'the window never shrinks': emitting((out, c) => {
    if (isPlain(out) && c.info().segs_out > 4) out.wnd = 0;
  }),
  'an ACK never goes back, nor beyond what was sent': emitting((out, c) => {
    if (isPlain(out) && c.info().segs_out > 2) out.ack = seqAdd(out.ack, -1);
  }),
  'octets read are a prefix of what was sent': withFaults((c) => ({
    receive: (now: Parameters<Connection['receive']>[0]) => {
      const octets = c.receive(now);
      return typeof octets === 'string' ? octets : octets.map((octet) => octet ^ 1);
    },
  })),
  'octets sent are those that were written': emitting((out) => {
    if (out.payload.len > 0) out.payload.bufs[0] = new Uint8Array(100_000);
  }),
  'a segment is well formed': emitting((out) => {
    if (isPlain(out)) out.mss = 1460;
  }),
  'no segment beyond the window': pretending(() => ({ sndWnd: 0 })),
  'every timer is ahead': withFaults((c) => ({ nextTimeout: () => (c.state === 'ESTABLISHED' ? 0 : c.nextTimeout()) })),
  'what is owed has a timer': pretending(() => ({ timers: { isSet: () => false, next: () => NEVER } })),
  'memory is bounded': pretending((t) => ({
    receiveBuffer: Object.create(t.receiveBuffer, { pinned: { value: 1e9 } }),
  })),
  'sums are sums': pretending((t) => ({ congestion: Object.create(t.congestion, { cwnd: { value: Number.NaN } }) })),
  'no RST answers a RST, no ACK an ACK': withFaults((c) => {
    let owed = false;
    return {
      onSegment: (...[seg, now]: Parameters<Connection['onSegment']>) => {
        owed = seg.has(TcpFlag.RST);
        c.onSegment(seg, now);
      },
      emit: (...[now, out]: Parameters<Connection['emit']>) => {
        if (!owed) return c.emit(now, out);
        owed = false;
        out.clear();
        out.flags = TcpFlag.RST;
        return true;
      },
    };
  }),
  'CLOSED is silent': withFaults((c) => ({
    nextTimeout: () => (c.state === 'CLOSED' ? 1e15 : c.nextTimeout()),
  })),
  'few segments answer one': withFaults((c) => {
    let more = 0;
    let hadData = false;
    return {
      onSegment: (...[seg, now]: Parameters<Connection['onSegment']>) => {
        hadData = seg.payload.len > 0;
        c.onSegment(seg, now);
      },
      emit: (...[now, out]: Parameters<Connection['emit']>) => {
        // The one before, again and again.
        if (more > 0) return more-- > 1;
        if (!c.emit(now, out)) return false;
        if (hadData && isPlain(out) && out.segLen === 0) more = 12;
        return true;
      },
    };
  }),
  'the log replays to the same end': (id, config, tracer) =>
    new Connection(id, config, {
      enabled: tracer.enabled,
      record: (r) => {
        if (r.type !== 'call' || r.call !== 'RECEIVE') tracer.record(r);
      },
    }),
  'the same run has the same outcome': (id, config, tracer) =>
    new Connection(id, tracer.enabled ? { ...config, path: { ...config.path, receiveMss: 77 } } : config, tracer),
};

test.each(RULES)('a connection that breaks it is found: %s', async (rule) => {
  const o: EndOptions = { make: FAULTS[rule] };
  for (let number = 1; number < 400; number++) {
    const violation = await violationIn(drawAlone(number, o).run, o);
    if (violation === undefined) continue;
    expect(violation.message.startsWith(rule), violation.message).toBe(true);
    return;
  }
  expect.fail('400 runs, and it was not found');
});

test.each(['the window never shrinks', 'octets read are a prefix of what was sent'] as const)(
  'the run is shrunk to a short scenario: %s',
  async (rule) => {
    const o: EndOptions = { make: FAULTS[rule] };
    let number = 1;
    while ((await violationIn(drawAlone(number, o).run, o)) === undefined) number++;
    const explained = await explain(drawAlone(number, o).run, o);
    expect(explained?.violation.rule).toBe(rule);
    expect(explained!.run.actions.length).toBeLessThan(10);
    const scenario = parseScenario(explained!.text, 'shrunk.pkt');
    expect(scenario.about.title).toBe(rule);
    expect(scenario.steps.length).toBeGreaterThan(4);
  },
);
