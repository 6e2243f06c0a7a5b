/**
 * tcpx over its real driver and clock: an address of its own on a tap interface, whose other end is the scenario. The
 * interface is made in the namespace that this process is in; see live-namespace.ts for one that nobody else uses.
 */
import { seconds } from '../../base/time.ts';
import { LinkFailure } from '../../link/failure.ts';
import { type Host, openHost } from '../../socket/host.ts';
import { profileSysctl } from '../../tcp/config.ts';
import { ARP_LEN, ArpOp, ArpPacket, decodeArp, encodeArp } from '../../wire/arp.ts';
import {
  decodeEthernet,
  ETHERNET_HEADER_LEN,
  EthernetHeader,
  EtherType,
  encodeEthernet,
  MAC_BROADCAST,
  MAC_NONE,
  type Mac,
  toMac,
} from '../../wire/ethernet.ts';
import { IPV4_HEADER_LEN } from '../../wire/ipv4.ts';
import { readU16 } from '../../wire/octets.ts';
import { paintFor } from '../log-style.ts';
import { TextLog } from '../log-text.ts';
import type { CallRequest } from './calls.ts';
import { type KernelProcess, openKernelProcess } from './kernel-process.ts';
import type { Plan } from './plan.ts';
import { RealClock } from './real-clock.ts';
import { PEER, SUT } from './run.ts';
import { sysctlOf } from './settings.ts';
import { StackCalls } from './stack-calls.ts';
import { NotPlayable, type RunningCall, type SentPacket, type Target } from './target.ts';
import { ERRNOS } from './virtual-target.ts';

/** What a loaded machine may be late by, microseconds. */
const SLACK = 25_000;
/** The peer's, locally administered. */
const PEER_MAC = toMac(0x02_00_5e_00_00_01);
const INTERFACE = 'tap0';
/** This machine's on the segment: neither side of the scenario has it. */
const KERNEL_ADDRESS = '192.168.255.254';

/** Throws LinkFailure, and NotPlayable for a setting that tcpx doesn't have. */
export async function openLiveTarget(plan: Plan): Promise<Target> {
  const profile = plan.scenario.about.profile ?? 'linux';
  const { sysctl, missing } = sysctlOf(plan.before, profileSysctl(profile));
  if (missing.length > 0) throw new NotPlayable(`tcpx has no such setting: ${missing.join(', ')}`);
  const segment = await Segment.open(plan.settings.mtu);
  const log = new LiveLog();
  try {
    const host = await openHost({
      remote: PEER,
      // Everything is on this segment.
      ownAddress: { address: SUT, prefixLen: 0, probe: 'off' },
      interface: INTERFACE,
      driver: 'packet',
      profile,
      sysctl,
      tracer: { enabled: true, open() {}, record: (record) => log.text.write(record) },
    });
    await segment.findStation();
    return new LiveTarget(segment, host, plan, log);
  } catch (error) {
    await segment.close();
    throw error;
  }
}

class LiveLog {
  lines: string[] = [];
  readonly text = new TextLog(
    { paint: paintFor(false), verbosity: 'verbose', absolute: false, layout: 'line' },
    (line) => this.lines.push(line),
  );
}

/** The tap interface from outside: frames of the stack's in, ours out, ARP answered for the peer. */
class Segment {
  readonly clock = new RealClock();
  readonly sent: SentPacket[] = [];
  readonly #arp = new ArpPacket();
  readonly #header = new EthernetHeader();
  #process: KernelProcess | undefined;
  #station: Mac = MAC_NONE;

  static async open(mtu: number): Promise<Segment> {
    const segment = new Segment();
    segment.#process = await openKernelProcess({
      kind: 'tap',
      address: KERNEL_ADDRESS,
      mask: '255.255.0.0',
      mtu,
      onPacket: (frame, at) => segment.#onFrame(frame, at),
    });
    return segment;
  }

  /** Asks for the stack's hardware address, as a neighbour would. */
  async findStation(): Promise<void> {
    const until = this.clock.now() + seconds(2);
    while (this.#station === MAC_NONE) {
      this.#sendArp(ArpOp.REQUEST, MAC_BROADCAST, MAC_NONE);
      await this.clock.pass(this.clock.now() + 50_000, () => this.#station !== MAC_NONE);
      if (this.clock.now() > until)
        throw new LinkFailure('EHOSTUNREACH', 'tcpx does not answer on its own interface', 'this is a bug in tcpx');
    }
    this.sent.length = 0;
  }

  inject(packet: Uint8Array): void {
    this.#send(this.#station, EtherType.IPV4, packet);
  }

  async close(): Promise<void> {
    await this.#process?.close();
  }

  #onFrame(frame: Uint8Array, at: number): void {
    const header = this.#header;
    if (decodeEthernet(frame, 0, frame.length, header) !== 'ok') return;
    if (header.type === EtherType.ARP) this.#onArp(frame);
    if (header.type !== EtherType.IPV4 || header.src !== this.#station) return;
    // Short frames are padded.
    const len = readU16(frame, ETHERNET_HEADER_LEN + 2);
    if (len < IPV4_HEADER_LEN || ETHERNET_HEADER_LEN + len > frame.length) return;
    const bytes = frame.slice(ETHERNET_HEADER_LEN, ETHERNET_HEADER_LEN + len);
    this.sent.push({ t: this.clock.of(at), bytes });
    this.clock.wake();
  }

  #onArp(frame: Uint8Array): void {
    const arp = this.#arp;
    if (decodeArp(frame, ETHERNET_HEADER_LEN, frame.length, arp) !== 'ok' || arp.spa !== SUT) return;
    this.#station = arp.sha;
    this.clock.wake();
    if (arp.op === ArpOp.REQUEST && arp.tpa === PEER) this.#sendArp(ArpOp.REPLY, arp.sha, arp.sha);
  }

  #sendArp(op: number, to: Mac, tha: Mac): void {
    const arp = new ArpPacket();
    arp.op = op;
    arp.sha = PEER_MAC;
    arp.spa = PEER;
    arp.tha = tha;
    arp.tpa = SUT;
    const octets = new Uint8Array(ARP_LEN);
    encodeArp(arp, octets, 0);
    this.#send(to, EtherType.ARP, octets);
  }

  #send(to: Mac, type: number, octets: Uint8Array): void {
    const header = new EthernetHeader();
    header.dst = to;
    header.src = PEER_MAC;
    header.type = type;
    const frame = new Uint8Array(ETHERNET_HEADER_LEN + octets.length);
    encodeEthernet(header, frame, 0);
    frame.set(octets, ETHERNET_HEADER_LEN);
    this.#process?.send(frame);
  }
}

class LiveTarget implements Target {
  readonly name = 'live';
  readonly isReal = true;
  readonly sent: SentPacket[];
  readonly #segment: Segment;
  readonly #host: Host;
  readonly #calls: StackCalls;
  readonly #log: LiveLog;

  constructor(segment: Segment, host: Host, plan: Plan, log: LiveLog) {
    this.#segment = segment;
    this.#host = host;
    this.#log = log;
    this.sent = segment.sent;
    this.#calls = new StackCalls({
      stack: host.stack,
      bindPort: plan.settings.bindPort,
      peer: PEER,
      connectPort: plan.settings.connectPort,
      now: () => this.now(),
      errnoOf: (name) => ERRNOS[name] ?? 0,
    });
    segment.clock.restart();
  }

  now(): number {
    return this.#segment.clock.now();
  }

  slack(): number {
    return SLACK;
  }

  async pass(at: number, ready: () => boolean = () => false): Promise<boolean> {
    // Calls that wait are looked at often enough for a scenario's tolerance.
    const look = setInterval(() => this.#segment.clock.wake(), 1);
    try {
      return await this.#segment.clock.pass(at, () => {
        this.#calls.look();
        return ready();
      });
    } finally {
      clearInterval(look);
    }
  }

  inject(packet: Uint8Array): void {
    this.#segment.inject(packet);
  }

  call(request: CallRequest, octets: Uint8Array): RunningCall {
    return this.#calls.start(request, octets);
  }

  async info(): Promise<Readonly<Record<string, number>> | undefined> {
    return this.#calls.info();
  }

  async set(): Promise<boolean> {
    return false;
  }

  takeTrace(): readonly string[] {
    this.#log.text.flush();
    const { lines } = this.#log;
    this.#log.lines = [];
    return lines;
  }

  async close(): Promise<void> {
    this.#host.close();
    await this.#segment.close();
  }
}
