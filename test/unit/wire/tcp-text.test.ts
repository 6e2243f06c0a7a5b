import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeTcp, encodeTcp, TcpFlag, TcpSegment } from '../../../src/wire/tcp.ts';
import {
  flagsFromText,
  flagsText,
  optionsText,
  segmentText,
  type TextSegment,
  textSegment,
} from '../../../src/wire/tcp-text.ts';
import { hex, octet, segments } from './support.ts';

describe('flags', () => {
  test.each([
    [0, 'none'],
    [TcpFlag.SYN, 'S'],
    [TcpFlag.SYN | TcpFlag.ACK, 'S.'],
    [TcpFlag.FIN | TcpFlag.PSH | TcpFlag.ACK, 'FP.'],
    [TcpFlag.RST | TcpFlag.ACK, 'R.'],
    [TcpFlag.SYN | TcpFlag.ECE | TcpFlag.CWR, 'SEW'],
    [0xff, 'FSRP.UEW'],
  ])('%i reads %s', (flags, text) => {
    expect(flagsText(flags)).toBe(text);
  });

  test('any flags survive being written and read', () => {
    fc.assert(fc.property(octet, (flags) => flagsFromText(flagsText(flags)) === flags));
  });

  test('letters are taken in any order, and only known ones', () => {
    expect(flagsFromText('.S')).toBe(TcpFlag.SYN | TcpFlag.ACK);
    expect(flagsFromText('')).toBe(0);
    expect(flagsFromText('SX')).toBeUndefined();
    expect(flagsFromText('s')).toBeUndefined();
  });
});

const plain: TextSegment = { seq: 1000, ack: 2000, flags: '.', wnd: 500, len: 0 };

describe('a segment', () => {
  test.each<[string, Partial<TextSegment>, string]>([
    ['without data shows no sequence number', {}, 'Flags [.], ack 2000, win 500, length 0'],
    ['with data shows its range', { flags: 'P.', len: 10 }, 'Flags [P.], seq 1000:1010, ack 2000, win 500, length 10'],
    [
      'shows the range modulo 2^32',
      { seq: 0xffffffff, len: 2 },
      'Flags [.], seq 4294967295:1, ack 2000, win 500, length 2',
    ],
    [
      'with SYN shows its sequence number, and no acknowledgment without ACK',
      { flags: 'S' },
      'Flags [S], seq 1000, win 500, length 0',
    ],
    ['with FIN shows its sequence number', { flags: 'F.' }, 'Flags [F.], seq 1000, ack 2000, win 500, length 0'],
    ['with RST shows its sequence number', { flags: 'R' }, 'Flags [R], seq 1000, win 500, length 0'],
    ['without flags says so', { flags: '' }, 'Flags [none], win 500, length 0'],
    ['shows the urgent pointer with URG', { flags: '.U', urg: 3 }, 'Flags [.U], ack 2000, win 500, urg 3, length 0'],
    [
      'shows timestamps after two nops',
      { ts: [9, 1] },
      'Flags [.], ack 2000, win 500, options [nop,nop,TS val 9 ecr 1], length 0',
    ],
    [
      'shows a SYN-ACK as in the manual',
      { flags: 'S.', mss: 1460, sackOk: true, ts: [9, 1], wscale: 10 },
      'Flags [S.], seq 1000, ack 2000, win 500, options [mss 1460,sackOK,TS val 9 ecr 1,nop,wscale 10], length 0',
    ],
    [
      'shows SACK blocks',
      {
        sack: [
          [1, 2],
          [5, 9],
        ],
      },
      'Flags [.], ack 2000, win 500, options [nop,nop,sack 2 {1:2}{5:9}], length 0',
    ],
  ])('%s', (_, change, text) => {
    expect(segmentText({ ...plain, ...change })).toBe(text);
  });

  test('relative to the initial sequence numbers', () => {
    const relativeTo = { seqBase: 0xfffffff0, ackBase: 1999 };
    expect(segmentText({ ...plain, seq: 5, len: 10, sack: [[2009, 2019]] }, { relativeTo })).toBe(
      'Flags [.], seq 21:31, ack 1, win 500, options [nop,nop,sack 1 {10:20}], length 10',
    );
  });

  test('options given in their real order are shown in it', () => {
    expect(segmentText({ ...plain, mss: 1 }, { options: 'nop,mss 1,eol' })).toBe(
      'Flags [.], ack 2000, win 500, options [nop,mss 1,eol], length 0',
    );
  });

  test('of our own encoding reads the same from its fields as from its octets', () => {
    fc.assert(
      fc.property(segments, (seg) => {
        const octets = new Uint8Array(60 + seg.payload.len);
        const end = seg.payload.copyTo(octets, encodeTcp(seg, octets, 0));
        const back = new TcpSegment();
        decodeTcp(octets, 0, end, back);
        const options = optionsText(octets, back.optionsAt, back.optionsLen);
        expect(segmentText(textSegment(back), { options })).toBe(segmentText(textSegment(seg)));
      }),
    );
  });

  test('has an urgent pointer when URG says so, be it 0', () => {
    const seg = new TcpSegment();
    seg.flags = TcpFlag.URG;
    expect(textSegment(seg).urg).toBe(0);
    seg.flags = 0;
    seg.urgentPointer = 5;
    expect(textSegment(seg).urg).toBeUndefined();
  });

  test('keeps sequence numbers and timestamps unsigned', () => {
    const seg = new TcpSegment();
    decodeTcp(hex('0001 0002 ffffffff fffffffe 8012 0005 0000 0000 0101080a ffffffff 80000000'), 0, 32, seg);
    expect(textSegment(seg)).toEqual({
      seq: 0xffffffff,
      ack: 0xfffffffe,
      flags: 'S.',
      wnd: 5,
      len: 0,
      ts: [0xffffffff, 0x80000000],
    });
  });
});

describe('options as octets', () => {
  test.each([
    ['', ''],
    ['0101', 'nop,nop'],
    ['00 020405b4', 'eol'],
    ['020405b4 030307 0402', 'mss 1460,wscale 7,sackOK'],
    ['2202', 'tfo  cookiereq'],
    ['2206 01020304', 'tfo  cookie 01020304'],
    ['fd06 f9890102', 'unknown-253 0xf9890102'],
    ['0a02', 'unknown-10'],
    ['0402 02', 'sackOK,[bad opt]'],
    ['0200', '[bad opt]'],
    ['0205 05b400', 'mss[len 5]'],
    ['0304 0700', 'wscale[len 4]'],
    ['0403 00', 'sackOK[len 3]'],
    ['0804 0001', 'TS[len 4]'],
    ['0502', 'sack[len 2]'],
  ])('%s reads %j', (octets, text) => {
    const bytes = hex(octets);
    expect(optionsText(bytes, 0, bytes.length)).toBe(text);
  });

  test('of any kind are read without throwing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40, size: 'max' }), (octets) => {
        const amid = Uint8Array.of(9, 9, ...octets, 4, 2, 4, 2);
        expect(optionsText(amid, 2, octets.length)).toBe(optionsText(octets, 0, octets.length));
      }),
      { numRuns: 1000 },
    );
  });
});
