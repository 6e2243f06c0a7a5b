import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Seq, seqAdd, seqDiff, seqLeq, seqLt, toSeq } from '../../../../src/base/seq.ts';
import { micros } from '../../../../src/base/time.ts';
import { Mark, NONE, Scoreboard } from '../../../../src/tcp/recovery/scoreboard.ts';

/** The same, an octet at a time. */
interface Octet {
  sacked: boolean;
  lost: boolean;
  resent: boolean;
  sentAt: number;
}

/** A scoreboard and its model, through the operations of a sender. Sequence numbers wrap early. */
class Pair {
  readonly board = new Scoreboard();
  octets: Octet[] = [];
  una: Seq = toSeq(0xffff_ff80);
  now = 1;

  get nxt(): Seq {
    return seqAdd(this.una, this.octets.length);
  }

  send(len: number): void {
    this.now++;
    this.board.append(this.nxt, len, micros(this.now));
    for (let i = 0; i < len; i++) this.octets.push({ sacked: false, lost: false, resent: false, sentAt: this.now });
  }

  sack(from: number, len: number): void {
    const to = Math.min(from + len, this.octets.length);
    const [left, right] = [seqAdd(this.una, from), seqAdd(this.una, to)];
    for (let i = this.board.find(left); i < this.board.count; ) {
      const slot = this.board.slot(i);
      if (seqLeq(right, this.board.seqOf(slot))) break;
      if (this.board.has(slot, Mark.sacked)) {
        i = this.board.pastRun(i);
        continue;
      }
      if (seqLt(this.board.seqOf(slot), left)) this.board.cut(i++, left);
      else if (seqLt(right, this.board.endOf(slot))) this.board.cut(i, right);
      else {
        this.board.markSacked(slot);
        i++;
      }
    }
    for (let i = from; i < to; i++) Object.assign(this.octets[i]!, { sacked: true, lost: false, resent: false });
  }

  ack(len: number): void {
    this.una = seqAdd(this.una, Math.min(len, this.octets.length));
    this.octets = this.octets.slice(len);
    while (this.board.count > 0 && seqLeq(this.board.endOf(this.board.slot(0)), this.una)) this.board.dropFirst();
    if (this.board.count > 0 && seqLt(this.board.seqOf(this.board.slot(0)), this.una)) this.board.trimFirst(this.una);
  }

  /** The one sent longest ago is lost, as RACK would find. */
  lose(): void {
    const slot = this.board.oldest;
    if (slot === NONE) return;
    this.#each(slot, (octet) => Object.assign(octet, { lost: true, resent: false }));
    this.board.markLost(slot);
  }

  loseAll(): void {
    for (let i = 0; i < this.board.count; i++) {
      const slot = this.board.slot(i);
      if (!this.board.has(slot, Mark.sacked)) this.board.markLost(slot);
    }
    for (const octet of this.octets) if (!octet.sacked) Object.assign(octet, { lost: true, resent: false });
  }

  resend(most: number): void {
    const index = this.board.firstWaiting();
    const first = this.octets.findIndex((octet) => octet.lost && !octet.resent);
    expect(index === NONE ? -1 : seqDiff(this.board.seqOf(this.board.slot(index)), this.una)).toBe(first);
    if (index === NONE) return;
    this.now++;
    if (this.board.lenOf(this.board.slot(index)) > most) this.board.cut(index, seqAdd(this.una, first + most));
    const slot = this.board.slot(index);
    this.#each(slot, (octet) => Object.assign(octet, { resent: true, sentAt: this.now }));
    this.board.markResent(slot, micros(this.now));
  }

  unmark(): void {
    for (let i = 0; i < this.board.count; i++) this.board.unmarkLost(this.board.slot(i));
    for (const octet of this.octets) Object.assign(octet, { lost: false, resent: octet.resent && !octet.lost });
  }

  renege(): void {
    for (let i = 0; i < this.board.count; i++) this.board.forgetSacked(this.board.slot(i));
    for (const octet of this.octets) octet.sacked = false;
  }

  #each(slot: number, change: (octet: Octet) => void): void {
    const from = seqDiff(this.board.seqOf(slot), this.una);
    for (let i = 0; i < this.board.lenOf(slot); i++) change(this.octets[from + i]!);
  }

  check(): void {
    const { board, octets } = this;
    const count = (is: (octet: Octet) => boolean): number => octets.filter(is).length;
    expect([board.out, board.sacked, board.lost, board.resent, board.waiting]).toEqual([
      octets.length,
      count((o) => o.sacked),
      count((o) => o.lost),
      count((o) => o.resent),
      count((o) => o.lost && !o.resent),
    ]);
    let next = this.una;
    let sacked = 0;
    const flying: number[] = [];
    for (let i = 0; i < board.count; i++) {
      const slot = board.slot(i);
      expect(board.seqOf(slot)).toBe(next);
      next = board.endOf(slot);
      if (board.has(slot, Mark.sacked)) sacked++;
      else if (!board.has(slot, Mark.lost) || board.has(slot, Mark.resent)) flying.push(slot);
      const octet = octets[seqDiff(board.seqOf(slot), this.una)]!;
      expect(board.has(slot, Mark.sacked)).toBe(octet.sacked);
      if (!octet.sacked) expect(board.sentAt(slot)).toBe(octet.sentAt);
      expect(board.find(board.seqOf(slot))).toBe(i);
    }
    expect(next).toBe(this.nxt);
    expect(board.sackedCount).toBe(sacked);
    const chain: number[] = [];
    for (let slot = board.oldest; slot !== NONE; slot = board.sentAfter(slot)) chain.push(slot);
    expect([...chain].sort()).toEqual(flying.sort());
  }
}

const small = fc.integer({ min: 1, max: 40 });
const step = fc.oneof(
  fc.tuple(fc.constant('send' as const), small, small),
  fc.tuple(fc.constant('sack' as const), fc.integer({ min: 0, max: 300 }), small),
  fc.tuple(fc.constant('ack' as const), small, small),
  fc.tuple(fc.constant('lose' as const), small, small),
  fc.tuple(fc.constant('resend' as const), small, small),
  fc.tuple(fc.constantFrom('loseAll' as const, 'unmark' as const, 'renege' as const), small, small),
);

test('it keeps what an octet-by-octet list keeps, whatever is sent, sacked, acknowledged, lost and sent again', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 80 }), (steps) => {
      const pair = new Pair();
      for (const [what, a, b] of steps) {
        if (what === 'sack') pair.sack(Math.min(a, pair.octets.length), b);
        else pair[what](a);
        pair.check();
      }
    }),
    { numRuns: 400 },
  );
});

test('what is in flight is in the order in which it left, also where it left again', () => {
  const board = new Scoreboard();
  for (let i = 0; i < 4; i++) board.append(toSeq(100 * i), 100, micros(i));
  board.markLost(board.slot(0));
  board.markLost(board.slot(1));
  board.markResent(board.slot(0), micros(10));
  const order: number[] = [];
  for (let slot = board.oldest; slot !== NONE; slot = board.sentAfter(slot)) order.push(board.sentAt(slot));
  expect(order).toEqual([2, 3, 10]);
});

test('a hundred thousand entries with a hole in each pair: an ACK costs what it changes', () => {
  const board = new Scoreboard();
  const count = 100_000;
  for (let i = 0; i < count; i++) board.append(toSeq(i * 1460), 1460, micros(i));
  for (let i = 1; i < count; i += 2) board.markSacked(board.slot(i));
  expect(board.sacked).toBe((count / 2) * 1460);
  // The second half is filled, and reported as one block over and over.
  for (let i = count / 2; i < count; i += 2) board.markSacked(board.slot(i));
  let end = 0;
  for (let n = 0; n < 100_000; n++) end = board.pastRun(count / 2);
  expect(end).toBe(count);
  for (let i = 0; i < count / 2; i += 2) board.markLost(board.slot(i));
  for (let i = 0; i < count / 4; i++) board.markResent(board.slot(board.firstWaiting()), micros(count + i));
  expect(board.waiting).toBe(0);
  // By what each of these would cost if it went through all entries, this took hours.
}, 60_000);
