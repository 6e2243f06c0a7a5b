/**
 * Passive opens: what becomes of a SYN for a listening port, and of an ACK that claims to answer one of our SYN cookies.
 * A connection exists from the SYN on, as a child of the listener; with a cookie only from the third segment on, when
 * the SYN it answers is put together again from what the cookie tells and given to the core like any other.
 */
import { seqAdd, seqInt } from '../base/seq.ts';
import type { SipHash } from '../base/siphash.ts';
import { timestampOffset } from '../tcp/isn.ts';
import { initialWindow, receiveMss, windowInSyn, windowScale } from '../tcp/receive-window.ts';
import { TIMESTAMPS_LEN } from '../tcp/timestamps.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import { ABSENT, TcpFlag, TcpSegment } from '../wire/tcp.ts';
import type { StackCounters } from './counters.ts';
import type { Endpoint } from './endpoint.ts';
import type { FastOpenCookies } from './fast-open-cookies.ts';
import type { Listener } from './listener.ts';
import type { HowToOpen, Openings } from './openings.ts';
import { type CookieOptions, SynCookies } from './syn-cookies.ts';
import { DEFAULT_TTL, type Turns } from './turns.ts';

/** What it shares with the rest of its stack. */
export interface PassiveParts {
  readonly address: Ipv4;
  readonly counters: StackCounters;
  readonly turns: Turns;
  readonly openings: Openings;
  readonly prf: SipHash;
  readonly fastOpens: FastOpenCookies;
}

export class PassiveOpens {
  readonly #address: Ipv4;
  readonly #counters: StackCounters;
  readonly #turns: Turns;
  readonly #openings: Openings;
  readonly #prf: SipHash;
  readonly #cookies: SynCookies;
  readonly #fastOpens: FastOpenCookies;
  readonly #out = new TcpSegment();
  readonly #syn = new TcpSegment();

  constructor(parts: PassiveParts) {
    this.#address = parts.address;
    this.#counters = parts.counters;
    this.#turns = parts.turns;
    this.#openings = parts.openings;
    this.#prf = parts.prf;
    this.#cookies = new SynCookies(parts.prf);
    this.#fastOpens = parts.fastOpens;
  }

  /** Whose segment it is now that came for a listening port and belonged to nobody; undefined when it begins nothing. */
  take(listener: Listener, seg: TcpSegment, source: Ipv4): Endpoint | undefined {
    if (!isFirstSyn(seg)) return this.#fromCookie(listener, seg, source);
    if (this.#turns.isPressed) {
      this.#counters.memoryFull++;
      return undefined;
    }
    const child = this.#begin(listener, seg, source);
    if (child !== undefined) this.#openings.open(child, 'passive', this.#fastOpen(listener, child, seg));
    return child;
  }

  /** A younger SYN for a connection in TIME-WAIT begins the next incarnation, where someone listens (RFC 6191). */
  reborn(old: Endpoint, listener: Listener | undefined, seg: TcpSegment, source: Ipv4): Endpoint | undefined {
    if (listener === undefined || !isFirstSyn(seg)) return old;
    const iss = old.connection.nextIss;
    if (!old.connection.giveWay(seg, this.#turns.now())) return old;
    this.#turns.retire(old);
    const child = this.#begin(listener, seg, source);
    if (child !== undefined) this.#openings.open(child, 'passive', { leastIss: iss });
    return child;
  }

  /** A child for `syn`, not yet opened; undefined when it was answered by a cookie or dropped, and counted. */
  #begin(listener: Listener, syn: TcpSegment, source: Ipv4): Endpoint | undefined {
    const counters = this.#counters;
    const { tcp_syncookies } = listener.config.sysctl;
    if (listener.isAcceptQueueFull) {
      counters.backlogFull++;
      return undefined;
    }
    if (tcp_syncookies === 2 || listener.isSynQueueFull) {
      if (tcp_syncookies === 0) counters.backlogFull++;
      else this.#sendCookie(listener, syn, source);
      return undefined;
    }
    const child = this.#newChild(listener, syn, source);
    return child;
  }

  /** What Fast Open makes of the child's SYN (RFC 7413 §4.2.2): nothing, a cookie to give, or a connection at once. */
  #fastOpen(listener: Listener, child: Endpoint, syn: TcpSegment): HowToOpen {
    const { sysctl, options } = listener.config;
    if ((sysctl.tcp_fastopen & 2) === 0 || options.TCP_FASTOPEN === 0 || syn.fastOpenLen === ABSENT) return {};
    if (!this.#fastOpens.isGood(syn, child.remoteAddress)) return { tfo: this.#fastOpens.for(child.remoteAddress) };
    if (listener.fastOpens >= options.TCP_FASTOPEN) return {};
    listener.fastOpened(child);
    return { tfoAccept: true };
  }

  /** A child that stands in SYN-RECEIVED as if it had waited there, for the ACK that is next; undefined without a good cookie. */
  #fromCookie(listener: Listener, ack: TcpSegment, source: Ipv4): Endpoint | undefined {
    const counters = this.#counters;
    const now = this.#turns.now();
    if (!listener.mayHaveCookies(now) || !isThirdSegment(ack)) return undefined;
    const options = this.#cookies.check(this.#address, source, ack, now);
    if (options === undefined) {
      counters.cookiesBad++;
      return undefined;
    }
    if (listener.isAcceptQueueFull) {
      counters.backlogFull++;
      return undefined;
    }
    counters.cookiesGood++;
    const child = this.#newChild(listener, ack, source);
    const iss = seqAdd(ack.ack, -1);
    this.#openings.open(child, 'passive', { cookieIss: seqInt(iss) });
    this.#rebuildSyn(ack, options);
    child.connection.onSegment(this.#syn, now);
    // The SYN-ACK left long ago, from #sendCookie.
    child.connection.emit(now, this.#out);
    return child;
  }

  #sendCookie(listener: Listener, syn: TcpSegment, source: Ipv4): void {
    const address = this.#address;
    const now = this.#turns.now();
    const { config } = listener;
    const { sysctl } = config;
    const mss = receiveMss(config);
    const out = this.#out;
    out.clear();
    out.srcPort = syn.dstPort;
    out.dstPort = syn.srcPort;
    out.flags = TcpFlag.SYN | TcpFlag.ACK;
    out.seq = this.#cookies.sequence(address, source, syn, now);
    out.ack = seqAdd(syn.seq, 1);
    out.mss = mss;
    const timestamps = sysctl.tcp_timestamps && syn.hasTimestamps;
    out.wnd = windowInSyn(initialWindow(config), mss - (timestamps ? TIMESTAMPS_LEN : 0));
    if (timestamps) {
      const ports = (syn.dstPort << 16) | syn.srcPort;
      const offset = timestampOffset(this.#prf, address, source, ports);
      out.hasTimestamps = true;
      out.tsVal = this.#cookies.timestamp(syn, (Math.floor(now / 1000) + offset) | 0);
      out.tsEcr = syn.tsVal;
      // Only the timestamp can carry what else was agreed on.
      if (sysctl.tcp_window_scaling && syn.wscale !== ABSENT) out.wscale = windowScale(config);
      out.sackPermitted = sysctl.tcp_sack && syn.sackPermitted;
      const both = TcpFlag.ECE | TcpFlag.CWR;
      if (sysctl.tcp_ecn !== 0 && (syn.flags & both) === both) out.flags |= TcpFlag.ECE;
    }
    listener.cookieSent(now);
    this.#counters.cookiesSent++;
    this.#turns.sendAlone(out, source, config.options.IP_TOS);
  }

  #rebuildSyn(ack: TcpSegment, options: CookieOptions): void {
    const syn = this.#syn;
    syn.clear();
    syn.seq = seqAdd(ack.seq, -1);
    syn.flags = TcpFlag.SYN | (options.ecn ? TcpFlag.ECE | TcpFlag.CWR : 0);
    syn.wnd = ack.wnd;
    syn.mss = options.mss;
    syn.wscale = options.wscale;
    syn.sackPermitted = options.sackPermitted;
    syn.hasTimestamps = ack.hasTimestamps;
    syn.tsVal = ack.tsVal;
  }

  #newChild(listener: Listener, seg: TcpSegment, source: Ipv4): Endpoint {
    const addresses = {
      localAddress: this.#address,
      localPort: seg.dstPort,
      remoteAddress: source,
      remotePort: seg.srcPort,
    };
    const child = this.#openings.make(addresses, listener.config, DEFAULT_TTL, listener);
    listener.begun(child);
    return child;
  }
}

/** What begins a connection. */
function isFirstSyn(seg: TcpSegment): boolean {
  return (seg.flags & (TcpFlag.SYN | TcpFlag.ACK | TcpFlag.RST)) === TcpFlag.SYN;
}

/** What ends a handshake: ACK, and neither SYN nor RST. */
function isThirdSegment(seg: TcpSegment): boolean {
  return (seg.flags & (TcpFlag.SYN | TcpFlag.ACK | TcpFlag.RST)) === TcpFlag.ACK;
}
