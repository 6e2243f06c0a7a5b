/** HOST:PORT as users write it, and the IPv4 address behind it. */
import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { type Ipv4, parseIpv4 } from '../wire/ipv4.ts';
import { CliFailure, codeOf, Exit } from './exit.ts';
import type { Io } from './io.ts';

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** Accepts HOST:PORT, HOST PORT, tcp://HOST:PORT; PORT may be a service's name. */
export function parseTarget(
  words: readonly string[],
  services: (name: string) => number | undefined = servicePort,
): Target {
  const [first = '', second] = words;
  if (second !== undefined) return target(first, second, services);
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(first)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== 'tcp')
    throw new CliFailure(`'${first}' is a URL, and tcpx speaks TCP only`, {
      exitCode: Exit.USAGE,
      hint: 'write HOST:PORT, for example localhost:8080',
    });
  const bare = first.replace(/^tcp:\/\//i, '').replace(/\/$/, '');
  const bracketed = /^\[(.*)\](?::(.*))?$/.exec(bare);
  if (bracketed !== null) return target(bracketed[1] ?? '', bracketed[2] ?? '', services);
  if (isIPv6(bare)) throw noIpv6Yet(bare);
  const colon = bare.lastIndexOf(':');
  if (colon < 0) {
    throw new CliFailure(`'${first}' names no port`, {
      exitCode: Exit.USAGE,
      hint: 'write HOST:PORT or HOST PORT, for example localhost:8080',
    });
  }
  return target(bare.slice(0, colon), bare.slice(colon + 1), services);
}

function target(host: string, port: string, services: (name: string) => number | undefined): Target {
  const name = host.replace(/^\[(.*)\]$/, '$1');
  if (name === '')
    throw new CliFailure('the target names no host', {
      exitCode: Exit.USAGE,
      hint: 'write HOST:PORT, for example localhost:8080',
    });
  if (name.includes(':') && !isIPv6(name))
    throw new CliFailure(`'${name}:${port}' names more than one port`, {
      exitCode: Exit.USAGE,
      hint: 'write HOST:PORT, for example localhost:8080',
    });
  return { host: name, port: parsePort(port, services) };
}

/** A port from 1 to 65535, by number or by service name. */
export function parsePort(text: string, services: (name: string) => number | undefined = servicePort): number {
  if (text === '')
    throw new CliFailure('the target names no port', {
      exitCode: Exit.USAGE,
      hint: 'write HOST:PORT, for example localhost:8080',
    });
  if (/^[-+]?[0-9]+$/.test(text)) {
    const port = Number(text);
    if (port >= 1 && port <= 65535) return port;
    throw new CliFailure(`port ${text} is out of range`, { exitCode: Exit.USAGE, hint: 'ports go from 1 to 65535' });
  }
  const port = services(text);
  if (port !== undefined) return port;
  throw new CliFailure(`unknown service '${text}'`, {
    exitCode: Exit.USAGE,
    hint: 'give the port as a number from 1 to 65535, or a name from /etc/services',
  });
}

/** What is used where there is no /etc/services, as in small containers. */
const WELL_KNOWN: Readonly<Record<string, number>> = {
  echo: 7,
  discard: 9,
  daytime: 13,
  chargen: 19,
  ftp: 21,
  ssh: 22,
  telnet: 23,
  smtp: 25,
  time: 37,
  domain: 53,
  http: 80,
  https: 443,
};

/** The TCP port of a service by its name or alias, from services(5). */
export function servicePort(name: string, file = '/etc/services'): number | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return WELL_KNOWN[name];
  }
  for (const line of text.split('\n')) {
    const [service, port, ...aliases] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (port?.endsWith('/tcp') && (service === name || aliases.includes(name))) return Number.parseInt(port, 10);
  }
  return WELL_KNOWN[name];
}

/**
 * The address to connect to. `localhost` is 127.0.0.1 without asking anybody (RFC 6761 §6.3), also where ::1 would come first.
 * `numeric`: names are refused.
 */
export async function resolveHost(host: string, io: Pick<Io, 'lookup'>, numeric: boolean): Promise<Ipv4> {
  const literal = parseIpv4(host);
  if (literal !== undefined) return literal;
  if (isIPv6(host)) throw noIpv6Yet(host);
  if (isMistyped(host)) throw noAddress(host);
  if (/^(.+\.)?localhost\.?$/i.test(host)) return LOCALHOST;
  if (numeric) {
    throw new CliFailure(`'${host}' is not an IPv4 address, and -n forbids looking names up`, {
      exitCode: Exit.RESOLUTION,
      hint: 'give the address, or leave -n away',
    });
  }
  const addresses = await io.lookup(host).catch((error: unknown) => {
    throw notResolved(host, error);
  });
  for (const { address, family } of addresses) {
    const ipv4 = family === 4 ? parseIpv4(address) : undefined;
    if (ipv4 !== undefined) return ipv4;
  }
  const other = addresses[0]?.address;
  throw new CliFailure(
    `${host} has no IPv4 address${other === undefined ? '' : ` (only IPv6: ${other})`}, and tcpx does not speak IPv6 yet`,
    {
      exitCode: Exit.RESOLUTION,
      hint: 'use a host with an IPv4 address',
    },
  );
}

const LOCALHOST = parseIpv4('127.0.0.1')!;

/** Four numbers are no name (RFC 1123 §2.1), so nobody is asked for them. Fewer are the resolver's: 127.1 is 127.0.0.1. */
export function isMistyped(host: string): boolean {
  const parts = host.split('.');
  const areNumbers = parts.length >= 4 && parts.every((part) => /^\d+$/.test(part));
  return areNumbers && (parts.length > 4 || parts.some((part) => Number(part) > 255));
}

export function noAddress(host: string): CliFailure {
  return new CliFailure(`'${host}' is not an IPv4 address`, {
    exitCode: Exit.USAGE,
    hint: 'one has four numbers from 0 to 255, for example 192.0.2.1',
  });
}

function noIpv6Yet(address: string): CliFailure {
  return new CliFailure(`${address} is an IPv6 address, and tcpx does not speak IPv6 yet`, {
    exitCode: Exit.RESOLUTION,
    hint: "use the host's IPv4 address, or its name if that has one",
  });
}

function notResolved(host: string, error: unknown): CliFailure {
  const code = codeOf(error);
  if (code === 'EAI_AGAIN') {
    return new CliFailure(`cannot resolve ${host}: the name server does not answer`, {
      exitCode: Exit.RESOLUTION,
      hint: 'check the network and /etc/resolv.conf, or give the IPv4 address',
      cause: error,
    });
  }
  const why = code === 'ENOTFOUND' || code === undefined ? 'no such host' : code;
  return new CliFailure(`cannot resolve ${host}: ${why}`, {
    exitCode: Exit.RESOLUTION,
    hint: 'check the spelling, or give the IPv4 address',
    cause: error,
  });
}
