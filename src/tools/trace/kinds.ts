/**
 * What a segment in a capture can be noted for: the list that annotations, filters, counts and the docs are made from. The
 * first sixteen are those of Wireshark's TCP analysis, told by what was seen; analysis.ts decides.
 */
export const Kind = {
  RETRANSMISSION: 1 << 0,
  FAST_RETRANSMISSION: 1 << 1,
  SPURIOUS_RETRANSMISSION: 1 << 2,
  OUT_OF_ORDER: 1 << 3,
  DUPLICATE_ACK: 1 << 4,
  WINDOW_FULL: 1 << 5,
  ZERO_WINDOW: 1 << 6,
  ZERO_WINDOW_PROBE: 1 << 7,
  ZERO_WINDOW_PROBE_ACK: 1 << 8,
  WINDOW_UPDATE: 1 << 9,
  KEEP_ALIVE: 1 << 10,
  KEEP_ALIVE_ACK: 1 << 11,
  ACKED_UNSEEN: 1 << 12,
  NOT_CAPTURED: 1 << 13,
  PORT_REUSED: 1 << 14,
  D_SACK: 1 << 15,
  RTT_SAMPLE: 1 << 16,
} as const;

export interface KindInfo {
  readonly bit: number;
  /** As options and JSON spell it. */
  readonly name: string;
  /** As annotations do. */
  readonly text: string;
  readonly meaning: string;
  /** Something went wrong, or was repaired: what `trouble` stands for. */
  readonly trouble: boolean;
}

const kind = (bit: number, name: string, meaning: string, o: { trouble: boolean; text?: string }): KindInfo => ({
  bit,
  name,
  text: o.text ?? name.replaceAll('-', ' '),
  meaning,
  trouble: o.trouble,
});

/** In the order in which annotations name them. */
export const KINDS: readonly KindInfo[] = [
  kind(
    Kind.RETRANSMISSION,
    'retransmission',
    'octets, a SYN or a FIN that were in the capture before; or that were missing from it for longer than a round trip',
    { trouble: true },
  ),
  kind(
    Kind.FAST_RETRANSMISSION,
    'fast-retransmission',
    'a retransmission of what two or more duplicate ACKs ask for, within 20 ms of the last of them',
    { trouble: true },
  ),
  kind(
    Kind.SPURIOUS_RETRANSMISSION,
    'spurious-retransmission',
    'a retransmission of octets whose ACK is in the capture already',
    { trouble: true },
  ),
  kind(
    Kind.OUT_OF_ORDER,
    'out-of-order',
    'octets that fill a gap within a round trip of its appearance: overtaken, not sent again',
    { trouble: true },
  ),
  kind(
    Kind.DUPLICATE_ACK,
    'duplicate-ack',
    'an ACK without data that says what the one before said: number, window and all',
    { trouble: true, text: 'duplicate ACK' },
  ),
  kind(Kind.WINDOW_FULL, 'window-full', 'data up to the very edge of the window that the other end offers', {
    trouble: true,
  }),
  kind(Kind.ZERO_WINDOW, 'zero-window', 'a window of 0: the other end must stop', { trouble: true }),
  kind(
    Kind.ZERO_WINDOW_PROBE,
    'zero-window-probe',
    'one octet beyond a window of 0, or (as Linux does) an empty segment before it: is it still closed?',
    { trouble: true, text: 'zero-window probe' },
  ),
  kind(Kind.ZERO_WINDOW_PROBE_ACK, 'zero-window-probe-ack', 'the answer to a probe: still closed', {
    trouble: true,
    text: 'ACK of a zero-window probe',
  }),
  kind(Kind.WINDOW_UPDATE, 'window-update', 'an ACK without data whose only news is its window', { trouble: false }),
  kind(
    Kind.KEEP_ALIVE,
    'keep-alive',
    'none or one octet, the last one before what comes next, which was acknowledged long ago: are you there?',
    { trouble: false, text: 'keep-alive' },
  ),
  kind(Kind.KEEP_ALIVE_ACK, 'keep-alive-ack', 'the answer to a keep-alive', {
    trouble: false,
    text: 'ACK of a keep-alive',
  }),
  kind(Kind.ACKED_UNSEEN, 'acked-unseen', 'an ACK of octets that the capture does not have: it missed them', {
    trouble: true,
    text: 'ACK of octets not captured',
  }),
  kind(
    Kind.NOT_CAPTURED,
    'previous-not-captured',
    'octets are missing before this segment: lost on the way to the capture, overtaken, or missed by it',
    { trouble: true, text: 'previous segment not captured' },
  ),
  kind(Kind.PORT_REUSED, 'port-reused', 'a SYN between ports that an earlier connection of the capture had', {
    trouble: false,
    text: 'ports reused',
  }),
  kind(Kind.D_SACK, 'd-sack', 'the first SACK block tells of octets that came twice (RFC 2883)', {
    trouble: true,
    text: 'D-SACK',
  }),
  kind(Kind.RTT_SAMPLE, 'rtt-sample', "the time since the newest segment it acknowledges, sent once (Karn's rule)", {
    trouble: false,
    text: 'RTT',
  }),
];

/** All that is trouble. */
export const TROUBLE = KINDS.reduce((bits, k) => (k.trouble ? bits | k.bit : bits), 0);

/** The kinds in `bits` without what another of them implies: a fast retransmission is not called a retransmission too. */
export function kindsIn(bits: number): readonly KindInfo[] {
  const plain = bits & (Kind.FAST_RETRANSMISSION | Kind.SPURIOUS_RETRANSMISSION) ? bits & ~Kind.RETRANSMISSION : bits;
  return KINDS.filter((k) => plain & k.bit);
}

/** Names as JSON lists them, nothing left out but the RTT sample, which has a field of its own. */
export const kindNames = (bits: number): readonly string[] =>
  KINDS.filter((k) => bits & k.bit & ~Kind.RTT_SAMPLE).map((k) => k.name);
