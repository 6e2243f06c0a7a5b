/**
 * Hardware addresses of our neighbours: the ARP cache of RFC 826 with the rules of RFC 1122 §2.3.2 (entries are verified
 * again, requests are limited to one a second, what waits for an answer is kept within bounds), and the states RFC 4861
 * §7.3.2 gives IPv6's cache, as Linux does for both.
 *
 *   incomplete  asked by broadcast; packets wait
 *   reachable   confirmed within REACHABLE
 *   stale       known, and not confirmed lately: used, and looked after once it is
 *   delay       in use again: whatever comes from the neighbour confirms it
 *   probe       nothing came: asked by unicast
 *
 * Whose packets wait and what they are is the caller's business (`W`). Answering for our own address is not done here.
 */
import { later, type Micros, micros, NEVER, seconds } from '../base/time.ts';
import { ArpOp, type ArpPacket } from '../wire/arp.ts';
import { isGroupMac, MAC_BROADCAST, MAC_NONE, type Mac } from '../wire/ethernet.ts';
import { type Ipv4, isBroadcast, isMulticast, isUnspecified } from '../wire/ipv4.ts';

export type NeighbourState = 'incomplete' | 'reachable' | 'stale' | 'delay' | 'probe';

/** How long a confirmation counts. */
const REACHABLE = seconds(30);
const DELAY_BEFORE_PROBE = seconds(5);
const BETWEEN_REQUESTS = seconds(1);
const REQUESTS = 3;
/** As Linux's unres_qlen_bytes: octets that wait for one neighbour, the oldest going first. */
const WAITING_OCTETS = 212_992;
const WAITING_OCTETS_IN_ALL = 1 << 20;
const MOST_NEIGHBOURS = 1024;

interface Entry<W> {
  readonly address: Ipv4;
  state: NeighbourState;
  mac: Mac;
  confirmedAt: Micros;
  usedAt: Micros;
  /** Requests sent in this state. */
  asked: number;
  /** When something is to be done; NEVER in the states that wait for nothing. */
  dueAt: Micros;
  waiting: W[];
  waitingLens: number[];
  waitingLen: number;
}

/** Packets whose wait is over: `mac` undefined when nobody answered. */
export interface Released<W> {
  readonly address: Ipv4;
  readonly mac: Mac | undefined;
  readonly waiting: readonly W[];
}

export class Neighbours<W> {
  readonly #mac: Mac;
  readonly #address: Ipv4;
  readonly #entries = new Map<Ipv4, Entry<W>>();
  #requests: Entry<W>[] = [];
  #released: Released<W>[] = [];
  #waitingLen = 0;
  #nextAt: Micros = NEVER;
  /** Packets dropped because too many waited. */
  overflows = 0;

  /** `mac` and `address`: ours, as requests give them. */
  constructor(mac: Mac, address: Ipv4) {
    this.#mac = mac;
    this.#address = address;
  }

  get size(): number {
    return this.#entries.size;
  }

  stateOf(address: Ipv4): NeighbourState | undefined {
    return this.#entries.get(address)?.state;
  }

  /** Where to send for `address`; undefined when it is being asked for: `hold` the packet. */
  resolve(address: Ipv4, now: Micros): Mac | undefined {
    const known = this.#entries.get(address);
    if (known === undefined) {
      this.#ask(this.#add(address, 'incomplete', now), now);
      return undefined;
    }
    known.usedAt = now;
    switch (known.state) {
      case 'incomplete':
        return undefined;
      case 'reachable':
        if (now - known.confirmedAt <= REACHABLE) return known.mac;
        this.#watch(known, now);
        return known.mac;
      case 'stale':
        this.#watch(known, now);
        return known.mac;
      case 'delay':
      case 'probe':
        return known.mac;
    }
  }

  /** `len`: octets, for the bounds. `packet` comes back by `takeReleased`, unless too much waits. */
  hold(address: Ipv4, packet: W, len: number): void {
    const entry = this.#entries.get(address);
    if (entry === undefined || this.#waitingLen + len > WAITING_OCTETS_IN_ALL) {
      this.overflows++;
      return;
    }
    entry.waiting.push(packet);
    entry.waitingLens.push(len);
    this.#count(entry, len);
    while (entry.waitingLen > WAITING_OCTETS) {
      entry.waiting.shift();
      this.#count(entry, -entry.waitingLens.shift()!);
      this.overflows++;
    }
  }

  /** RFC 826, "Packet Reception": who is known is updated, who asks for us is remembered. */
  onArp(arp: ArpPacket, now: Micros): void {
    if (!canBeNeighbour(arp.spa) || arp.spa === this.#address || isGroupMac(arp.sha) || arp.sha === MAC_NONE) return;
    const isForUs = arp.tpa === this.#address;
    const entry = this.#entries.get(arp.spa) ?? (isForUs ? this.#add(arp.spa, 'stale', now) : undefined);
    if (entry === undefined) return;
    const isAnswer = arp.op === ArpOp.REPLY && arp.tha === this.#mac;
    if (isAnswer) this.#confirmed(entry, arp.sha, now);
    // Said to all, or asked of us: it has this address, but not yet heard from us.
    else if (entry.state === 'incomplete' || entry.mac !== arp.sha) this.#settle(entry, 'stale', arp.sha, now);
  }

  /** A packet came from there, with the hardware address that we know: no need to ask. */
  confirm(address: Ipv4, mac: Mac, now: Micros): void {
    const entry = this.#entries.get(address);
    if (entry !== undefined && entry.state !== 'incomplete' && entry.mac === mac) this.#confirmed(entry, mac, now);
  }

  /** The interface was down: what is known may be so no longer. */
  distrust(): void {
    for (const entry of this.#entries.values()) {
      if (entry.state === 'incomplete') continue;
      entry.state = 'stale';
      entry.dueAt = NEVER;
    }
  }

  nextTimeout(): Micros {
    return this.#nextAt;
  }

  onTimeout(now: Micros): void {
    if (now < this.#nextAt) return;
    let next: Micros = NEVER;
    for (const entry of this.#entries.values()) {
      if (entry.dueAt <= now) this.#onDue(entry, now);
      if (entry.dueAt < next) next = entry.dueAt;
    }
    this.#nextAt = next;
  }

  /** Writes the next request that is to be sent to `arp` and returns the frame's destination; undefined when there is none. */
  emit(arp: ArpPacket): Mac | undefined {
    const entry = this.#requests.shift();
    if (entry === undefined) return undefined;
    arp.op = ArpOp.REQUEST;
    arp.sha = this.#mac;
    arp.spa = this.#address;
    arp.tha = MAC_NONE;
    arp.tpa = entry.address;
    return entry.state === 'probe' ? entry.mac : MAC_BROADCAST;
  }

  takeReleased(): readonly Released<W>[] {
    const released = this.#released;
    if (released.length > 0) this.#released = [];
    return released;
  }

  #onDue(entry: Entry<W>, now: Micros): void {
    if (entry.state === 'delay') {
      entry.state = 'probe';
      entry.asked = 0;
      this.#ask(entry, now);
    } else if (entry.asked < REQUESTS) this.#ask(entry, now);
    else this.#forget(entry);
  }

  #ask(entry: Entry<W>, now: Micros): void {
    entry.asked++;
    this.#requests.push(entry);
    this.#due(entry, later(now, BETWEEN_REQUESTS));
  }

  /** Used without having been confirmed lately. */
  #watch(entry: Entry<W>, now: Micros): void {
    entry.state = 'delay';
    this.#due(entry, later(now, DELAY_BEFORE_PROBE));
  }

  #confirmed(entry: Entry<W>, mac: Mac, now: Micros): void {
    entry.confirmedAt = now;
    this.#settle(entry, 'reachable', mac, now);
  }

  #settle(entry: Entry<W>, state: 'reachable' | 'stale', mac: Mac, now: Micros): void {
    entry.state = state;
    entry.mac = mac;
    entry.asked = 0;
    entry.dueAt = NEVER;
    if (entry.waiting.length === 0) return;
    this.#release(entry, mac);
    if (state === 'stale') this.#watch(entry, now);
  }

  #forget(entry: Entry<W>): void {
    entry.dueAt = NEVER;
    this.#entries.delete(entry.address);
    if (entry.waiting.length > 0) this.#release(entry, undefined);
  }

  #release(entry: Entry<W>, mac: Mac | undefined): void {
    this.#released.push({ address: entry.address, mac, waiting: entry.waiting });
    this.#count(entry, -entry.waitingLen);
    entry.waiting = [];
    entry.waitingLens = [];
  }

  #count(entry: Entry<W>, len: number): void {
    entry.waitingLen += len;
    this.#waitingLen += len;
  }

  #due(entry: Entry<W>, at: Micros): void {
    entry.dueAt = at;
    if (at < this.#nextAt) this.#nextAt = at;
  }

  #add(address: Ipv4, state: NeighbourState, now: Micros): Entry<W> {
    if (this.#entries.size >= MOST_NEIGHBOURS) this.#evict();
    const entry: Entry<W> = {
      address,
      state,
      mac: MAC_NONE,
      confirmedAt: micros(0),
      usedAt: now,
      asked: 0,
      dueAt: NEVER,
      waiting: [],
      waitingLens: [],
      waitingLen: 0,
    };
    this.#entries.set(address, entry);
    return entry;
  }

  /** The one that was used longest ago; one for which nothing waits, if there is any. */
  #evict(): void {
    let oldest: Entry<W> | undefined;
    for (const entry of this.#entries.values()) {
      if (oldest === undefined || rank(entry) < rank(oldest)) oldest = entry;
    }
    if (oldest === undefined) return;
    this.#requests = this.#requests.filter((entry) => entry !== oldest);
    this.#forget(oldest);
  }
}

const rank = <W>(entry: Entry<W>): number =>
  entry.usedAt + (entry.waiting.length > 0 ? Number.MAX_SAFE_INTEGER / 2 : 0);

function canBeNeighbour(address: Ipv4): boolean {
  return !isUnspecified(address) && !isBroadcast(address) && !isMulticast(address);
}
