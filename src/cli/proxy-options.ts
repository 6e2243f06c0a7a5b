/** What `socks`, `forward` and `serve` take beside their own options: limits, times, and the way to the wire. */
import { Option } from 'commander';
import type { LinkError } from '../link/link.ts';
import type { HostPoolOptions } from '../socket/host-pool.ts';
import type { SocketOptions } from '../tcp/config.ts';
import type { ColorChoice } from '../tools/log-style.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import {
  ownPathOptions,
  protocolOptions,
  type StackOptions,
  socketOptionsOf,
  sysctlOf,
  timeOptions,
} from './connection-options.ts';
import { CliFailure, Exit } from './exit.ts';
import { faultOptions, linkFaultsOf } from './fault-options.ts';
import { anyDriver, pathOptions, secondsValue, wholeNumber } from './option-types.ts';
import { isMistyped, noAddress, parsePort } from './target.ts';

/** As commander gives them, by long name. */
export interface ProxyCommandOptions extends StackOptions {
  readonly source?: Ipv4;
  readonly maxConnections: number;
  /** Seconds. */
  readonly connectTimeout: number;
  readonly timeout: number;
  readonly quiet?: true;
  readonly json?: true;
  readonly color?: ColorChoice;
}

export const limitOptions = (): readonly Option[] => [
  new Option('--max-connections <n>', 'so many at once; more are closed as they come')
    .argParser(wholeNumber('--max-connections', 1, 1_000_000, 100))
    .default(1000),
  new Option('--timeout <seconds>', 'end a connection when nothing has passed either way for so long')
    .argParser(secondsValue('--timeout'))
    .default(7200),
  new Option('--connect-timeout <seconds>', 'give up on a target that has not answered by then')
    .argParser(secondsValue('--connect-timeout'))
    .default(30),
];

/** Many connections: none has a source port to be named, and hosts are opened as they are needed, so privileges stay. */
export const outwardOptions = (): readonly Option[] => [
  ...pathOptions(anyDriver()).filter((o) => o.long !== '--port'),
  ...ownPathOptions().filter((o) => o.long !== '--drop-privileges'),
];

export const protocolAndTimeOptions = (): readonly Option[] => [
  ...protocolOptions(),
  ...timeOptions().filter((o) => o.long !== '--timeout' && o.long !== '--time-wait'),
];

export const proxyFaultOptions = faultOptions;

export const proxyLogOptions = (): readonly Option[] => [
  new Option('-q, --quiet', 'errors only, no line for each connection'),
  new Option('--json', 'write the log on stderr as NDJSON'),
];

/**
 * Proxies open many connections to few targets: a port in TIME-WAIT is used again after a second, where timestamps tell
 * the old connection's segments from the new one's (RFC 6191).
 */
export function poolOptionsOf(o: ProxyCommandOptions, onLinkError: (error: LinkError) => void): HostPoolOptions {
  const faults = linkFaultsOf(o);
  return {
    guard: o.guard,
    sysctl: { tcp_tw_reuse: 1, ...sysctlOf(o) },
    onLinkError,
    ...(o.profile !== 'linux' && { profile: o.profile }),
    ...(o.driver !== undefined && { driver: o.driver }),
    ...(!o.offload && { offload: false }),
    ...(o.interface !== undefined && { interface: o.interface }),
    ...(o.source !== undefined && { source: o.source }),
    ...(o.ip !== undefined && { ownAddress: o.ip }),
    ...(faults !== undefined && { tap: faults.tap }),
  };
}

/** What comes in pieces from one side leaves in pieces: whoever wrote it has thought of Nagle already. */
export const proxySocketOptionsOf = (o: ProxyCommandOptions): Partial<SocketOptions> => ({
  TCP_NODELAY: true,
  ...socketOptionsOf(o),
});

/** Where the kernel listens, of [ADDR:]PORT; loopback without ADDR, everywhere with `*`. */
export interface LocalPlace {
  readonly host: string;
  readonly port: number;
}

export function localPlaceValue(name: string): (text: string) => LocalPlace {
  return (text) => {
    const colon = text.lastIndexOf(':');
    const host = colon < 0 ? '' : text.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
    const port = text.slice(colon + 1);
    if (port === '' || /\s/.test(text))
      throw new CliFailure(`${name} '${text}' names no port`, {
        exitCode: Exit.USAGE,
        hint: `for example ${name} 127.0.0.1:1080, or ${name} 1080`,
      });
    if (isMistyped(host)) throw noAddress(host);
    return {
      host: host === '' ? '127.0.0.1' : host === '*' ? '0.0.0.0' : host,
      port: /^0+$/.test(port) ? 0 : parsePort(port),
    };
  };
}
