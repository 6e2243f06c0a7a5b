/**
 * Everything that shapes a connection from outside, as plain JSON: so a log that holds it can be replayed.
 * Names and units are those of Linux's sysctls (ip-sysctl) and socket options (tcp(7)).
 */

/**
 * Whose behaviour where they differ: 'linux', what the kernel does and peers have come to depend on, or 'rfc', the
 * letter. Each difference is made where it is written, by a test of `profile`.
 */
export type Profile = 'linux' | 'rfc';

/** Who decides how much may be in flight, by the names that Linux gives them. */
export type CongestionName = 'cubic' | 'reno' | 'bbr';

export const CONGESTION_NAMES: readonly CongestionName[] = ['cubic', 'reno', 'bbr'];

/** Per-stack settings. */
export interface Sysctl {
  /** Retransmissions of an unanswered SYN before ETIMEDOUT, counted as the time they take when each wait doubles. */
  readonly tcp_syn_retries: number;
  /** The same for a SYN-ACK. */
  readonly tcp_synack_retries: number;
  /** SYN cookies, RFC 4987: 0 never, 1 when the queue of half-open connections is full, 2 always. */
  readonly tcp_syncookies: number;
  /**
   * Most octets held by all connections of a stack. Beyond it no SYN is taken, windows stop growing, and of what arrives a
   * connection keeps its least share, tcp_rmem's first, until its user reads.
   */
  readonly tcp_mem_octets: number;
  /** How many SYN retries come a constant 1 s apart before the back-off doubles; Linux has 4, RFC 6298 wants 0. */
  readonly tcp_syn_linear_timeouts: number;
  /** Timeouts after which the user is told that delivery is in trouble, and a black hole is suspected (R1 of RFC 9293 §3.8.3). */
  readonly tcp_retries1: number;
  /** RFC 4821: 0 never, 1 when segments vanish, 2 always. Linux has 0; a path that swallows ICMP needs 1. */
  readonly tcp_mtu_probing: number;
  /** Octets of MSS that a suspected black hole leaves. */
  readonly tcp_base_mss: number;
  /** Least MSS taken from a peer or a router, so that nobody makes us send mere headers. */
  readonly tcp_min_snd_mss: number;
  /** Retransmissions of data before ETIMEDOUT, counted as the time they would take from the smallest RTO (Linux: 924.6 s). */
  readonly tcp_retries2: number;
  /**
   * Of a connection that its user has left: retransmissions, counted as for tcp_retries2, and unanswered probes of a shut window,
   * before it is given up. 0 is 8, and none once the timer has grown to tcp_rto_max_ms: then answered probes don't keep it, either.
   */
  readonly tcp_orphan_retries: number;
  /** Seconds that FIN-WAIT-2 lasts after the user has closed both ways. */
  readonly tcp_fin_timeout: number;
  /** Most connections of a stack in TIME-WAIT; one more is closed at once. */
  readonly tcp_max_tw_buckets: number;
  /** Maximum segment lifetime, seconds; TIME-WAIT is twice that. Linux has no such setting: it is 30 there. */
  readonly tcp_msl: number;
  /** A connect may take the place of a connection in TIME-WAIT, by timestamps (RFC 6191): 0 never, 1 always, 2 on loopback. */
  readonly tcp_tw_reuse: number;
  /** RFC 1337: a RST does not end TIME-WAIT early. */
  readonly tcp_rfc1337: boolean;
  readonly tcp_timestamps: boolean;
  readonly tcp_window_scaling: boolean;
  readonly tcp_sack: boolean;
  /** RFC 2883. */
  readonly tcp_dsack: boolean;
  /** How a loss is found where SACK is agreed: bit 0 RACK-TLP (RFC 8985), without it RFC 6675. */
  readonly tcp_recovery: number;
  /** 3 or more: tail loss probes (RFC 8985 §7); 0 none. */
  readonly tcp_early_retrans: number;
  /** F-RTO, RFC 5682: 0 off. */
  readonly tcp_frto: number;
  /** Segments that must have arrived beyond one, at first, for it to be lost; and the most that reordering may make of it. */
  readonly tcp_reordering: number;
  readonly tcp_max_reordering: number;
  /** ECN, RFC 3168: 0 never, 1 ask for it and accept it, 2 accept it. */
  readonly tcp_ecn: number;
  /** TCP Fast Open, RFC 7413: 1 as client, 2 as server, 3 both. A listener also needs TCP_FASTOPEN. */
  readonly tcp_fastopen: number;
  /** Receive buffer, octets: least, at first, most (autotuned up to it). */
  readonly tcp_rmem: readonly [min: number, initial: number, max: number];
  /** Send buffer, octets. */
  readonly tcp_wmem: readonly [min: number, initial: number, max: number];
  /** Grow the receive buffer with what the path delivers. */
  readonly tcp_moderate_rcvbuf: boolean;
  /** Least and most RTO. */
  readonly tcp_rto_min_us: number;
  readonly tcp_rto_max_ms: number;
  /** Least time between two ACKs sent in answer to segments that are out of window or challenge us, ms. */
  readonly tcp_invalid_ratelimit: number;
  /** Initial congestion window in segments, RFC 6928. */
  readonly initcwnd: number;
  /** Of connections that TCP_CONGESTION says nothing of. */
  readonly tcp_congestion_control: CongestionName;
  /** A window that nothing has used for longer than an RTO shrinks, RFC 5681 §4.1. */
  readonly tcp_slow_start_after_idle: boolean;
  /** Segments of cubic and reno are spread over the round trip as Linux's fq does; else they leave as the window allows. bbr always is. */
  readonly tcp_pacing: boolean;
}

/** As Linux has it, save tcp_syn_linear_timeouts, where the RFC's back-off is the one people expect to see. */
export const DEFAULT_SYSCTL: Sysctl = {
  tcp_syn_retries: 6,
  tcp_synack_retries: 5,
  tcp_syncookies: 1,
  tcp_mem_octets: 512 << 20,
  tcp_syn_linear_timeouts: 0,
  tcp_retries1: 3,
  tcp_mtu_probing: 1,
  tcp_base_mss: 1024,
  tcp_min_snd_mss: 48,
  tcp_retries2: 15,
  tcp_orphan_retries: 0,
  tcp_fin_timeout: 60,
  tcp_max_tw_buckets: 262_144,
  tcp_msl: 30,
  tcp_tw_reuse: 2,
  tcp_rfc1337: false,
  tcp_timestamps: true,
  tcp_window_scaling: true,
  tcp_sack: true,
  tcp_dsack: true,
  tcp_recovery: 1,
  tcp_early_retrans: 3,
  tcp_frto: 2,
  tcp_reordering: 3,
  tcp_max_reordering: 300,
  tcp_ecn: 2,
  tcp_fastopen: 1,
  tcp_rmem: [4096, 131_072, 6_291_456],
  tcp_wmem: [4096, 262_144, 4_194_304],
  tcp_moderate_rcvbuf: true,
  tcp_rto_min_us: 200_000,
  tcp_rto_max_ms: 120_000,
  tcp_invalid_ratelimit: 500,
  initcwnd: 10,
  tcp_congestion_control: 'cubic',
  tcp_slow_start_after_idle: true,
  tcp_pacing: false,
};

/** The settings a profile begins with. 'rfc': R2 of a SYN is at least 3 minutes (RFC 9293 MUST-23), the least RTO 1 s (RFC 6298 §2.4). */
export function profileSysctl(profile: Profile): Sysctl {
  return profile === 'linux' ? DEFAULT_SYSCTL : { ...DEFAULT_SYSCTL, tcp_syn_retries: 7, tcp_rto_min_us: 1_000_000 };
}

/** Per-connection settings. */
export interface SocketOptions {
  /** Nagle's algorithm off. */
  TCP_NODELAY: boolean;
  /** Acknowledge at once; false: let the ACK policy decide. Unlike Linux's, it stays as set. */
  TCP_QUICKACK: boolean;
  /** Hold back partial segments until it is switched off; once nothing else is out, for one RTO at most (Linux's ceiling). */
  TCP_CORK: boolean;
  /** Most octets queued for sending, unacknowledged ones included. */
  SO_SNDBUF: number;
  /** Most octets received and not yet read; setting it switches autotuning off. 0: as tcp_rmem says. */
  SO_RCVBUF: number;
  /** Most octets of window we offer; 0: no clamp. */
  TCP_WINDOW_CLAMP: number;
  /** Milliseconds that sent data may stay unacknowledged; 0: tcp_retries2 decides. */
  TCP_USER_TIMEOUT: number;
  /** Upper bound on the MSS we send and announce; 0: the path's. Before the connection opens. */
  TCP_MAXSEG: number;
  /** Of a listener: most connections that began with data on their SYN and have not shown a third segment; 0: none. */
  TCP_FASTOPEN: number;
  /** Ask a silent peer whether it is still there, RFC 9293 §3.8.4. */
  SO_KEEPALIVE: boolean;
  /** Seconds of silence before the first question; at least 2 hours by default (MUST-28). */
  TCP_KEEPIDLE: number;
  /** Seconds between questions, and how many go unanswered before ETIMEDOUT (MUST-29). */
  TCP_KEEPINTVL: number;
  TCP_KEEPCNT: number;
  /** Congestion control; '': as sysctl tcp_congestion_control says. An open connection keeps its window. */
  TCP_CONGESTION: CongestionName | '';
  /** Most octets per second that leave; 0: no limit. */
  SO_MAX_PACING_RATE: number;
  /** DiffServ value of all that leaves, RFC 2474, in the upper six bits of an octet; the lower two are ECN's and stay as TCP has them. */
  IP_TOS: number;
}

export const DEFAULT_SOCKET_OPTIONS: Readonly<SocketOptions> = {
  TCP_NODELAY: false,
  TCP_QUICKACK: false,
  TCP_CORK: false,
  SO_SNDBUF: 0,
  SO_RCVBUF: 0,
  TCP_WINDOW_CLAMP: 0,
  TCP_USER_TIMEOUT: 0,
  TCP_MAXSEG: 0,
  TCP_FASTOPEN: 0,
  SO_KEEPALIVE: false,
  TCP_KEEPIDLE: 7200,
  TCP_KEEPINTVL: 75,
  TCP_KEEPCNT: 9,
  TCP_CONGESTION: '',
  SO_MAX_PACING_RATE: 0,
  IP_TOS: 0,
};

/** What the layer below knows and the core must: sizes in octets of TCP payload and options. */
export interface PathConfig {
  /** Largest MSS we can receive, announced on our SYN (RFC 9293 §3.7.1). */
  readonly receiveMss: number;
  /** Largest MSS the path out can carry. */
  readonly sendMss: number;
  /** What to assume when the peer announces none: 536 over IPv4, 1220 over IPv6. */
  readonly defaultMss: number;
  /** Most payload octets in one emitted segment, which the link then cuts; 0: one MSS. */
  readonly maxGsoPayload: number;
}

export interface ConnectionConfig {
  readonly profile: Profile;
  readonly sysctl: Sysctl;
  readonly options: Readonly<SocketOptions>;
  readonly path: PathConfig;
}
