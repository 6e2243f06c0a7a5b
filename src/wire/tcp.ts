/**
 * The TCP header, RFC 9293 §3.1, and its options, as one reused record of fields.
 *
 * `decodeTcp` and `encodeTcp` are the only ways between octets and fields. They check that things fit and
 * judge nothing: whether a value makes sense is for tcp/ to say. No checksum here (see wire/checksum.ts):
 * it needs a pseudo-header, and this file knows no IP version.
 */
import { Gather } from '../base/gather.ts';
import { type Seq, toSeq } from '../base/seq.ts';

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
  /** The option octets as received, in the buffer given to decodeTcp; set by decodeTcp only. */
  optionsBuf: Uint8Array = NO_OCTETS;
  optionsAt = 0;
  optionsLen = 0;

  readonly payload = new Gather();

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
    this.mss = ABSENT;
    this.wscale = ABSENT;
    this.sackPermitted = false;
    this.hasTimestamps = false;
    this.tsVal = 0;
    this.tsEcr = 0;
    this.sackCount = 0;
    this.optionsBuf = NO_OCTETS;
    this.optionsAt = 0;
    this.optionsLen = 0;
    this.payload.clear();
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
  throw new Error(`decodeTcp ${bytes.length} ${at} ${end} ${seg.flags}`);
}

/**
 * Writes header and options of `seg` at `at` of `to`, checksum field as in `seg.checksum`; returns the header's
 * length. Option order is Linux's: on a SYN mss, sackOK, TS, nop, wscale; elsewhere nop, nop, TS, nop, nop, sack.
 * `to` has at least TCP_MAX_HEADER_LEN octets of room.
 */
export function encodeTcp(seg: TcpSegment, to: Uint8Array, at: number): number {
  throw new Error(`encodeTcp ${to.length} ${at} ${seg.flags}`);
}

/** The header's length that encodeTcp will write for `seg`, options included. */
export function tcpHeaderLen(seg: TcpSegment): number {
  throw new Error(`tcpHeaderLen ${seg.flags}`);
}
