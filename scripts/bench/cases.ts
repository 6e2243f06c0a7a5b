/** What is measured: each case a way to run a client, and the figures it gives. */
import type { Work } from './client/measure.ts';
import type { AddressMode } from './client/stacks.ts';
import type { Path, PlaceOptions } from './lab.ts';
import { quantile } from './statistics.ts';

export type Driver = 'packet' | 'raw';

/** Of one run of one stack. Octets by direction between t0 and t1; the rest as it was found. */
export interface Outcome {
  readonly sent: number;
  readonly received: number;
  /** Seconds between t0 and t1; NaN where that means nothing. */
  readonly seconds: number;
  /** As the client said, and what was seen beside it. */
  readonly said: Readonly<Record<string, unknown>>;
}

export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly lowerIsBetter: boolean;
  of(outcome: Outcome): number;
}

/** For --quick, and without; no pairs: only when it is named. */
type Extent = readonly [quick: number, full: number];

export interface Case {
  /** Named by --only. */
  readonly name: string;
  readonly work: Work;
  /** What happens beside it: datagrams that measure the queue, and a second flow, of the kernel's. */
  readonly beside?: 'probe' | 'flow';
  readonly driver: Driver;
  readonly place: PlaceOptions;
  readonly path?: Omit<Path, 'seed'>;
  readonly mode: AddressMode;
  /** Connections at once. */
  readonly count: number;
  readonly figures: readonly Figure[];
  readonly pairs: Extent;
  /** Measured in each run. */
  readonly seconds: Extent;
  /** Before that. */
  readonly warmSeconds: Extent;
}

const field = (outcome: Outcome, name: string): number => Number(outcome.said[name]);
const gigabits = ({ sent, received, seconds }: Outcome): number => ((sent + received) * 8) / seconds / 1e9;
/** Octets of payload in a full segment: an MTU of 1500, timestamps. */
const SEGMENT_LEN = 1448;
/** Of the path in `bottleneck`, ms. */
const BASE_RTT = 20;

const rate = (name: string): Figure => ({ name, unit: 'Gbit/s', lowerIsBetter: false, of: gigabits });
/** One direction of two. */
const direction = (name: string, which: 'sent' | 'received'): Figure => ({
  name: `${name}-${which}`,
  unit: 'Gbit/s',
  lowerIsBetter: false,
  of: (o) => (o[which] * 8) / o.seconds / 1e9,
});
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
  of: (o) => (field(o, 'cpuSeconds') * 1e9) / (o.sent + o.received),
});
const p50 = (name: string): Figure => ({ name, unit: 'µs', lowerIsBetter: true, of: (o) => field(o, 'p50') });
const perSecond = (name: string): Figure => ({
  name,
  unit: '/s',
  lowerIsBetter: false,
  of: (o) => field(o, 'perSecond'),
});
const octetsEach = (name: string): Figure => ({
  name,
  unit: 'octets',
  lowerIsBetter: true,
  of: (o) => field(o, 'processOctets') + field(o, 'kernelOctets'),
});
const retransmitted: Figure = {
  name: 'bottleneck-retransmitted',
  unit: '% of segments',
  lowerIsBetter: true,
  of: (o) => (field(o, 'retransmitted') * 100) / (o.sent / SEGMENT_LEN),
};
const queueing: Figure = {
  name: 'bottleneck-queueing',
  unit: 'ms',
  lowerIsBetter: true,
  // As the datagrams met it: the run's middle.
  of: (o) =>
    quantile(
      (o.said['probes'] as readonly (readonly [number, number])[]).map(([, ms]) => ms),
      0.5,
    ) - BASE_RTT,
};
const share: Figure = {
  name: 'bottleneck-share',
  unit: '%',
  lowerIsBetter: false,
  of: (o) => (o.sent * 100) / (o.sent + field(o, 'sentBeside')),
};

const DIRECT: PlaceOptions = { cc: 'cubic' };
const QUEUE = '250KB';

function make(work: Work, driver: Driver, figures: readonly Figure[], more: Partial<Case> = {}): Case {
  return {
    name: work,
    work,
    driver,
    place: DIRECT,
    mode: 'one',
    count: 1,
    figures,
    pairs: [7, 15],
    seconds: [0.5, 1],
    // Until V8 has compiled what is hot, which it does on the same processor.
    warmSeconds: [2, 4],
    ...more,
  };
}

/** And the heap is that of a process that has run. */
const SEND: Partial<Case> = { warmSeconds: [4, 4] };
const RECEIVE: Partial<Case> = { pairs: [5, 15], warmSeconds: [1.6, 4] };
const RAW: Partial<Case> = { pairs: [1, 7], warmSeconds: [1, 4] };
const NO_OFFLOAD: Partial<Case> = { place: { cc: 'cubic', offload: false }, pairs: [1, 7] };
const BOTTLENECK: Partial<Case> = {
  path: { delay: '10ms', rate: '100mbit', queue: QUEUE },
  warmSeconds: [0, 0],
  pairs: [1, 3],
};

/** Much of the stack and of Node's streams is hot in these. */
const BUSY = { mode: 'own', warmSeconds: [3, 5] } as const satisfies Partial<Case>;
const CONNECT_CLOSE = { work: 'connect-close', ...BUSY, count: 32 } as const satisfies Partial<Case>;
const RPC = { work: 'rpc', ...BUSY, count: 1000 } as const satisfies Partial<Case>;
const IDLE = { work: 'idle', mode: 'own', count: 10_000, pairs: [1, 3] } as const satisfies Partial<Case>;
const GUARDED = { mode: 'many', pairs: [0, 3] } as const satisfies Partial<Case>;
const SHARED = [
  [CONNECT_CLOSE, perSecond('connect-close-guarded')],
  [RPC, perSecond('rpc-guarded')],
  [IDLE, octetsEach('idle-guarded')],
] as const;

/** In the order in which they run. */
export const CASES: readonly Case[] = [
  make('send', 'packet', [rate('send'), cpu('send')], SEND),
  make('receive', 'packet', [rate('receive'), cpu('receive')], RECEIVE),
  make('both', 'packet', [rate('both'), direction('both', 'sent'), direction('both', 'received'), cpu('both')], {
    pairs: [1, 15],
  }),
  make('rtt', 'packet', [p50('rtt')], { pairs: [5, 15], warmSeconds: [1.5, 4] }),
  // One port used again at once meets the peer's old socket, see native-notes.md.
  make('handshake', 'packet', [p50('handshake')], { mode: 'own', pairs: [5, 15], warmSeconds: [1.5, 4] }),
  make('connect-close', 'packet', [perSecond('connect-close')], CONNECT_CLOSE),
  make('rpc', 'packet', [perSecond('rpc')], RPC),
  make('idle', 'packet', [octetsEach('idle')], IDLE),
  // The same through the kernel's address, with a guard on each port.
  ...SHARED.map(([c, figure]) => make(c.work, 'packet', [figure], { ...c, ...GUARDED, name: figure.name })),
  make('send', 'raw', [rate('send'), cpu('send')], RAW),
  make('receive', 'raw', [rate('receive'), cpu('receive')], RAW),
  make('rtt', 'raw', [p50('rtt')], RAW),
  make('send', 'packet', [rate('mtu-send')], { name: 'mtu-send', ...NO_OFFLOAD }),
  make('receive', 'packet', [rate('mtu-receive')], { name: 'mtu-receive', ...NO_OFFLOAD }),
  ...(['cubic', 'bbr'] as const).flatMap((cc) =>
    (['0', '0.1', '1'] as const).flatMap((loss) =>
      (['send', 'receive'] as const).map((work): Case => {
        const name = `path10ms-${work}-${loss}-${cc}`;
        return make(work, 'packet', [slowRate(name)], {
          name,
          place: { cc },
          path: { delay: '5ms', ...(loss !== '0' && { loss: `${loss}%` }) },
          pairs: [1, 5],
          // A slow flow meets few losses in a second.
          seconds: [cc === 'cubic' && loss !== '0' ? 2.2 : 1.2, 6],
          warmSeconds: [0.75, 2],
        });
      }),
    ),
  ),
  make('send', 'packet', [slowRate('bottleneck'), retransmitted, queueing], {
    name: 'bottleneck',
    beside: 'probe',
    ...BOTTLENECK,
    seconds: [4, 15],
  }),
  make('send', 'packet', [share], {
    name: 'bottleneck-share',
    beside: 'flow',
    ...BOTTLENECK,
    warmSeconds: [1, 1],
    seconds: [6, 60],
  }),
];
