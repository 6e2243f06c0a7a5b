/** What a difference and the script before it have, in the words of the rules. */
import type { SegmentSpec } from '../../../src/tools/scenario/model.ts';
import { TcpFlag } from '../../../src/wire/tcp.ts';
import type { Difference } from './compare.ts';
import { FAMILIES, type Script } from './script.ts';

export const withoutSack = (text: string): string => text.replace(/,?sack [0-9: ]+/, '').replace(/ <>$/, '');
export const withoutOptions = (text: string): string => text.replace(/ <.*>$/, '');
/** Without what a SYN offers and a SYN-ACK takes up. */
export const withoutOffers = (text: string): string => text.replace(/,sackOK|,wscale/g, '');
export const withoutEcho = (text: string): string => text.replace(/TS ecr [0-9]+/, 'TS');
export const isReset = (text: string): boolean => /^R/.test(text);

/** The peer's segment in the step after which they differ, or the last before it: what a user's call shows may be its doing. */
export function cause(d: Difference, script: Script): SegmentSpec | undefined {
  if (d.what === 'call') return undefined;
  for (let i = d.step; i >= 0; i--) {
    const step = script.steps[i];
    if (step?.do === 'in') return step.packet;
  }
  return undefined;
}

export const causes = (d: Difference, script: Script): readonly SegmentSpec[] =>
  script.steps.slice(0, d.step + 1).flatMap((step) => (step.do === 'in' ? [step.packet] : []));
/** The two last of them, or all since one was silent: what the first brings about may be late, or look like what a later one does. */
export function recent(d: Difference, script: Script): readonly SegmentSpec[] {
  const since = d.since === undefined ? 0 : causes({ ...d, step: d.since - 1 }, script).length;
  const all = causes(d, script);
  return all.slice(d.since === undefined ? -2 : Math.min(since, all.length - 2));
}
export const has = (packet: SegmentSpec | undefined, flags: number): boolean =>
  packet !== undefined && (packet.flags & flags) === flags;
export const hasUser = (d: Difference, script: Script, ...calls: readonly string[]): boolean =>
  script.steps.slice(0, d.step + 1).some((step) => step.do === 'user' && calls.includes(step.user.call));

const { ACK, FIN, SYN, RST } = TcpFlag;
/** Beyond any window of these scripts. */
export const FAR = 1_000_000;

/** Linux has made it a tcp_timewait_sock: both have closed, or we have, for good. */
export function isKeptBriefly(d: Difference, script: Script): boolean {
  return hasUser(d, script, 'close') || (hasUser(d, script, 'shutdown') && causes(d, script).some((p) => has(p, FIN)));
}

/** It acknowledges what is before the first octet. */
export const isTooOld = (p: SegmentSpec): boolean => has(p, ACK) && !(p.flags & (SYN | RST)) && ((p.ack ?? 0) | 0) < 1;

/** Its timestamp, where it has one. */
export function stampOf(packet: SegmentSpec | undefined): number | undefined {
  const options = packet?.options;
  const stamp = options === 'any' ? undefined : options?.find((o) => o.kind === 'TS');
  return stamp?.kind === 'TS' ? stamp.val : undefined;
}

/** One without octets stood between the last ACK and RCV.NXT. */
export const isBetween = (d: Difference, script: Script): boolean =>
  script.steps.slice(0, d.step).some((step, i) => {
    if (step.do !== 'in') return false;
    const { packet } = step;
    const isBare = packet.flags === ACK && packet.len === 0;
    const received = causes({ ...d, step: i - 1 }, script).some((q) => reaches(q) && q.seq + q.len > packet.seq);
    return isBare && received && packet.seq >= lastAckSent(d, i);
  });

/** One has a window smaller than that of the last ACK, and not 0, and nothing else in it is new. */
export function shrinks(d: Difference, script: Script): boolean {
  let last: SegmentSpec | undefined;
  return script.steps.slice(0, d.step + 1).some((step, i) => {
    if (step.do !== 'in' || !has(step.packet, ACK) || step.packet.flags & (SYN | RST)) return false;
    const { seq, ack = 0, wnd = 0 } = step.packet;
    if (ack > sndNxt(d, i)) return false;
    if (last !== undefined && seq === last.seq && ack === last.ack && wnd > 0 && wnd < (last.wnd ?? 0)) return true;
    const ahead = (seq - (last?.seq ?? 1)) | 0;
    const acked = (ack - (last?.ack ?? ack)) | 0;
    // A new ACK takes the window along, whatever its sequence number (tcp_may_update_window).
    if (acked > 0 || (ahead >= 0 && ahead < FAR && acked === 0)) last = step.packet;
    return false;
  });
}

/** Behind all that the kernel had sent before that step. */
export function sndNxt(d: Difference, step: number): number {
  const ends = d.before
    .filter((s) => s.step < step && !isReset(s.text))
    .map(({ text }) => seqOf(text) + lengthOf(text) + (/^[FS]/.test(text) ? 1 : 0));
  return Math.max(1, ...ends);
}

/** What the kernel had acknowledged before that step. */
const lastAckSent = (d: Difference, step: number): number =>
  Math.max(0, ...d.before.filter((s) => s.step < step).map((s) => ackOf(s.text)));

/** `packet` has octets or a FIN where the stream has ended. */
export function isBeyond(packet: SegmentSpec, fin: SegmentSpec): boolean {
  const end = (p: SegmentSpec): number => p.seq + p.len;
  return packet !== fin && reaches(packet) && ((end(packet) - end(fin)) | 0) > 0;
}

/** The user has closed before the peer answered. */
export function closesEarly(script: Script): boolean {
  for (const step of script.steps) {
    if (step.do === 'in' && has(step.packet, SYN | ACK)) return false;
    if (step.do === 'user' && step.user.call === 'shutdown') return true;
  }
  return false;
}

/** It has something that takes a sequence number. */
export const reaches = (p: SegmentSpec | undefined): boolean => p !== undefined && (p.len > 0 || has(p, FIN));
export const isBareAck = (text: string): boolean => /^\. /.test(text) && lengthOf(text) === 0;

export const seqOf = (text: string): number => Number(/ ([0-9]+):/.exec(text)?.[1] ?? 0);
export const ackOf = (text: string): number => Number(/ ack ([0-9]+)/.exec(text)?.[1] ?? 0);
/** What a read came to, octets; -1 for none. */
export const readOf = (text: string): number => Number(/^read ([0-9]+)$/.exec(text)?.[1] ?? -1);
export const lengthOf = (text: string): number => Number(/\(([0-9]+)\)/.exec(text)?.[1] ?? 0);

/** The kernel's segment is smaller by what its SACK blocks take. */
export const leavesRoom = (d: Difference): boolean =>
  lengthOf(d.kernel) > 0 && lengthOf(d.kernel) < lengthOf(d.tcpx) && lengthOf(d.tcpx) - lengthOf(d.kernel) <= 24;

export const differInSack = (d: Difference): boolean =>
  d.tcpx !== d.kernel && withoutSack(d.tcpx) === withoutSack(d.kernel);

/** Octets had been sent a second time by then, or are now. */
export function isAgain(d: Difference): boolean {
  const texts = d.before.map((s) => s.text);
  return [d.tcpx, d.kernel].some((text) => runOf([...texts, text]).isAgain);
}

/** Where segments of new octets began that the kernel has sent. */
export const firstSent = (d: Difference): ReadonlySet<number> => runOf(d.before.map((s) => s.text)).begins;

function runOf(texts: readonly string[]): { readonly begins: ReadonlySet<number>; readonly isAgain: boolean } {
  const begun = new Set<number>();
  let most = 0;
  let again = false;
  for (const text of texts) {
    const len = lengthOf(text);
    if (len === 0) continue;
    const seq = seqOf(text);
    if (seq < most) again = true;
    else begun.add(seq);
    most = Math.max(most, seq + len);
  }
  return { begins: begun, isAgain: again };
}

type Opening = 'LISTEN' | 'SYN-SENT' | 'SYN-RECEIVED' | 'over';

/** How far the handshake had come, as Linux sees it, before each step up to the one after which they differ. */
function openings(d: Difference, script: Script): readonly Opening[] {
  const isPassive = script.steps[0]?.do === 'listen';
  let opening: Opening = isPassive ? 'LISTEN' : 'SYN-SENT';
  return script.steps.slice(0, d.step + 1).map((step, i) => {
    const before = opening;
    if (step.do !== 'in') return before;
    const isAnew = d.before.some((s) => s.step === i && /^S\. /.test(s.text));
    opening = opening === 'over' && isAnew ? 'SYN-RECEIVED' : openingAfter(step.packet, opening, isPassive);
    return before;
  });
}

/** The handshake is under way. */
export const isOpening = (d: Difference, script: Script): boolean => openings(d, script).at(-1) !== 'over';

/** A packet of the peer's that `is` looks for came while the handshake was at `opening`. */
export function cameIn(
  d: Difference,
  script: Script,
  opening: readonly Opening[],
  is: (p: SegmentSpec) => boolean,
): boolean {
  return openings(d, script).some((before, i) => {
    const step = script.steps[i]!;
    return opening.includes(before) && step.do === 'in' && is(step.packet);
  });
}

/** Both have sent a SYN, and that of the peer had no ACK. */
export const isSimultaneous = (d: Difference, script: Script): boolean =>
  cameIn(d, script, ['SYN-SENT'], (p) => has(p, SYN) && !has(p, ACK));

/** The user has shut down before the handshake was over. */
export const shutsEarly = (d: Difference, script: Script): boolean =>
  openings(d, script).some((before, i) => {
    const step = script.steps[i]!;
    return before !== 'over' && step.do === 'user' && step.user.call === 'shutdown';
  });

function openingAfter(packet: SegmentSpec, opening: Opening, isPassive: boolean): Opening {
  const acknowledges = has(packet, ACK) && packet.ack === 1 && packet.seq < FAR;
  const isSyn = has(packet, SYN) && !(packet.flags & FIN);
  switch (opening) {
    case 'LISTEN':
      return isSyn && !(packet.flags & (ACK | RST)) ? 'SYN-RECEIVED' : opening;
    case 'SYN-SENT':
      if (acknowledges) return packet.flags & (SYN | RST) ? 'over' : opening;
      return isSyn && !(packet.flags & (ACK | RST)) ? 'SYN-RECEIVED' : opening;
    case 'SYN-RECEIVED':
      // What ends at RCV.NXT is outside to a listener (tcp_check_req), and inside elsewhere (tcp_sequence).
      if (isPassive && ((packet.seq - 1) | 0) < 0 && ((packet.seq + packet.len) | 0) <= 1) return opening;
      return acknowledges && !(packet.flags & RST) ? 'over' : opening;
    case 'over':
      return opening;
  }
}

/** It ends the stream: that of a SYN is not looked at. */
export const isFin = (p: SegmentSpec): boolean => has(p, FIN) && !has(p, SYN);
export const isSynFin = (p: SegmentSpec | undefined): boolean => has(p, SYN | FIN);

/** The kernel acknowledges a FIN now that it has not acknowledged before, of whenever that came. */
export const takesFin = (d: Difference, script: Script): boolean => {
  const acked = ackOf(d.kernel);
  return (
    ackOf(d.before.at(-1)?.text ?? '') < acked && causes(d, script).some((p) => isFin(p) && p.seq + p.len + 1 === acked)
  );
};

/** It is a SYN, or out of the window of who acknowledges as the kernel does now. */
export const isChallenged = (p: SegmentSpec | undefined, d: Difference): boolean =>
  p !== undefined && (has(p, SYN) || p.seq < ackOf(d.kernel) || p.seq > FAR);

/** From step `from` on, one had octets that end at RCV.NXT, and an ACK of what the kernel had not sent. */
export const hasAckOfUnsent = (d: Difference, script: Script, from: number): boolean =>
  script.steps.slice(0, d.step + 1).some((step, i) => {
    if (i < from || step.do !== 'in' || !has(step.packet, ACK)) return false;
    const { seq, len, ack = 0 } = step.packet;
    return len > 0 && (ack | 0) > sndNxt(d, i) && seq + len === lastAckSent(d, i);
  });

/** An ACK of octets that the kernel had sent has come. */
export const acknowledgesData = (d: Difference, script: Script): boolean =>
  script.steps
    .slice(0, d.step + 1)
    .some(
      (step, i) =>
        step.do === 'in' && has(step.packet, ACK) && (step.packet.ack ?? 0) > 1 && step.packet.ack! <= sndNxt(d, i),
    );

/** They differ after a step of the user's, one of these calls. */
export function isStep(d: Difference, script: Script, ...calls: readonly string[]): boolean {
  const step = script.steps[d.step];
  return step?.do === 'user' && calls.includes(step.user.call);
}

/** Octets have come after the user's last read. */
export function hasUnread(d: Difference, script: Script): boolean {
  const steps = script.steps.slice(0, d.step + 1);
  const read = steps.findLastIndex((step) => step.do === 'user' && step.user.call === 'read');
  return steps.slice(read + 1).some((step) => step.do === 'in' && step.packet.len > 0);
}

/** Both had sent a FIN, and ours was acknowledged, when the user aborted; and what differs comes later. */
export function abortsInTimeWait(d: Difference, script: Script): boolean {
  const abort = script.steps.findIndex((step) => step.do === 'user' && step.user.call === 'abort');
  if (abort < 0 || abort >= d.step) return false;
  const at = { ...d, step: abort };
  const ends = d.before
    .filter((s) => s.step < abort && /^F/.test(s.text))
    .map(({ text }) => seqOf(text) + lengthOf(text) + 1);
  return (
    causes(at, script).some((p) => has(p, FIN)) && causes(at, script).some((p) => has(p, ACK) && p.ack === ends[0])
  );
}

/** Its SACK blocks. */
export function blocksOf(text: string): readonly { readonly left: number; readonly right: number }[] {
  const blocks = /sack ([0-9: ]+)/.exec(text)?.[1]?.split(' ') ?? [];
  return blocks.map((block) => {
    const [left, right] = block.split(':').map(Number);
    return { left: left!, right: right! };
  });
}

/** A SACK block ends there. */
export const reportsTo = (text: string, end: number): boolean => blocksOf(text).some((b) => b.right === end);

/** Blocks of the kernel's that tcpx has not. */
export const kernelsBlocks = (d: Difference): ReturnType<typeof blocksOf> =>
  blocksOf(d.kernel).filter((b) => !blocksOf(d.tcpx).some((o) => o.left === b.left && o.right === b.right));

export function echoOf(text: string): number | undefined {
  const echo = /TS ecr ([0-9]+)/.exec(text)?.[1];
  return echo === undefined ? undefined : Number(echo);
}

/** One whose ACK is older than SND.UNA, of those that `is` looks for. */
export function hasOldAck(d: Difference, script: Script, is: (p: SegmentSpec) => boolean): boolean {
  let sndUna = 1;
  return script.steps.slice(0, d.step + 1).some((step, i) => {
    if (step.do !== 'in' || !has(step.packet, ACK)) return false;
    const acked = (step.packet.ack ?? 0) | 0;
    if (acked < sndUna && is(step.packet)) return true;
    if (acked <= sndNxt(d, i)) sndUna = Math.max(sndUna, acked);
    return false;
  });
}

/** Where the window ends that the peer's last ACK has opened. */
export function windowsEnd(d: Difference, script: Script): number | undefined {
  const last = causes(d, script).findLast((p) => has(p, ACK) && !(p.flags & (SYN | RST)) && ((p.seq + p.len) | 0) > 0);
  const shift = FAMILIES[script.family]?.['tcp_window_scaling'] === '1' ? 7 : 0;
  return last && (last.ack ?? 0) + ((last.wnd ?? 0) << shift);
}
