/** What `net` lets one set of a connection, at any time: kept until there is one, and set on it then. */
import { checkCongestion, checkOption } from '../stack/check-options.ts';
import type { Endpoint } from '../stack/endpoint.ts';
import type { CongestionName, SocketOptions } from '../tcp/config.ts';

export interface SettingOpts {
  readonly noDelay?: boolean | undefined;
  readonly keepAlive?: boolean | undefined;
  /** Milliseconds. */
  readonly keepAliveInitialDelay?: number | undefined;
}

/** Two bits of IP_TOS that are not the user's. */
const ECN_MASK = 3;

export class Settings {
  #noDelay: boolean;
  #keepAlive: boolean;
  /** Seconds; 0: the system's. */
  #keepAliveDelay: number;
  #congestion: CongestionName | undefined;
  #typeOfService: number | undefined;

  constructor(o: SettingOpts) {
    this.#noDelay = Boolean(o.noDelay);
    this.#keepAlive = Boolean(o.keepAlive);
    this.#keepAliveDelay = seconds(o.keepAliveInitialDelay);
  }

  /** `endpoint`: the connection, where it is to take effect now. */
  setNoDelay(noDelay: boolean, endpoint: Endpoint | undefined): void {
    const wanted = Boolean(noDelay);
    if (wanted !== this.#noDelay) endpoint?.setOption('TCP_NODELAY', wanted);
    this.#noDelay = wanted;
  }

  /** `delay`: milliseconds. */
  setKeepAlive(enable: boolean, initialDelay: number, endpoint: Endpoint | undefined): void {
    const wanted = Boolean(enable);
    const delay = seconds(initialDelay);
    const differs = wanted !== this.#keepAlive || (wanted && delay !== this.#keepAliveDelay);
    this.#keepAlive = wanted;
    this.#keepAliveDelay = delay;
    if (differs && endpoint !== undefined) setKeepAlive(endpoint, wanted, delay);
  }

  /** Throws TcpError EINVAL. */
  setCongestion(name: CongestionName, endpoint: Endpoint | undefined): void {
    checkCongestion('TCP_CONGESTION', name);
    this.#congestion = name;
    endpoint?.setOption('TCP_CONGESTION', name);
  }

  /** Throws TcpError EINVAL. */
  setTypeOfService(tos: number, endpoint: Endpoint | undefined): void {
    checkOption('IP_TOS', tos);
    this.#typeOfService = tos & ~ECN_MASK;
    endpoint?.setOption('IP_TOS', this.#typeOfService);
  }

  typeOfService(endpoint: Endpoint | undefined): number {
    return this.#typeOfService ?? endpoint?.getOption('IP_TOS') ?? 0;
  }

  /** For a connection to begin with. */
  options(): Partial<SocketOptions> {
    return {
      ...(this.#noDelay && { TCP_NODELAY: true }),
      ...(this.#keepAlive && keepAliveOptions(true, this.#keepAliveDelay)),
      ...(this.#congestion !== undefined && { TCP_CONGESTION: this.#congestion }),
      ...(this.#typeOfService !== undefined && { IP_TOS: this.#typeOfService }),
    };
  }

  /** What was set while it was connecting. */
  takeUp(endpoint: Endpoint): void {
    const wanted = this.options();
    for (const name of Object.keys(wanted) as (keyof SocketOptions)[]) {
      const value = wanted[name];
      if (value !== undefined && endpoint.getOption(name) !== value) endpoint.setOption(name, value);
    }
  }
}

/** `delay`: seconds. */
export function setKeepAlive(endpoint: Endpoint, enable: boolean, delay: number): void {
  const { SO_KEEPALIVE, ...times } = keepAliveOptions(enable, delay);
  for (const [name, value] of Object.entries(times)) endpoint.setOption(name as keyof typeof times, value);
  endpoint.setOption('SO_KEEPALIVE', SO_KEEPALIVE);
}

/** Milliseconds to whole seconds, as Node does it. */
const seconds = (msecs: number | undefined): number => Math.max(0, Math.trunc(Number(msecs ?? 0) / 1000)) || 0;

/** As libuv sets them: where a delay is given, the probes follow each other by a second, ten at most. */
function keepAliveOptions(
  enable: boolean,
  delay: number,
): Pick<SocketOptions, 'SO_KEEPALIVE'> &
  Partial<Pick<SocketOptions, 'TCP_KEEPIDLE' | 'TCP_KEEPINTVL' | 'TCP_KEEPCNT'>> {
  const times = enable && delay > 0 ? { TCP_KEEPIDLE: Math.min(delay, 32_767), TCP_KEEPINTVL: 1, TCP_KEEPCNT: 10 } : {};
  return { SO_KEEPALIVE: enable, ...times };
}
