/** Parsers of option values that several commands take. Each throws CliFailure with what would be right. */
import { Option } from 'commander';
import type { DriverName } from '../socket/host.ts';
import type { ColorChoice } from '../tools/log-style.ts';
import { type Ipv4, parseIpv4 } from '../wire/ipv4.ts';
import { CliFailure, Exit } from './exit.ts';

const usage = (message: string, hint: string): CliFailure => new CliFailure(message, { exitCode: Exit.USAGE, hint });

/** A whole number in [least, most]. */
export function wholeNumber(name: string, least: number, most: number, example = least): (text: string) => number {
  return (text) => {
    const n = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
    if (n >= least && n <= most) return n;
    throw usage(`${name} '${text}' is not a whole number from ${least} to ${most}`, `for example ${name} ${example}`);
  };
}

/** Seconds, fractions allowed, above 0. */
export function secondsValue(name: string): (text: string) => number {
  return (text) => {
    const n = /^[0-9]*\.?[0-9]+$/.test(text) ? Number(text) : Number.NaN;
    if (n > 0 && n <= 86_400) return n;
    throw usage(
      `${name} '${text}' is not a number of seconds above 0 and up to 86400`,
      `for example ${name} 5 or ${name} 0.5`,
    );
  };
}

export function addressValue(name: string): (text: string) => Ipv4 {
  return (text) => {
    const address = parseIpv4(text);
    if (address !== undefined) return address;
    throw usage(
      `${name} '${text}' is not an IPv4 address`,
      `for example ${name} 192.0.2.1; \`ip -4 address\` lists this machine's`,
    );
  };
}

/** An address of our own and the length of its network's prefix, where it was given. */
export interface OwnNetwork {
  readonly address: Ipv4;
  readonly prefixLen?: number;
}

export function ownNetworkValue(name: string): (text: string) => OwnNetwork {
  return (text) => {
    const [, head = '', tail] = /^([^/]*)(?:\/([0-9]{1,2}))?$/.exec(text) ?? [];
    const address = parseIpv4(head);
    const prefixLen = tail === undefined ? undefined : Number(tail);
    if (address === undefined || (prefixLen !== undefined && prefixLen > 32))
      throw usage(
        `${name} '${text}' is not an IPv4 address with the length of its prefix`,
        `for example ${name} 192.0.2.9/24; choose an address that nobody on the segment has`,
      );
    return { address, ...(prefixLen !== undefined && { prefixLen }) };
  };
}

/** A Fast Open cookie in hexadecimal, 4 to 16 octets (RFC 7413 §4.1.1); '' for an option without a value: ask for one. */
export function cookieValue(name: string): (text: string) => string {
  return (text) => {
    const cookie = text.toLowerCase();
    if (cookie === '' || (/^[0-9a-f]{8,32}$/.test(cookie) && cookie.length % 4 === 0)) return cookie;
    throw usage(
      `${name}=${text}: a cookie is an even number of octets from 4 to 16, in hexadecimal`,
      `a run with ${name} alone asks for one and shows it`,
    );
  };
}

/** Seconds of silence, seconds between questions, how many; absent ones are Linux's. */
export interface KeepAlive {
  readonly idle?: number;
  readonly interval?: number;
  readonly count?: number;
}

/** IDLE[,INTERVAL[,COUNT]]; '' for an option without a value. */
export function keepAliveValue(name: string): (text: string) => KeepAlive {
  return (text) => {
    if (text === '') return {};
    const [idle, interval, count] = text.split(',').map((part) => (/^[0-9]+$/.test(part) ? Number(part) : Number.NaN));
    const good =
      text.split(',').length <= 3 &&
      inRange(idle, 1, 32_767) &&
      inRange(interval ?? 1, 1, 32_767) &&
      inRange(count ?? 1, 1, 127);
    if (!good)
      throw usage(
        `${name}=${text}: expected whole seconds from 1 to 32767, up to two of them, and a count up to 127`,
        `for example ${name}=60 or ${name}=60,10,5`,
      );
    return {
      ...(idle !== undefined && { idle }),
      ...(interval !== undefined && { interval }),
      ...(count !== undefined && { count }),
    };
  };
}

const inRange = (n: number | undefined, least: number, most: number): boolean =>
  n !== undefined && n >= least && n <= most;

/** A file to write. `hint` answers the habit that a bare number stands for: nc's `-w 5` is a timeout. */
export function fileValue(name: string, hint: string): (text: string) => string {
  return (text) => {
    if (/^[0-9]+$/.test(text)) throw usage(`${name} '${text}' names no file`, hint);
    if (text === '' || text === '-')
      throw usage(`${name} needs a file: stdout carries the peer's data`, `for example ${name} run`);
    return text;
  };
}

export const PCAP_FILE_HINT =
  '-w writes a pcap; use --timeout 5 to give up after 5 idle seconds, or -w ./5 for a file of that name';

/** The portable driver, for commands that use no other. */
const rawOnly = (): Option => new Option('--driver <name>', 'way to the wire').choices(['raw']).default('raw');

/** Absent it follows from the interface. */
export const anyDriver = (): Option =>
  new Option(
    '--driver <name>',
    "way to the wire: our addon alone, or raw-socket and cap (default: packet, or raw where that can't be had)",
  ).choices(['packet', 'raw'] satisfies DriverName[]);

/** Options of every command that opens a path to a peer. */
export function pathOptions(driver: Option = rawOnly()): readonly Option[] {
  return [
    new Option('-p, --port <port>', 'source port (default: the kernel chooses)').argParser(
      wholeNumber('-p', 1, 65_535, 40_000),
    ),
    new Option('-s, --source <address>', 'source address (default: as the route says)').argParser(addressValue('-s')),
    new Option('-I, --interface <name>', 'interface to use (default: as the route says)'),
    new Option('-n, --numeric', 'look no names up'),
    driver,
    new Option('--guard <kind>', 'what keeps the kernel from resetting our connection')
      .choices(['auto', 'md5', 'nft', 'none'])
      .default('auto'),
  ];
}

export function colorOption(): Option {
  return new Option('--color <when>', 'colours: auto is on a terminal, unless NO_COLOR is set')
    .choices(['auto', 'always', 'never'] satisfies ColorChoice[])
    .default('auto');
}
