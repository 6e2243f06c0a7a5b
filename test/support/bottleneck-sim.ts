/**
 * Two stacks with a bottleneck between them in virtual time: connections from one to the other that always have more to
 * send, and what becomes of them. Nothing is watched but amounts, so that minutes of a fast path take seconds.
 */
import { seededRandom } from '../../src/base/random.ts';
import { type Micros, micros } from '../../src/base/time.ts';
import { VirtualTime } from '../../src/base/virtual-time.ts';
import { memoryLink } from '../../src/link/memory.ts';
import { type FaultLink, faultTap } from '../../src/link/taps/fault.ts';
import type { Endpoint } from '../../src/stack/endpoint.ts';
import { Stack } from '../../src/stack/stack.ts';
import type { CongestionName, Sysctl } from '../../src/tcp/config.ts';
import type { TcpInfo } from '../../src/tcp/info.ts';
import { parseIpv4 } from '../../src/wire/ipv4.ts';

const A = parseIpv4('10.0.0.1')!;
const B = parseIpv4('10.0.0.2')!;
const CHUNK = new Uint8Array(65_536);

export interface BottleneckOptions {
  /** Octets per second, of packets with their headers. */
  readonly rate: number;
  /** Round trip without queueing, µs. */
  readonly rtt: number;
  /** Octets that wait; of a bandwidth-delay product where absent. */
  readonly queue?: number;
  /** Share of the data packets that is lost. */
  readonly loss?: number;
  readonly seed?: number;
  readonly sysctl?: Partial<Sysctl>;
}

export class BottleneckSim {
  readonly time = new VirtualTime();
  readonly flows: BulkFlow[] = [];
  readonly #a: Stack;
  readonly #path: FaultLink;

  constructor(o: BottleneckOptions) {
    const random = seededRandom(o.seed ?? 1);
    const [linkA, linkB] = memoryLink(this.time, { delay: micros(o.rtt / 2) });
    const out = {
      rate: o.rate,
      queue: { octets: o.queue ?? (o.rate * o.rtt) / 1e6 },
      ...(o.loss !== undefined && { loss: o.loss }),
    };
    this.#path = faultTap(linkA, { clock: this.time.clock(), random, out });
    const common = { random, ...(o.sysctl && { sysctl: o.sysctl }) };
    this.#a = new Stack({ ...common, clock: this.time.clock(), link: this.#path, address: A });
    const b = new Stack({ ...common, clock: this.time.clock(), link: linkB, address: B });
    const listener = b.listen({ port: 80 });
    listener.onConnection = () => {
      for (let e = listener.accept(); e !== undefined; e = listener.accept()) drain(e);
    };
  }

  get now(): Micros {
    return this.time.now;
  }

  /** Packets that found the queue full. */
  get overflowed(): number {
    return this.#path.faults.out.overflowed;
  }

  add(name: CongestionName): BulkFlow {
    const options = { TCP_CONGESTION: name, SO_SNDBUF: 8 << 20 };
    const flow = new BulkFlow(this.#a.connect({ address: B, port: 80, options }));
    this.flows.push(flow);
    return flow;
  }

  run(us: number): this {
    this.time.runUntil(micros(this.now + us));
    return this;
  }

  /** What each flow gets over the next `us`, octets of payload per second. */
  rates(us: number): number[] {
    const before = this.flows.map((f) => f.acked);
    this.run(us);
    return this.flows.map((f, i) => ((f.acked - before[i]!) * 1e6) / us);
  }

  /** Mean of the smoothed round trip of the first flow over the next `us`, µs. */
  meanRtt(us: number): number {
    const samples = 100;
    let sum = 0;
    for (let i = 0; i < samples; i++) {
      this.run(us / samples);
      sum += this.flows[0]!.info.rtt;
    }
    return sum / samples;
  }
}

/** A connection whose writer always has more. */
export class BulkFlow {
  readonly endpoint: Endpoint;

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
    endpoint.onEvent = () => this.#write();
    this.#write();
  }

  get info(): TcpInfo {
    return this.endpoint.info();
  }

  get acked(): number {
    return this.info.bytes_acked;
  }

  #write(): void {
    while (this.endpoint.send(CHUNK) === CHUNK.length);
  }
}

function drain(endpoint: Endpoint): void {
  endpoint.onEvent = () => {
    while (typeof endpoint.receive() === 'object');
  };
  endpoint.onEvent();
}
