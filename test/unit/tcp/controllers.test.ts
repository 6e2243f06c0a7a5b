/** What holds of every controller, whatever happens to it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Keeper } from '../../../src/base/keeper.ts';
import { micros } from '../../../src/base/time.ts';
import { CONGESTION_NAMES, type CongestionName } from '../../../src/tcp/config.ts';
import { type AckSample, type CongestionControl, emptySample } from '../../../src/tcp/congestion/controller.ts';
import { newController } from '../../../src/tcp/congestion/controllers.ts';

type Step =
  | { readonly is: 'ack'; readonly acked: number; readonly lost: number; readonly rtt: number; readonly flags: number }
  | { readonly is: 'loss' | 'recovered' | 'ecn' | 'rto' | 'again' | 'undo' | 'idle' }
  | { readonly is: 'mss'; readonly smss: number };

const octets = fc.oneof(fc.nat(100), fc.nat(70_000), fc.nat(50_000_000));
const ack = fc.record({
  is: fc.constant('ack' as const),
  acked: octets,
  lost: fc.oneof(fc.constant(0), octets),
  rtt: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 5_000_000 })),
  flags: fc.nat(15),
});
const event = fc.record({
  is: fc.constantFrom('loss' as const, 'recovered', 'ecn', 'rto', 'again', 'undo', 'idle'),
});
const mss = fc.record({ is: fc.constant('mss' as const), smss: fc.integer({ min: 8, max: 65_483 }) });
const steps = fc.array(fc.tuple(fc.nat(3_000_000), fc.oneof({ weight: 6, arbitrary: ack }, event, mss)), {
  minLength: 1,
  maxLength: 80,
});

/** What happens to a controller, and what its sender knows. */
class Life {
  control: CongestionControl;
  readonly #sample: AckSample = emptySample();
  smss = 1448;
  #now = 0;

  constructor(name: CongestionName, paced: boolean) {
    this.control = newController(name, this.smss, 10, 7, paced);
  }

  step(wait: number, step: Step): void {
    const { control } = this;
    this.#now += wait;
    const now = micros(this.#now);
    const inFlight = Math.min(control.cwnd, 10_000_000);
    switch (step.is) {
      case 'ack':
        control.onAck(this.#ack(step, inFlight));
        break;
      case 'loss':
        control.onLoss(inFlight, now);
        break;
      case 'recovered':
        control.onRecovered(inFlight, now);
        break;
      case 'ecn':
        control.onEcn(inFlight, now);
        break;
      case 'rto':
        control.onRto(inFlight, true, now);
        break;
      case 'again':
        control.onRto(inFlight, false, now);
        break;
      case 'undo':
        control.onUndo(now);
        break;
      case 'idle':
        control.onIdle(wait, 200_000, now);
        break;
      case 'mss':
        this.smss = step.smss;
        control.onMssChange(step.smss);
    }
  }

  #ack(step: Extract<Step, { is: 'ack' }>, inFlight: number): AckSample {
    const s = this.#sample;
    s.priorDelivered = Math.max(0, s.delivered - inFlight);
    s.acked = s.cumulative = step.acked;
    s.delivered += step.acked;
    s.lost = step.lost;
    s.priorInFlight = inFlight;
    s.inFlight = Math.max(0, inFlight - step.acked - step.lost);
    s.rtt = step.rtt;
    if (step.rtt > 0) s.srtt = s.srtt === 0 ? step.rtt : s.srtt + (step.rtt - s.srtt) / 8;
    s.minRtt = s.minRtt === 0 ? step.rtt : Math.min(s.minRtt, step.rtt || s.minRtt);
    s.cwndLimited = (step.flags & 1) !== 0;
    s.recovering = (step.flags & 2) !== 0;
    s.appLimited = (step.flags & 4) !== 0;
    s.deliveryRate = step.rtt > 0 && (step.flags & 8) !== 0 ? Math.round((step.acked * 1e6) / step.rtt) : 0;
    s.una += step.acked;
    s.nxt = s.una + s.inFlight;
    s.now = micros(this.#now);
    return s;
  }
}

/** After these bbr takes the pipe for full, and knows of no bandwidth. */
const NO_RATE: [number, Step][] = [
  [0, { is: 'ack', acked: 1, lost: 1, rtt: 1, flags: 0 }],
  [0, { is: 'ack', acked: 0, lost: 1, rtt: 0, flags: 0 }],
  [0, { is: 'ack', acked: 0, lost: 1, rtt: 0, flags: 0 }],
  [0, { is: 'loss' }],
  [0, { is: 'ack', acked: 0, lost: 1, rtt: 1, flags: 0 }],
  [0, { is: 'ack', acked: 10_000_000, lost: 1, rtt: 1, flags: 0 }],
  [0, { is: 'ack', acked: 1, lost: 2892, rtt: 0, flags: 0 }],
];

const seen = ({ control }: Life): unknown[] => [control.cwnd, control.ssthresh, control.pacingRate, control.phase];

describe.each(CONGESTION_NAMES.flatMap((name) => [[name, false] as const, [name, true] as const]))(
  '%s, paced %s',
  (name, paced) => {
    test('its window is a whole number of octets, a segment at least, whatever happens', () => {
      fc.assert(
        fc.property(steps, (list) => {
          const life = new Life(name, paced);
          for (const [wait, step] of list) {
            life.step(wait, step);
            const { cwnd, ssthresh, pacingRate } = life.control;
            expect(Number.isSafeInteger(cwnd), `cwnd ${cwnd} after ${step.is}`).toBe(true);
            expect(cwnd).toBeGreaterThanOrEqual(life.smss);
            expect(ssthresh).toBeGreaterThan(0);
            expect(pacingRate).toBeGreaterThan(0);
            expect(life.control.phase).not.toBe('');
          }
        }),
        { numRuns: 300, examples: [[NO_RATE]] },
      );
    });
  },
);

/** bbr has no `keep`, and stays in memory. */
test.each([
  ['cubic', false],
  ['cubic', true],
  ['reno', false],
  ['reno', true],
] as const)('%s, paced %s, put away and taken out again goes on as if nothing had been', (name, paced) => {
  const keeper = new Keeper();
  fc.assert(
    fc.property(steps, steps, (before, after) => {
      const kept = new Life(name, paced);
      const twin = new Life(name, paced);
      for (const [wait, step] of before) {
        kept.step(wait, step);
        twin.step(wait, step);
      }
      keeper.pack();
      kept.control.keep!(keeper);
      keeper.unpack(keeper.packed());
      kept.control = newController(name, 536, 1, 7, paced);
      kept.control.keep!(keeper);
      for (const [wait, step] of after) {
        kept.step(wait, step);
        twin.step(wait, step);
        expect(seen(kept)).toEqual(seen(twin));
      }
    }),
    { numRuns: 50 },
  );
});

test.each(CONGESTION_NAMES)('%s goes on with the window of the one before it', (name) => {
  const control = newController(name, 1000, 10, 7, false);
  control.takeOver(123_000, 77_000);
  expect(control.cwnd).toBe(123_000);
  if (name !== 'bbr') expect(control.ssthresh).toBe(77_000);
});
