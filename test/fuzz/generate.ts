/**
 * The next action of a run, drawn with a look at the connection's variables: a peer that mostly does what peers do, and
 * otherwise aims at the edges, where a number is one too small or one too large; a user and a clock likewise.
 */
import { chance, intBelow, type Random } from '../../src/base/random.ts';
import { seqDiff, seqInt } from '../../src/base/seq.ts';
import { NEVER } from '../../src/base/time.ts';
import type { SocketOptions } from '../../src/tcp/config.ts';
import type { ErrorCode, Tcb } from '../../src/tcp/tcb.ts';
import { TcpFlag } from '../../src/wire/tcp.ts';
import type { End } from './end.ts';
import type { Action, FuzzSegment, Setup } from './model.ts';
import { pick } from './setup.ts';

const { FIN, SYN, RST, PSH, ACK, URG, ECE, CWR } = TcpFlag;

const ICMP_CODES: readonly ErrorCode[] = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOPROTOOPT', 'EACCES'];
const LENGTHS = [1, 1, 2, 10, 100, 100, 536, 1000, 1460, 3000] as const;
const WAITS = [0, 1, 40, 500, 1000, 10_000, 40_000, 100_000, 200_000, 499_999, 1_000_000, 3_000_000] as const;

/** What a generator wants to know of the connection, whole or put away; relative numbers. */
interface View {
  rcvNxt: number;
  rcvWnd: number;
  sndUna: number;
  sndNxt: number;
  maxSndWnd: number;
  timestamps: boolean;
  sack: boolean;
}

export class Generator {
  readonly #random: Random;
  readonly #setup: Setup;
  readonly #view: View = {
    rcvNxt: 0,
    rcvWnd: 0,
    sndUna: 0,
    sndNxt: 0,
    maxSndWnd: 0,
    timestamps: false,
    sack: false,
  };
  #wnd: number;
  /** What is drawn less often than once in so many actions: a run that resets in its first ten is a short one. */
  readonly #calm: number;
  #tsBase: number;
  /** How often octets come in a buffer of their own. */
  readonly #owned: number;
  #batch = 0;

  constructor(random: Random, setup: Setup) {
    this.#random = random;
    this.#setup = setup;
    this.#wnd = setup.peer.wnd;
    this.#calm = pick(random, [30, 100, 300, 1000, 3000]);
    this.#tsBase = random.uint32() | 0;
    this.#owned = pick(random, [0, 0, 0, 0.3, 1]);
  }

  next(end: End): Action {
    const random = this.#random;
    this.#look(end);
    const { state } = end;
    if (this.#batch > 0) {
      this.#batch--;
      return this.#segment(end, this.#batch > 0);
    }
    if (state === 'CLOSED') {
      if (end.segmentsOut === 0 && !chance(random, 0.05))
        return {
          do: 'open',
          kind: this.#setup.tfoAccept || (this.#setup.tfo === undefined && chance(random, 0.5)) ? 'passive' : 'active',
        };
      return this.#any(end);
    }
    if (state === 'LISTEN' && chance(random, 0.02)) return { do: 'open', kind: 'active' };
    const dice = intBelow(random, 100);
    if (dice < 66) {
      if (chance(random, 0.15)) this.#batch = 1 + intBelow(random, chance(random, 0.5) ? 6 : 40);
      return this.#segment(end, this.#batch > 0);
    }
    if (dice < 84) return this.#call(end);
    return this.#wait(end);
  }

  #look(end: End): void {
    const t = end.connection.variables;
    if (t === undefined) return;
    const { iss, irs } = this.#setup;
    const v = this.#view;
    v.rcvNxt = (seqInt(t.rcvNxt) - irs) | 0;
    v.rcvWnd = seqDiff(t.rcvAdv, t.rcvNxt);
    v.sndUna = (seqInt(t.sndUna) - iss) | 0;
    v.sndNxt = (seqInt(t.sndNxt) - iss) | 0;
    v.maxSndWnd = t.maxSndWnd;
    v.timestamps = t.timestampsAgreed;
    v.sack = t.sackAgreed;
  }

  #any(end: End): Action {
    const dice = intBelow(this.#random, 10);
    if (dice < 5) return this.#segment(end, false);
    return dice < 8 ? this.#call(end) : this.#wait(end);
  }

  // The clock.

  #wait(end: End): Action {
    const random = this.#random;
    const next = end.connection.nextTimeout();
    const dice = intBelow(random, 10);
    if (next !== NEVER && dice < 4) {
      const left = next - end.now;
      return { do: 'wait', us: Math.max(0, pick(random, [left, left, left, left - 1, left + 1, left + 1000])) };
    }
    if (dice === 4) return { do: 'wait', us: pick(random, [60e6, 130e6, 86_400e6, 25 * 86_400e6]) };
    return { do: 'wait', us: pick(random, WAITS) };
  }

  // The user.

  #call(end: End): Action {
    const random = this.#random;
    const dice = intBelow(random, 100);
    if (dice < 34) return { do: 'send', len: this.#length() };
    if (dice < 40) return { do: 'lend', len: this.#length() };
    if (dice < 42) return { do: 'send urgent', len: this.#length() };
    if (dice < 72) return { do: 'receive', times: pick(random, [1, 1, 3, 1000]) };
    if (dice < 80) return this.#option();
    if (dice < 83) return { do: 'put away' };
    if (dice < 85) return { do: 'keep lent' };
    if (dice < 88) return { do: 'press', pressed: chance(random, 0.4) };
    if (dice < 91) return { do: 'icmp', code: pick(random, ICMP_CODES), seq: this.#ackNumber() };
    if (dice < 94)
      return { do: 'path', mss: pick(random, [0, 28, 48, 100, 536, 1000, 1460, 9000]), seq: this.#ackNumber() };
    const isEnding = end.state !== 'ESTABLISHED' && end.state !== 'SYN-RECEIVED' && end.state !== 'SYN-SENT';
    if (chance(random, isEnding ? 0.3 : 10 / this.#calm)) {
      if (end.state === 'TIME-WAIT' && chance(random, 0.3)) return { do: 'reuse' };
      return { do: pick(random, ['close', 'close', 'close', 'release', 'release', 'abort']) };
    }
    return { do: 'receive', times: 1000 };
  }

  #length(): number {
    const random = this.#random;
    return chance(random, 0.1) ? pick(random, [0, 10_000, 40_000]) : pick(random, LENGTHS);
  }

  #option(): Action {
    const random = this.#random;
    const [name, values] = pick(random, OPTIONS);
    return { do: 'set', name, value: pick(random, values) };
  }

  // The peer.

  #segment(end: End, more: boolean): Action {
    const random = this.#random;
    const seg = this.#drawn(end);
    if (chance(random, 0.08)) this.#mutate(seg);
    if (chance(random, 0.01)) this.#mutate(seg);
    if (end.state === 'TIME-WAIT' && (seg.flags & (SYN | ACK | RST)) === SYN && chance(random, 0.3))
      return { do: 'give way', seg };
    const owned = seg.len > 0 && chance(random, this.#owned);
    return { do: 'segment', seg, ...(more && { more: true as const }), ...(owned && { owned: true as const }) };
  }

  #drawn(end: End): FuzzSegment {
    const random = this.#random;
    switch (end.state) {
      case 'TIME-WAIT':
        // The next incarnation, and forgers.
        if (chance(random, 0.1)) return this.#syn(false, this.#view.rcvNxt + pick(random, [-1, 0, 1, 100_000]), end);
        if (chance(random, 0.05)) return this.#plain(end, RST);
        return this.#established(end);
      case 'CLOSED':
      case 'LISTEN':
        if (chance(random, 0.85)) return this.#syn(false);
        return this.#plain(end, pick(random, [ACK, RST, RST | ACK, FIN, SYN | ACK, 0]));
      case 'SYN-SENT':
        if (chance(random, 0.6)) return this.#syn(true);
        if (chance(random, 0.3)) return this.#syn(false);
        return this.#plain(end, pick(random, [ACK, RST | ACK, RST, FIN | ACK]));
      case 'SYN-RECEIVED':
        if (chance(random, 0.1)) return this.#syn(chance(random, 0.5));
        if (chance(random, 0.1))
          return this.#plain(end, pick(random, [RST, RST | ACK, SYN, FIN | ACK, FIN | PSH | ACK]));
        return this.#established(end);
      default:
        return this.#established(end);
    }
  }

  #syn(withAck: boolean, seq?: number, end?: End): FuzzSegment {
    const random = this.#random;
    const { peer, tfoAccept, tfo } = this.#setup;
    const data = tfoAccept || tfo !== undefined ? 0.5 : 0.05;
    const seg: FuzzSegment = {
      flags: SYN | (withAck ? ACK : 0) | (peer.ecn ? (withAck ? ECE : ECE | CWR) : 0),
      seq: seq !== undefined ? seq | 0 : chance(random, 0.97) ? 0 : random.uint32() | 0,
      ack: withAck ? (chance(random, 0.9) ? this.#view.sndNxt : this.#ackNumber()) : 0,
      wnd: peer.wnd,
      len: chance(random, data) ? pick(random, LENGTHS) : 0,
    };
    if (peer.mss !== undefined) seg.mss = peer.mss;
    if (peer.wscale !== undefined) seg.wscale = peer.wscale;
    if (peer.sackOk) seg.sackOk = true;
    if (end !== undefined) this.#stamp(seg, end);
    else if (peer.timestamps) seg.ts = [this.#tsBase, 0];
    if (withAck && tfo !== undefined && chance(random, 0.5))
      seg.tfo = pick(random, ['', '0102030405060708', 'aabbccdd']);
    return seg;
  }

  /** At the place where the peer stands, and acknowledging everything. */
  #plain(end: End, flags: number): FuzzSegment {
    const v = this.#view;
    const seg: FuzzSegment = { flags, seq: v.rcvNxt, ack: flags & ACK ? v.sndNxt : 0, wnd: this.#wnd, len: 0 };
    this.#stamp(seg, end);
    return seg;
  }

  #stamp(seg: FuzzSegment, end: End): void {
    if (this.#view.timestamps) seg.ts = [(this.#tsBase + Math.floor(end.now / 1000)) | 0, end.lastTsVal];
  }

  #established(end: End): FuzzSegment {
    const random = this.#random;
    const v = this.#view;
    const seg = this.#plain(end, ACK);
    const dice = intBelow(random, 100);
    const flight = v.sndNxt - v.sndUna;
    if (dice < 30) {
      // Data in order.
      seg.len = this.#fitting();
      if (chance(random, 0.3)) seg.flags |= PSH;
      if (chance(random, 0.4)) seg.ack = this.#within(flight);
    } else if (dice < 52) {
      // ACKs: of everything, of a part, of nothing new and with blocks.
      if (chance(random, 0.6)) seg.ack = this.#within(flight);
      if (v.sack && flight > 1 && chance(random, 0.6)) this.#addSack(seg, end);
    } else if (dice < 62) {
      // Ahead of order.
      seg.seq = (v.rcvNxt + 1 + intBelow(random, Math.max(1, Math.min(v.rcvWnd, 5000)))) | 0;
      seg.len = this.#fitting();
      if (chance(random, 0.5)) seg.ack = v.sndUna;
    } else if (dice < 67) {
      // What had come before, and more.
      const back = pick(random, [1, 1, 2, 100, 1460]);
      seg.seq = (v.rcvNxt - back) | 0;
      seg.len = pick(random, [0, 1, back, back + 1, back + 100, 2 * back]);
    } else if (dice < 75) {
      // The window.
      this.#wnd = pick(random, [0, 0, 1, 10, 500, 5000, 65_535, 65_535, this.#setup.peer.wnd]);
      seg.wnd = this.#wnd;
      if (chance(random, 0.3)) seg.ack = v.sndUna;
    } else if (dice < 79) {
      seg.flags |= pick(random, [ECE, CWR, ECE | CWR]);
      seg.ecn = pick(random, [0, 1, 2, 3, 3]);
      seg.len = pick(random, [0, 0, 100]);
    } else if (dice < 82) {
      seg.flags |= URG;
      seg.urg = pick(random, [0, 1, 5, 1000, 65_535]);
      seg.len = this.#fitting();
    } else if (dice < 84 && chance(random, 30 / this.#calm)) {
      seg.flags |= FIN;
      if (chance(random, 0.5)) seg.len = this.#fitting();
      if (chance(random, 0.3)) seg.seq = (seg.seq + pick(random, [-1, 1, 10])) | 0;
    } else if (dice < 86) {
      // Forged: beside the mark.
      seg.flags = pick(random, [RST, RST | ACK, SYN, SYN | ACK]);
      seg.seq = (v.rcvNxt + pick(random, [-1, 1, 100, v.rcvWnd - 1, v.rcvWnd, v.rcvWnd + 1, -100_000])) | 0;
    } else if (dice < 87 && chance(random, 10 / this.#calm)) {
      seg.flags = pick(random, [RST, RST | ACK]);
    } else if (dice < 92) {
      seg.ack = this.#ackNumber();
    } else if (dice < 95) {
      seg.seq = this.#seqNumber();
      seg.len = pick(random, [0, 1, 100]);
    } else {
      // The next in order after what is there already.
      seg.len = this.#fitting();
    }
    return seg;
  }

  /** Octets that the window has room for, or one more. */
  #fitting(): number {
    const random = this.#random;
    const len = pick(random, LENGTHS);
    const { rcvWnd } = this.#view;
    return len > rcvWnd && chance(random, 0.8) ? Math.max(0, Math.min(len, rcvWnd)) : len;
  }

  /** An acknowledgment of some of what is out. */
  #within(flight: number): number {
    const { sndUna, sndNxt } = this.#view;
    if (flight <= 0) return sndNxt;
    const random = this.#random;
    const part = chance(random, 0.3) ? 0 : chance(random, 0.3) ? flight : intBelow(random, flight + 1);
    return (sndUna + part) | 0;
  }

  #addSack(seg: FuzzSegment, end: End): void {
    const random = this.#random;
    const { sndUna, sndNxt } = this.#view;
    const flight = sndNxt - sndUna;
    const most = this.#view.timestamps ? 3 : 4;
    const blocks: number[] = [];
    const t = end.connection.variables;
    const count = 1 + intBelow(random, most);
    for (let i = 0; i < count; i++) {
      const left = this.#edge(t, flight);
      const right = chance(random, 0.9) ? Math.max(left + 1, this.#edge(t, flight)) : this.#ackNumber();
      blocks.push(left, right | 0);
    }
    if (chance(random, 0.7)) seg.ack = sndUna;
    // One received twice (RFC 2883).
    if (chance(random, 0.1)) {
      blocks[0] = (sndUna - pick(random, [1, 10, 1460])) | 0;
      blocks[1] = sndUna;
    }
    seg.sack = blocks;
  }

  /** Where one of our segments begins or ends, or anywhere among them. */
  #edge(t: Readonly<Tcb> | undefined, flight: number): number {
    const random = this.#random;
    const { sndUna } = this.#view;
    if (t === undefined || t.board.count === 0 || chance(random, 0.2))
      return (sndUna + intBelow(random, flight + 1)) | 0;
    const slot = t.board.slot(intBelow(random, t.board.count));
    return (seqInt(chance(random, 0.5) ? t.board.seqOf(slot) : t.board.endOf(slot)) - this.#setup.iss) | 0;
  }

  #seqNumber(): number {
    const { rcvNxt, rcvWnd } = this.#view;
    const random = this.#random;
    return (
      pick(random, [
        rcvNxt - 1,
        rcvNxt + 1,
        rcvNxt + rcvWnd - 1,
        rcvNxt + rcvWnd,
        rcvNxt + rcvWnd + 1,
        rcvNxt - 65_536,
        rcvNxt + 0x7fff_ffff,
        rcvNxt + 0x8000_0000,
        random.uint32(),
      ]) | 0
    );
  }

  #ackNumber(): number {
    const { sndUna, sndNxt, maxSndWnd } = this.#view;
    const random = this.#random;
    return (
      pick(random, [
        sndUna,
        sndUna - 1,
        sndUna + 1,
        sndNxt,
        sndNxt - 1,
        sndNxt + 1,
        sndUna - maxSndWnd,
        sndUna - maxSndWnd - 1,
        sndUna + 0x7fff_ffff,
        sndUna + 0x8000_0000,
        0,
        random.uint32(),
      ]) | 0
    );
  }

  #mutate(seg: FuzzSegment): void {
    const random = this.#random;
    switch (intBelow(random, 13)) {
      case 0:
        seg.flags ^= 1 << intBelow(random, 8);
        return;
      case 1:
        seg.flags = intBelow(random, 256);
        return;
      case 2:
        seg.seq = this.#seqNumber();
        return;
      case 3:
        seg.ack = this.#ackNumber();
        return;
      case 4:
        seg.wnd = pick(random, [0, 1, 65_535, intBelow(random, 65_536)]);
        return;
      case 5:
        seg.len = pick(random, [0, 1, 9000, 65_000]);
        return;
      case 6:
        seg.urg = intBelow(random, 65_536);
        seg.flags |= URG;
        return;
      case 7:
        seg.ts = [pick(random, [0, this.#tsBase - 1, random.uint32()]) | 0, random.uint32() | 0];
        return;
      case 8:
        delete seg.ts;
        return;
      case 9:
        seg.sack = Array.from({ length: 2 * (1 + intBelow(random, 4)) }, () => this.#ackNumber());
        return;
      case 10:
        seg.mss = pick(random, [0, 1, 48, 536, 65_535]);
        return;
      case 11:
        seg.wscale = intBelow(random, 256);
        seg.sackOk = true;
        return;
      default:
        seg.ecn = intBelow(random, 4);
        return;
    }
  }
}

const OPTIONS: readonly (readonly [keyof SocketOptions, readonly (number | boolean | string)[]])[] = [
  ['TCP_NODELAY', [true, false]],
  ['TCP_QUICKACK', [true, false]],
  ['TCP_CORK', [true, false, false]],
  ['SO_SNDBUF', [0, 1, 1000, 100_000]],
  ['SO_RCVBUF', [0, 1, 1000, 100_000]],
  ['TCP_WINDOW_CLAMP', [0, 0, 1, 1000]],
  ['TCP_USER_TIMEOUT', [0, 0, 1, 1000, 100_000]],
  ['SO_KEEPALIVE', [true, false]],
  ['TCP_KEEPIDLE', [1, 100]],
  ['TCP_KEEPINTVL', [1, 75]],
  ['TCP_KEEPCNT', [1, 9]],
  ['TCP_CONGESTION', ['cubic', 'reno', 'bbr', '']],
  ['SO_MAX_PACING_RATE', [0, 0, 1000, 1_000_000]],
];
