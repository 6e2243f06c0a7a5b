/**
 * Controllers alone on a path, in virtual time: senders that always have more, a wire of limited rate behind a queue, a
 * delay, and chance. Every packet's fate is known to its sender as SACK and RACK would tell it: delivered, or lost once
 * three sent after it have been delivered, or when nothing has come for a while. Nothing is sent again; what counts is
 * how much arrives.
 */
import { chance, type Random, seededRandom } from '../../src/base/random.ts';
import { type Micros, micros } from '../../src/base/time.ts';
import { VirtualTime } from '../../src/base/virtual-time.ts';
import { Bottleneck, OVERFLOW } from '../../src/link/bottleneck.ts';
import type { CongestionName } from '../../src/tcp/config.ts';
import { type CongestionControl, emptySample } from '../../src/tcp/congestion/controller.ts';
import { newController } from '../../src/tcp/congestion/controllers.ts';

export interface PathOptions {
  /** Octets per second. */
  readonly rate: number;
  /** Round trip without queueing, µs. */
  readonly rtt: number;
  /** Octets that wait; of a bandwidth-delay product where absent. */
  readonly queue?: number;
  /** Chance that a packet is lost. */
  readonly loss?: number;
  /** Octets in a packet; 1448 where absent. */
  readonly size?: number;
  readonly seed?: number;
}

interface Packet {
  readonly sentAt: number;
  readonly size: number;
  readonly end: number;
  readonly delivered: number;
  readonly deliveredAt: number;
  readonly firstSentAt: number;
  readonly appLimited: boolean;
  state: 'out' | 'delivered' | 'lost';
}

export class Path {
  readonly time = new VirtualTime();
  readonly random: Random;
  readonly flows: Flow[] = [];
  readonly o: PathOptions;
  readonly size: number;
  readonly #wire: Bottleneck;
  /** Octets lost to a full queue. */
  overflow = 0;

  constructor(o: PathOptions) {
    this.o = o;
    this.size = o.size ?? 1448;
    this.random = seededRandom(o.seed ?? 1);
    this.#wire = new Bottleneck(o.rate, { octets: o.queue ?? (o.rate * o.rtt) / 1e6 });
  }

  get now(): Micros {
    return this.time.now;
  }

  /** A flow that begins now; `most`: octets per second that its writer has. */
  add(name: CongestionName, most = Number.POSITIVE_INFINITY): Flow {
    const flow = new Flow(this, newController(name, this.size, 10, this.random.uint32(), false), most);
    this.flows.push(flow);
    flow.pump();
    return flow;
  }

  run(us: number): this {
    this.time.runUntil(micros(this.now + us));
    return this;
  }

  /** Octets per second of each flow over the next `us`. */
  rates(us: number): number[] {
    const before = this.flows.map((f) => f.delivered);
    this.run(us);
    return this.flows.map((f, i) => ((f.delivered - before[i]!) * 1e6) / us);
  }

  /** µs until `arrives` is called; never when it is lost. */
  carry(size: number, arrives: () => void): void {
    const left = this.#wire.take(size, this.now);
    if (left === OVERFLOW) this.overflow += size;
    else if (!chance(this.random, this.o.loss ?? 0)) this.time.schedule(micros(left + this.o.rtt), arrives);
  }
}

export class Flow {
  readonly control: CongestionControl;
  readonly #path: Path;
  #most: number;
  readonly #sample = emptySample();
  #packets: Packet[] = [];
  /** Packets before this one are settled. */
  #settled = 0;
  #inFlight = 0;
  delivered = 0;
  lost = 0;
  sent = 0;
  /** Sum of µs of queueing over all ACKs, and how many: mean delay. */
  #rttSum = 0;
  #rttCount = 0;
  #deliveredAt = 0;
  #firstSentAt = 0;
  #nextSendAt = 0;
  #written = 0;
  #writtenAt = 0;
  #appLimitedUntil = 0;
  #cwndLimited = false;
  #recoverAt = -1;
  #timer = false;
  #una = 0;
  #lastHeardAt = 0;
  #rtoSet = false;

  constructor(path: Path, control: CongestionControl, most: number) {
    this.#path = path;
    this.control = control;
    this.#most = most;
    this.#deliveredAt = this.#firstSentAt = this.#nextSendAt = this.#writtenAt = path.now;
  }

  /** Mean RTT since last asked, µs. */
  takeMeanRtt(): number {
    const mean = this.#rttSum / this.#rttCount;
    this.#rttSum = this.#rttCount = 0;
    return mean;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** From now on the writer has `most` octets per second. */
  limit(most: number): void {
    this.#most = most;
    this.#written = 0;
    this.#writtenAt = this.#path.now;
    this.pump();
  }

  /** The writer has no more. */
  stop(): void {
    this.limit(0);
  }

  /** Sends what window and pacing allow. */
  pump(): void {
    const { size } = this.#path;
    const now = this.#path.now;
    const hasMore = (): boolean => {
      if (this.#most === Number.POSITIVE_INFINITY) return true;
      this.#written += (this.#most * (now - this.#writtenAt)) / 1e6;
      this.#writtenAt = now;
      return this.#written >= size;
    };
    for (;;) {
      if (this.#inFlight + size > this.control.cwnd) {
        this.#cwndLimited = true;
        return;
      }
      if (!hasMore()) {
        this.#appLimitedUntil = this.delivered + this.#inFlight;
        if (this.#most === 0) return;
        this.#wakeAt(now + ((size - this.#written) / this.#most) * 1e6 + 1);
        return;
      }
      if (now < this.#nextSendAt) {
        this.#wakeAt(this.#nextSendAt);
        return;
      }
      this.#send(size, now);
    }
  }

  #send(size: number, now: number): void {
    if (this.#inFlight === 0) {
      if (this.sent > 0) this.control.onIdle(now - this.#firstSentAt, 200_000, micros(now));
      this.#firstSentAt = this.#deliveredAt = now;
    }
    this.#written -= size;
    this.sent += size;
    this.#inFlight += size;
    const packet: Packet = {
      sentAt: now,
      size,
      end: this.sent,
      delivered: this.delivered,
      deliveredAt: this.#deliveredAt,
      firstSentAt: this.#firstSentAt,
      appLimited: this.delivered < this.#appLimitedUntil,
      state: 'out',
    };
    this.#packets.push(packet);
    const rate = this.control.pacingRate;
    this.#nextSendAt = Math.max(now, this.#nextSendAt);
    if (rate < Number.POSITIVE_INFINITY) this.#nextSendAt += (size / rate) * 1e6;
    this.#path.carry(size, () => this.#acked(packet));
    if (this.#inFlight === size) this.#lastHeardAt = now;
    if (!this.#rtoSet) this.#armRto();
  }

  /** Rings when nothing was heard for an RTO: then all that is out is lost. */
  #armRto(): void {
    const rto = this.#sample.srtt === 0 ? 1_000_000 : Math.ceil(200_000 + 2 * this.#sample.srtt);
    this.#rtoSet = true;
    this.#path.time.schedule(micros(this.#lastHeardAt + rto), () => {
      const { now } = this.#path;
      this.#rtoSet = false;
      if (this.#inFlight === 0) return;
      if (now - this.#lastHeardAt >= rto) {
        for (const p of this.#packets) {
          if (p.state !== 'out') continue;
          p.state = 'lost';
          this.lost += p.size;
        }
        this.control.onRto(this.#inFlight, true, now);
        this.#inFlight = 0;
        this.#recoverAt = this.sent;
        this.#lastHeardAt = now;
        this.pump();
      }
      if (!this.#rtoSet && this.#inFlight > 0) this.#armRto();
    });
  }

  #wakeAt(at: number): void {
    if (this.#timer) return;
    this.#timer = true;
    this.#path.time.schedule(micros(Math.ceil(at)), () => {
      this.#timer = false;
      this.pump();
    });
  }

  #acked(p: Packet): void {
    const { now } = this.#path;
    const s = this.#sample;
    const { control } = this;
    this.#lastHeardAt = now;
    s.priorInFlight = this.#inFlight;
    const stillOut = p.state === 'out';
    p.state = 'delivered';
    if (stillOut) this.#inFlight -= p.size;
    this.delivered += p.size;
    this.#deliveredAt = now;
    s.lost = this.#markLost(p);
    s.acked = s.cumulative = p.size;
    s.inFlight = this.#inFlight;
    s.rtt = now - p.sentAt;
    s.srtt = s.srtt === 0 ? s.rtt : s.srtt + (s.rtt - s.srtt) / 8;
    s.minRtt = s.minRtt === 0 ? s.rtt : Math.min(s.minRtt, s.rtt);
    s.cwndLimited = this.#cwndLimited;
    s.appLimited = p.appLimited;
    s.delivered = this.delivered;
    s.priorDelivered = p.delivered;
    const interval = Math.max(p.sentAt - p.firstSentAt, now - p.deliveredAt);
    s.deliveryRate = interval > 0 && interval >= s.minRtt ? ((this.delivered - p.delivered) * 1e6) / interval : 0;
    this.#firstSentAt = p.sentAt;
    s.una = this.#una = Math.max(this.#una, p.end);
    s.nxt = this.sent;
    s.now = now;
    this.#rttSum += s.rtt;
    this.#rttCount++;
    if (s.lost > 0 && this.#recoverAt < 0) {
      this.#recoverAt = this.sent;
      control.onLoss(s.priorInFlight, now);
    }
    s.recovering = this.#recoverAt >= 0;
    control.onAck(s);
    if (this.#recoverAt >= 0 && p.end >= this.#recoverAt) {
      this.#recoverAt = -1;
      control.onRecovered(this.#inFlight, now);
    }
    this.#cwndLimited = false;
    this.pump();
  }

  /** Octets of packets that three later ones have overtaken. */
  #markLost(upTo: Packet): number {
    let lost = 0;
    const last = this.#packets.indexOf(upTo, this.#settled);
    for (let i = this.#settled; i <= last - 3; i++) {
      const p = this.#packets[i]!;
      if (p.state !== 'out') continue;
      p.state = 'lost';
      lost += p.size;
      this.#inFlight -= p.size;
    }
    if (last - 3 > this.#settled) this.#settled = last - 3;
    if (this.#settled > 4096) {
      this.#packets = this.#packets.slice(this.#settled);
      this.#settled = 0;
    }
    this.lost += lost;
    return lost;
  }
}
