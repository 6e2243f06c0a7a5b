/** Segments and ICMP errors: `[ect0] S. 0:0(0) ack 1 win 5792 <mss 1460,nop,wscale 2>`. */
import { IcmpType, UnreachableCode } from '../../wire/icmp.ts';
import { parseIpv4 } from '../../wire/ipv4.ts';
import { flagsFromText } from '../../wire/tcp-text.ts';
import type { Cursor } from './cursor.ts';
import {
  type EcnSpec,
  type IcmpSpec,
  type IpSpec,
  type OptionSpec,
  type PacketSpec,
  ScenarioError,
  type SegmentSpec,
} from './model.ts';
import { optionOctets, type ToWire } from './option-octets.ts';

/** A field of 16 bits holds no more. */
const MAX_16 = 65_535;

export function parsePacket(at: Cursor, isIn: boolean): PacketSpec {
  let ip: IpSpec = {};
  let quoted: IcmpSpec['quoted'];
  while (at.isAt('[')) {
    if (at.look(2).text === ':') quoted = parseQuoted(at);
    else ip = { ...ip, ...parseIp(at, isIn) };
  }
  if (at.isAt('icmp')) return parseIcmp(at, ip, quoted);
  if (at.isAt('udp')) throw at.wrong('a TCP segment (UDP is not supported)');
  if (TUNNELS.some((word) => at.isAt(word))) throw at.wrong('a TCP segment (tunnels are not supported)');
  if (at.isAt('(')) throw at.wrong('flags (tunnels and addresses are not supported here)');
  return parseSegment(at, ip);
}

const TUNNELS = ['ipv4', 'ipv6', 'gre', 'mpls'] as const;

/** Sequence numbers; relative ones may lie before the first. */
const NUMBERS = [-(2 ** 31), 2 ** 32 - 1] as const;
/** What fits a packet behind two headers without options. */
const MOST_OCTETS = MAX_16 - 40;
/** Octets of options in a header, IP's or TCP's. */
const MOST_OPTIONS = 40;

/** `1:1001(1000)`: first octet, the one behind the last, and how many that is. */
function parseRange(at: Cursor): { readonly seq: number; readonly len: number } {
  const seq = at.takeWithin(...NUMBERS, "a sequence number, as in '1:1001(1000)',");
  at.expect(':');
  const end = at.takeWithin(...NUMBERS, 'the sequence number behind the last octet');
  at.expect('(');
  const { place } = at;
  const len = at.takeWithin(0, MOST_OCTETS, 'a number of octets');
  at.expect(')');
  if ((seq + len) >>> 0 !== end >>> 0)
    throw new ScenarioError(place, `${len} octets from ${seq} end at ${(seq + len) >>> 0}, not at ${end}`);
  return { seq: seq >>> 0, len };
}

function parseSegment(at: Cursor, ip: IpSpec): SegmentSpec {
  const flags = parseFlags(at);
  const range = parseRange(at);
  const ack = at.skip('ack') ? at.takeWithin(...NUMBERS, 'an acknowledgment number') : undefined;
  const wnd = at.skip('win') ? at.takeWithin(0, MAX_16, 'a window') : undefined;
  const urg = at.skip('urg') ? at.takeWithin(0, MAX_16, 'an urgent pointer') : undefined;
  const options = at.isAt('<') ? parseOptionList(at) : [];
  // The next step begins with its time, so a word here is one that stands in the wrong place, or that nobody knows.
  if (at.token.kind === 'word') throw at.wrong("'ack', 'win', 'urg', '<' (in this order) or the next step");
  return {
    kind: 'segment',
    ip,
    flags,
    ...range,
    ...(ack !== undefined && { ack: ack >>> 0 }),
    ...(wnd !== undefined && { wnd }),
    ...(urg !== undefined && { urg }),
    options,
  };
}

function parseFlags(at: Cursor): number {
  const { place } = at;
  let text = '';
  if (at.skip('-')) return 0;
  while (at.token.kind === 'word' || at.isAt('.')) text += at.take().text;
  if (text === '') throw at.wrong("flags, as in 'S', 'P.' or '.'");
  const flags = flagsFromText(text);
  if (flags === undefined) {
    const letter = [...text].find((l) => flagsFromText(l) === undefined) ?? text;
    throw new ScenarioError(place, `'${letter}' is no flag: they are F S R P . U E W`);
  }
  return flags;
}

/** Numbers that are not known yet take as much room as any. */
const ANY_NUMBERS: ToWire = { sackEdge: () => 0, tsVal: () => 0, tsEcr: () => 0, cookie: () => undefined };

function parseOptionList(at: Cursor): readonly OptionSpec[] | 'any' {
  const { place } = at;
  at.expect('<');
  if (at.skip('...')) {
    at.expect('>');
    return 'any';
  }
  const options: OptionSpec[] = [];
  do options.push(parseOption(at));
  while (at.skip(','));
  at.expect('>');
  const { length } = optionOctets(options, ANY_NUMBERS);
  if (length > MOST_OPTIONS)
    throw new ScenarioError(place, `options have ${MOST_OPTIONS} octets at most, not ${length}`);
  return options;
}

function takeAddress(at: Cursor): string {
  const { place } = at;
  const text = at.takeKind('address', 'an IPv4 address');
  if (parseIpv4(text) === undefined) throw new ScenarioError(place, `${text} is no IPv4 address`);
  return text;
}

/** Hexadecimal digits, of as many octets as a header's options have room for. */
function takeOctets(at: Cursor, like: string): string {
  const { place } = at;
  const digits = at.takeKind('hex', `octets, as in '${like}'`).slice(2);
  if (digits.length % 2 !== 0)
    throw new ScenarioError(place, `'0x${digits}' is not whole octets: an even number of digits`);
  if (digits.length > 2 * MOST_OPTIONS)
    throw new ScenarioError(place, `options have ${MOST_OPTIONS} octets at most, not ${digits.length / 2}`);
  return digits;
}

const OPTION_NAMES = 'nop, eol, mss, wscale, sackOK, sack, TS, FO, FOEXP or hex';

function parseOption(at: Cursor): OptionSpec {
  const { text } = at.token;
  switch (text) {
    case 'nop':
    case 'eol':
    case 'sackOK':
      at.take();
      return { kind: text };
    case 'mss':
    case 'wscale':
      at.take();
      return { kind: text, n: at.takeWithin(0, text === 'mss' ? MAX_16 : 255, `a number behind ${text}`) };
    case 'sack': {
      at.take();
      const blocks: [number, number][] = [];
      while (at.look(1).text === ':') {
        const left = at.takeInteger('the left edge of a block');
        at.expect(':');
        blocks.push([left >>> 0, at.takeInteger('the right edge of a block') >>> 0]);
      }
      if (blocks.length === 0) throw at.wrong("a block, as in '1001:2001'");
      return { kind: 'sack', blocks };
    }
    case 'TS': {
      at.take();
      at.expect('val');
      const val = at.takeInteger('a timestamp') >>> 0;
      at.expect('ecr');
      return { kind: 'TS', val, ecr: at.takeInteger('a timestamp') >>> 0 };
    }
    case 'FO':
    case 'FOEXP':
      at.take();
      return { kind: text, cookie: parseCookie(at) };
    case 'hex': {
      at.take();
      return { kind: 'hex', octets: takeOctets(at, '0xfd04') };
    }
    default:
      throw at.wrong(`an option: ${OPTION_NAMES}`);
  }
}

function parseCookie(at: Cursor): string {
  const { kind, place } = at.token;
  if (kind !== 'word' && kind !== 'number' && kind !== 'hex') return '';
  const text = at.take().text.replace(/^0x/, '');
  if (/^[A-Z_]+$/.test(text)) return text;
  if (!/^([0-9a-fA-F]{2})+$/.test(text))
    throw new ScenarioError(place, `'${text}' is no cookie: an even number of hexadecimal digits`);
  return text.toLowerCase();
}

const ECN: readonly EcnSpec[] = ['noecn', 'ect0', 'ect1', 'ect01', 'ce'];

function parseIp(at: Cursor, isIn: boolean): IpSpec {
  at.expect('[');
  let ip: IpSpec = {};
  do ip = { ...ip, ...parseIpWord(at, isIn) };
  while (at.skip(','));
  at.expect(']');
  return ip;
}

/** Least and most. */
const IP_WORDS = { tos: [0, 255], ttl: [0, 255], conn: [1, 1000], reserved: [0, 15] } as const;

function parseIpWord(at: Cursor, isIn: boolean): IpSpec {
  const { text, place } = at.token;
  const ecn = ECN.find((e) => e === text);
  if (ecn !== undefined) {
    at.take();
    return { ecn };
  }
  const onlyIn = (): void => {
    if (!isIn) throw new ScenarioError(place, `'${text}' is for what is put on the wire (<) only`);
  };
  switch (text) {
    case 'tos':
    case 'ttl':
    case 'conn':
    case 'reserved':
      at.take();
      return { [text]: at.takeWithin(IP_WORDS[text][0], IP_WORDS[text][1], `a number behind ${text}`) };
    case 'offset':
      onlyIn();
      at.take();
      return { offset: at.takeWithin(0, 15, 'a number of words') };
    case 'badsum':
    case 'more':
      onlyIn();
      at.take();
      return { [text]: true };
    case 'from':
    case 'to':
      onlyIn();
      at.take();
      return { [text]: takeAddress(at) };
    case 'ipopt':
      onlyIn();
      at.take();
      return { ipopt: takeOctets(at, '0x0101') };
    default:
      throw at.wrong(`${ECN.join(', ')}, tos, ttl, conn, reserved, offset, badsum, more, from, to or ipopt`);
  }
}

function parseQuoted(at: Cursor): IcmpSpec['quoted'] {
  at.expect('[');
  const range = parseRange(at);
  at.expect(']');
  return range;
}

const ICMP_TYPES: Readonly<Record<string, number>> = {
  unreachable: IcmpType.UNREACHABLE,
  source_quench: IcmpType.SOURCE_QUENCH,
  redirect: IcmpType.REDIRECT,
  time_exceeded: IcmpType.TIME_EXCEEDED,
  parameter_problem: IcmpType.PARAMETER_PROBLEM,
};

/** packetdrill's names for the codes of an unreachable. */
const UNREACHABLE_CODES: Readonly<Record<string, number>> = {
  net_unreachable: UnreachableCode.NET,
  host_unreachable: UnreachableCode.HOST,
  protocol_unreachable: UnreachableCode.PROTOCOL,
  port_unreachable: UnreachableCode.PORT,
  frag_needed: UnreachableCode.FRAGMENTATION_NEEDED,
  source_route_failed: UnreachableCode.SOURCE_ROUTE_FAILED,
  net_unknown: UnreachableCode.NET_UNKNOWN,
  host_unknown: UnreachableCode.HOST_UNKNOWN,
  source_host_isolated: UnreachableCode.SOURCE_HOST_ISOLATED,
  net_prohibited: UnreachableCode.NET_PROHIBITED,
  host_prohibited: UnreachableCode.HOST_PROHIBITED,
  net_unreachable_for_tos: UnreachableCode.NET_TOS,
  host_unreachable_for_tos: UnreachableCode.HOST_TOS,
  packet_filtered: UnreachableCode.ADMINISTRATIVELY_PROHIBITED,
  precedence_violation: UnreachableCode.HOST_PRECEDENCE_VIOLATION,
  precedence_cutoff: UnreachableCode.PRECEDENCE_CUTOFF,
};

function parseIcmp(at: Cursor, ip: IpSpec, before: IcmpSpec['quoted']): IcmpSpec {
  at.expect('icmp');
  const { place } = at;
  const type = at.takeKind('word', 'a type of ICMP error');
  if (!Object.hasOwn(ICMP_TYPES, type))
    throw new ScenarioError(place, `'${type}' is none of ${Object.keys(ICMP_TYPES).join(', ')}`);
  let code: string | undefined;
  if (at.token.kind === 'word' && !at.isAt('mtu')) {
    const codeAt = at.place;
    code = at.take().text;
    if (type !== 'unreachable' || !Object.hasOwn(UNREACHABLE_CODES, code))
      throw new ScenarioError(codeAt, `'${code}' is no code of ${type}`);
  }
  const mtu = at.skip('mtu') ? at.takeWithin(0, MAX_16, 'an MTU in octets') : undefined;
  const quoted = at.isAt('[') ? parseQuoted(at) : before;
  return { kind: 'icmp', ip, type, code, mtu, quoted };
}

/** Type and code as they are on the wire. */
export function icmpNumbers(spec: IcmpSpec): { readonly type: number; readonly code: number } {
  return { type: ICMP_TYPES[spec.type]!, code: spec.code === undefined ? 0 : UNREACHABLE_CODES[spec.code]! };
}
