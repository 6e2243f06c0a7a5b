/** Scripted faults of a lab's path, as values that another process can be told: which segments, and what becomes of them. */
import type { Micros } from '../../base/time.ts';
import type { Fate } from '../../link/faults.ts';
import { flagsFromText } from '../../wire/tcp-text.ts';
import { type LabSegment, readSegment, repairChecksum } from './packet.ts';

/** The two ends of a lab: tcpx, or a kernel client, is on 'local'. */
export type LabSide = 'local' | 'peer';

/** All that are given must hold. */
export interface SegmentMatch {
  /** Who sends it. */
  readonly from: LabSide;
  /** Just these flags, in tcpdump's letters; PSH doesn't count: 'S', 'S.', '.', 'F.'. */
  readonly is?: string;
  /** These flags at least. */
  readonly has?: string;
  /** None of these flags. */
  readonly lacks?: string;
  /** At either end. */
  readonly port?: number;
  /** Carries octets, or none. */
  readonly payload?: boolean;
  /** Its sequence number, absolute. */
  readonly seq?: number;
}

/** What a segment is made to say: `seq` and `ack` are added to what it says, the others replace it. */
export interface SegmentChange {
  readonly seqTo?: number;
  readonly seq?: number;
  readonly ack?: number;
  readonly flags?: string;
  readonly wnd?: number;
}

export type RuleFate =
  | 'drop'
  | 'duplicate'
  | 'corrupt'
  | { readonly delay: Micros }
  | { readonly change: SegmentChange };

export interface PathRule extends SegmentMatch {
  /** So many that match pass first; default 0. */
  readonly skip?: number;
  /** So many meet their fate; default 1. Number.POSITIVE_INFINITY: all. */
  readonly count?: number;
  readonly fate: RuleFate;
}

const letters = (flags: string): number => flagsFromText(flags) ?? 0;
const PSH = letters('P');

export function matches(m: Omit<SegmentMatch, 'from'>, s: LabSegment): boolean {
  const flags = letters(s.flags);
  if (m.is !== undefined && (flags & ~PSH) !== (letters(m.is) & ~PSH)) return false;
  if (m.has !== undefined && (flags & letters(m.has)) !== letters(m.has)) return false;
  if (m.lacks !== undefined && (flags & letters(m.lacks)) !== 0) return false;
  if (m.port !== undefined && s.srcPort !== m.port && s.dstPort !== m.port) return false;
  if (m.seq !== undefined && s.seq !== m.seq >>> 0) return false;
  return m.payload === undefined || m.payload === s.len > 0;
}

/** A rule at work. */
export class RunningRule {
  readonly rule: PathRule;
  #skip: number;
  #left: number;

  constructor(rule: PathRule) {
    this.rule = rule;
    this.#skip = rule.skip ?? 0;
    this.#left = rule.count ?? 1;
  }

  /** What becomes of `segment`; undefined when the rule has nothing to say about it. */
  decide(from: LabSide, segment: LabSegment): RuleFate | undefined {
    if (this.#left === 0 || from !== this.rule.from || !matches(this.rule, segment)) return undefined;
    if (this.#skip > 0) {
      this.#skip--;
      return undefined;
    }
    this.#left--;
    return this.rule.fate;
  }
}

/** Carries a rule's decision out on a whole packet: what is left is for the path to do. */
export function applyFate(fate: RuleFate, packet: Uint8Array): Fate {
  if (typeof fate !== 'object' || 'delay' in fate) return fate;
  changeSegment(packet, fate.change);
  return 'pass';
}

const TCP_AT = { SEQ: 4, ACK: 8, FLAGS: 13, WINDOW: 14 } as const;

function changeSegment(packet: Uint8Array, change: SegmentChange): void {
  const s = readSegment(packet);
  if (s === undefined) return;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const at = (packet[0]! & 0xf) * 4;
  if (change.seq !== undefined) view.setUint32(at + TCP_AT.SEQ, (s.seq + change.seq) >>> 0);
  if (change.seqTo !== undefined) view.setUint32(at + TCP_AT.SEQ, change.seqTo >>> 0);
  if (change.ack !== undefined) view.setUint32(at + TCP_AT.ACK, (s.ack + change.ack) >>> 0);
  if (change.flags !== undefined) view.setUint8(at + TCP_AT.FLAGS, letters(change.flags));
  if (change.wnd !== undefined) view.setUint16(at + TCP_AT.WINDOW, change.wnd);
  repairChecksum(packet);
}
