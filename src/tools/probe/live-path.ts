/** To a live host: crafted packets through the driver, from ports that a guard keeps this machine's kernel away from. */
import { Gather } from '../../base/gather.ts';
import { guardPort } from '../../link/guard.ts';
import type { Link, LinkReceiver, PacketIn } from '../../link/link.ts';
import type { Route } from '../../link/route.ts';
import { type DriverName, openDriver } from '../../socket/driver.ts';
import type { Ipv4 } from '../../wire/ipv4.ts';
import { monotonicMicros } from '../scenario/kernel-process.ts';
import type { Path, PortLease } from './path.ts';

export interface LivePathOptions {
  readonly route: Route;
  readonly remote: Ipv4;
  readonly remotePort: number;
  readonly driver?: DriverName;
  readonly guard: 'auto' | 'md5' | 'nft' | 'none';
}

/** Throws LinkFailure. */
export async function openLivePath(o: LivePathOptions): Promise<Path> {
  const { route } = o;
  const { link } = await openDriver({
    interface: route.interface,
    addresses: [route.source],
    mtu: route.mtu,
    loopback: route.loopback,
    bind: false,
    offload: false,
    ...(o.driver !== undefined && { driver: o.driver }),
  });
  return new LivePath(link, o);
}

class LivePath implements Path {
  readonly local: Ipv4;
  readonly remote: Ipv4;
  readonly remotePort: number;
  readonly mtu: number;
  onPacket: ((bytes: Uint8Array, t: number) => void) | undefined;
  readonly #link: Link;
  readonly #guard: LivePathOptions['guard'];

  constructor(link: Link, o: LivePathOptions) {
    this.#link = link;
    this.local = o.route.source;
    this.remote = o.remote;
    this.remotePort = o.remotePort;
    this.mtu = o.route.mtu;
    this.#guard = o.guard;
    const receiver: LinkReceiver = {
      onPacket: (packet) => this.#onPacket(packet),
      onBatchEnd: () => {},
      onWritable: () => {},
      onError: () => {},
    };
    link.start(receiver);
  }

  now(): number {
    return monotonicMicros();
  }

  at(at: number, run: () => void): () => void {
    return realTimer(at, run);
  }

  send(packet: Uint8Array): void {
    const headerLen = (packet[0]! & 0xf) * 4;
    const payload = new Gather();
    payload.push(packet, headerLen, packet.length - headerLen);
    this.#link.send({ header: packet, headerLen, payload, gsoSize: 0, transportAt: headerLen, checksumPartial: false });
    this.#link.flush();
  }

  lease(): PortLease {
    return guardPort({ kind: this.#guard, address: this.local, port: 0 });
  }

  async close(): Promise<void> {
    this.#link.close();
  }

  #onPacket(packet: PacketIn): void {
    this.onPacket?.(packet.bytes.slice(packet.at, packet.end), this.now());
  }
}

/** Never before `at`, as a clock of microseconds has it. */
export function realTimer(at: number, run: () => void): () => void {
  let timer: NodeJS.Timeout;
  const look = (): void => {
    const left = at - monotonicMicros();
    if (left <= 0) run();
    else timer = setTimeout(look, Math.ceil(left / 1000));
  };
  timer = setTimeout(look, Math.max(0, (at - monotonicMicros()) / 1000));
  return () => clearTimeout(timer);
}
