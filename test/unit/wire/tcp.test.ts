import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seqInt, seqText, toSeq } from '../../../src/base/seq.ts';
import {
  ABSENT,
  decodeTcp,
  encodeTcp,
  TCP_MAX_HEADER_LEN,
  TcpFlag,
  TcpSegment,
  tcpHeaderLen,
} from '../../../src/wire/tcp.ts';
import { hex, octetsLike, placements, segments } from './support.ts';

/** Every field as plain values, payload as octets. */
function fields(seg: TcpSegment) {
  const payload = new Uint8Array(seg.payload.len);
  seg.payload.copyTo(payload, 0);
  return {
    ports: [seg.srcPort, seg.dstPort],
    seq: seqText(seg.seq),
    ack: seqText(seg.ack),
    flags: seg.flags,
    reserved: seg.reserved,
    rest: [seg.wnd, seg.checksum, seg.urgentPointer],
    mss: seg.mss,
    wscale: seg.wscale,
    sackPermitted: seg.sackPermitted,
    ts: seg.hasTimestamps ? [seg.tsVal, seg.tsEcr] : undefined,
    sack: seg.sack.slice(0, 2 * seg.sackCount).map(seqInt),
    payload,
  };
}

function encoded(seg: TcpSegment): Uint8Array {
  const to = new Uint8Array(TCP_MAX_HEADER_LEN + seg.payload.len);
  const headerLen = encodeTcp(seg, to, 0);
  return to.subarray(0, seg.payload.copyTo(to, headerLen));
}

/** A header with these option octets, padded to a multiple of four with `pad`. */
function withOptions(options: string, pad = 0): Uint8Array {
  const octets = hex(options);
  const len = (octets.length + 3) & ~3;
  const segment = new Uint8Array(20 + len).fill(pad);
  segment.set(hex(`0001 0002 00000003 00000004 ${((20 + len) / 4).toString(16)}010 0005 0000 0000`));
  segment.set(octets, 20);
  return segment;
}

function decoded(octets: Uint8Array): TcpSegment {
  const seg = new TcpSegment();
  expect(decodeTcp(octets, 0, octets.length, seg)).toBe('ok');
  return seg;
}

describe('encoding', () => {
  test('a SYN has its options in the order of Linux', () => {
    const seg = new TcpSegment();
    seg.srcPort = 40000;
    seg.dstPort = 80;
    seg.seq = toSeq(0xfffffffe);
    seg.flags = TcpFlag.SYN;
    seg.wnd = 64240;
    seg.mss = 1460;
    seg.wscale = 7;
    seg.sackPermitted = true;
    seg.hasTimestamps = true;
    seg.tsVal = 0x01020304;
    expect(encoded(seg)).toEqual(
      hex('9c40 0050 fffffffe 00000000 a002 faf0 0000 0000 020405b4 0402080a 01020304 00000000 01030307'),
    );
  });

  test('an ACK has nop, nop, timestamps, nop, nop, sack', () => {
    const seg = new TcpSegment();
    seg.ack = toSeq(5);
    seg.flags = TcpFlag.ACK;
    seg.hasTimestamps = true;
    seg.tsVal = -1;
    seg.tsEcr = 2;
    seg.sackCount = 1;
    seg.sack[0] = toSeq(-1);
    seg.sack[1] = toSeq(10);
    expect(encoded(seg).subarray(12)).toEqual(
      hex('b010 0000 0000 0000 0101080a ffffffff 00000002 0101050a ffffffff 0000000a'),
    );
  });

  test('a SYN with SACK but without timestamps has nop, nop, sackOK before the window scale', () => {
    const seg = new TcpSegment();
    seg.mss = 536;
    seg.sackPermitted = true;
    seg.wscale = 0;
    expect(encoded(seg).subarray(20)).toEqual(hex('02040218 01010402 01030300'));
  });

  test('SACK blocks that find no room are left out, the first ones stay', () => {
    const seg = new TcpSegment();
    seg.hasTimestamps = true;
    seg.sackCount = 4;
    for (let i = 0; i < 8; i++) seg.sack[i] = toSeq(i);
    expect(tcpHeaderLen(seg)).toBe(60);
    expect(decoded(encoded(seg)).sackCount).toBe(3);
    seg.mss = 1000;
    expect(decoded(encoded(seg)).sack.slice(0, 4).map(seqInt)).toEqual([0, 1, 2, 3]);
  });

  test('touches nothing outside the header whose length it announces', () => {
    fc.assert(
      fc.property(segments, fc.nat(7), (seg, at) => {
        const to = new Uint8Array(at + tcpHeaderLen(seg) + 8).fill(0xee);
        expect(encodeTcp(seg, to, at)).toBe(tcpHeaderLen(seg));
        expect(to.subarray(0, at)).toEqual(new Uint8Array(at).fill(0xee));
        expect(to.subarray(-8)).toEqual(new Uint8Array(8).fill(0xee));
      }),
    );
  });
});

describe('decoding', () => {
  test('gives back every field that was encoded', () => {
    const back = new TcpSegment();
    fc.assert(
      fc.property(segments, fc.nat(7), (seg, offset) => {
        for (const { bytes, at, end } of placements(encoded(seg), offset)) {
          expect(decodeTcp(bytes, at, end, back)).toBe('ok');
          expect(fields(back)).toEqual(fields(seg));
        }
      }),
    );
  });

  test('of any octets neither throws nor depends on what lies around them', () => {
    fc.assert(
      fc.property(octetsLike(hex('0001 0002 00000003 00000004 f0ff')), fc.nat(7), (octets, offset) => {
        const results = placements(octets, offset).map(({ bytes, at, end }) => {
          const seg = new TcpSegment();
          const outcome = decodeTcp(bytes, at, end, seg);
          return outcome === 'ok'
            ? { ...fields(seg), optionsAt: seg.optionsAt - at, optionsLen: seg.optionsLen }
            : outcome;
        });
        for (const result of results) expect(result).toEqual(results[0]);
      }),
      { numRuns: 2000 },
    );
  });

  test('leaves nothing of the segment before', () => {
    const seg = new TcpSegment();
    fc.assert(
      fc.property(segments, segments, (before, after) => {
        decodeTcp(encoded(before), 0, encoded(before).length, seg);
        const octets = encoded(after);
        decodeTcp(octets, 0, octets.length, seg);
        expect(seg.payload.count).toBe(after.payload.len > 0 ? 1 : 0);
        expect(fields(seg)).toEqual(fields(after));
      }),
    );
  });

  test('refuses what is shorter than a header', () => {
    const octets = withOptions('');
    expect(decodeTcp(octets, 0, 19, new TcpSegment())).toBe('tcp-truncated');
    expect(decodeTcp(octets, 1, 20, new TcpSegment())).toBe('tcp-truncated');
    expect(decodeTcp(octets, 0, 0, new TcpSegment())).toBe('tcp-truncated');
  });

  test('refuses a data offset inside the header or beyond the segment', () => {
    const octets = withOptions('');
    octets[12] = 0x4f;
    expect(decodeTcp(octets, 0, 20, new TcpSegment())).toBe('tcp-bad-offset');
    octets[12] = 0x60;
    expect(decodeTcp(octets, 0, 20, new TcpSegment())).toBe('tcp-bad-offset');
    expect(decodeTcp(Uint8Array.of(...octets, 0, 0, 0, 0), 0, 24, new TcpSegment())).toBe('ok');
  });

  test('shows where the options lie', () => {
    const octets = withOptions('01010204 05b4');
    const seg = decoded(octets);
    expect(seg.optionsBuf).toBe(octets);
    expect([seg.optionsAt, seg.optionsLen]).toEqual([20, 8]);
  });
});

describe('options', () => {
  test.each([
    ['an unknown kind is skipped by its length', 'fd0602040218 020405b4'],
    ['a kind alone as the last octet is no option', '020405b4 010101fd'],
    ['octets after the end of options are padding', '020405b4 00030307'],
    ['a length of 0 ends the options', '020405b4 fd000402'],
    ['a length of 1 ends the options', '020405b4 fd010402'],
    ['a length past the end ends the options', '020405b4 01010305'],
    ['a window scale of a wrong length is skipped', '03040700 020405b4'],
    ['a second option of a wrong length changes nothing', '020405b4 02030201'],
    ['an MSS of a wrong length is skipped', '020405b4 0205100000 010101'],
    ['timestamps of a wrong length are skipped', '0809 00000001000000 020405b4'],
    ['SACK-permitted of a wrong length is skipped', '040301 020405b4 01'],
    ['SACK without blocks is skipped', '0502 020405b4 0101'],
    ['SACK with a block and a half is skipped', '050e 000000010000000200000003 020405b4 0101'],
    ['SACK with half a block is skipped', '0506 00000001 020405b4 0101'],
  ])('%s', (_, options) => {
    const seg = decoded(withOptions(options, 1));
    expect(fields(seg)).toMatchObject({ mss: 1460, wscale: ABSENT, sackPermitted: false, ts: undefined, sack: [] });
  });

  test('one that reaches into the payload ends the options', () => {
    const header = withOptions('01020405');
    const octets = Uint8Array.of(...header, 0xb4, 0xb4);
    const seg = decoded(octets);
    expect([seg.mss, seg.payload.len]).toEqual([ABSENT, 2]);
  });

  test('are read at any alignment', () => {
    const seg = decoded(withOptions('01 030305 01 080a 8000000100000002 0402 020405b4'));
    expect(fields(seg)).toMatchObject({ mss: 1460, wscale: 5, sackPermitted: true, ts: [-0x7fffffff, 2] });
  });

  test('of one that comes twice the last counts', () => {
    expect(decoded(withOptions('02040001 02040002')).mss).toBe(2);
  });

  test('four SACK blocks are read', () => {
    const seg = decoded(
      withOptions(`0522 ${[1, 2, 3, 4, 5, 6, 7, 8].map((n) => n.toString(16).padStart(8, '0')).join('')}`),
    );
    expect(fields(seg).sack).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });
});

test('SEG.LEN counts SYN and FIN', () => {
  const seg = new TcpSegment();
  seg.payload.push(new Uint8Array(3), 0, 3);
  expect(seg.segLen).toBe(3);
  seg.flags = TcpFlag.SYN | TcpFlag.FIN;
  expect(seg.segLen).toBe(5);
});
