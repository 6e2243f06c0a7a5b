/**
 * A network in this process and in real time, for sockets in the shape of `net`: a stack for each of some loopback
 * addresses, and a cable that carries packets in the next turn of the event loop.
 */
import { seededRandom } from '../../src/base/random.ts';
import type { Link, LinkReceiver, PacketOut, SendOutcome } from '../../src/link/link.ts';
import { newLinkCounters } from '../../src/link/link.ts';
import { nodeClock } from '../../src/socket/node-clock.ts';
import { StackNetwork } from '../../src/socket/stack-network.ts';
import { TransitionTracer } from '../../src/socket/transitions.ts';
import { Stack } from '../../src/stack/stack.ts';
import { type Ipv4, Ipv4At, parseIpv4 } from '../../src/wire/ipv4.ts';
import { readI32 } from '../../src/wire/octets.ts';

export interface TurnNetwork {
  readonly network: StackNetwork;
  readonly stacks: readonly Stack[];
  close(): void;
}

/** `drop`: packets that are lost. */
export function turnNetwork(drop: (packet: Uint8Array) => boolean = () => false): TurnNetwork {
  const cable = new Cable(drop);
  const transitions = new TransitionTracer();
  let lastId = 0;
  const zero = performance.now();
  const stacks = ['127.0.0.1', '127.0.0.2'].map(
    (text, i) =>
      new Stack({
        clock: nodeClock(zero, true),
        random: seededRandom(i + 1),
        link: cable.end(parseIpv4(text)!),
        address: parseIpv4(text)!,
        tracer: transitions,
        nextId: () => ++lastId,
      }),
  );
  return {
    network: new StackNetwork(stacks, { transitions }),
    stacks,
    close() {
      for (const stack of stacks) stack.close();
    },
  };
}

class Cable {
  readonly #drop: (packet: Uint8Array) => boolean;
  readonly #ends = new Map<Ipv4, LinkReceiver>();
  #queue: Uint8Array[] = [];

  constructor(drop: (packet: Uint8Array) => boolean) {
    this.#drop = drop;
  }

  end(address: Ipv4): Link {
    return {
      driver: 'memory',
      mtu: 65_535,
      receiveMtu: 65_535,
      maxGsoPayload: 0,
      completesChecksum: false,
      counters: newLinkCounters(),
      start: (receiver) => void this.#ends.set(address, receiver),
      send: (packet) => this.#send(packet),
      flush() {},
      close: () => void this.#ends.delete(address),
    };
  }

  #send(packet: PacketOut): SendOutcome {
    const bytes = new Uint8Array(packet.headerLen + packet.payload.len);
    bytes.set(packet.header.subarray(0, packet.headerLen));
    packet.payload.copyTo(bytes, packet.headerLen);
    if (this.#drop(bytes)) return 'sent';
    if (this.#queue.length === 0) setImmediate(() => this.#deliver());
    this.#queue.push(bytes);
    return 'sent';
  }

  #deliver(): void {
    const queue = this.#queue;
    this.#queue = [];
    const told = new Set<LinkReceiver>();
    for (const bytes of queue) {
      // the brand of an address, which any 32 bits are
      const to = this.#ends.get(readI32(bytes, Ipv4At.DST) as Ipv4);
      if (to === undefined) continue;
      to.onPacket({ bytes, at: 0, end: bytes.length, checksum: 'unverified', owned: true });
      told.add(to);
    }
    for (const receiver of told) receiver.onBatchEnd();
  }
}
