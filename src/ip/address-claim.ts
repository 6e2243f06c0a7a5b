/**
 * An IPv4 address of our own, taken as RFC 5227 asks: probed for (§2.1), announced (§2.3), and defended (§2.4, choice b:
 * one announcement in return, and given up when there is another conflict soon).
 *
 * All it sends is broadcast. Answering requests for the address is not done here, and only right once it is claimed.
 */
import { intBelow, type Random } from '../base/random.ts';
import { later, type Micros, micros, ms, NEVER, seconds } from '../base/time.ts';
import { ArpOp, type ArpPacket } from '../wire/arp.ts';
import { MAC_NONE, type Mac } from '../wire/ethernet.ts';
import { type Ipv4, isUnspecified, toIpv4 } from '../wire/ipv4.ts';

/** The names of RFC 5227 §1.1. */
export interface ClaimTiming {
  readonly probeWait: Micros;
  readonly probeNum: number;
  readonly probeMin: Micros;
  readonly probeMax: Micros;
  readonly announceWait: Micros;
  readonly announceNum: number;
  readonly announceInterval: Micros;
  readonly defendInterval: Micros;
}

export const RFC_5227_TIMING: ClaimTiming = {
  probeWait: seconds(1),
  probeNum: 3,
  probeMin: seconds(1),
  probeMax: seconds(2),
  announceWait: seconds(2),
  announceNum: 2,
  announceInterval: seconds(2),
  defendInterval: seconds(10),
};

/**
 * A tenth of the RFC's waits, which allow for switches that keep a port closed for seconds after it comes up, and for
 * hosts that sleep. Ours is up and in use already, and somebody waits at a terminal.
 */
export const QUICK_TIMING: ClaimTiming = {
  ...RFC_5227_TIMING,
  probeWait: ms(100),
  probeMin: ms(100),
  probeMax: ms(200),
  announceWait: ms(200),
};

/** Nobody is asked: the address is announced, and ours at once. */
export const NO_PROBE_TIMING: ClaimTiming = {
  ...RFC_5227_TIMING,
  probeWait: micros(0),
  probeNum: 0,
  announceWait: micros(0),
};

export type ClaimState = 'probing' | 'claimed' | 'lost';

export class AddressClaim {
  readonly #address: Ipv4;
  readonly #mac: Mac;
  readonly #random: Random;
  readonly #timing: ClaimTiming;
  #state: ClaimState = 'probing';
  #conflictWith: Mac | undefined;
  #conflictAt: Micros | undefined;
  #probes = 0;
  #announcements = 0;
  #dueAt: Micros = NEVER;
  #emits: 'probe' | 'announcement' | undefined;

  constructor(address: Ipv4, mac: Mac, random: Random, timing: ClaimTiming, now: Micros) {
    this.#address = address;
    this.#mac = mac;
    this.#random = random;
    this.#timing = timing;
    this.#dueAt = later(now, micros(timing.probeWait === 0 ? 0 : intBelow(random, timing.probeWait)));
  }

  get state(): ClaimState {
    return this.#state;
  }

  /** Who else uses the address, when that is known. */
  get conflictWith(): Mac | undefined {
    return this.#conflictWith;
  }

  /** Every ARP packet that comes. */
  onArp(arp: ArpPacket, now: Micros): void {
    if (this.#state === 'lost' || arp.sha === this.#mac) return;
    const uses = arp.spa === this.#address;
    // §2.1.1: somebody else is probing for the same address.
    const wants = arp.op === ArpOp.REQUEST && isUnspecified(arp.spa) && arp.tpa === this.#address;
    if (this.#state === 'probing' ? uses || wants : uses) this.#onConflict(arp.sha, now);
  }

  nextTimeout(): Micros {
    return this.#dueAt;
  }

  onTimeout(now: Micros): void {
    if (now < this.#dueAt) return;
    this.#dueAt = NEVER;
    if (this.#state === 'probing') this.#probe(now);
    else if (this.#state === 'claimed') this.#announce(now);
  }

  /** The interface was down, and the segment may be another now: what others believe is put right. */
  announceAgain(now: Micros): void {
    if (this.#state !== 'claimed') return;
    this.#announcements = 0;
    this.#announce(now);
  }

  /** Writes what is to be broadcast to `arp`; false when there is nothing. */
  emit(arp: ArpPacket): boolean {
    const emits = this.#emits;
    if (emits === undefined) return false;
    this.#emits = undefined;
    arp.op = ArpOp.REQUEST;
    arp.sha = this.#mac;
    arp.spa = emits === 'probe' ? toIpv4(0) : this.#address;
    arp.tha = MAC_NONE;
    arp.tpa = this.#address;
    return true;
  }

  #probe(now: Micros): void {
    const { probeNum, probeMin, probeMax, announceWait } = this.#timing;
    if (this.#probes === probeNum) {
      this.#state = 'claimed';
      this.#announce(now);
      return;
    }
    this.#probes++;
    this.#emits = 'probe';
    const wait =
      this.#probes === probeNum ? announceWait : micros(probeMin + intBelow(this.#random, probeMax - probeMin));
    this.#dueAt = later(now, wait);
  }

  #announce(now: Micros): void {
    this.#emits = 'announcement';
    if (++this.#announcements < this.#timing.announceNum) this.#dueAt = later(now, this.#timing.announceInterval);
  }

  #onConflict(mac: Mac, now: Micros): void {
    const last = this.#conflictAt;
    this.#conflictAt = now;
    this.#conflictWith = mac;
    if (this.#state === 'probing' || (last !== undefined && now - last < this.#timing.defendInterval)) {
      this.#state = 'lost';
      this.#dueAt = NEVER;
      this.#emits = undefined;
    } else {
      this.#emits = 'announcement';
    }
  }
}
