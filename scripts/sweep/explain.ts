/**
 * Every difference between tcpx and the kernel that the sweep may show, with its reason, kept by hand. One that nothing here
 * covers fails the sweep; so does an entry that covers nothing any more. Of several that cover a cell the first one counts.
 */
import { CARRIED, type CarriedName, type Cell, type Place, type SituationName } from './cells.ts';
import type { Outcome } from './play.ts';

export interface Difference {
  readonly cell: Cell;
  readonly tcpx: Outcome;
  readonly kernel: Outcome;
}

export interface Explanation {
  /** Short, for the tables' references and JSON. */
  readonly key: string;
  /** What the kernel does, what the RFCs say, and whom tcpx follows: a paragraph. */
  readonly why: string;
  readonly covers: (d: Difference) => boolean;
}

const sent = (o: Outcome): string => o.sent.join(', ');
const has = (d: Difference, flag: string): boolean => CARRIED[d.cell.carried].flags.includes(flag);
const isOne = (d: Difference, ...carried: readonly CarriedName[]): boolean => carried.includes(d.cell.carried);
const stands = (d: Difference, ...places: readonly Place[]): boolean => places.includes(d.cell.place);
const isIn = (d: Difference, ...names: readonly SituationName[]): boolean => names.includes(d.cell.situation.name);
const stays = (d: Difference, o: Outcome): boolean => o.state === d.cell.situation.state;
const segLen = (d: Difference): number => {
  const { flags, len } = CARRIED[d.cell.carried];
  return len + Number(flags.includes('S')) + Number(flags.includes('F'));
};
/** It ends at RCV.NXT, octets and all. */
const endsAtNext = (d: Difference): boolean =>
  (stands(d, 'left') || (stands(d, 'IRS') && segLen(d) === 1)) && segLen(d) > 0;
const sameState = (d: Difference): boolean => d.tcpx.state === d.kernel.state;
const sameUser = (d: Difference): boolean => d.tcpx.user.join() === d.kernel.user.join();
const GONE: readonly SituationName[] = ['FIN-WAIT-1, user gone', 'FIN-WAIT-2, user gone'];
const WAITING: readonly SituationName[] = ['TIME-WAIT', 'TIME-WAIT, user gone'];
/** The FIN of the peer has come, and lies in Linux's queue. */
const FIN_QUEUED: readonly SituationName[] = ['CLOSE-WAIT', 'CLOSING', 'CLOSING, user gone', 'LAST-ACK'];

export const EXPLANATIONS: readonly Explanation[] = [
  {
    key: 'no-ack-bit',
    why: 'Out of the window, and neither ACK nor SYN nor RST. Linux looks for one of these bits before it looks at the sequence number, and drops the segment in silence. RFC 9293 §3.10.7.4 checks the sequence number first, and what is not acceptable is answered by an ACK; so does tcpx.',
    covers: (d) =>
      !isIn(d, ...WAITING) &&
      isOne(d, 'none', 'noneData', 'fin') &&
      /^ACK( dsack)?$/.test(sent(d.tcpx)) &&
      sent(d.kernel) === '' &&
      stays(d, d.tcpx) &&
      stays(d, d.kernel),
  },
  {
    key: 'fin-wait-2-record',
    why: 'Once the user has gone, Linux keeps of a connection in FIN-WAIT-2 only a small record that knows both next sequence numbers and the window, and judges by rules of its own: any SYN in the window is answered by a RST and ends it (RFC 9293 §3.10.7.4 as it was before RFC 5961), any RST in the window ends it, a RST outside is answered by an ACK, and SEG.ACK is not looked at. tcpx treats the connection as any other in FIN-WAIT-2: RFC 5961 for SYN, RST and ACK.',
    covers: (d) =>
      isIn(d, 'FIN-WAIT-2, user gone') &&
      ((has(d, 'S') && !has(d, 'R') && sent(d.tcpx) === 'ACK' && /^(RST|RST,ACK)?$/.test(sent(d.kernel))) ||
        (has(d, 'R') && d.cell.stamp === undefined) ||
        ((d.cell.varied === 'ack' || d.cell.varied === 'both') &&
          sent(d.tcpx) === 'ACK' &&
          /^(ACK \+1|RST)?$/.test(sent(d.kernel)))),
  },
  {
    key: 'ack-first-in-half-open',
    why: 'Outside of the window, with a wrong acknowledgment, to a connection that a SYN began. RFC 9293 §3.10.7.4 checks the sequence number first, and answers by an ACK whatever the segment acknowledges; so does tcpx. Linux’s record of SYN-RECEIVED looks at SEG.ACK before SEG.SEQ, and sends a RST. Either way the connection stays.',
    covers: (d) =>
      isIn(d, 'SYN-RECEIVED') &&
      d.cell.varied === 'both' &&
      /^ACK( dsack)?$/.test(sent(d.tcpx)) &&
      sent(d.kernel) === 'RST' &&
      stays(d, d.tcpx) &&
      stays(d, d.kernel),
  },
  {
    key: 'record-without-sack',
    why: 'In this state Linux keeps only a small record of the connection (a request, or a timewait socket), which answers with an ACK that has no options but a timestamp. tcpx reports the octets that came twice by D-SACK (RFC 2883) in every state.',
    covers: (d) =>
      isIn(d, 'SYN-RECEIVED', 'FIN-WAIT-2, user gone', ...WAITING) &&
      sent(d.tcpx) === 'ACK dsack' &&
      sent(d.kernel) === 'ACK' &&
      sameState(d) &&
      sameUser(d),
  },
  {
    key: 'rst-and-paws',
    why: 'A RST whose timestamp is older than the last. Linux’s records of SYN-RECEIVED, TIME-WAIT and an abandoned FIN-WAIT-2 let PAWS drop it. RFC 7323 §5.3 R1 leaves a RST out of that test; so does tcpx.',
    covers: (d) => isOne(d, 'rst') && d.cell.stamp === 'older' && d.tcpx.state !== d.kernel.state && stays(d, d.kernel),
  },
  {
    key: 'reordered-ack',
    why: 'An ACK without data that says nothing new, with a timestamp older than the last. Linux takes it for one that was overtaken and lets it pass, which changes nothing; by RFC 7323 §5.3 R1 it is not acceptable and answered by an ACK, and so tcpx has it.',
    covers: (d) => isOne(d, 'ack') && d.cell.stamp === 'older' && sent(d.tcpx) === 'ACK' && sent(d.kernel) === '',
  },
  {
    key: 'fin-dsack',
    why: 'A FIN that came before. Linux reports it by D-SACK as if it was an octet. RFC 2883 speaks of data; tcpx sends a plain ACK.',
    covers: (d) =>
      isOne(d, 'finAck') &&
      sent(d.tcpx) === 'ACK' &&
      sent(d.kernel) === 'ACK dsack' &&
      stays(d, d.kernel) &&
      sameUser(d),
  },
  {
    key: 'fin-sack',
    why: 'A FIN without data ahead of RCV.NXT. Linux keeps it as it would an octet, and reports it by SACK. RFC 2018 §3 speaks of data; tcpx remembers where the FIN stands, and sends a plain ACK.',
    covers: (d) =>
      isOne(d, 'finAck') && sent(d.tcpx) === 'ACK' && sent(d.kernel) === 'ACK sack' && sameState(d) && sameUser(d),
  },
  {
    key: 'fin-ends-sack',
    why: 'Old octets, new ones and a FIN. Linux forgets what it had to report by SACK when it takes a FIN; tcpx still reports the octets that came twice.',
    covers: (d) =>
      isOne(d, 'finData') &&
      d.cell.varied !== 'both' &&
      sent(d.tcpx) === `${sent(d.kernel)} dsack` &&
      sameState(d) &&
      sameUser(d),
  },
  {
    key: 'rst-at-left-edge',
    why: 'A RST that stands one octet before RCV.NXT, when the FIN of the peer has come. Linux takes it, for the sake of stacks that do not count their FIN. RFC 5961 §3.2 wants it exactly at RCV.NXT; so does tcpx.',
    covers: (d) =>
      isIn(d, ...FIN_QUEUED, 'LAST-ACK, user gone') &&
      isOne(d, 'rst', 'rstAck', 'synRst') &&
      stands(d, 'left') &&
      d.kernel.state === 'CLOSED' &&
      stays(d, d.tcpx),
  },
  {
    key: 'rst-at-an-edge',
    why: 'A RST at the first octet beyond the window, or one whose octets end at RCV.NXT. Linux counts both as in the window, so it sends a challenge ACK. By RFC 9293 §3.4 they are outside, where a RST is dropped in silence (RFC 5961 §3.2 step 1); so does tcpx.',
    covers: (d) =>
      has(d, 'R') &&
      (stands(d, 'edge') || stands(d, 'left', 'IRS')) &&
      sent(d.tcpx) === '' &&
      sent(d.kernel) === 'ACK' &&
      stays(d, d.tcpx) &&
      stays(d, d.kernel),
  },
  {
    key: 'left-edge',
    why: 'What ends exactly at RCV.NXT: old octets or a FIN, all received before. Linux takes it for acceptable, and its ACK counts: a wrong one gets the answer that a wrong one gets. By table 6 of RFC 9293 §3.4 it is not acceptable: tcpx answers with an ACK and goes by the ACK of the next one. (A FIN sent again is reported by D-SACK on Linux, too.)',
    covers: (d) =>
      endsAtNext(d) &&
      has(d, '.') &&
      !has(d, 'R') &&
      stays(d, d.tcpx) &&
      (!sameState(d) || !sameUser(d) || (d.cell.varied === 'both' && !has(d, 'S'))),
  },
  {
    key: 'right-edge',
    why: 'What begins at the first octet beyond the window. By table 6 of RFC 9293 §3.4 it is not acceptable: tcpx answers with an ACK and takes nothing of it. Linux takes its ACK while nothing lies unread in its queue, and a FIN’s there in any case; with nobody left to read it resets the connection for the octets.',
    covers: (d) =>
      stands(d, 'edge') && has(d, '.') && !has(d, 'R') && segLen(d) > 0 && sent(d.tcpx) === 'ACK' && stays(d, d.tcpx),
  },
  {
    key: 'across-the-edge',
    why: 'What begins in the window and ends beyond it, after the FIN of the peer. Linux refuses it as a whole because something lies unread in its queue: the FIN. RFC 9293 §3.4 wants one octet in the window, so tcpx takes its ACK, and challenges a RST.',
    covers: (d) =>
      isIn(d, ...FIN_QUEUED) &&
      stands(d, 'across right') &&
      stays(d, d.kernel) &&
      sent(d.kernel) === (has(d, 'R') ? '' : 'ACK'),
  },
  {
    key: 'rst-into-shut-window',
    why: 'A RST with octets, or with a SYN, at RCV.NXT of a shut window. It has to be taken (RFC 9293 MUST-66; SHLD-2 for the octets); tcpx does. Linux drops it, for its end is beyond the window and something lies unread.',
    covers: (d) =>
      isIn(d, 'ESTABLISHED, window shut') &&
      isOne(d, 'rstData', 'synRst', 'xmas') &&
      stands(d, 'next') &&
      d.tcpx.state === 'CLOSED' &&
      stays(d, d.kernel),
  },
  {
    key: 'header-prediction',
    why: 'Data in order with an acknowledgment older than anything we sent. RFC 5961 §5.2 has it answered and dropped; so does tcpx. Linux does so on its slow path only: its header prediction takes the data.',
    covers: (d) =>
      isOne(d, 'data') && d.cell.ack === 'far old' && sent(d.tcpx) === 'ACK' && /^ACK \+10/.test(sent(d.kernel)),
  },
  {
    key: 'rst-form',
    why: 'Data for a user who has gone: both reset the connection (RFC 9293 §3.6.1). Linux answers the segment, at SEG.ACK; tcpx aborts as it does when the user asks for it, with a RST,ACK at SND.NXT.',
    covers: (d) =>
      isIn(d, ...GONE) && sent(d.tcpx) === 'RST,ACK at SND.NXT' && sent(d.kernel) === 'RST' && sameState(d),
  },
  {
    key: 'fin-ahead',
    why: 'A FIN ahead of RCV.NXT, for a user who has gone: there is data in between that nobody will read. Linux resets the connection at once, tcpx when the data comes.',
    covers: (d) => isIn(d, ...GONE) && isOne(d, 'finAck') && stands(d, 'inside', 'last') && sent(d.kernel) === 'RST',
  },
  {
    key: 'syn-in-half-open',
    why: 'A new SYN or a SYN,ACK in the window of a connection that a SYN began. RFC 9293 §3.10.7.4 returns it to LISTEN and no more is said; so does tcpx, and the SYN that is sent again begins anew. Linux removes it too, and sends a RST. (With a wrong acknowledgment Linux judges that first: RST, and the connection stays.)',
    covers: (d) =>
      isIn(d, 'SYN-RECEIVED') &&
      has(d, 'S') &&
      !stands(d, 'IRS') &&
      sent(d.tcpx) === '' &&
      d.tcpx.state === 'LISTEN' &&
      /^RST(,ACK)?$/.test(sent(d.kernel)),
  },
  {
    key: 'syn-fin-ack-in-half-open',
    why: 'SYN, FIN and a good ACK at IRS, to a connection that a SYN began. Linux makes the connection, hands it to accept(), and then drops the segment: it stays in SYN-RECEIVED. To tcpx the FIN is in the window, and a SYN there returns it to LISTEN.',
    covers: (d) => isIn(d, 'SYN-RECEIVED') && isOne(d, 'synFinAck') && stands(d, 'IRS'),
  },
  {
    key: 'syn-again',
    why: 'In a simultaneous open the SYN of the peer comes again. RFC 9293 §3.10.7.4 answers with an ACK, as Linux does; tcpx with its SYN,ACK, which says the same and helps a peer that missed it.',
    covers: (d) =>
      isIn(d, 'SYN-RECEIVED, simultaneous open') &&
      isOne(d, 'syn', 'synData', 'synFin') &&
      sent(d.tcpx) === 'SYN,ACK' &&
      stays(d, d.kernel),
  },
  {
    key: 'syn-ack-again',
    why: 'The SYN,ACK that ends a simultaneous open. Linux acknowledges it, and reports the SYN by D-SACK as if it was an octet. Nothing in it is new but the ACK, so tcpx says nothing: its own SYN,ACK acknowledged the SYN.',
    covers: (d) =>
      isIn(d, 'SYN-RECEIVED, simultaneous open') &&
      isOne(d, 'synAck') &&
      sent(d.tcpx) === '' &&
      d.tcpx.state === 'ESTABLISHED' &&
      sent(d.kernel) === 'ACK dsack',
  },
  {
    key: 'syn-ack-with-wrong-ack',
    why: 'In a simultaneous open the SYN,ACK of the peer, with a wrong acknowledgment. To tcpx it is the segment that ends the open (RFC 9293 §3.5, figure 8), though it stands before RCV.NXT, so its ACK is looked at: RST (§3.10.7.4, fifth). Linux answers any SYN,ACK there that doesn’t end the open by an ACK.',
    covers: (d) =>
      isIn(d, 'SYN-RECEIVED, simultaneous open') &&
      isOne(d, 'synAck') &&
      d.cell.varied === 'both' &&
      sent(d.tcpx) === 'RST' &&
      sent(d.kernel) === 'ACK',
  },
  {
    key: 'refused',
    why: 'A RST in a simultaneous open. RFC 9293 §3.10.7.4: the open was an active one, so the connection was refused, and the user hears ECONNREFUSED; on Linux ECONNRESET.',
    covers: (d) =>
      isIn(d, 'SYN-RECEIVED, simultaneous open') &&
      d.tcpx.user.join() === 'ECONNREFUSED' &&
      d.kernel.user.join() === 'ECONNRESET',
  },
  {
    key: 'iss-acknowledged',
    why: 'In a simultaneous open an ACK of ISS, which does not cover our SYN. RFC 9293 §3.10.7.4, fifth, wants SND.UNA < SEG.ACK, else a RST; so does tcpx. Linux takes it, and is established with its SYN unacknowledged.',
    covers: (d) => isIn(d, 'SYN-RECEIVED, simultaneous open') && d.cell.ack === 'una' && sent(d.tcpx) === 'RST',
  },
  {
    key: 'fin-on-syn-ack',
    why: 'A FIN on the SYN,ACK. RFC 9293 §3.10.7.3 goes on to the sixth step with it, and so does tcpx. Linux ignores it; it has to come again.',
    covers: (d) => isIn(d, 'SYN-SENT') && isOne(d, 'synFinAck') && d.tcpx.state === 'CLOSE-WAIT',
  },
  {
    key: 'syn-at-once',
    why: 'A RST with a wrong acknowledgment in SYN-SENT. RFC 9293 §3.10.7.3 drops it and no more, and so does tcpx. Linux drops it and sends its SYN again at once, which is neither asked for nor forbidden.',
    covers: (d) =>
      isIn(d, 'SYN-SENT') && d.cell.varied === 'ack' && has(d, 'R') && sent(d.kernel) === 'SYN' && stays(d, d.kernel),
  },
  {
    key: 'time-wait-acks',
    why: 'What stands in the window of TIME-WAIT, beyond the FIN of the peer: no honest peer sends it. Linux answers it with an ACK. RFC 9293 §3.10.7.4 has text and URG ignored here, and answers only what is outside the window and the FIN sent again; so does tcpx.',
    covers: (d) =>
      isIn(d, ...WAITING) && sent(d.tcpx) === '' && sent(d.kernel) === 'ACK' && !has(d, 'R') && sameState(d),
  },
  {
    key: 'time-wait-rst',
    why: 'A RST in the window of TIME-WAIT, not at RCV.NXT. RFC 5961 §3.2 challenges it; so does tcpx. Linux drops it in silence.',
    covers: (d) =>
      isIn(d, ...WAITING) && has(d, 'R') && sent(d.tcpx) === 'ACK' && sent(d.kernel) === '' && sameState(d),
  },
  {
    key: 'syn-fin',
    why: 'SYN and FIN on one segment. Linux drops it where it would begin a connection, one in TIME-WAIT being removed by then. RFC 9293 §3.10.7.2 takes the SYN, and the FIN comes again; so does tcpx.',
    covers: (d) =>
      isIn(d, 'LISTEN', ...WAITING) && isOne(d, 'synFin') && sent(d.tcpx) === 'new SYN,ACK' && sent(d.kernel) === '',
  },
  {
    key: 'text-across-the-fin',
    why: 'In CLOSE-WAIT, octets that claim to go on where the FIN of the peer stood. RFC 9293 §3.10.7.4, seventh: cannot happen, ignored; so does tcpx. Linux resets the connection.',
    covers: (d) =>
      isIn(d, 'CLOSE-WAIT') && stands(d, 'across left') && sent(d.kernel) === 'RST' && d.kernel.state === 'CLOSED',
  },
  {
    key: 'reset-in-close-wait',
    why: 'A RST in CLOSE-WAIT. RFC 9293 §3.10.7.4: what is outstanding gets “reset”, so a read fails with ECONNRESET. On Linux it is an end as before, and a write fails with EPIPE.',
    covers: (d) =>
      isIn(d, 'CLOSE-WAIT') &&
      has(d, 'R') &&
      sameState(d) &&
      d.tcpx.user.join() === 'ECONNRESET' &&
      d.kernel.user.join() === 'end',
  },
];

/** The entry that covers a difference; undefined when none does. */
export function explain(d: Difference): Explanation | undefined {
  return EXPLANATIONS.find((e) => e.covers(d));
}

/** Why tcpx with `--profile rfc` does otherwise than without. */
export const PROFILE_REASONS: readonly { readonly why: string; readonly covers: (cell: Cell) => boolean }[] = [
  {
    why: 'An empty segment at the first octet beyond the window, where a sender stands that has filled it: Linux takes it, and so does tcpx. By table 6 of RFC 9293 §3.4 it is not acceptable.',
    covers: (cell) => cell.place === 'edge' && ['none', 'ack'].includes(cell.carried),
  },
  {
    why: 'A segment without a timestamp where timestamps were agreed on: Linux lets it pass, and so does tcpx. By RFC 7323 §3.2 it is dropped in silence.',
    covers: (cell) => cell.stamp === 'missing',
  },
  {
    why: 'The RST for data that nobody will read: a RST,ACK as Linux’s when a user aborts, and by RFC 9293 §3.10.5 a RST, both at SND.NXT.',
    covers: (cell) => cell.situation.name.endsWith('user gone') && CARRIED[cell.carried].len > 0,
  },
  {
    why: 'A RST while octets lie unread: with Linux, and with tcpx, what had come is read first. By RFC 9293 §3.10.7.4 all queues are flushed, and the next read fails.',
    covers: (cell) => cell.situation.name === 'ESTABLISHED, window shut' && CARRIED[cell.carried].flags.includes('R'),
  },
];

export const profileReason = (cell: Cell): string | undefined => PROFILE_REASONS.find((r) => r.covers(cell))?.why;
