import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { type Micros, micros, NEVER, seconds } from '../../../src/base/time.ts';
import { AddressClaim, NO_PROBE_TIMING, QUICK_TIMING, RFC_5227_TIMING } from '../../../src/ip/address-claim.ts';
import { ArpOp, ArpPacket } from '../../../src/wire/arp.ts';
import { toMac } from '../../../src/wire/ethernet.ts';
import { parseIpv4, toIpv4 } from '../../../src/wire/ipv4.ts';

const OURS = parseIpv4('10.0.0.9')!;
const MAC = toMac(0x020000000009);
const OTHER = toMac(0x020000000002);
const NONE = toIpv4(0);

/** Runs a claim and notes what it sends: [seconds, 'probe' | 'announcement']. */
class Watch {
  now: Micros = micros(0);
  readonly sent: [number, string][] = [];
  readonly claim: AddressClaim;
  readonly #arp = new ArpPacket();

  constructor(timing = RFC_5227_TIMING, seed = 1) {
    this.claim = new AddressClaim(OURS, MAC, seededRandom(seed), timing, this.now);
  }

  until(at: Micros): this {
    while (this.claim.nextTimeout() <= at) {
      this.now = this.claim.nextTimeout();
      this.claim.onTimeout(this.now);
      this.drain();
    }
    this.now = at;
    return this;
  }

  drain(): void {
    while (this.claim.emit(this.#arp)) {
      const { op, sha, spa, tpa } = this.#arp;
      expect([op, sha, tpa]).toEqual([ArpOp.REQUEST, MAC, OURS]);
      this.sent.push([this.now / 1e6, spa === NONE ? 'probe' : 'announcement']);
    }
  }

  hear(fields: Partial<ArpPacket>): this {
    this.claim.onArp({ op: ArpOp.REQUEST, sha: OTHER, spa: OURS, tha: toMac(0), tpa: OURS, ...fields }, this.now);
    this.drain();
    return this;
  }

  get kinds(): string {
    return this.sent.map(([, kind]) => kind[0]).join('');
  }
}

describe('taking an address', () => {
  test('three probes, a wait and two announcements, with the times of RFC 5227', () => {
    for (let seed = 0; seed < 50; seed++) {
      const { sent, claim } = new Watch(RFC_5227_TIMING, seed).until(seconds(20));
      expect(sent.map(([, kind]) => kind)).toEqual(['probe', 'probe', 'probe', 'announcement', 'announcement']);
      const [first, second, third, announced, again] = sent.map(([at]) => at) as [
        number,
        number,
        number,
        number,
        number,
      ];
      expect(first).toBeLessThan(1);
      for (const gap of [second - first, third - second]) {
        expect(gap).toBeGreaterThanOrEqual(1);
        expect(gap).toBeLessThan(2);
      }
      expect(announced - third).toBeCloseTo(2);
      expect(again - announced).toBeCloseTo(2);
      expect(claim.state).toBe('claimed');
      expect(claim.nextTimeout()).toBe(NEVER);
    }
  });

  test('quickly, in less than a second', () => {
    const watch = new Watch(QUICK_TIMING).until(micros(699_999));
    expect(watch.claim.state).toBe('claimed');
    expect(watch.kinds).toBe('pppa');
  });

  test('unasked, at once', () => {
    const watch = new Watch(NO_PROBE_TIMING).until(micros(0));
    expect(watch.claim.state).toBe('claimed');
    expect(watch.kinds).toBe('a');
  });
});

describe('while probing, the address is lost to', () => {
  test.each([
    ['whoever answers for it', { op: ArpOp.REPLY, tha: MAC, tpa: NONE }],
    ['whoever asks others with it', { tpa: parseIpv4('10.0.0.1')! }],
    ['whoever announces it', {}],
    ['whoever probes for it too', { spa: NONE }],
  ])('%s', (_, fields) => {
    const watch = new Watch().until(seconds(2)).hear(fields);
    expect([watch.claim.state, watch.claim.conflictWith]).toEqual(['lost', OTHER]);
    const { length } = watch.sent;
    watch.until(seconds(60));
    expect(watch.sent).toHaveLength(length);
  });

  test('nobody who asks for it, uses another, or is ourselves', () => {
    const watch = new Watch().until(seconds(2));
    watch.hear({ spa: parseIpv4('10.0.0.1')! });
    watch.hear({ spa: NONE, tpa: parseIpv4('10.0.0.1')! });
    watch.hear({ sha: MAC });
    expect(watch.until(seconds(20)).claim.state).toBe('claimed');
  });
});

describe('once it is ours', () => {
  test('a conflict is met with one announcement', () => {
    const watch = new Watch().until(seconds(20)).hear({});
    expect([watch.claim.state, watch.kinds]).toEqual(['claimed', 'pppaaa']);
  });

  test('a second one within ten seconds takes it away', () => {
    const watch = new Watch().until(seconds(20)).hear({});
    watch.until(seconds(29)).hear({});
    expect([watch.claim.state, watch.claim.conflictWith, watch.kinds]).toEqual(['lost', OTHER, 'pppaaa']);
  });

  test('a second one later is met again', () => {
    const watch = new Watch().until(seconds(20)).hear({});
    watch.until(seconds(30)).hear({});
    expect([watch.claim.state, watch.kinds]).toEqual(['claimed', 'pppaaaa']);
  });

  test('somebody who probes for it is no conflict', () => {
    const watch = new Watch().until(seconds(20)).hear({ spa: NONE });
    expect([watch.claim.state, watch.kinds]).toEqual(['claimed', 'pppaa']);
  });

  test('it is announced again when the interface was down', () => {
    const watch = new Watch().until(seconds(20));
    watch.claim.announceAgain(watch.now);
    watch.drain();
    expect(watch.until(seconds(40)).kinds).toBe('pppaaaa');
  });
});
