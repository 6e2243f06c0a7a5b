/** Numbers behind names, as Linux has them (x86 and arm; include/uapi). */

interface SocketOption {
  readonly level: number;
  readonly number: number;
}

const SOL_SOCKET = 1;
const IPPROTO_IP = 0;
const IPPROTO_TCP = 6;

export const LEVELS: Readonly<Record<string, number>> = {
  SOL_SOCKET,
  SOL_TCP: IPPROTO_TCP,
  IPPROTO_TCP,
  SOL_IP: IPPROTO_IP,
  IPPROTO_IP,
};

export const SOCKET_OPTIONS: Readonly<Record<string, SocketOption>> = {
  SO_REUSEADDR: { level: SOL_SOCKET, number: 2 },
  SO_ERROR: { level: SOL_SOCKET, number: 4 },
  SO_SNDBUF: { level: SOL_SOCKET, number: 7 },
  SO_RCVBUF: { level: SOL_SOCKET, number: 8 },
  SO_KEEPALIVE: { level: SOL_SOCKET, number: 9 },
  SO_OOBINLINE: { level: SOL_SOCKET, number: 10 },
  SO_LINGER: { level: SOL_SOCKET, number: 13 },
  SO_REUSEPORT: { level: SOL_SOCKET, number: 15 },
  IP_TOS: { level: IPPROTO_IP, number: 1 },
  IP_TTL: { level: IPPROTO_IP, number: 2 },
  IP_MTU_DISCOVER: { level: IPPROTO_IP, number: 10 },
  IP_MTU: { level: IPPROTO_IP, number: 14 },
  TCP_NODELAY: { level: IPPROTO_TCP, number: 1 },
  TCP_MAXSEG: { level: IPPROTO_TCP, number: 2 },
  TCP_CORK: { level: IPPROTO_TCP, number: 3 },
  TCP_KEEPIDLE: { level: IPPROTO_TCP, number: 4 },
  TCP_KEEPINTVL: { level: IPPROTO_TCP, number: 5 },
  TCP_KEEPCNT: { level: IPPROTO_TCP, number: 6 },
  TCP_SYNCNT: { level: IPPROTO_TCP, number: 7 },
  TCP_LINGER2: { level: IPPROTO_TCP, number: 8 },
  TCP_DEFER_ACCEPT: { level: IPPROTO_TCP, number: 9 },
  TCP_WINDOW_CLAMP: { level: IPPROTO_TCP, number: 10 },
  TCP_INFO: { level: IPPROTO_TCP, number: 11 },
  TCP_QUICKACK: { level: IPPROTO_TCP, number: 12 },
  TCP_CONGESTION: { level: IPPROTO_TCP, number: 13 },
  TCP_USER_TIMEOUT: { level: IPPROTO_TCP, number: 18 },
  TCP_FASTOPEN: { level: IPPROTO_TCP, number: 23 },
  TCP_NOTSENT_LOWAT: { level: IPPROTO_TCP, number: 25 },
  TCP_FASTOPEN_CONNECT: { level: IPPROTO_TCP, number: 30 },
};

/** Values of arguments and results. */
export const VALUES: Readonly<Record<string, number>> = {
  AF_INET: 2,
  SOCK_STREAM: 1,
  SOCK_NONBLOCK: 0o4000,
  SOCK_CLOEXEC: 0o2000000,
  ...LEVELS,
  F_GETFL: 3,
  F_SETFL: 4,
  O_RDONLY: 0,
  O_RDWR: 2,
  O_NONBLOCK: 0o4000,
  MSG_OOB: 1,
  MSG_PEEK: 2,
  MSG_DONTWAIT: 0x40,
  MSG_WAITALL: 0x100,
  MSG_NOSIGNAL: 0x4000,
  MSG_MORE: 0x8000,
  MSG_FASTOPEN: 0x20000000,
  SHUT_RD: 0,
  SHUT_WR: 1,
  SHUT_RDWR: 2,
  POLLIN: 1,
  POLLPRI: 2,
  POLLOUT: 4,
  POLLERR: 8,
  POLLHUP: 16,
  POLLRDHUP: 0x2000,
  SIOCINQ: 0x541b,
  FIONREAD: 0x541b,
  SIOCOUTQ: 0x5411,
  SIOCOUTQNSD: 0x894b,
  IP_PMTUDISC_DONT: 0,
  IP_PMTUDISC_WANT: 1,
  IP_PMTUDISC_DO: 2,
  IP_PMTUDISC_PROBE: 3,
  // States and flags of TCP_INFO.
  TCP_ESTABLISHED: 1,
  TCP_SYN_SENT: 2,
  TCP_SYN_RECV: 3,
  TCP_FIN_WAIT1: 4,
  TCP_FIN_WAIT2: 5,
  TCP_TIME_WAIT: 6,
  TCP_CLOSE: 7,
  TCP_CLOSE_WAIT: 8,
  TCP_LAST_ACK: 9,
  TCP_LISTEN: 10,
  TCP_CLOSING: 11,
  TCPI_OPT_TIMESTAMPS: 1,
  TCPI_OPT_SACK: 2,
  TCPI_OPT_WSCALE: 4,
  TCPI_OPT_ECN: 8,
  TCPI_OPT_ECN_SEEN: 16,
  TCPI_OPT_SYN_DATA: 32,
  TCP_CA_Open: 0,
  TCP_CA_Disorder: 1,
  TCP_CA_CWR: 2,
  TCP_CA_Recovery: 3,
  TCP_CA_Loss: 4,
};

/** MSG_ flags and SHUT_ values by number, for what plays calls. */
export const Msg = { OOB: 1, PEEK: 2, DONTWAIT: 0x40, MORE: 0x8000, FASTOPEN: 0x20000000 } as const;
export const Shut = { RD: 0, WR: 1, RDWR: 2 } as const;
export const Poll = { IN: 1, PRI: 2, OUT: 4, ERR: 8, HUP: 16, RDHUP: 0x2000 } as const;
export const O_NONBLOCK = 0o4000;
