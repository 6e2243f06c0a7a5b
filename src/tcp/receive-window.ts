/** How large a window a connection can offer, from its settings alone: what our SYN says before there is a connection. */
import type { ConnectionConfig } from './config.ts';

/** Octets. Linux counts its own overhead in tcp_rmem and offers half of it as window; so do we, to look the same. */
export function initialCapacity({ sysctl, options }: ConnectionConfig): number {
  return options.SO_RCVBUF > 0 ? options.SO_RCVBUF : Math.floor(sysctl.tcp_rmem[1] / 2);
}

/** What of it our first segment offers. */
export function initialWindow(config: ConnectionConfig): number {
  const clamp = config.options.TCP_WINDOW_CLAMP;
  return clamp > 0 ? Math.min(clamp, initialCapacity(config)) : initialCapacity(config);
}

/** The MSS we announce. */
export function receiveMss({ path, options }: ConnectionConfig): number {
  return options.TCP_MAXSEG > 0 ? Math.min(path.receiveMss, options.TCP_MAXSEG) : path.receiveMss;
}

/**
 * What the buffer may grow to. All of tcp_rmem's most, not half of it: by then segments come in large pieces, and hold next
 * to nothing but payload. With less, a peer whose send buffer is 4 MiB (Linux's most) would wait for the window on a
 * path of 10 ms.
 */
export function mostCapacity(config: ConnectionConfig): number {
  const { sysctl, options } = config;
  const initial = initialCapacity(config);
  if (options.SO_RCVBUF > 0 || !sysctl.tcp_moderate_rcvbuf) return initial;
  return Math.max(initial, sysctl.tcp_rmem[2]);
}

/** The smallest shift that expresses the largest window, RFC 7323 §2.3; 14 at most. */
export function windowScale({ sysctl, options }: ConnectionConfig): number {
  const octets = options.SO_RCVBUF > 0 ? options.SO_RCVBUF : sysctl.tcp_rmem[2];
  let shift = 0;
  while (shift < 14 && octets > 65_535 * (1 << shift)) shift++;
  return shift;
}

/** The window our SYN offers of `free` octets: whole segments, as Linux does, and never more than 16 bits say (RFC 7323 §2.2). */
export function windowInSyn(free: number, mss: number): number {
  const wnd = Math.min(free, 65_535);
  return wnd > mss ? wnd - (wnd % mss) : wnd;
}
