/** What a stack is made of, and what the two OPENs of RFC 9293 §3.9.1 may ask. */
import type { Random } from '../base/random.ts';
import type { Clock, Micros } from '../base/time.ts';
import type { Link, LinkError } from '../link/link.ts';
import type { Profile, SocketOptions, Sysctl } from '../tcp/config.ts';
import type { Tracer } from '../tcp/trace.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import type { Endpoint } from './endpoint.ts';
import type { PortSource } from './ports.ts';

/** The core's tracer, and the endpoints that the core doesn't know. */
export interface StackTracer extends Tracer {
  /** A connection exists from now on; comes before its first record. */
  open(conn: number, endpoint: Endpoint, t: Micros): void;
}

export interface StackOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly link: Link;
  /** Our address. */
  readonly address: Ipv4;
  /** 'linux' when absent. */
  readonly profile?: Profile;
  /** What differs from the profile's. */
  readonly sysctl?: Partial<Sysctl>;
  /** Octets of MSS announced, where less than the link can receive is wanted. */
  readonly advmss?: number;
  /** Ports whose segments are ours to answer with RST when there is no connection; without it all are. */
  readonly ownsPort?: (port: number) => boolean;
  /** Where connections come from that name no port; 32768 to 60999 when absent. */
  readonly ports?: PortSource;
  readonly tracer?: StackTracer;
  /** The next connection's number; counts from 1 when absent. For stacks that share a tracer. */
  readonly nextId?: () => number;
  /** A failure of the link; fatal ones also end every connection with ENETUNREACH. */
  readonly onLinkError?: (error: LinkError) => void;
}

export interface ConnectOptions {
  readonly address: Ipv4;
  readonly port: number;
  /** One of the stack's source ports when absent, as RFC 6056 chooses. */
  readonly localPort?: number;
  /** IP_TTL; 64 when absent. */
  readonly ttl?: number;
  /** Sent first; with Fast Open, on the SYN where a cookie allows it. What the send buffer can't take is not sent. */
  readonly data?: Uint8Array;
  /**
   * TCP Fast Open (RFC 7413): data may reach the peer twice if the network repeats our SYN, so only for what bears that.
   * With a cookie that another stack was given, and the peer's MSS; `true`: with one that this stack was given, or asking.
   */
  readonly fastOpen?: boolean | { readonly cookie: string; readonly mss?: number };
  readonly options?: Partial<SocketOptions>;
}

export interface ListenOptions {
  readonly port: number;
  /** Most connections not yet accepted, half-open ones included; 511 when absent, as in Node. */
  readonly backlog?: number;
  readonly options?: Partial<SocketOptions>;
}
