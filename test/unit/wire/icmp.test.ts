import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seqInt } from '../../../src/base/seq.ts';
import {
  decodeIcmp,
  decodeIcmpQuote,
  encodeIcmp,
  IcmpMessage,
  IcmpQuote,
  IcmpType,
  icmpChecksumGood,
  icmpText,
  isIcmpError,
  UnreachableCode,
} from '../../../src/wire/icmp.ts';
import { ipv4Text } from '../../../src/wire/ipv4.ts';
import { hex, int32, octet, octetsLike, placements } from './support.ts';

function fields(message: IcmpMessage, at: number) {
  const payload = new Uint8Array(message.payload.len);
  message.payload.copyTo(payload, 0);
  const quoted = isIcmpError(message.type) ? [message.quotedAt - at, message.quotedEnd - at] : undefined;
  return { type: message.type, code: message.code, rest: message.rest, payload, quoted };
}

function encoded(message: IcmpMessage): Uint8Array {
  const octets = new Uint8Array(8 + message.payload.len).fill(0x99);
  message.payload.copyTo(octets, encodeIcmp(message, octets, 0));
  return octets;
}

/** An unreachable that quotes the beginning of a segment from 10.0.0.1:4660 to 10.0.0.2:80. */
const quote = hex('4500 05dc 0001 4000 4006 0000 0a000001 0a000002 1234 0050 fffffff0');
function error(type: number, code: number, payload = quote): IcmpMessage {
  const message = new IcmpMessage();
  message.type = type;
  message.code = code;
  message.payload.push(payload, 0, payload.length);
  return message;
}

describe('messages', () => {
  test('give back every field that was encoded, with a good checksum', () => {
    const message = new IcmpMessage();
    const back = new IcmpMessage();
    fc.assert(
      fc.property(
        octet,
        octet,
        int32,
        fc.array(fc.uint8Array({ maxLength: 30, size: 'max' }), { maxLength: 3 }),
        fc.nat(7),
        (type, code, rest, parts, offset) => {
          message.clear();
          Object.assign(message, { type, code, rest });
          for (const part of parts) message.payload.push(part, 0, part.length);
          for (const { bytes, at, end } of placements(encoded(message), offset)) {
            expect(decodeIcmp(bytes, at, end, back)).toBe('ok');
            expect({ ...fields(back, at), quoted: undefined }).toEqual({ ...fields(message, 0), quoted: undefined });
            expect(icmpChecksumGood(bytes, at, end)).toBe(true);
            bytes[end - 1]! ^= 1;
            expect(icmpChecksumGood(bytes, at, end)).toBe(false);
          }
        },
      ),
    );
  });

  test('of any octets are read without throwing and without looking around', () => {
    fc.assert(
      fc.property(octetsLike(hex('0304 0000 0003 0000 4f')), fc.nat(7), (octets, offset) => {
        const results = placements(octets, offset).map(({ bytes, at, end }) => {
          const message = new IcmpMessage();
          const outcome = decodeIcmp(bytes, at, end, message);
          if (outcome !== 'ok') return outcome;
          expect(message.quotedEnd <= end).toBe(true);
          const quoted = new IcmpQuote();
          const quoteOutcome = decodeIcmpQuote(bytes, message.quotedAt, message.quotedEnd, quoted);
          const ports =
            quoteOutcome === 'ok' ? [quoted.srcPort, quoted.dstPort, seqInt(quoted.seq), quoted.ip.dst] : undefined;
          return {
            ...fields(message, at),
            quoteOutcome: isIcmpError(message.type) && quoteOutcome,
            ports: isIcmpError(message.type) && ports,
          };
        });
        for (const result of results) expect(result).toEqual(results[0]);
      }),
      { numRuns: 2000 },
    );
  });

  test('an echo request has its identifier before its sequence number', () => {
    const message = new IcmpMessage();
    message.type = IcmpType.ECHO;
    message.identifier = 0xc0ff;
    message.sequence = 1;
    message.payload.push(Uint8Array.of(0, 1, 2), 0, 3);
    expect(encoded(message)).toEqual(hex('0800 34fe c0ff 0001 000102'));
  });

  test('the parts of the second word do not disturb each other', () => {
    fc.assert(
      fc.property(int32, fc.nat(0xffff), fc.nat(0xff), (rest, half, byte) => {
        const message = new IcmpMessage();
        const set = (change: (m: IcmpMessage) => void): number => {
          message.rest = rest;
          change(message);
          return message.rest >>> 0;
        };
        const before = rest >>> 0;
        const high = before - (before % 0x10000);
        const low = before % 0x10000;
        expect(set((m) => (m.identifier = half))).toBe(half * 0x10000 + low);
        expect(message.identifier).toBe(half);
        expect(set((m) => (m.sequence = half))).toBe(high + half);
        expect(message.sequence).toBe(half);
        expect(set((m) => (m.nextHopMtu = half))).toBe(high + half);
        expect(message.nextHopMtu).toBe(half);
        expect(set((m) => (m.pointer = byte))).toBe(byte * 0x1000000 + (before % 0x1000000));
        expect(message.pointer).toBe(byte);
        expect(set((m) => (m.quotedWords = byte))).toBe(before - ((before >>> 16) % 0x100) * 0x10000 + byte * 0x10000);
        expect(message.quotedWords).toBe(byte);
      }),
    );
  });

  test('refuses what is shorter than its header', () => {
    expect(decodeIcmp(new Uint8Array(7), 0, 7, new IcmpMessage())).toBe('icmp-truncated');
    expect(decodeIcmp(new Uint8Array(9), 2, 9, new IcmpMessage())).toBe('icmp-truncated');
  });
});

describe('errors', () => {
  test('fragmentation needed carries the next-hop MTU and says which segment it is about', () => {
    const sent = error(IcmpType.UNREACHABLE, UnreachableCode.FRAGMENTATION_NEEDED);
    sent.nextHopMtu = 1400;
    const octets = encoded(sent);
    const message = new IcmpMessage();
    expect(decodeIcmp(octets, 0, octets.length, message)).toBe('ok');
    expect(message.nextHopMtu).toBe(1400);
    const quoted = new IcmpQuote();
    expect(decodeIcmpQuote(octets, message.quotedAt, message.quotedEnd, quoted)).toBe('ok');
    expect([ipv4Text(quoted.ip.src), quoted.srcPort, ipv4Text(quoted.ip.dst), quoted.dstPort]).toEqual([
      '10.0.0.1',
      4660,
      '10.0.0.2',
      80,
    ]);
    expect([seqInt(quoted.seq), quoted.ip.totalLen]).toEqual([-16, 1500]);
  });

  test('a quote ends where RFC 4884 extensions begin', () => {
    const padded = new Uint8Array(140);
    padded.set(quote);
    const sent = error(IcmpType.TIME_EXCEEDED, 0, padded);
    sent.quotedWords = 32;
    const octets = encoded(sent);
    const message = new IcmpMessage();
    decodeIcmp(octets, 0, octets.length, message);
    expect([message.quotedAt, message.quotedEnd]).toEqual([8, 8 + 128]);
  });

  test('a quote said to be longer than the message ends with it', () => {
    const sent = error(IcmpType.UNREACHABLE, UnreachableCode.HOST);
    sent.quotedWords = 200;
    const octets = encoded(sent);
    const message = new IcmpMessage();
    decodeIcmp(octets, 0, octets.length, message);
    expect(message.quotedEnd).toBe(octets.length);
  });

  test('an echo quotes nothing', () => {
    const octets = encoded(error(IcmpType.ECHO, 0));
    const message = new IcmpMessage();
    decodeIcmp(octets, 0, octets.length, message);
    expect([message.quotedAt, message.quotedEnd]).toEqual([0, 0]);
  });

  test.each([
    ['icmp-quote-truncated', quote.subarray(0, 27)],
    ['ip-truncated', quote.subarray(0, 19)],
    ['ip-not-version-4', hex('60')],
    ['ok', quote],
  ])('a quote is %s', (expected, octets) => {
    expect(decodeIcmpQuote(octets, 0, octets.length, new IcmpQuote())).toBe(expected);
  });

  test('are the types that quote, and no others', () => {
    const errors = Array.from({ length: 256 }, (_, type) => type).filter(isIcmpError);
    expect(errors).toEqual([3, 4, 5, 11, 12]);
  });

  test('every code has its own words', () => {
    const texts = Object.values(UnreachableCode).map((code) => icmpText(IcmpType.UNREACHABLE, code));
    expect(new Set(texts).size).toBe(16);
    expect(icmpText(IcmpType.UNREACHABLE, UnreachableCode.PORT)).toBe('port unreachable');
    expect(icmpText(IcmpType.UNREACHABLE, 99)).toBe('destination unreachable, code 99');
    expect(icmpText(IcmpType.TIME_EXCEEDED, 0)).not.toBe(icmpText(IcmpType.TIME_EXCEEDED, 1));
    expect(icmpText(200, 1)).toBe('ICMP type 200, code 1');
  });
});
