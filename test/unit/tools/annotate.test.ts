import { expect, test } from 'vitest';
import { micros } from '../../../src/base/time.ts';
import type { TraceRecord } from '../../../src/tcp/trace.ts';
import { type AnnotatedPacket, Annotator } from '../../../src/tools/annotate.ts';
import { toIpv4 } from '../../../src/wire/ipv4.ts';
import { TcpFlag } from '../../../src/wire/tcp.ts';
import { tcpPacket } from '../link/packets.ts';

const { SYN, ACK, RST } = TcpFlag;

/** A connection from 10.0.0.1:40000 to 10.0.0.2:80, told to an annotator; packets of both directions are tcpPacket's. */
function annotated() {
  const shown: AnnotatedPacket[] = [];
  const annotator = new Annotator((p) => shown.push(p));
  let una = 100;
  annotator.open(1, {
    localAddress: toIpv4(0x0a00_0001),
    localPort: 40_000,
    remoteAddress: toIpv4(0x0a00_0002),
    remotePort: 80,
    info: () => ({ snd_cwnd: 1000, snd_ssthresh: -1, rto: 200_000, snd_una: una }),
  });
  let now = 0;
  return {
    shown,
    annotator,
    pass: (us: number) => {
      now += us;
    },
    acked: (seq: number) => {
      una = seq;
    },
    tell: (record: object) => annotator.record({ t: now, conn: 1, ...record } as TraceRecord),
    segment: (dir: 'in' | 'out', seq: number, o: { flags?: string; len?: number; note?: string } = {}) => {
      const seg = { seq, ack: 0, flags: o.flags ?? '.', wnd: 0, len: o.len ?? 0 };
      annotator.record({ t: now, conn: 1, type: 'segment', dir, seg, note: o.note } as unknown as TraceRecord);
    },
    capture: (dir: 'in' | 'out', seq: number, o: { flags?: number; payload?: number[] } = {}) => {
      const packet = tcpPacket({ seq, ...o });
      const octets = new Uint8Array(packet.headerLen + packet.payload.len);
      octets.set(packet.header.subarray(0, packet.headerLen));
      packet.payload.copyTo(octets, packet.headerLen);
      if (dir === 'in') swapEnds(octets);
      annotator.packet(micros(now), dir, octets);
    },
    comments: () => shown.map((p) => `${p.dir} ${p.comments.join(' | ')}`),
  };
}

function swapEnds(octets: Uint8Array): void {
  const [src, dst, ports] = [octets.slice(12, 16), octets.slice(16, 20), octets.slice(20, 24)];
  octets.set(dst, 12);
  octets.set(src, 16);
  octets.set([ports[2]!, ports[3]!, ports[0]!, ports[1]!], 20);
}

const FACTS = (una: number): string => `cwnd 1000, RTO 200 ms, SND.UNA ${una}`;
const state = (from: string, event: string, to: string, cause: string) =>
  ({ type: 'state', from, event, to, cause, rule: '§3.10.1' }) as const;

test('what leaves says why: the transition a call made, the rule, and where the connection stands', () => {
  const a = annotated();
  a.tell({ type: 'call', call: 'active OPEN', args: { iss: 100 } });
  a.tell(state('CLOSED', 'active OPEN', 'SYN-SENT', 'call'));
  a.segment('out', 100, { flags: 'S' });
  a.capture('out', 100, { flags: SYN });
  expect(a.comments()).toEqual([
    `out CLOSED -> SYN-SENT on active OPEN (RFC 9293 §3.10.1); SYN (RFC 9293 §3.10.1); ${FACTS(0)}`,
  ]);
});

test('what arrives waits for what it does', () => {
  const a = annotated();
  a.segment('out', 100, { flags: 'S' });
  a.capture('out', 100, { flags: SYN });
  a.capture('in', 500, { flags: SYN | ACK });
  expect(a.shown).toHaveLength(1);
  a.segment('in', 500, { flags: 'S.' });
  a.acked(101);
  a.tell({ type: 'rtt', rtt: 1500, srtt: 1500, rttvar: 1, rto: 1 });
  a.tell(state('SYN-SENT', 'rcv SYN,ACK', 'ESTABLISHED', 'segment'));
  expect(a.shown).toHaveLength(1);
  a.annotator.flush();
  expect(a.comments()[1]).toBe(
    `in RTT 1.5 ms, SRTT 1.5 ms (RFC 6298 §2); SYN-SENT -> ESTABLISHED on rcv SYN,ACK (RFC 9293 §3.10.1); ${FACTS(1)}`,
  );
});

test('a retransmission names the timer and its rule; its packet is another than the first one’s', () => {
  const a = annotated();
  a.segment('out', 100, { len: 3 });
  a.capture('out', 100, { payload: [1, 2, 3] });
  a.tell({ type: 'timer', timer: 'retransmit', rto: 200_000 });
  a.segment('out', 100, { len: 3, note: 'retransmission' });
  a.capture('out', 100, { payload: [1, 2, 3] });
  expect(a.comments()).toEqual([
    `out 3 octets (RFC 9293 §3.10.2); ${FACTS(100)}`,
    `out retransmit timer expired after 200 ms; retransmission (RFC 6298 §5); ${FACTS(100)}`,
  ]);
});

test('packets that a fault delays keep their own comments, and the order of the capture', () => {
  const a = annotated();
  for (const seq of [1, 2, 3]) a.capture('in', seq, { payload: [seq] });
  a.segment('in', 3, { len: 1 });
  a.annotator.flush();
  expect(a.shown).toHaveLength(0);
  a.segment('in', 1, { len: 1 });
  a.tell({ type: 'drop', reason: 'old' });
  a.segment('in', 2, { len: 1 });
  a.annotator.flush();
  expect(a.comments()).toEqual([
    `in dropped: old; ${FACTS(100)}`,
    `in 1 octets (RFC 9293 §3.10.7.4 seventh); ${FACTS(100)}`,
    `in 1 octets (RFC 9293 §3.10.7.4 seventh); ${FACTS(100)}`,
  ]);
});

test('a packet that a fault loses holds the others up for a second at most', () => {
  const a = annotated();
  a.capture('in', 1);
  a.pass(999_999);
  a.capture('out', 9);
  expect(a.shown).toHaveLength(0);
  a.pass(1);
  a.capture('out', 10);
  expect(a.comments()[0]).toMatch(/^in taken by no connection/);
  expect(a.shown).toHaveLength(3);
});

test('a packet doubled on its way out has its comment twice; a RST for no connection says so; at the end all go out', () => {
  const a = annotated();
  a.segment('out', 1);
  a.capture('out', 1);
  a.capture('out', 1);
  a.capture('out', 77, { flags: RST });
  a.capture('in', 5);
  a.annotator.close();
  expect(a.comments()).toEqual([
    `out ACK (RFC 9293 §3.8.6.3); ${FACTS(100)}`,
    `out ACK (RFC 9293 §3.8.6.3); ${FACTS(100)}`,
    'out answers a segment of no connection (RFC 9293 §3.10.7.1)',
    'in taken by no connection: lost to a fault, not whole, or nobody’s',
  ]);
});
