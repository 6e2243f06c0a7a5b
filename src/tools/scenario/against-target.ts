/**
 * A live host of the user's: only its wire can be seen, so the scenario plays the peer's side, and takes the calls on the
 * other one for granted. That makes sense where the host listens and its user does nothing of consequence.
 */
import { Gather } from '../../base/gather.ts';
import { guardPort, type PortGuard } from '../../link/guard.ts';
import type { Link, LinkReceiver, PacketIn } from '../../link/link.ts';
import { type Route, routeTo } from '../../link/route.ts';
import { openDriver } from '../../socket/driver.ts';
import { foldChecksum, pseudoHeaderSum, sumOctets } from '../../wire/checksum.ts';
import { decodeIpv4, IPV4_HEADER_LEN, IpProtocol, type Ipv4, Ipv4Header } from '../../wire/ipv4.ts';
import { writeU16 } from '../../wire/octets.ts';
import { TCP_HEADER_LEN, TcpFlag } from '../../wire/tcp.ts';
import type { CallRequest } from './calls.ts';
import type { Plan, PlannedStep } from './plan.ts';
import { RealClock } from './real-clock.ts';
import { NotPlayable, type RunningCall, type SentPacket, type Target, type TargetAddresses } from './target.ts';

export interface AgainstOptions {
  readonly address: Ipv4;
  readonly port: number;
  /** Microseconds that a packet may take there and back, on top of what a machine may be late by. */
  readonly patience?: number;
}

/** The host is not on this machine as a rule: its answers take their time. */
const PATIENCE = 200_000;
const TCP_CHECKSUM_AT = 16;
const MOST_CONNECTIONS = 32;

/** Throws LinkFailure, and NotPlayable where the scenario needs the host's user to do something. */
export async function openAgainstTarget(plan: Plan, o: AgainstOptions): Promise<Target> {
  for (const planned of plan.steps) checkStep(planned);
  const route = routeTo(o.address);
  const count = Math.min(MOST_CONNECTIONS, plan.steps.filter(isFirstSyn).length + highestNumber(plan) + 1);
  const guards: PortGuard[] = [];
  try {
    for (let i = 0; i < count; i++) guards.push(guardPort({ kind: 'auto', address: route.source, port: 0 }));
    const { link } = await openDriver({
      interface: route.interface,
      addresses: [route.source],
      ports: guards.map((guard) => guard.port),
      mtu: route.mtu,
      loopback: route.loopback,
      bind: false,
      offload: false,
    });
    return new AgainstTarget(link, guards, route, o);
  } catch (error) {
    for (const guard of guards) guard.close();
    throw error;
  }
}

/** What the listening side of a scenario begins with, and whatever ends it: nothing that shows on the wire before its end. */
const TAKEN_FOR_GRANTED: ReadonlySet<string> = new Set(['socket', 'bind', 'listen', 'accept', 'read', 'fcntl']);

function checkStep({ step, call, effects }: PlannedStep): void {
  const line = `line ${step.place.line}`;
  if (step.kind === 'code') throw new NotPlayable(`${line}: nobody can ask that host for TCP_INFO`);
  if (effects?.some((effect) => effect.kind === 'sysctl'))
    throw new NotPlayable(`${line}: that host keeps its settings`);
  if (step.kind === 'in' && (step.packet.ip.from !== undefined || step.packet.ip.to !== undefined))
    throw new NotPlayable(`${line}: other addresses than ours are for machines of your own`);
  if (call === undefined || TAKEN_FOR_GRANTED.has(call.request.call)) return;
  if (call.request.call === 'setsockopt' && call.request.option === 'SO_REUSEADDR') return;
  throw new NotPlayable(`${line}: the host's user would have to ${call.request.call}`);
}

function isFirstSyn({ step }: PlannedStep): boolean {
  if (step.kind !== 'in' || step.packet.kind !== 'segment') return false;
  return (step.packet.flags & (TcpFlag.SYN | TcpFlag.ACK)) === TcpFlag.SYN;
}

/** Of the connections that the scenario numbers itself. */
const highestNumber = (plan: Plan): number =>
  Math.max(
    0,
    ...plan.steps.map(({ step }) => (step.kind === 'in' || step.kind === 'out' ? (step.packet.ip.conn ?? 0) : 0)),
  );

class AgainstTarget implements Target, LinkReceiver {
  readonly name = 'against';
  readonly isReal = true;
  readonly sent: SentPacket[] = [];
  readonly addresses: TargetAddresses;
  readonly #link: Link;
  readonly #guards: readonly PortGuard[];
  readonly #host: Ipv4;
  readonly #patience: number;
  readonly #clock = new RealClock();
  #lastFd = 2;

  constructor(link: Link, guards: readonly PortGuard[], route: Route, o: AgainstOptions) {
    this.#link = link;
    this.#guards = guards;
    this.#host = o.address;
    this.#patience = o.patience ?? PATIENCE;
    this.addresses = { sut: o.address, peer: route.source, sutPort: o.port, peerPorts: guards.map((g) => g.port) };
    link.start(this);
  }

  now(): number {
    return this.#clock.now();
  }

  slack(after: number): number {
    return this.#patience + Math.max(0, after) / 8;
  }

  pass(at: number, ready: () => boolean = () => false): Promise<boolean> {
    return this.#clock.pass(at, ready);
  }

  inject(packet: Uint8Array): void {
    const headerLen = (packet[0]! & 0xf) * 4;
    const payload = new Gather();
    payload.push(packet, headerLen, packet.length - headerLen);
    this.#link.send({ header: packet, headerLen, payload, gsoSize: 0, transportAt: headerLen, checksumPartial: false });
    this.#link.flush();
  }

  /** It is taken to have done what the scenario says. */
  call(request: CallRequest, _octets: Uint8Array, expected: number | undefined): RunningCall {
    const makesFd = request.call === 'socket' || request.call === 'accept';
    const result = makesFd ? ++this.#lastFd : (expected ?? 0);
    return { result: { result }, returnedAt: this.now() };
  }

  async info(): Promise<undefined> {
    return undefined;
  }

  async set(): Promise<boolean> {
    return false;
  }

  takeTrace(): readonly string[] {
    return [];
  }

  /** Connections that are left half-way are the host's to give up: no RST of ours that nobody wrote. */
  async close(): Promise<void> {
    this.#link.close();
    for (const guard of this.#guards) guard.close();
  }

  onPacket(packet: PacketIn): void {
    const bytes = packet.bytes.slice(packet.at, packet.end);
    const ip = new Ipv4Header();
    if (decodeIpv4(bytes, 0, bytes.length, ip) !== 'ok' || ip.src !== this.#host || ip.protocol !== IpProtocol.TCP)
      return;
    if (ip.payloadEnd - ip.payloadAt < TCP_HEADER_LEN || ip.payloadAt < IPV4_HEADER_LEN) return;
    if (packet.checksum !== 'unverified' || isLeftToHardware(bytes, ip)) finishChecksum(bytes, ip);
    this.sent.push({ t: this.now(), bytes });
    this.#clock.wake();
  }

  onBatchEnd(): void {}
  onWritable(): void {}
  onError(): void {}
}

const pseudoSum = (ip: Ipv4Header): number =>
  pseudoHeaderSum(ip.src, ip.dst, IpProtocol.TCP, ip.payloadEnd - ip.payloadAt);

/** On one machine, the pseudo-header's sum alone stands where the checksum should. */
function isLeftToHardware(bytes: Uint8Array, ip: Ipv4Header): boolean {
  const at = ip.payloadAt + TCP_CHECKSUM_AT;
  return ((bytes[at]! << 8) | bytes[at + 1]!) === pseudoSum(ip);
}

/** What others have verified, or never filled in, is filled in: there was no wire that could have hurt it. */
function finishChecksum(bytes: Uint8Array, ip: Ipv4Header): void {
  writeU16(bytes, ip.payloadAt + TCP_CHECKSUM_AT, 0);
  const sum = sumOctets(pseudoSum(ip), bytes, ip.payloadAt, ip.payloadEnd - ip.payloadAt);
  writeU16(bytes, ip.payloadAt + TCP_CHECKSUM_AT, foldChecksum(sum));
}
