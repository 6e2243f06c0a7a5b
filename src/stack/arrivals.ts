/**
 * What the link says. Each segment is handed to its connection as it comes, and what belongs to none begins one or is
 * answered as RFC 9293 §3.10.7.1 and .2 say; nothing is sent for a connection before the batch is over (turns.ts), except
 * in disorder. Pure ACKs of one connection that come in a row are looked at as one.
 */
import type { LinkError, LinkReceiver, PacketIn } from '../link/link.ts';
import { answerClosed } from '../tcp/closed.ts';
import { isPureAck } from '../tcp/merge-acks.ts';
import { IcmpType, UnreachableCode } from '../wire/icmp.ts';
import { IPV4_HEADER_LEN, type Ipv4 } from '../wire/ipv4.ts';
import { TCP_HEADER_LEN, TcpFlag, TcpSegment } from '../wire/tcp.ts';
import type { StackCounters } from './counters.ts';
import type { DemuxTable } from './demux.ts';
import type { Endpoint } from './endpoint.ts';
import { unreachableError } from './icmp-codes.ts';
import { IpInput } from './ip-input.ts';
import type { Listener } from './listener.ts';
import type { PassiveOpens } from './passive-opens.ts';
import type { Turns } from './turns.ts';

/** What it shares with the rest of its stack. */
export interface ArrivalsParts {
  readonly address: Ipv4;
  readonly counters: StackCounters;
  readonly endpoints: DemuxTable<Endpoint>;
  readonly listeners: ReadonlyMap<number, Listener>;
  readonly passives: PassiveOpens;
  readonly turns: Turns;
  /** Of the segments without a connection those for these ports are answered. */
  readonly ownsPort: (port: number) => boolean;
  readonly onLinkError: ((error: LinkError) => void) | undefined;
}

export class Arrivals implements LinkReceiver {
  readonly #address: Ipv4;
  readonly #counters: StackCounters;
  readonly #endpoints: DemuxTable<Endpoint>;
  readonly #listeners: ReadonlyMap<number, Listener>;
  readonly #passives: PassiveOpens;
  readonly #turns: Turns;
  readonly #ownsPort: (port: number) => boolean;
  readonly #onLinkError: ((error: LinkError) => void) | undefined;
  readonly #input: IpInput;
  readonly #out = new TcpSegment();
  /** A pure ACK that waits for what comes behind it in this batch, and whose it is. */
  #ack: TcpSegment = this.#out;
  #ackEndpoint: Endpoint | undefined;

  constructor(parts: ArrivalsParts) {
    this.#address = parts.address;
    this.#counters = parts.counters;
    this.#endpoints = parts.endpoints;
    this.#listeners = parts.listeners;
    this.#passives = parts.passives;
    this.#turns = parts.turns;
    this.#ownsPort = parts.ownsPort;
    this.#onLinkError = parts.onLinkError;
    this.#input = new IpInput(parts.address, parts.counters);
  }

  onPacket(packet: PacketIn): void {
    if (!this.#turns.isBusy) this.#turns.begin();
    const arrival = this.#input.take(packet);
    if (arrival === 'nothing') return;
    if (arrival === 'segment' && this.#ackEndpoint !== undefined && this.#mergeAck()) return;
    this.#takeAck();
    if (arrival === 'segment') this.#onSegment(this.#input.segment, this.#input.source);
    else this.#onIcmpError();
  }

  onBatchEnd(more?: boolean): void {
    this.#takeAck();
    this.#turns.end(more);
  }

  onWritable(): void {
    this.#turns.resume();
  }

  onError(error: LinkError): void {
    this.#onLinkError?.(error);
    if (!error.fatal) return;
    for (const endpoint of [...this.#endpoints]) {
      endpoint.connection.abort(this.#turns.now(), 'ENETUNREACH');
      this.#turns.touch(endpoint);
    }
  }

  /** The segment taken last is a pure ACK of the same connection as the one put by: it takes its place, or comes after it. */
  #mergeAck(): boolean {
    const seg = this.#input.segment;
    const endpoint = this.#ackEndpoint!;
    const isSame =
      isPureAck(seg) &&
      seg.dstPort === endpoint.localPort &&
      seg.srcPort === endpoint.remotePort &&
      this.#input.source === endpoint.remoteAddress;
    if (!isSame) return false;
    if (!endpoint.connection.mergeAck(this.#ack, seg)) this.#takeAck();
    this.#ackEndpoint = endpoint;
    this.#ack = this.#input.putBy();
    return true;
  }

  /** The ACK that was put by is looked at. */
  #takeAck(): void {
    const endpoint = this.#ackEndpoint;
    if (endpoint === undefined) return;
    this.#ackEndpoint = undefined;
    endpoint.connection.onSegment(this.#ack, this.#turns.now());
    this.#turns.touch(endpoint);
  }

  #onSegment(seg: TcpSegment, source: Ipv4): void {
    let endpoint = this.#endpoints.find(this.#address, seg.dstPort, source, seg.srcPort);
    let listener: Listener | undefined;
    if (endpoint === undefined || endpoint.state === 'TIME-WAIT') {
      listener = this.#listeners.get(seg.dstPort);
      if (endpoint !== undefined) endpoint = this.#passives.reborn(endpoint, listener, seg, source);
      else if (listener !== undefined) endpoint = this.#passives.take(listener, seg, source);
    }
    if (endpoint !== undefined) {
      // Nobody has accepted the earlier ones: the peer will send this again (Linux's behaviour).
      if (endpoint.listener?.isAcceptQueueFull && endpoint.state === 'SYN-RECEIVED') this.#counters.backlogFull++;
      else if (endpoint.state === 'ESTABLISHED' && isPureAck(seg)) {
        this.#ackEndpoint = endpoint;
        this.#ack = this.#input.putBy();
        return;
      } else {
        endpoint.connection.onSegment(seg, this.#turns.now());
        // The sender's recovery wants to hear of each arrival as it comes (RFC 5681 §4.2), not of a batch of them.
        if (endpoint.connection.isInDisorder) this.#turns.drain(endpoint);
      }
      this.#turns.touch(endpoint);
      return;
    }
    // §3.10.7.2: in LISTEN only an ACK is answered, and a SYN that found no room has been counted.
    if (listener !== undefined && !seg.has(TcpFlag.ACK)) return;
    this.#counters.noConnection++;
    if (this.#ownsPort(seg.dstPort) && answerClosed(seg, this.#out)) this.#turns.sendAlone(this.#out, source, 0);
  }

  #onIcmpError(): void {
    const { icmp, quote } = this.#input;
    const endpoint = this.#endpoints.find(this.#address, quote.srcPort, quote.ip.dst, quote.dstPort);
    if (endpoint === undefined) {
      this.#counters.icmpIgnored++;
      return;
    }
    const now = this.#turns.now();
    if (icmp.type === IcmpType.UNREACHABLE && icmp.code === UnreachableCode.FRAGMENTATION_NEEDED) {
      // RFC 1191 §5: a router too old to say what fits; then the least that every host takes.
      const mtu = icmp.nextHopMtu >= 68 ? icmp.nextHopMtu : 576;
      endpoint.connection.onPathMss(mtu - IPV4_HEADER_LEN - TCP_HEADER_LEN, quote.seq, now);
    } else {
      const code = unreachableError(icmp.type, icmp.code);
      if (code === undefined) return;
      endpoint.connection.onIcmpError(code, quote.seq, now);
    }
    this.#turns.touch(endpoint);
  }
}
