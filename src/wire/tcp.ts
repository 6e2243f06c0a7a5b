/**
 * The TCP header, RFC 9293 §3.1, and its options, as one reused record of fields.
 *
 * `decodeTcp` and `encodeTcp` are the only ways between octets and fields. They check that things fit and
 * judge nothing: whether a value makes sense is for tcp/ to say. No checksum here (see wire/checksum.ts):
 * it needs a pseudo-header, and this file knows no IP version.
 */
import { Gather } from '../base/gather.ts';
import { type Seq, seqInt, toSeq } from '../base/seq.ts';
import { readI32, readU16, writeI32, writeU16 } from './octets.ts';

export const TCP_HEADER_LEN = 20;
export const TCP_MAX_HEADER_LEN = 60;

export const TcpFlag = {
  FIN: 0x01,
  SYN: 0x02,
  RST: 0x04,
  PSH: 0x08,
  ACK: 0x10,
  URG: 0x20,
  ECE: 0x40,
  CWR: 0x80,
} as const;

/** Option kinds, by their IANA numbers. */
export const TcpOption = {
  END: 0,
  NOP: 1,
  MSS: 2,
  WSCALE: 3,
  SACK_PERMITTED: 4,
  SACK: 5,
  TIMESTAMPS: 8,
  FAST_OPEN: 34,
} as const;

/** Most SACK blocks a header has room for (RFC 2018 §3; three beside timestamps). */
export const MAX_SACK_BLOCKS = 4;
/** RFC 7413 §4.1.1: a cookie has 4 to 16 octets. */
export const MIN_COOKIE_LEN = 4;
export const MAX_COOKIE_LEN = 16;
/** An option that is not on the segment. */
export const ABSENT = -1;

/** One segment's fields, in or out. One instance is reused for every segment: keep nothing that points into it. */
export class TcpSegment {
  srcPort = 0;
  dstPort = 0;
  seq: Seq = toSeq(0);
  ack: Seq = toSeq(0);
  /** TcpFlag bits. */
  flags = 0;
  /** The four bits between data offset and flags: sent as 0, ignored when received (RFC 9293 §3.1). */
  reserved = 0;
  /** The window field as sent, unscaled. */
  wnd = 0;
  checksum = 0;
  urgentPointer = 0;
  /** The IP header's ECN field (RFC 3168 §5): not TCP's, but TCP reads it and asks for it. decodeTcp leaves it 0. */
  ecn = 0;

  /** RFC 9293 §3.7.1, octets; ABSENT when not offered. */
  mss: number = ABSENT;
  /** RFC 7323 §2, shift count as sent; ABSENT when not offered. */
  wscale: number = ABSENT;
  sackPermitted = false;
  hasTimestamps = false;
  /** RFC 7323 §3, TSval and TSecr as int32 (modulo arithmetic, as for Seq). */
  tsVal = 0;
  tsEcr = 0;
  /** RFC 2018 blocks: left and right edge in turn; the first `sackCount` pairs are valid. */
  sackCount = 0;
  readonly sack: Seq[] = new Array<Seq>(2 * MAX_SACK_BLOCKS).fill(toSeq(0));
  /** RFC 7413 §4.1.1: octets of Fast Open cookie, 0 when one is asked for; ABSENT without the option. */
  fastOpenLen: number = ABSENT;
  readonly fastOpenCookie: Uint8Array = new Uint8Array(MAX_COOKIE_LEN);
  /** The option octets as received, in the buffer given to decodeTcp; set by decodeTcp only. */
  optionsBuf: Uint8Array = NO_OCTETS;
  optionsAt = 0;
  optionsLen = 0;

  readonly payload = new Gather();
  /** What the payload refers to is the receiver's to keep. Of a segment received; decodeTcp leaves it false. */
  owned = false;

  /** SEG.LEN: octets of sequence space, SYN and FIN included. */
  get segLen(): number {
    return this.payload.len + (this.flags & TcpFlag.SYN ? 1 : 0) + (this.flags & TcpFlag.FIN ? 1 : 0);
  }

  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  /** Empties every field, so that what is not set is not sent. */
  clear(): void {
    this.srcPort = 0;
    this.dstPort = 0;
    this.seq = toSeq(0);
    this.ack = toSeq(0);
    this.flags = 0;
    this.reserved = 0;
    this.wnd = 0;
    this.checksum = 0;
    this.urgentPointer = 0;
    this.ecn = 0;
    this.mss = ABSENT;
    this.wscale = ABSENT;
    this.sackPermitted = false;
    this.hasTimestamps = false;
    this.tsVal = 0;
    this.tsEcr = 0;
    this.sackCount = 0;
    this.fastOpenLen = ABSENT;
    this.optionsBuf = NO_OCTETS;
    this.optionsAt = 0;
    this.optionsLen = 0;
    this.payload.clear();
    this.owned = false;
  }
}

const NO_OCTETS = new Uint8Array(0);

/** Why octets are no TCP segment; 'ok' when they are. */
export type TcpDecode = 'ok' | 'tcp-truncated' | 'tcp-bad-offset';

/**
 * Reads the segment in `[at, end)` of `bytes` into `seg`, payload by reference.
 * A malformed option ends the options (what came before it counts); it never fails the segment (RFC 9293 MUST-7).
 */
export function decodeTcp(bytes: Uint8Array, at: number, end: number, seg: TcpSegment): TcpDecode {
  if (end - at < TCP_HEADER_LEN) return 'tcp-truncated';
  const headerLen = (bytes[at + 12]! >>> 4) * 4;
  if (headerLen < TCP_HEADER_LEN || headerLen > end - at) return 'tcp-bad-offset';

  seg.clear();
  seg.srcPort = readU16(bytes, at);
  seg.dstPort = readU16(bytes, at + 2);
  seg.seq = readSeq(bytes, at + 4);
  seg.ack = readSeq(bytes, at + 8);
  seg.reserved = bytes[at + 12]! & 0xf;
  seg.flags = bytes[at + 13]!;
  seg.wnd = readU16(bytes, at + 14);
  seg.checksum = readU16(bytes, at + 16);
  seg.urgentPointer = readU16(bytes, at + 18);
  seg.optionsBuf = bytes;
  seg.optionsAt = at + TCP_HEADER_LEN;
  seg.optionsLen = headerLen - TCP_HEADER_LEN;
  if (headerLen > TCP_HEADER_LEN) readOptions(bytes, at + TCP_HEADER_LEN, at + headerLen, seg);
  if (at + headerLen < end) seg.payload.push(bytes, at + headerLen, end - at - headerLen);
  return 'ok';
}

/** RFC 9293 §3.1: kind alone, or kind, length and data. Of an option that comes twice, the last one counts, as on Linux. */
function readOptions(bytes: Uint8Array, at: number, end: number, seg: TcpSegment): void {
  let i = at;
  while (i < end) {
    const kind = bytes[i]!;
    if (kind === TcpOption.END) return;
    if (kind === TcpOption.NOP) {
      i++;
      continue;
    }
    if (i + 1 >= end) return;
    const len = bytes[i + 1]!;
    if (len < 2 || i + len > end) return;
    readOption(kind, len, bytes, i + 2, seg);
    i += len;
  }
}

/** One option of `len` octets whose data is at `at`. A known kind of another length than its own is skipped. */
function readOption(kind: number, len: number, bytes: Uint8Array, at: number, seg: TcpSegment): void {
  switch (kind) {
    case TcpOption.MSS:
      if (len === 4) seg.mss = readU16(bytes, at);
      return;
    case TcpOption.WSCALE:
      if (len === 3) seg.wscale = bytes[at]!;
      return;
    case TcpOption.SACK_PERMITTED:
      if (len === 2) seg.sackPermitted = true;
      return;
    case TcpOption.TIMESTAMPS:
      if (len !== 10) return;
      seg.hasTimestamps = true;
      seg.tsVal = readI32(bytes, at);
      seg.tsEcr = readI32(bytes, at + 4);
      return;
    case TcpOption.SACK:
      if (len < 10 || (len - 2) % 8 !== 0) return;
      seg.sackCount = (len - 2) / 8;
      for (let n = 0; n < 2 * seg.sackCount; n++) seg.sack[n] = readSeq(bytes, at + 4 * n);
      return;
    case TcpOption.FAST_OPEN: {
      const cookieLen = len - 2;
      if (cookieLen !== 0 && (cookieLen < MIN_COOKIE_LEN || cookieLen > MAX_COOKIE_LEN || cookieLen % 2 !== 0)) return;
      seg.fastOpenLen = cookieLen;
      seg.fastOpenCookie.set(bytes.subarray(at, at + cookieLen));
      return;
    }
    default:
      return;
  }
}

/**
 * Writes header and options of `seg` at `at` of `to`, checksum field as in `seg.checksum`; returns the header's
 * length. Option order is Linux's: on a SYN mss, sackOK, TS, nop, wscale, tfo; elsewhere nop, nop, TS, nop, nop, sack.
 * SACK blocks that no room is left for are not sent. `to` has at least TCP_MAX_HEADER_LEN octets of room.
 */
export function encodeTcp(seg: TcpSegment, to: Uint8Array, at: number): number {
  const headerLen = tcpHeaderLen(seg);
  writeU16(to, at, seg.srcPort);
  writeU16(to, at + 2, seg.dstPort);
  writeI32(to, at + 4, seqInt(seg.seq));
  writeI32(to, at + 8, seqInt(seg.ack));
  to[at + 12] = (headerLen << 2) | (seg.reserved & 0xf);
  to[at + 13] = seg.flags;
  writeU16(to, at + 14, seg.wnd);
  writeU16(to, at + 16, seg.checksum);
  writeU16(to, at + 18, seg.urgentPointer);

  let i = at + TCP_HEADER_LEN;
  if (seg.mss !== ABSENT) {
    i = writeKinds(to, i, TcpOption.MSS, 4, seg.mss >>> 8, seg.mss);
  }
  if (seg.sackPermitted && seg.hasTimestamps) {
    i = writeKinds(to, i, TcpOption.SACK_PERMITTED, 2, TcpOption.TIMESTAMPS, 10);
  } else if (seg.sackPermitted) {
    i = writeKinds(to, i, TcpOption.NOP, TcpOption.NOP, TcpOption.SACK_PERMITTED, 2);
  } else if (seg.hasTimestamps) {
    i = writeKinds(to, i, TcpOption.NOP, TcpOption.NOP, TcpOption.TIMESTAMPS, 10);
  }
  if (seg.hasTimestamps) {
    writeI32(to, i, seg.tsVal);
    writeI32(to, i + 4, seg.tsEcr);
    i += 8;
  }
  if (seg.wscale !== ABSENT) {
    i = writeKinds(to, i, TcpOption.NOP, TcpOption.WSCALE, 3, seg.wscale);
  }
  if (seg.fastOpenLen !== ABSENT) {
    to[i++] = TcpOption.FAST_OPEN;
    to[i++] = 2 + seg.fastOpenLen;
    for (let n = 0; n < seg.fastOpenLen; n++) to[i++] = seg.fastOpenCookie[n]!;
    while ((i - at) % 4 !== 0) to[i++] = TcpOption.NOP;
  }
  const blocks = sackBlocksSent(seg, i - at);
  if (blocks > 0) {
    i = writeKinds(to, i, TcpOption.NOP, TcpOption.NOP, TcpOption.SACK, 2 + 8 * blocks);
    for (let n = 0; n < 2 * blocks; n++) writeI32(to, i + 4 * n, seqInt(seg.sack[n]!));
  }
  return headerLen;
}

/** The header's length that encodeTcp will write for `seg`, options included. */
export function tcpHeaderLen(seg: TcpSegment): number {
  let len = TCP_HEADER_LEN;
  if (seg.mss !== ABSENT) len += 4;
  if (seg.sackPermitted || seg.hasTimestamps) len += 4;
  if (seg.hasTimestamps) len += 8;
  if (seg.wscale !== ABSENT) len += 4;
  // Kind, length and cookie, padded to a word; a cookie for which no room is left is a mistake of the caller.
  if (seg.fastOpenLen !== ABSENT) len += (2 + seg.fastOpenLen + 3) & ~3;
  const blocks = sackBlocksSent(seg, len);
  return blocks > 0 ? len + 4 + 8 * blocks : len;
}

/** How many SACK blocks fit behind `len` octets of header (RFC 2018 §3). */
function sackBlocksSent(seg: TcpSegment, len: number): number {
  const room = (TCP_MAX_HEADER_LEN - len - 4) >> 3;
  return Math.min(seg.sackCount, room);
}

/** One 32-bit word of options. */
function writeKinds(to: Uint8Array, at: number, a: number, b: number, c: number, d: number): number {
  to[at] = a;
  to[at + 1] = b;
  to[at + 2] = c;
  to[at + 3] = d;
  return at + 4;
}

const readSeq = (bytes: Uint8Array, at: number): Seq => toSeq(readI32(bytes, at));
