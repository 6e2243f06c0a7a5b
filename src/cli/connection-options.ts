/** The options that `connect`, `listen` and (but for those of the log) `perf` share: how they are declared, and what they come to. */
import { Option } from 'commander';
import type { DriverName } from '../socket/host.ts';
import { CONGESTION_NAMES, type CongestionName, type Profile, type SocketOptions, type Sysctl } from '../tcp/config.ts';
import type { ColorChoice } from '../tools/log-style.ts';
import type { Verbosity } from '../tools/log-text.ts';
import type { FaultOptions } from './fault-options.ts';
import type { LogOutputOptions } from './log-output.ts';
import {
  colorOption,
  fileValue,
  type KeepAlive,
  keepAliveValue,
  type OwnNetwork,
  ownNetworkValue,
  PCAP_FILE_HINT,
  secondsValue,
  wholeNumber,
} from './option-types.ts';

/** The way to the wire and how TCP is to behave, as commander gives them, by long name. */
export interface StackOptions extends FaultOptions {
  readonly interface?: string;
  readonly numeric?: true;
  /** Absent: 'packet', or 'raw' where that can't be had. */
  readonly driver?: DriverName;
  readonly offload: boolean;
  readonly guard: 'auto' | 'md5' | 'nft' | 'none';
  readonly ip?: OwnNetwork;
  readonly dropPrivileges?: string;
  readonly profile: Profile;
  readonly mss?: number;
  readonly window?: number;
  readonly timestamps: boolean;
  readonly sack: boolean;
  readonly wscale: boolean;
  /** Absent: as the profile says. */
  readonly ecn?: boolean;
  readonly cc?: CongestionName;
  readonly dscp?: number;
  /** Fast Open. A listener's is a switch; a client's a cookie in hexadecimal, '' to ask for one. */
  readonly tfo?: true | string;
  readonly keepalive?: KeepAlive;
  /** Seconds. */
  readonly userTimeout?: number;
  readonly msl?: number;
}

/** And what the commands take that show a connection. */
export interface ConnectionOptions extends StackOptions {
  readonly timeout?: number;
  readonly timeWait?: true;
  readonly absolute?: true;
  readonly verbose?: true;
  readonly quiet?: true;
  readonly write?: string;
  readonly json?: true;
  readonly jsonFile?: string;
  readonly color: ColorChoice;
}

/** Ways to the wire, and what goes with them. `-I` and `-n` are declared by pathOptions(). */
export const ownPathOptions = (): readonly Option[] => [
  new Option('--ip <address/length>', 'use an address of our own on the interface, with our own ARP').argParser(
    ownNetworkValue('--ip'),
  ),
  new Option(
    '--no-offload',
    'send segments as the wire carries them (default: up to 64 KiB, which the kernel or the card cuts)',
  ),
  new Option('--drop-privileges <user>', 'become that user once the sockets are open'),
];

export const protocolOptions = (): readonly Option[] => [
  new Option('--profile <name>', 'whose behaviour where they differ: what Linux does, or the letter of the RFCs')
    .choices(['linux', 'rfc'])
    .default('linux'),
  new Option('--mss <octets>', "largest segment to announce and send (default: the path's)").argParser(
    wholeNumber('--mss', 64, 65_495, 1400),
  ),
  new Option('--window <octets>', "largest receive window to offer (default: the kernel's buffer sizes)").argParser(
    wholeNumber('--window', 256, 1 << 30, 65_536),
  ),
  new Option('--no-timestamps', 'do not use timestamps (RFC 7323; default: used)'),
  new Option('--no-sack', 'do not use selective acknowledgments (RFC 2018; default: used)'),
  new Option('--no-wscale', 'do not use window scaling (RFC 7323; default: used)'),
  new Option('--ecn', 'ask for ECN (RFC 3168; default: accept it when asked)'),
  new Option('--no-ecn', 'neither ask for ECN nor accept it'),
  new Option('--cc <name>', 'who decides how much may be in flight (default: cubic)').choices([...CONGESTION_NAMES]),
  new Option('--dscp <value>', 'DiffServ value of what we send, 0 to 63 (RFC 2474; default: 0)').argParser(
    wholeNumber('--dscp', 0, 63, 46),
  ),
];

export const timeOptions = (): readonly Option[] => [
  new Option('--timeout <seconds>', 'close when no data has passed either way for so long (default: never)').argParser(
    secondsValue('--timeout'),
  ),
  new Option(
    '--keepalive [idle[,interval[,count]]]',
    'ask a silent peer whether it is there: after seconds of silence, seconds apart, so often (default: not; bare: 7200,75,9)',
  ).argParser(keepAliveValue('--keepalive')),
  new Option(
    '--user-timeout <seconds>',
    'give up when sent data stays unacknowledged for so long (RFC 5482; default: after 15 retransmissions)',
  ).argParser(secondsValue('--user-timeout')),
  new Option('--time-wait', 'stay until TIME-WAIT has ended (default: leave once it is reached)'),
  new Option('--msl <seconds>', 'maximum segment lifetime; TIME-WAIT takes twice that (default: 30)').argParser(
    secondsValue('--msl'),
  ),
];

export const logOptions = (): readonly Option[] => [
  new Option('-v, --verbose', 'show every segment, timer and RTT sample'),
  new Option('-q, --quiet', 'show errors only').conflicts('verbose'),
  new Option('-S, --absolute', 'show sequence numbers and timestamps as on the wire (default: counted from the start)'),
  new Option(
    '-w, --write <file>',
    'write a capture of what was on the wire: FILE.pcapng with comments, else a pcap',
  ).argParser(fileValue('-w', PCAP_FILE_HINT)),
  new Option('--json', 'write the log on stderr as NDJSON'),
  new Option('--json-file <file>', 'write the whole log as NDJSON to a file, beside the one on stderr').argParser(
    fileValue('--json-file', 'for example --json-file run.ndjson'),
  ),
  colorOption(),
];

/** How many connections may have begun with data on their SYN and not have shown a third segment. */
const FAST_OPENS = 256;

/** What of the stack's settings the user has changed. */
export function sysctlOf(o: StackOptions): Partial<Sysctl> {
  return {
    ...(o.timestamps ? {} : { tcp_timestamps: false }),
    ...(o.sack ? {} : { tcp_sack: false }),
    ...(o.wscale ? {} : { tcp_window_scaling: false }),
    ...(o.ecn === undefined ? {} : { tcp_ecn: o.ecn ? 1 : 0 }),
    ...(o.tfo === true ? { tcp_fastopen: 3 } : {}),
    ...(o.msl === undefined ? {} : { tcp_msl: o.msl }),
  };
}

export function socketOptionsOf(o: StackOptions): Partial<SocketOptions> {
  const { keepalive } = o;
  return {
    ...(o.mss === undefined ? {} : { TCP_MAXSEG: o.mss }),
    ...(o.window === undefined ? {} : { TCP_WINDOW_CLAMP: o.window }),
    ...(o.userTimeout === undefined ? {} : { TCP_USER_TIMEOUT: Math.ceil(o.userTimeout * 1000) }),
    ...(o.cc === undefined ? {} : { TCP_CONGESTION: o.cc }),
    ...(o.dscp === undefined ? {} : { IP_TOS: o.dscp << 2 }),
    ...(o.tfo === true ? { TCP_FASTOPEN: FAST_OPENS } : {}),
    ...(keepalive === undefined ? {} : { SO_KEEPALIVE: true }),
    ...(keepalive?.idle === undefined ? {} : { TCP_KEEPIDLE: keepalive.idle }),
    ...(keepalive?.interval === undefined ? {} : { TCP_KEEPINTVL: keepalive.interval }),
    ...(keepalive?.count === undefined ? {} : { TCP_KEEPCNT: keepalive.count }),
  };
}

export function logOutputOptions(o: ConnectionOptions, numbered = false): LogOutputOptions {
  const verbosity: Verbosity = o.quiet ? 'quiet' : o.verbose ? 'verbose' : 'normal';
  return {
    json: o.json === true,
    jsonFile: o.jsonFile,
    verbosity,
    absolute: o.absolute === true,
    color: o.color,
    numbered,
  };
}
