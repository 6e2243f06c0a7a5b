/** What is measured: each case a way to run a client, and the figures it gives. */
import type { Work } from './client/measure.ts';
import type { AddressMode } from './client/stacks.ts';
import type { Path, PlaceOptions } from './lab.ts';

export type Driver = 'packet' | 'raw';

/** Of one run of one stack. Octets by direction between t0 and t1; the rest as the client said it. */
export interface Outcome {
  readonly sent: number;
  readonly received: number;
  /** Seconds between t0 and t1; NaN where that means nothing. */
  readonly seconds: number;
  /** As the client said. */
  readonly said: Readonly<Record<string, unknown>>;
}

export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly lowerIsBetter: boolean;
  of(outcome: Outcome): number;
}

export interface Case {
  /** Named by --only. */
  readonly name: string;
  readonly work: Work;
  readonly driver: Driver;
  readonly place: PlaceOptions;
  readonly path?: Omit<Path, 'seed'>;
  readonly mode: AddressMode;
  /** Connections at once. */
  readonly count: number;
  readonly figures: readonly Figure[];
  /** Of the run's seconds, how many times more this one wants: rates that move slowly. */
  readonly patience?: number;
}

const number = (outcome: Outcome, name: string): number => Number(outcome.said[name]);
const gigabits = ({ sent, received, seconds }: Outcome): number => ((sent + received) * 8) / seconds / 1e9;

const rate = (name: string): Figure => ({ name, unit: 'Gbit/s', lowerIsBetter: false, of: gigabits });
const slowRate = (name: string): Figure => ({
  name,
  unit: 'Mbit/s',
  lowerIsBetter: false,
  of: (o) => gigabits(o) * 1000,
});
const cpu = (name: string): Figure => ({
  name: `${name}-cpu`,
  unit: 'CPU s/GB',
  lowerIsBetter: true,
  of: (o) => (number(o, 'cpuSeconds') * 1e9) / (o.sent + o.received),
});
const p50 = (name: string): Figure => ({ name, unit: 'µs', lowerIsBetter: true, of: (o) => number(o, 'p50') });
const perSecond = (name: string): Figure => ({
  name,
  unit: '/s',
  lowerIsBetter: false,
  of: (o) => number(o, 'perSecond'),
});

const DIRECT: PlaceOptions = { cc: 'cubic' };

function simple(work: Work, driver: Driver, figures: readonly Figure[], more: Partial<Case> = {}): Case {
  return { name: work, work, driver, place: DIRECT, mode: 'shared', count: 1, figures, ...more };
}

const LOSSES = ['0', '0.1', '1'] as const;

/** In the order in which they run. */
export const CASES: readonly Case[] = [
  simple('send', 'packet', [rate('send'), cpu('send')]),
  simple('receive', 'packet', [rate('receive'), cpu('receive')]),
  simple('both', 'packet', [rate('both'), cpu('both')]),
  simple('rtt', 'packet', [p50('rtt')]),
  simple('handshake', 'packet', [p50('handshake')]),
  simple('connect-close', 'packet', [perSecond('connect-close')], { mode: 'own', count: 32 }),
  simple('rpc', 'packet', [perSecond('rpc')], { mode: 'own', count: 1000 }),
  simple('send', 'raw', [rate('send'), cpu('send')]),
  simple('receive', 'raw', [rate('receive'), cpu('receive')]),
  simple('rtt', 'raw', [p50('rtt')]),
  simple('send', 'packet', [rate('mtu-send')], { name: 'mtu-send', place: { cc: 'cubic', offload: false } }),
  simple('receive', 'packet', [rate('mtu-receive')], { name: 'mtu-receive', place: { cc: 'cubic', offload: false } }),
  ...(['cubic', 'bbr'] as const).flatMap((cc) =>
    LOSSES.flatMap((loss) =>
      (['send', 'receive'] as const).map((work): Case => {
        const name = `path10ms-${work}-${loss}-${cc}`;
        return simple(work, 'packet', [slowRate(name)], {
          name,
          place: { cc },
          path: { delay: '5ms', ...(loss !== '0' && { loss: `${loss}%` }) },
          patience: 2,
        });
      }),
    ),
  ),
];
