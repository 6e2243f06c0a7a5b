/** Two ends on a bad path, and octets into a whole stack: a few always the same runs, and each rule broken once. */
import { expect, test } from 'vitest';
import type { PacketIn } from '../../src/link/link.ts';
import { IpOutput } from '../../src/stack/ip-output.ts';
import { Stack } from '../../src/stack/stack.ts';
import { Connection } from '../../src/tcp/connection.ts';
import { type Ipv4, toIpv4 } from '../../src/wire/ipv4.ts';
import { TcpFlag, TcpSegment } from '../../src/wire/tcp.ts';
import { US } from '../unit/stack/wire.ts';
import type { EndOptions } from './end.ts';
import {
  drawOctets,
  OCTETS_RULES,
  type OctetsOptions,
  type OctetsRule,
  playOctets,
  shrinkOctets,
} from './octets-run.ts';
import { PAIR_RULES, type PairRule, playPair } from './pair.ts';
import { drawPair } from './pair-setup.ts';

test('40 pairs come to an end, with everything brought across', () => {
  let segments = 0;
  let done = 0;
  for (let number = 1; number <= 40; number++) {
    const { violation, segmentsIn, setup } = playPair(drawPair(number));
    expect(violation?.message, `pair ${number}: ${JSON.stringify(setup)}`).toBeUndefined();
    segments += segmentsIn;
    if (!setup.mayFail) done++;
  }
  expect(segments).toBeGreaterThan(3000);
  expect(done).toBeGreaterThan(5);
}, 120_000);

test('the same number is the same pair', () => {
  const [a, b] = [playPair(drawPair(7)), playPair(drawPair(7))];
  expect(a.digests).toEqual(b.digests);
});

/** A connection that does something else from the `n`th segment on. */
const broken =
  (change: (c: Connection, after: () => boolean) => void): NonNullable<EndOptions['make']> =>
  (...args) => {
    const c = new Connection(...args);
    change(c, () => c.info().segs_in > 4);
    return c;
  };

const PAIR_FAULTS: Readonly<Record<PairRule, EndOptions>> = {
  // It takes segments and says nothing more, and its timers are not asked for.
  'both ends come to an end': {
    make: broken((c, after) => {
      const { onSegment } = c;
      c.onSegment = (seg, now) => {
        if (!after()) onSegment.call(c, seg, now);
      };
      Object.defineProperty(c, 'error', { value: undefined });
    }),
  },
  'an orderly end is a whole one': {
    make: broken((c) => {
      // Small writes are taken, and forgotten.
      const { send } = c;
      c.send = (octets, now, urgent) => (octets.length < 500 ? octets.length : send.call(c, octets, now, urgent));
    }),
  },
  'nothing ends without a cause': {
    make: broken((c, after) => {
      const { onSegment, abort } = c;
      c.onSegment = (seg, now) => {
        onSegment.call(c, seg, now);
        if (after()) abort.call(c, now, 'ECONNABORTED');
      };
    }),
  },
};

test.each(PAIR_RULES)('a pair that breaks it is found: %s', (rule) => {
  for (let number = 1; number < 200; number++) {
    const { violation } = playPair(drawPair(number), [{}, PAIR_FAULTS[rule]]);
    if (violation?.rule === rule) return;
  }
  expect.fail('200 pairs, and it was not found');
});

test('30 runs of octets into a stack break no rule', () => {
  let segments = 0;
  for (let number = 1; number <= 30; number++) {
    const { violation, segmentsIn, run } = drawOctets(number);
    if (violation !== undefined)
      expect.fail(`run ${number}: ${violation.message}\n${JSON.stringify(shrinkOctets(run, violation.rule))}`);
    segments += segmentsIn;
  }
  expect(segments).toBeGreaterThan(1000);
}, 120_000);

/** A stack that treats each packet in its own way; `say` sends a RST to an address. */
const stackThat =
  (
    takes: (stack: Stack, packet: PacketIn, take: (packet: PacketIn) => void, say: (to: Ipv4) => void) => void,
  ): OctetsOptions['make'] =>
  (o) => {
    const { link } = o;
    const output = new IpOutput(link, 0);
    const start = link.start.bind(link);
    link.start = (receiver) => {
      const { onPacket } = receiver;
      receiver.onPacket = (packet) =>
        takes(
          stack,
          packet,
          (p) => onPacket.call(receiver, p),
          (to) => void output.send(reset, o.address, to, 0, 64, 0),
        );
      start(receiver);
    };
    const stack = new Stack(o);
    return stack;
  };

const reset = new TcpSegment();
reset.flags = TcpFlag.RST;

const OCTETS_FAULTS: Readonly<Record<OctetsRule, OctetsOptions['make']>> = {
  'no throw': stackThat((stack, packet, take) => {
    if (stack.counters.segmentsIn > 20) throw new Error('a fault');
    take(packet);
  }),
  'no connection ends by a defect': stackThat((stack, packet, take) => {
    take(packet);
    if (stack.counters.segmentsIn > 20) stack.counters.defects++;
  }),
  'what is damaged changes nothing': stackThat((_, packet, take) => take({ ...packet, checksum: 'verified' })),
  'a few packets answer one': stackThat((_, packet, take) => {
    for (let i = 0; i < 40; i++) take(packet);
  }),
  'no RST answers a RST': stackThat((_, packet, take, say) => {
    take(packet);
    say(US);
  }),
  'nobody is answered whom nobody can be': stackThat((_, packet, take, say) => {
    take(packet);
    say(toIpv4(0));
  }),
};

test.each(OCTETS_RULES)('a stack that breaks it is found, and the run is shrunk: %s', (rule) => {
  const make = OCTETS_FAULTS[rule];
  const o: OctetsOptions = make === undefined ? {} : { make };
  for (let number = 1; number < 50; number++) {
    const { violation, run } = drawOctets(number, o);
    if (violation?.rule !== rule) continue;
    const least = shrinkOctets(run, rule, o);
    expect(playOctets(least, o).violation?.rule).toBe(rule);
    expect(least.steps.length).toBeLessThan(40);
    return;
  }
  expect.fail('50 runs, and it was not found');
});
