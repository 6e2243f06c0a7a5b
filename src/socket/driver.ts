/** Drivers by name, for hosts that share this machine's addresses: packets of those addresses and ports, in and out. */
import { LinkFailure } from '../link/failure.ts';
import { type FrameShare, frameFilter, MOST_FILTER_ADDRESSES, type PortRange } from '../link/filter.ts';
import type { FrameLink } from '../link/frames.ts';
import type { Link } from '../link/link.ts';
import { loopbackLink } from '../link/packet-loopback.ts';
import { openPacketSocket } from '../link/packet-socket.ts';
import { openRawLink } from '../link/raw.ts';
import { interfaceNamed } from '../link/route.ts';
import { openSynsApart } from '../link/syns-apart.ts';
import { EthernetLink } from '../stack/ethernet-link.ts';
import { parseMac } from '../wire/ethernet.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import { gatewayOn, nextHops } from './next-hop.ts';
import { nodeClock } from './node-clock.ts';

/** Drivers that carry packets of a real network. */
export type DriverName = 'raw' | 'packet';

export interface DriverOptions {
  /** Absent: 'packet', and 'raw' where that can't be had though 'raw' may. */
  readonly driver?: DriverName;
  readonly interface: string;
  /** This machine's; one at least. */
  readonly addresses: readonly Ipv4[];
  /** Of ours; absent, and no ranges either: every TCP port. */
  readonly ports?: readonly number[];
  /** Of ours too. */
  readonly portRanges?: readonly PortRange[];
  /** A part of the connections; 'packet' only. */
  readonly share?: FrameShare;
  /** Largest packet sent, octets. */
  readonly mtu: number;
  readonly loopback: boolean;
  /** Packets leave by `interface` whatever the routes say. With 'packet' they always do. */
  readonly bind: boolean;
  /** False: segments leave as the wire carries them, not up to 64 KiB at a time for the kernel or the card to cut. */
  readonly offload?: boolean;
  readonly buffers?: DriverBuffers;
  /** It does not keep the process alive. 'packet' only. */
  readonly background?: boolean;
  /** Strangers may reach the ports: SYNs come by a socket of their own, so that a flood crowds nothing else out. 'packet' only. */
  readonly listens?: boolean;
}

/** Octets of kernel memory between us and the wire; each as the driver finds right when absent. */
export interface DriverBuffers {
  /** What came and was not taken yet: 32 MiB with 'packet'; with 'raw' its capture's ring, 64 MiB, on loopback 24. */
  readonly receive?: number;
  /** What is to leave and could not yet: 8 MiB with 'packet', 4 with 'raw'. */
  readonly send?: number;
}

export interface OpenedDriver {
  readonly link: Link;
  /** Why it is 'raw' although nobody asked for it. */
  readonly fallBack?: string;
  /** Of 'packet': octets the kernel holds for us, less than was asked for where it allows no more. */
  readonly receiveBuffer?: number;
  /** Of 'packet': instead of `ports` and `portRanges`, from when it returns. */
  readonly takePorts?: (ranges: readonly PortRange[]) => void;
}

/** The interface, or the number of its addresses, is not for 'packet'. */
const NO_PACKET: ReadonlySet<string> = new Set(['ENOTSUP', 'EINVAL']);
/** What keeps 'raw' from being opened as well. */
const FOR_BOTH: ReadonlySet<string> = new Set(['EPERM', 'ENODEV', 'ENETDOWN', 'ENOTBUILT']);

/** What is asked of drivers on the way to a `T`, which is the same whether they open now or later. */
export type DriverSteps<T> = Generator<DriverOptions, T, OpenedDriver>;

export async function runSteps<T>(steps: DriverSteps<T>): Promise<T> {
  let step = steps.next();
  while (step.done !== true) {
    let driver: OpenedDriver;
    try {
      driver = await openDriver(step.value);
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(driver);
  }
  return step.value;
}

/** Before it returns, with 'packet' and nothing else. Throws LinkFailure; `mayBeRaw` of it tells whether to go the other way. */
export function runStepsNow<T>(steps: DriverSteps<T>): T {
  let step = steps.next();
  while (step.done !== true) {
    let driver: OpenedDriver;
    try {
      driver = openPacketLink(step.value);
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(driver);
  }
  return step.value;
}

/** Why 'packet' could not be opened leaves 'raw' a chance. */
export function mayBeRaw(error: unknown): boolean {
  return error instanceof LinkFailure && NO_PACKET.has(error.code);
}

/** Throws LinkFailure. */
export async function openDriver(o: DriverOptions): Promise<OpenedDriver> {
  if (o.driver === 'raw') return { link: await openRawPath(o) };
  try {
    return openPacketLink(o);
  } catch (error) {
    const isOnlyOurs = error instanceof LinkFailure && !FOR_BOTH.has(error.code);
    if (o.driver === 'packet' || !isOnlyOurs) throw error;
    return { link: await openRawInstead(o, error), fallBack: error.message };
  }
}

async function openRawInstead(o: DriverOptions, why: LinkFailure): Promise<Link> {
  if (o.share !== undefined) throw why;
  try {
    return await openRawPath(o);
  } catch (error) {
    if (!(error instanceof LinkFailure)) throw error;
    throw new LinkFailure(error.code, `${why.message}, and driver raw failed: ${error.message}`, error.hint);
  }
}

function openRawPath(o: DriverOptions): Promise<Link> {
  return openRawLink({
    interface: o.interface,
    address: o.addresses,
    mtu: o.mtu,
    loopback: o.loopback,
    bind: o.bind,
    ...(o.ports !== undefined && { ports: o.ports }),
    ...(o.portRanges !== undefined && { portRanges: o.portRanges }),
    ...(o.buffers?.receive !== undefined && { ringOctets: o.buffers.receive }),
    ...(o.buffers?.send !== undefined && { sendBuffer: o.buffers.send }),
  });
}

/**
 * The kernel has the address, and answers ARP for it; who our neighbours are we ask ourselves, by the same code that serves
 * an address of our own. The kernel's table would have to be filled by traffic of its own first, and read again for ever
 * after; its answers to our requests are no harm to it, since it ignores answers it has not asked for.
 */
function openPacketLink(o: DriverOptions): OpenedDriver {
  if (o.addresses.length > MOST_FILTER_ADDRESSES)
    throw new LinkFailure('EINVAL', `${o.interface} has ${o.addresses.length} addresses`, 'name one of them');
  const mac = parseMac(interfaceNamed(o.interface).mac ?? '');
  const filter = {
    ...(!o.loopback && mac !== undefined && { mac }),
    addresses: o.addresses,
    ...(o.share !== undefined && { share: o.share }),
    arp: !o.loopback,
  };
  const socket = {
    interface: o.interface,
    mtu: o.mtu,
    gso: o.offload !== false,
    ...(o.background !== undefined && { background: o.background }),
    ...(o.buffers?.receive !== undefined && { receiveBuffer: o.buffers.receive }),
    ...(o.buffers?.send !== undefined && { sendBuffer: o.buffers.send }),
  };
  const withPorts = {
    ...filter,
    ...(o.ports !== undefined && { ports: o.ports }),
    ...(o.portRanges !== undefined && { portRanges: o.portRanges }),
  };
  if (o.listens === true && !o.loopback) {
    const frames = openSynsApart(socket, withPorts);
    return { link: onFrames(o, frames), receiveBuffer: frames.receiveBuffer };
  }
  const frames = openPacketSocket({ ...socket, filter: frameFilter(withPorts) });
  const { receiveBuffer } = frames;
  const takePorts = (portRanges: readonly PortRange[]): void => frames.filterBy(frameFilter({ ...filter, portRanges }));
  if (o.loopback) return { link: loopbackLink(frames, o.buffers?.send), receiveBuffer, takePorts };
  return { link: onFrames(o, frames), receiveBuffer, takePorts };
}

const onFrames = (o: DriverOptions, frames: FrameLink): Link =>
  new EthernetLink({
    frames,
    clock: nodeClock(performance.now(), o.background),
    address: o.addresses[0]!,
    mac: frames.mac,
    nextHop: nextHops(o.interface, (to) => gatewayOn(o.interface, to) ?? to),
  });
