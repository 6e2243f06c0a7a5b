import { describe, expect, test } from 'vitest';
import { type Micros, micros, ms, NEVER, seconds } from '../../../src/base/time.ts';
import { Neighbours } from '../../../src/ip/neighbours.ts';
import { ArpOp, ArpPacket } from '../../../src/wire/arp.ts';
import { MAC_BROADCAST, type Mac, toMac } from '../../../src/wire/ethernet.ts';
import { type Ipv4, ipv4Text, parseIpv4 } from '../../../src/wire/ipv4.ts';

const address = (text: string): Ipv4 => parseIpv4(text)!;
const US = address('10.0.0.1');
const PEER = address('10.0.0.2');
const OUR_MAC = toMac(0x020000000001);
const PEER_MAC = toMac(0x020000000002);
const OTHER_MAC = toMac(0x020000000003);

class Desk {
  readonly table = new Neighbours<string>(OUR_MAC, US);
  now: Micros = micros(0);
  readonly #arp = new ArpPacket();

  resolve(to = PEER): Mac | undefined {
    return this.table.resolve(to, this.now);
  }

  /** What is asked now: 'address>mac' each. */
  asked(): string[] {
    const asked: string[] = [];
    for (let to = this.table.emit(this.#arp); to !== undefined; to = this.table.emit(this.#arp)) {
      expect([this.#arp.op, this.#arp.sha, this.#arp.spa]).toEqual([ArpOp.REQUEST, OUR_MAC, US]);
      asked.push(`${ipv4Text(this.#arp.tpa)}>${to === MAC_BROADCAST ? 'all' : to.toString(16)}`);
    }
    return asked;
  }

  pass(time: Micros): void {
    const until = this.now + time;
    while (this.table.nextTimeout() <= until) {
      this.now = this.table.nextTimeout();
      this.table.onTimeout(this.now);
    }
    this.now = micros(until);
  }

  arp(fields: Partial<ArpPacket>): void {
    this.table.onArp({ op: ArpOp.REPLY, sha: PEER_MAC, spa: PEER, tha: OUR_MAC, tpa: US, ...fields }, this.now);
  }

  released(): (readonly [string, Mac | undefined])[] {
    return this.table.takeReleased().flatMap(({ mac, waiting }) => waiting.map((w) => [w, mac] as const));
  }

  /** A neighbour that has answered. */
  static knowing(): Desk {
    const desk = new Desk();
    desk.resolve();
    desk.asked();
    desk.arp({});
    return desk;
  }
}

describe('a neighbour nobody knows', () => {
  test('is asked for by broadcast once, and what waited goes to whoever answers, in its order', () => {
    const desk = new Desk();
    expect(desk.resolve()).toBeUndefined();
    expect(desk.resolve()).toBeUndefined();
    expect(desk.asked()).toEqual(['10.0.0.2>all']);
    desk.table.hold(PEER, 'first', 100);
    desk.table.hold(PEER, 'second', 100);
    expect(desk.released()).toEqual([]);
    desk.arp({});
    expect(desk.released()).toEqual([
      ['first', PEER_MAC],
      ['second', PEER_MAC],
    ]);
    expect(desk.resolve()).toBe(PEER_MAC);
    desk.pass(seconds(60));
    expect([desk.asked(), desk.table.nextTimeout()]).toEqual([[], NEVER]);
  });

  test('is asked three times, a second apart, and then what waited comes back without an address', () => {
    const desk = new Desk();
    desk.resolve();
    desk.table.hold(PEER, 'lost', 100);
    expect(desk.asked()).toHaveLength(1);
    desk.pass(ms(999));
    expect(desk.asked()).toHaveLength(0);
    desk.pass(ms(1));
    expect(desk.asked()).toEqual(['10.0.0.2>all']);
    desk.pass(seconds(1));
    expect(desk.asked()).toHaveLength(1);
    expect(desk.released()).toEqual([]);
    desk.pass(seconds(1));
    expect(desk.asked()).toEqual([]);
    expect(desk.released()).toEqual([['lost', undefined]]);
    expect(desk.table.size).toBe(0);
  });

  test('has a bounded queue, from which the oldest goes', () => {
    const desk = new Desk();
    desk.resolve();
    for (let i = 0; i < 200; i++) desk.table.hold(PEER, String(i), 1500);
    desk.arp({});
    const kept = desk.released().map(([packet]) => packet);
    expect(kept).toHaveLength(Math.floor(212_992 / 1500));
    expect(kept.at(-1)).toBe('199');
    expect(desk.table.overflows).toBe(200 - kept.length);
  });

  test('gets what waited as soon as it is heard of, and is verified then', () => {
    const desk = new Desk();
    desk.resolve();
    desk.asked();
    desk.table.hold(PEER, 'first', 100);
    desk.arp({ op: ArpOp.REQUEST, tha: toMac(0), tpa: PEER });
    expect(desk.released()).toEqual([['first', PEER_MAC]]);
    desk.pass(seconds(5));
    expect(desk.asked()).toEqual([`10.0.0.2>${PEER_MAC.toString(16)}`]);
  });

  test('and all of them together hold no more than a mebibyte', () => {
    const desk = new Desk();
    for (let i = 2; i < 12; i++) {
      desk.resolve(address(`10.0.0.${i}`));
      for (let k = 0; k < 100; k++) desk.table.hold(address(`10.0.0.${i}`), 'x', 1500);
    }
    const most = Math.floor((1 << 20) / 1500);
    expect(desk.table.overflows).toBe(1000 - most);
    desk.pass(seconds(3));
    expect(desk.released()).toHaveLength(most);
    desk.resolve();
    desk.table.hold(PEER, 'x', 1500);
    expect(desk.table.overflows).toBe(1000 - most);
  });
});

describe('a neighbour that is known', () => {
  test('is believed for thirty seconds, then used and left alone for five, then asked by unicast', () => {
    const desk = Desk.knowing();
    desk.pass(seconds(30));
    expect(desk.resolve()).toBe(PEER_MAC);
    expect(desk.table.stateOf(PEER)).toBe('reachable');
    desk.pass(micros(1));
    expect(desk.resolve()).toBe(PEER_MAC);
    expect(desk.table.stateOf(PEER)).toBe('delay');
    desk.pass(micros(4_999_999));
    expect(desk.asked()).toEqual([]);
    desk.pass(micros(1));
    expect(desk.asked()).toEqual([`10.0.0.2>${PEER_MAC.toString(16)}`]);
    desk.arp({});
    expect(desk.table.stateOf(PEER)).toBe('reachable');
  });

  test('that is silent is forgotten, and asked for by broadcast again', () => {
    const desk = Desk.knowing();
    desk.pass(seconds(31));
    desk.resolve();
    desk.pass(seconds(5));
    for (let i = 0; i < 3; i++) {
      expect(desk.asked()).toEqual([`10.0.0.2>${PEER_MAC.toString(16)}`]);
      expect(desk.resolve()).toBe(PEER_MAC);
      desk.pass(seconds(1));
    }
    expect(desk.resolve()).toBeUndefined();
    expect(desk.asked()).toEqual(['10.0.0.2>all']);
  });

  test('is not asked while packets come from it', () => {
    const desk = Desk.knowing();
    desk.pass(seconds(31));
    desk.resolve();
    desk.table.confirm(PEER, OTHER_MAC, desk.now);
    expect(desk.table.stateOf(PEER)).toBe('delay');
    desk.table.confirm(PEER, PEER_MAC, desk.now);
    desk.pass(seconds(29));
    expect(desk.resolve()).toBe(PEER_MAC);
    expect(desk.asked()).toEqual([]);
  });

  test('is not confirmed by what it asks of us, only by its answers', () => {
    const desk = Desk.knowing();
    desk.pass(seconds(31));
    desk.resolve();
    desk.arp({ op: ArpOp.REQUEST });
    expect(desk.table.stateOf(PEER)).toBe('delay');
    desk.arp({});
    expect(desk.table.stateOf(PEER)).toBe('reachable');
  });

  test('moves when it says so to all (a gratuitous ARP), and is verified then', () => {
    const desk = Desk.knowing();
    desk.arp({ op: ArpOp.REQUEST, sha: OTHER_MAC, tha: toMac(0), tpa: PEER });
    expect(desk.resolve()).toBe(OTHER_MAC);
    expect(desk.table.stateOf(PEER)).toBe('delay');
  });

  test('is verified after the interface was down', () => {
    const desk = Desk.knowing();
    desk.table.distrust();
    expect(desk.resolve()).toBe(PEER_MAC);
    desk.pass(seconds(5));
    expect(desk.asked()).toEqual([`10.0.0.2>${PEER_MAC.toString(16)}`]);
  });
});

describe('what others say', () => {
  test('is remembered of who asks for us, and of nobody else', () => {
    const desk = new Desk();
    desk.arp({ op: ArpOp.REQUEST, tpa: address('10.0.0.9') });
    expect(desk.table.size).toBe(0);
    desk.arp({ op: ArpOp.REQUEST });
    expect(desk.resolve()).toBe(PEER_MAC);
    expect(desk.asked()).toEqual([]);
  });

  test.each([
    ['a group as its hardware address', { sha: MAC_BROADCAST }],
    ['no address', { spa: address('0.0.0.0') }],
    ['our address', { spa: US }],
    ['a group as its address', { spa: address('224.0.0.1') }],
  ])('is not believed of one with %s', (_, fields) => {
    const desk = Desk.knowing();
    desk.arp({ op: ArpOp.REQUEST, ...fields });
    expect(desk.table.size).toBe(1);
    expect(desk.resolve()).toBe(PEER_MAC);
  });

  test('a flood of askers pushes out the one used longest ago, and no more are kept than 1024', () => {
    const desk = Desk.knowing();
    for (let i = 0; i < 5000; i++) {
      desk.now = micros(desk.now + 1000);
      if (i % 100 === 0) desk.resolve();
      desk.arp({ op: ArpOp.REQUEST, spa: ((10 << 24) | (1 << 16) | i) as Ipv4 });
    }
    expect(desk.table.size).toBe(1024);
    expect(desk.resolve()).toBe(PEER_MAC);
  });
});
