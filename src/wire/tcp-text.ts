/**
 * A segment in tcpdump's notation, as `tcpdump -n` prints it after the addresses:
 *
 *     Flags [S.], seq 0, ack 1, win 65160, options [mss 1460,sackOK,TS val 9 ecr 1,nop,wscale 10], length 0
 *
 * For people and off the hot path: everything here makes strings. Checked against tcpdump itself.
 */
import { type Seq, seqInt } from '../base/seq.ts';
import { readI32, readU16 } from './octets.ts';
import { ABSENT, TcpFlag, TcpOption, type TcpSegment } from './tcp.ts';

/** A segment's fields as plain numbers: sequence numbers and timestamps as uint32. */
export interface TextSegment {
  readonly seq: number;
  readonly ack: number;
  /** As flagsText gives them; '' when none is set. */
  readonly flags: string;
  /** The window field, unscaled. */
  readonly wnd: number;
  /** Payload octets. */
  readonly len: number;
  readonly urg?: number;
  readonly mss?: number;
  readonly wscale?: number;
  readonly sackOk?: true;
  /** [TSval, TSecr]. */
  readonly ts?: readonly [number, number];
  /** [left, right] each. */
  readonly sack?: readonly (readonly [number, number])[];
  /** Fast Open cookie in hexadecimal; '' when one is asked for. */
  readonly tfo?: string;
}

/** What is subtracted to show numbers from the start of a connection: this direction's ISN, and the other's. */
export interface RelativeTo {
  readonly seqBase: number;
  readonly ackBase: number;
}

export interface SegmentTextOptions {
  readonly relativeTo?: RelativeTo;
  /** The options in their real order, from `optionsText`; without it, the order in which encodeTcp sends them. */
  readonly options?: string;
}

/** The letters in the order tcpdump prints them, which is that of the bits. */
const FLAG_LETTERS = [
  ['F', TcpFlag.FIN],
  ['S', TcpFlag.SYN],
  ['R', TcpFlag.RST],
  ['P', TcpFlag.PSH],
  ['.', TcpFlag.ACK],
  ['U', TcpFlag.URG],
  ['E', TcpFlag.ECE],
  ['W', TcpFlag.CWR],
] as const;

/** TcpFlag bits as letters: 'S', 'S.', 'P.'; 'none' when no bit is set. */
export function flagsText(flags: number): string {
  return flagLetters(flags) || 'none';
}

function flagLetters(flags: number): string {
  let letters = '';
  for (const [letter, bit] of FLAG_LETTERS) if (flags & bit) letters += letter;
  return letters;
}

/** TcpFlag bits from letters in any order; '' and 'none' are no bits. Undefined when a letter is none of tcpdump's. */
export function flagsFromText(text: string): number | undefined {
  if (text === 'none') return 0;
  let flags = 0;
  for (const letter of text) {
    const known = FLAG_LETTERS.find(([l]) => l === letter);
    if (known === undefined) return undefined;
    flags |= known[1];
  }
  return flags;
}

/** The fields of `seg` that text and logs show. */
export function textSegment(seg: TcpSegment): TextSegment {
  const sack: [number, number][] = [];
  for (let n = 0; n < seg.sackCount; n++) sack.push([uint(seg.sack[2 * n]!), uint(seg.sack[2 * n + 1]!)]);
  return {
    seq: uint(seg.seq),
    ack: uint(seg.ack),
    flags: flagLetters(seg.flags),
    wnd: seg.wnd,
    len: seg.payload.len,
    ...(seg.has(TcpFlag.URG) && { urg: seg.urgentPointer }),
    ...(seg.mss !== ABSENT && { mss: seg.mss }),
    ...(seg.wscale !== ABSENT && { wscale: seg.wscale }),
    ...(seg.sackPermitted && { sackOk: true }),
    ...(seg.hasTimestamps && { ts: [seg.tsVal >>> 0, seg.tsEcr >>> 0] }),
    ...(sack.length > 0 && { sack }),
    ...(seg.fastOpenLen !== ABSENT && { tfo: hexText(seg.fastOpenCookie, 0, seg.fastOpenLen) }),
  };
}

/** One segment as tcpdump prints it. */
export function segmentText(
  seg: TextSegment,
  { relativeTo, options = plainOptionsText(seg, relativeTo) }: SegmentTextOptions = {},
): string {
  const seq = relative(seg.seq, relativeTo?.seqBase);
  const parts = [`Flags [${seg.flags || 'none'}]`];
  if (seg.len > 0) parts.push(`seq ${seq}:${(seq + seg.len) >>> 0}`);
  else if (/[SFR]/.test(seg.flags)) parts.push(`seq ${seq}`);
  if (seg.flags.includes('.')) parts.push(`ack ${relative(seg.ack, relativeTo?.ackBase)}`);
  parts.push(`win ${seg.wnd}`);
  if (seg.flags.includes('U')) parts.push(`urg ${seg.urg ?? 0}`);
  if (options !== '') parts.push(`options [${options}]`);
  parts.push(`length ${seg.len}`);
  return parts.join(', ');
}

/** The options of `seg` in the order, and with the padding, in which encodeTcp sends them. */
function plainOptionsText(seg: TextSegment, relativeTo: RelativeTo | undefined): string {
  const parts: string[] = [];
  if (seg.mss !== undefined) parts.push(`mss ${seg.mss}`);
  if ((seg.sackOk === undefined) !== (seg.ts === undefined)) parts.push('nop', 'nop');
  if (seg.sackOk) parts.push('sackOK');
  if (seg.ts) parts.push(`TS val ${seg.ts[0]} ecr ${seg.ts[1]}`);
  if (seg.wscale !== undefined) parts.push('nop', `wscale ${seg.wscale}`);
  if (seg.tfo !== undefined) {
    parts.push(seg.tfo === '' ? 'tfo  cookiereq' : `tfo  cookie ${seg.tfo}`);
    for (let n = 2 + seg.tfo.length / 2; n % 4 !== 0; n++) parts.push('nop');
  }
  if (seg.sack && seg.sack.length > 0) parts.push('nop', 'nop', sackText(seg.sack, relativeTo?.ackBase));
  return parts.join(',');
}

function sackText(blocks: readonly (readonly [number, number])[], ackBase: number | undefined): string {
  const edges = blocks.map(([left, right]) => `{${relative(left, ackBase)}:${relative(right, ackBase)}}`);
  return `sack ${blocks.length} ${edges.join('')}`;
}

/**
 * The option octets of a received segment as tcpdump prints them, in their own order: 'mss 1460,nop,wscale 7'.
 * `ackBase` is subtracted from SACK edges. Kinds that this stack doesn't speak are 'unknown-19 0x0102'; what is
 * malformed shows as '[bad opt]', or as '[len 5]' when only its length is not its kind's.
 */
export function optionsText(bytes: Uint8Array, at: number, len: number, ackBase?: number): string {
  const end = at + len;
  const parts: string[] = [];
  let i = at;
  while (i < end) {
    const kind = bytes[i]!;
    if (kind === TcpOption.END) {
      parts.push('eol');
      break;
    }
    if (kind === TcpOption.NOP) {
      parts.push('nop');
      i++;
      continue;
    }
    const optionLen = i + 1 < end ? bytes[i + 1]! : 0;
    if (optionLen < 2 || i + optionLen > end) {
      parts.push('[bad opt]');
      break;
    }
    parts.push(optionText(bytes, i, optionLen, ackBase));
    i += optionLen;
  }
  return parts.join(',');
}

/** One whole option of `len` octets, kind and length included. */
function optionText(bytes: Uint8Array, at: number, len: number, ackBase: number | undefined): string {
  const kind = bytes[at]!;
  const dataAt = at + 2;
  switch (kind) {
    case TcpOption.MSS:
      return len === 4 ? `mss ${readU16(bytes, dataAt)}` : `mss[len ${len}]`;
    case TcpOption.WSCALE:
      return len === 3 ? `wscale ${bytes[dataAt]!}` : `wscale[len ${len}]`;
    case TcpOption.SACK_PERMITTED:
      return len === 2 ? 'sackOK' : `sackOK[len ${len}]`;
    case TcpOption.TIMESTAMPS:
      return len === 10
        ? `TS val ${readI32(bytes, dataAt) >>> 0} ecr ${readI32(bytes, dataAt + 4) >>> 0}`
        : `TS[len ${len}]`;
    case TcpOption.SACK: {
      if (len < 10 || (len - 2) % 8 !== 0) return `sack[len ${len}]`;
      const blocks: [number, number][] = [];
      for (let i = dataAt; i < at + len; i += 8) blocks.push([readI32(bytes, i) >>> 0, readI32(bytes, i + 4) >>> 0]);
      return sackText(blocks, ackBase);
    }
    case TcpOption.FAST_OPEN:
      // Two spaces are tcpdump's.
      return len === 2 ? 'tfo  cookiereq' : `tfo  cookie ${hexText(bytes, dataAt, len - 2)}`;
    default:
      return len === 2 ? `unknown-${kind}` : `unknown-${kind} 0x${hexText(bytes, dataAt, len - 2)}`;
  }
}

function hexText(bytes: Uint8Array, at: number, len: number): string {
  let text = '';
  for (let i = at; i < at + len; i++) text += bytes[i]!.toString(16).padStart(2, '0');
  return text;
}

const uint = (seq: Seq): number => seqInt(seq) >>> 0;

function relative(n: number, base: number | undefined): number {
  return base === undefined ? n : (n - base) >>> 0;
}
