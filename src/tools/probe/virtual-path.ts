/** To tcpx itself, in virtual time: exact, and over as soon as it is computed. */

import { Gather } from '../../base/gather.ts';
import type { Random } from '../../base/random.ts';
import { type Micros, micros, seconds } from '../../base/time.ts';
import { VirtualTime } from '../../base/virtual-time.ts';
import type { Link } from '../../link/link.ts';
import { memoryLink } from '../../link/memory.ts';
import type { Endpoint } from '../../stack/endpoint.ts';
import { Stack } from '../../stack/stack.ts';
import type { Sysctl } from '../../tcp/config.ts';
import type { Ipv4 } from '../../wire/ipv4.ts';
import { PEER, SUT } from '../scenario/run.ts';
import { ANSWER_OCTETS, askedBy } from './model-server.ts';
import type { Path, PortLease } from './path.ts';

const PORT = 8080;
const FIRST_PORT = 40_000;
/** Any number but 0, where mistakes with unset times would hide. */
const START = seconds(1000);
/** One way: a near peer. */
const DELAY = micros(50);

export interface VirtualPathOptions {
  readonly random: Random;
  readonly sysctl: Partial<Sysctl>;
}

export class VirtualPath implements Path {
  readonly local: Ipv4 = PEER;
  readonly remote: Ipv4 = SUT;
  readonly remotePort = PORT;
  readonly mtu: number;
  onPacket: ((bytes: Uint8Array, t: number) => void) | undefined;
  readonly #time = new VirtualTime(START);
  readonly #link: Link;
  readonly #stack: Stack;
  #lastPort = FIRST_PORT;

  constructor(o: VirtualPathOptions) {
    const [ours, theirs] = memoryLink(this.#time, { delay: DELAY });
    this.#link = ours;
    this.mtu = ours.mtu;
    ours.start({
      onPacket: (packet) => this.onPacket?.(packet.bytes.slice(packet.at, packet.end), this.now()),
      onBatchEnd: () => {},
      onWritable: () => {},
      onError: () => {},
    });
    this.#stack = new Stack({
      clock: this.#time.clock(),
      random: o.random,
      link: theirs,
      address: SUT,
      sysctl: o.sysctl,
    });
    const listener = this.#stack.listen({ port: PORT, backlog: 128, options: { TCP_FASTOPEN: 128 } });
    listener.onConnection = () => {
      for (let e = listener.accept(); e !== undefined; e = listener.accept()) serve(e);
    };
  }

  now(): number {
    return this.#time.now;
  }

  at(at: number, run: () => void): () => void {
    let isUndone = false;
    this.#time.schedule(micros(at) as Micros, () => {
      if (!isUndone) run();
    });
    return () => {
      isUndone = true;
    };
  }

  send(packet: Uint8Array): void {
    const headerLen = (packet[0]! & 0xf) * 4;
    const payload = new Gather();
    payload.push(packet, headerLen, packet.length - headerLen);
    this.#link.send({ header: packet, headerLen, payload, gsoSize: 0, transportAt: headerLen, checksumPartial: false });
  }

  lease(): PortLease {
    return { port: this.#lastPort++, close() {} };
  }

  /** Lets time pass until `task` is through: an event whenever nothing is left to do in this instant. */
  async run<T>(task: Promise<T>): Promise<T> {
    let isOver = false;
    const over = task.finally(() => {
      isOver = true;
    });
    // A rejection is its caller's, who waits for it below.
    over.catch(() => {});
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      if (isOver) return over;
      if (!this.#time.step()) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  async close(): Promise<void> {
    this.#stack.close();
    this.#link.close();
  }
}

function serve(endpoint: Endpoint): void {
  let isFirst = true;
  let left = 0;
  const serveMore = (): void => {
    for (;;) {
      const octets = endpoint.receive();
      if (octets === 'end') {
        endpoint.onEvent = undefined;
        endpoint.close();
        return;
      }
      if (octets === 'empty') break;
      const doing = isFirst ? askedBy(octets[0]) : 'read';
      isFirst = false;
      if (doing === 'send') left = ANSWER_OCTETS.length;
      if (doing === 'close') {
        endpoint.onEvent = undefined;
        endpoint.close();
        return;
      }
    }
    while (left > 0) {
      const taken = endpoint.send(ANSWER_OCTETS.subarray(0, left));
      if (taken === 0) return;
      left -= taken;
    }
  };
  endpoint.onEvent = serveMore;
  serveMore();
}
