import { describe, expect, test } from 'vitest';
import { toSeq } from '../../../src/base/seq.ts';
import { type Micros, ms } from '../../../src/base/time.ts';
import { Capture, connectionIn, MAX_PACKETS } from '../../../src/tools/compare/capture.ts';
import type { Shot } from '../../../src/tools/compare/model.ts';
import { encodeIpv4, IpProtocol, type Ipv4, Ipv4Flag, Ipv4Header, parseIpv4 } from '../../../src/wire/ipv4.ts';
import { encodeTcp, TcpFlag, TcpSegment } from '../../../src/wire/tcp.ts';

const US = parseIpv4('10.0.0.1')!;
const PEER = parseIpv4('10.0.0.2')!;
const ADDRESSES = { local: US, localPort: 40000, remote: PEER, remotePort: 80 };

interface Parts {
  readonly from: Ipv4;
  readonly seq: number;
  readonly ack?: number;
  readonly flags: number;
  readonly len?: number;
  readonly port?: number;
  readonly syn?: boolean;
}

/** The packet's octets with `len` octets of payload. */
function packet(p: Parts): Uint8Array {
  const seg = new TcpSegment();
  const out = p.from === US;
  seg.srcPort = out ? (p.port ?? 40000) : 80;
  seg.dstPort = out ? 80 : (p.port ?? 40000);
  seg.seq = toSeq(p.seq);
  seg.ack = toSeq(p.ack ?? 0);
  seg.flags = p.flags;
  seg.wnd = 1000;
  seg.hasTimestamps = true;
  seg.tsVal = 12345;
  if (p.syn) {
    seg.mss = 1460;
    seg.sackPermitted = true;
    seg.wscale = 7;
  }
  const octets = new Uint8Array(2000);
  const tcpLen = encodeTcp(seg, octets, 20);
  const ip = new Ipv4Header();
  ip.protocol = IpProtocol.TCP;
  ip.src = p.from;
  ip.dst = out ? PEER : US;
  ip.ttl = 64;
  ip.flags = Ipv4Flag.DF;
  ip.dscp = 1;
  ip.totalLen = 20 + tcpLen + (p.len ?? 0);
  encodeIpv4(ip, octets, 0);
  return octets.slice(0, ip.totalLen);
}

function captured(parts: readonly Parts[], whole = false) {
  let t = 1000;
  const capture = new Capture(() => ({ t: t as Micros, pace: t as Micros }), whole);
  for (const p of parts) {
    const octets = packet(p);
    capture.add(octets, 0, octets.length);
    t += ms(1);
  }
  return capture;
}

const shotsOf = (capture: Capture): readonly Shot[] => connectionIn(capture.packets, capture.calls, ADDRESSES).shots;

describe('a capture read as one connection', () => {
  const SYN = { from: US, seq: 0xffff_ffff, flags: TcpFlag.SYN, syn: true } as const;
  const SYN_ACK = { from: PEER, seq: 5000, ack: 0, flags: TcpFlag.SYN | TcpFlag.ACK, syn: true } as const;

  test("numbers are relative to each side's first, across the wrap, and times to the first segment", () => {
    const shots = shotsOf(captured([SYN, SYN_ACK, { from: US, seq: 0, ack: 5001, flags: TcpFlag.ACK, len: 100 }]));
    expect(shots.map((s) => [s.t, s.dir, s.flags, s.seq, s.ack, s.len])).toEqual([
      [0, 'out', 'S', 0, undefined, 0],
      [1000, 'in', 'S.', 0, 1, 0],
      [2000, 'out', '.', 1, 1, 100],
    ]);
  });

  test('options keep their order and lose the values of their timestamps', () => {
    expect(shotsOf(captured([SYN]))[0]?.options).toEqual(['mss 1460', 'sackOK', 'TS', 'nop', 'wscale 7']);
  });

  test('what the IP header says is kept', () => {
    expect(shotsOf(captured([SYN]))[0]).toMatchObject({
      ttl: 64,
      dontFragment: true,
      tos: 4,
      wnd: 1000,
    });
  });

  test('other connections to the same peer are left out', () => {
    expect(shotsOf(captured([SYN, { ...SYN, port: 40001 }]))).toHaveLength(1);
  });

  test('a packet kept without its payload still has its length', () => {
    const data = { from: PEER, seq: 5001, ack: 0, flags: TcpFlag.ACK, len: 1400 } as const;
    for (const whole of [false, true]) {
      const capture = captured([SYN, SYN_ACK, data], whole);
      expect(capture.packets[2]!.octets.length).toBe(whole ? 1452 : 120);
      expect(shotsOf(capture)[2]?.len).toBe(1400);
    }
  });

  test('a refusal counts from its own numbers', () => {
    const shots = shotsOf(captured([SYN, { from: PEER, seq: 0, ack: 0, flags: TcpFlag.RST | TcpFlag.ACK }]));
    expect(shots[1]).toMatchObject({ flags: 'R.', seq: 0, ack: 1 });
  });

  test('silence counts from the last segment or the last call, on the clock of the pace', () => {
    let wall = 0;
    let idle = 0;
    const capture = new Capture(() => ({ t: wall as Micros, pace: idle as Micros }), false);
    const add = (p: Parts): void => {
      const octets = packet(p);
      capture.add(octets, 0, octets.length);
    };
    add(SYN);
    wall = 90;
    idle = 10;
    add(SYN_ACK);
    idle = 500;
    capture.onCall();
    wall = 700;
    idle = 520;
    add({ from: US, seq: 0, ack: 5001, flags: TcpFlag.ACK | TcpFlag.FIN });
    expect(shotsOf(capture).map((s) => [s.t, s.pace, s.gap])).toEqual([
      [0, 0, 0],
      [90, 10, 10],
      [700, 520, 20],
    ]);
  });

  test('packets beyond the most that is compared are counted, not kept', () => {
    const capture = captured([SYN]);
    const octets = packet(SYN);
    for (let i = 0; i < MAX_PACKETS + 4; i++) capture.add(octets, 0, octets.length);
    expect(capture.packets).toHaveLength(MAX_PACKETS);
    expect(capture.overflow).toBe(5);
  });
});
