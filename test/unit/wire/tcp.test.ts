import { describe, expect, test } from 'vitest';
import { seqText, toSeq } from '../../../src/base/seq.ts';
import { decodeTcp, encodeTcp, TcpFlag, TcpSegment, tcpHeaderLen } from '../../../src/wire/tcp.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

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
    const to = new Uint8Array(60);
    expect(encodeTcp(seg, to, 0)).toBe(40);
    expect(tcpHeaderLen(seg)).toBe(40);
    expect(to.subarray(0, 40)).toEqual(
      hex('9c40 0050 fffffffe 00000000 a002 faf0 0000 0000 020405b4 0402080a 01020304 00000000 01030307'),
    );
    const back = new TcpSegment();
    expect(decodeTcp(to, 0, 40, back)).toBe('ok');
    expect(seqText(back.seq)).toBe('4294967294');
    expect([back.mss, back.wscale, back.sackPermitted, back.hasTimestamps, back.tsVal]).toEqual([1460, 7, true, true, 0x01020304]);
  });
});
