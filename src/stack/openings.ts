/**
 * How a connection comes to be, active or passive: its configuration, its number and place in the table, and what is drawn
 * for it: the ISS (RFC 9293 §3.4.1, RFC 6528) and where its timestamps begin (RFC 7323 §5.4).
 */
import { type Seq, seqInt, seqMax, toSeq } from '../base/seq.ts';
import type { SipHash } from '../base/siphash.ts';
import {
  type ConnectionConfig,
  DEFAULT_SOCKET_OPTIONS,
  type PathConfig,
  type Profile,
  type SocketOptions,
  type Sysctl,
} from '../tcp/config.ts';
import { Connection } from '../tcp/connection.ts';
import { initialSequence, timestampOffset } from '../tcp/isn.ts';
import { NO_TRACE } from '../tcp/trace.ts';
import type { OpenArgs } from '../tcp/user-calls.ts';
import { checkOptions } from './check-options.ts';
import type { DemuxTable } from './demux.ts';
import { type Addresses, Endpoint } from './endpoint.ts';
import type { Listener } from './listener.ts';
import type { PortSource } from './ports.ts';
import type { StackTracer } from './stack-options.ts';
import type { Turns } from './turns.ts';

/** What a connection begins with beside what is drawn for each. */
export interface HowToOpen extends Pick<OpenArgs, 'tfo' | 'tfoMss' | 'tfoAccept'> {
  /** The last incarnation of the same addresses and ports ended below it. */
  readonly leastIss?: Seq | undefined;
  /** The ISN that a SYN cookie was. */
  readonly cookieIss?: number | undefined;
}

/** What it shares with the rest of its stack. */
export interface OpeningsParts {
  readonly profile: Profile;
  readonly sysctl: Sysctl;
  readonly path: PathConfig;
  readonly prf: SipHash;
  readonly endpoints: DemuxTable<Endpoint>;
  readonly ports: PortSource;
  readonly turns: Turns;
  readonly tracer: StackTracer | undefined;
  readonly nextId: () => number;
}

export class Openings {
  readonly #parts: OpeningsParts;
  #lastConfig: ConnectionConfig | undefined;

  constructor(parts: OpeningsParts) {
    this.#parts = parts;
  }

  /** One for all connections in a row that want the same: there may be a million of them. */
  configFor(given: Partial<SocketOptions> | undefined): ConnectionConfig {
    const last = this.#lastConfig;
    if (last !== undefined && given === undefined && last.options === DEFAULT_SOCKET_OPTIONS) return last;
    const options =
      given === undefined ? DEFAULT_SOCKET_OPTIONS : { ...DEFAULT_SOCKET_OPTIONS, ...checkOptions(given) };
    if (last !== undefined && isSame(last.options, options)) return last;
    const { profile, sysctl, path } = this.#parts;
    this.#lastConfig = { profile, sysctl, options, path };
    return this.#lastConfig;
  }

  /** Its number and its place in the table; it is CLOSED until `open`. */
  make(addresses: Addresses, config: ConnectionConfig, ttl: number, listener?: Listener): Endpoint {
    const { nextId, tracer = NO_TRACE, turns, endpoints, ports } = this.#parts;
    const connection = new Connection(nextId(), config, tracer);
    const endpoint = new Endpoint(turns, connection, addresses, ttl, listener);
    endpoints.add(endpoint);
    ports.take(addresses.localPort);
    return endpoint;
  }

  open(endpoint: Endpoint, kind: 'active' | 'passive', how: HowToOpen): void {
    const { prf, tracer, turns } = this.#parts;
    const now = turns.now();
    const { localAddress, remoteAddress, localPort, remotePort } = endpoint;
    if (tracer?.enabled) tracer.open(endpoint.id, endpoint, now);
    const ports = (localPort << 16) | remotePort;
    const drawn = toSeq(initialSequence(prf, localAddress, remoteAddress, ports, now));
    const { cookieIss, leastIss } = how;
    const iss = cookieIss ?? seqInt(leastIss === undefined ? drawn : seqMax(drawn, leastIss));
    const tsOffset = timestampOffset(prf, localAddress, remoteAddress, ports);
    const cookie = cookieIss === undefined ? undefined : true;
    const { tfo, tfoMss, tfoAccept } = how;
    endpoint.connection.open(kind, { iss, tsOffset, cookie, tfo, tfoMss, tfoAccept }, now);
    if (turns.isPressed) endpoint.connection.press(true, now);
  }
}

function isSame(a: Readonly<SocketOptions>, b: Readonly<SocketOptions>): boolean {
  for (const name in a) if (a[name as keyof SocketOptions] !== b[name as keyof SocketOptions]) return false;
  return true;
}
