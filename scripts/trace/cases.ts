/**
 * The captures on which our notes and tshark's are compared: each kind of trouble by itself, made by tcpx in virtual time or
 * written by hand, then mixtures of all by seeded chance, seen from three places. The same every time.
 */
import { micros, ms, seconds } from '../../src/base/time.ts';
import type { Faults } from '../../src/link/faults.ts';
import { onNth } from '../../src/link/taps/fault.ts';
import { type CapturedAt, SERVER, type VirtualOptions, virtualCapture } from './virtual.ts';
import { writtenCapture } from './written.ts';

export interface TraceCase {
  readonly name: string;
  /** What goes wrong. */
  readonly trouble: string;
  packets(): readonly CapturedAt[];
}

/** 20 ms there and back, and 10 Mbit/s, so that segments come one after another. */
const PATH = { delay: ms(10), rate: 1_250_000 } as const;

const virtual = (name: string, trouble: string, o: VirtualOptions): TraceCase => ({
  name,
  trouble,
  packets: () => virtualCapture({ ...PATH, ...o }),
});
const written = (name: string, trouble: string, text: string): TraceCase => ({
  name,
  trouble,
  packets: () => writtenCapture(text),
});

const drop = (...numbers: number[]): Faults => ({ script: onNth(numbers, 'drop') });
const double = (...numbers: number[]): Faults => ({ script: onNth(numbers, 'duplicate') });
const late = (by: number, ...numbers: number[]): Faults => ({ script: onNth(numbers, { delay: ms(by) }) });
const UPLOAD = { client: { send: 120_000 }, server: { closes: 'when the peer has' } } as const;
const NO_SACK = { tcp_sack: false, tcp_timestamps: false } as const;

const ALONE: readonly TraceCase[] = [
  virtual('lost SYN', 'SYN lost behind the capture', { at: 'client', toServer: drop(1), ...UPLOAD }),
  virtual('lost SYN,ACK', 'SYN,ACK lost', { at: 'server', toClient: drop(1), ...UPLOAD }),
  virtual('lost third segment', 'ACK of the SYN,ACK and the first data lost', {
    at: 'server',
    toServer: drop(2, 3),
    ...UPLOAD,
  }),
  virtual('lost data, at the sender', 'data lost behind the capture', {
    at: 'client',
    toServer: drop(20, 41),
    ...UPLOAD,
  }),
  virtual('lost data, at the receiver', 'data lost before the capture', {
    at: 'server',
    toServer: drop(20, 41),
    ...UPLOAD,
  }),
  virtual('burst lost', 'ten segments in a row lost', {
    at: 'client',
    toServer: drop(30, 31, 32, 33, 34, 35, 36, 37, 38, 39),
    ...UPLOAD,
  }),
  virtual('lost tail', 'the last data and the FIN lost', { at: 'client', toServer: drop(85, 86), ...UPLOAD }),
  virtual('lost data without SACK', 'three duplicate ACKs, fast retransmission', {
    at: 'client',
    toServer: drop(25),
    sysctl: NO_SACK,
    ...UPLOAD,
  }),
  virtual('lost ACKs', 'every other ACK lost', { at: 'client', toClient: { loss: 0.5 }, ...UPLOAD }),
  virtual('lost FIN', 'FIN lost and sent again', {
    at: 'client',
    toServer: drop(3, 4),
    client: {},
    server: { closes: 'when the peer has' },
  }),
  virtual('lost last ACK', 'the ACK of the last FIN lost', {
    at: 'server',
    toServer: drop(4, 5),
    client: {},
    server: { closes: 'when the peer has' },
  }),
  virtual('doubled data', 'segments doubled by the path', { at: 'server', toServer: double(20, 30, 40), ...UPLOAD }),
  virtual('doubled ACKs', 'ACKs doubled by the path', { at: 'client', toClient: double(5, 8, 11, 14), ...UPLOAD }),
  virtual('reordered a little', 'segments overtaken by a few', {
    at: 'server',
    toServer: late(3, 20, 35, 50),
    ...UPLOAD,
  }),
  virtual('reordered a lot', 'segments later than a round trip', { at: 'server', toServer: late(45, 25), ...UPLOAD }),
  virtual('slow reader', 'window full, zero window, window update', {
    at: 'client',
    client: { send: 400_000 },
    server: { readPace: 1200, closes: 'when the peer has', options: { SO_RCVBUF: 16_384 } },
    runFor: seconds(20),
  }),
  virtual('stalled reader', 'zero window and probes without an octet, as Linux sends them', {
    at: 'client',
    client: { send: 100_000 },
    server: { readsFrom: seconds(8), closes: 'when the peer has', options: { SO_RCVBUF: 8192 } },
    runFor: seconds(30),
  }),
  virtual('keep-alives', 'a silent connection asked after', {
    at: 'client',
    client: {
      send: 1000,
      closes: 'never',
      options: { SO_KEEPALIVE: true, TCP_KEEPIDLE: 10, TCP_KEEPINTVL: 5, TCP_KEEPCNT: 3 },
    },
    server: { closes: 'never' },
    runFor: seconds(400),
  }),
  virtual('refused', 'no listener: RST', { at: 'client', client: {}, server: 'nobody' }),
  virtual('no answer', 'SYNs into a hole', {
    at: 'client',
    toServer: { loss: 1 },
    client: {},
    server: 'nobody',
    runFor: seconds(40),
  }),
  virtual('reset', 'aborted by RST in the middle of data', {
    at: 'client',
    client: { send: 400_000, abortsAt: ms(150) },
    server: {},
  }),
  virtual('half-closed', 'one end goes on after the other’s FIN', {
    at: 'client',
    client: { send: 500 },
    server: { send: 60_000, chunk: 3000, every: ms(30) },
  }),
  virtual('both close at once', 'FINs cross', { at: 'middle', client: { send: 3000 }, server: { send: 3000 } }),
  virtual('simultaneous open', 'SYNs cross', {
    at: 'client',
    client: {},
    server: 'nobody',
    also: ({ client, server, at, time }) => {
      at(micros(0), () => {
        void time;
        client.connect({ address: SERVER, port: 5001, localPort: 5000 });
        server.connect({ address: client.address, port: 5000, localPort: 5001 });
      });
    },
  }),
  virtual('ports reused', 'the same ports again, in TIME-WAIT', {
    at: 'client',
    client: {},
    server: { closes: 'when the peer has' },
    sysctl: { tcp_tw_reuse: 1 },
    also: ({ client, at }) => {
      for (const t of [5, 10])
        at(seconds(t), () => {
          const endpoint = client.connect({ address: SERVER, port: 80, localPort: 41_000 });
          endpoint.onEvent = () => {
            if (endpoint.state === 'ESTABLISHED') endpoint.shutdown();
          };
        });
    },
  }),
  virtual('jitter', 'times that vary, order kept', {
    at: 'client',
    toServer: { jitter: ms(15) },
    toClient: { jitter: ms(15) },
    ...UPLOAD,
  }),
  virtual('a narrow queue', 'losses by a queue that overflows', {
    at: 'client',
    toServer: { rate: 250_000, queue: { packets: 8 } },
    client: { send: 300_000 },
    server: { closes: 'when the peer has' },
  }),
  virtual('requests and answers', 'small segments each way, some lost', {
    at: 'middle',
    toServer: drop(9, 20),
    toClient: drop(12),
    client: { send: 6000, chunk: 200, every: ms(50) },
    server: { send: 12_000, chunk: 400, every: ms(50), closes: 'when the peer has' },
  }),
];

const OPENING = `
  0.000 > S  seq 0 win 64240 mss 1460 sackOK wscale 7
  0.020 < S. seq 0 ack 1 win 65160 mss 1460 sackOK wscale 7
  0.020100 > . seq 1 ack 1 win 502`;

/** A reader that takes 4 segments at a time: filled to the edge, shut, probed, opened. */
function stopAndGo(times: number): string {
  const lines = [OPENING];
  for (let n = 0; n < times; n++) {
    const t = 1 + n;
    const at = 1 + n * 5120;
    const line = (dt: number, rest: string): number => lines.push(`${(t + dt).toFixed(4)} ${rest}`);
    // 40 units of 128 octets: four segments fit exactly.
    line(0, `< . seq 1 ack ${at} win 40`);
    for (let k = 0; k < 3; k++) line(0.001 + k / 1000, `> . seq ${at + k * 1280} ack 1 len 1280`);
    line(0.004, `> P. seq ${at + 3840} ack 1 len 1280`);
    line(0.025, `< . seq 1 ack ${at + 5120} win 0`);
    line(0.3, `> . seq ${at + 5120} ack 1 len 1`);
    line(0.32, `< . seq 1 ack ${at + 5120} win 0`);
    line(0.6, `< . seq 1 ack ${at + 5120} win 20`);
  }
  return lines.join('\n');
}

const WRITTEN: readonly TraceCase[] = [
  written('stop and go', 'window full, zero window, probe and update, again and again', stopAndGo(20)),
  written(
    'zero-window probes with an octet',
    'probes as RFC 9293 has them, answered, then the window opens',
    `${OPENING}
    0.021 > . seq 1 ack 1 len 1000
    0.041 < . seq 1 ack 1001 win 0
    0.300 > . seq 1001 ack 1 len 1
    0.320 < . seq 1 ack 1001 win 0
    0.900 > . seq 1001 ack 1 len 1
    0.920 < . seq 1 ack 1001 win 0
    1.500 < . seq 1 ack 1001 win 100
    1.501 > . seq 1001 ack 1 len 1000
    1.521 < . seq 1 ack 2001 win 100`,
  ),
  written(
    'a probe whose octet is taken',
    'the window opened just before the probe came',
    `${OPENING}
    0.021 > . seq 1 ack 1 len 1000
    0.041 < . seq 1 ack 1001 win 0
    0.300 > . seq 1001 ack 1 len 1
    0.320 < . seq 1 ack 1002 win 200
    0.321 > . seq 1002 ack 1 len 1000
    0.341 < . seq 1 ack 2002 win 200`,
  ),
  written(
    'keep-alives with an octet',
    'as some old stacks send them',
    `${OPENING}
    0.021 > P. seq 1 ack 1 len 100
    0.041 < . seq 1 ack 101
    30.0 > . seq 100 ack 1 len 1
    30.02 < . seq 1 ack 101
    60.0 > . seq 100 ack 1 len 0
    60.02 < . seq 1 ack 101`,
  ),
  written(
    'a lost keystroke',
    'a single octet sent again',
    `${OPENING}
    1.000 > P. seq 1 ack 1 len 1
    1.020 < P. seq 1 ack 2 len 1
    1.021 > . seq 2 ack 2
    2.000 > P. seq 2 ack 2 len 1
    2.220 > P. seq 2 ack 2 len 1
    2.240 < P. seq 2 ack 3 len 1
    2.241 > . seq 3 ack 3`,
  ),
  written(
    'capture began late',
    'no handshake, and data that was acknowledged before it',
    `
    0.000 < . seq 9001 ack 5001 win 300
    0.001 > P. seq 5001 ack 9001 len 300
    0.021 < . seq 9001 ack 5301 win 300
    0.022 < P. seq 9001 ack 5301 len 500 win 300
    0.042 > . seq 5301 ack 9501
    1.000 > F. seq 5301 ack 9501
    1.020 < F. seq 9501 ack 5302
    1.040 > . seq 5302 ack 9502`,
  ),
  written(
    'the capture missed segments',
    'octets acknowledged that were never seen',
    `${OPENING}
    0.021 > . seq 1 ack 1 len 1460
    0.022 > . seq 2921 ack 1 len 1460
    0.041 < . seq 1 ack 4381
    0.042 > . seq 4381 ack 1 len 1460
    0.062 < . seq 1 ack 8761
    0.063 > . seq 8761 ack 1 len 1460
    0.083 < . seq 1 ack 10221`,
  ),
  written(
    'spurious retransmission',
    'sent again though its ACK had come, answered by a D-SACK',
    `${OPENING}
    0.021 > . seq 1 ack 1 len 1460
    0.022 > . seq 1461 ack 1 len 1460
    0.041 < . seq 1 ack 1461
    0.042 < . seq 1 ack 2921
    0.250 > . seq 1461 ack 1 len 1460
    0.270 < . seq 1 ack 2921 sack 1461:2921
    0.300 > . seq 2921 ack 1 len 1460
    0.320 < . seq 1 ack 4381`,
  ),
  written(
    'fast retransmission',
    'three duplicate ACKs and the answer to them',
    `${OPENING}
    0.021 > . seq 1 ack 1 len 1460
    0.0211 > . seq 1461 ack 1 len 1460
    0.0212 > . seq 2921 ack 1 len 1460
    0.0213 > . seq 4381 ack 1 len 1460
    0.0214 > . seq 5841 ack 1 len 1460
    0.041 < . seq 1 ack 1461
    0.0412 < . seq 1 ack 1461 sack 2921:4381
    0.0413 < . seq 1 ack 1461 sack 2921:5841
    0.0414 < . seq 1 ack 1461 sack 2921:7301
    0.0415 > . seq 1461 ack 1 len 1460
    0.0615 < . seq 1 ack 7301`,
  ),
  written(
    'repacketized retransmission',
    'the same octets in other segments',
    `${OPENING}
    0.021 > . seq 1 ack 1 len 500
    0.022 > . seq 501 ack 1 len 500
    0.023 > . seq 1001 ack 1 len 500
    0.300 > . seq 1 ack 1 len 1460
    0.320 < . seq 1 ack 1461
    0.321 > . seq 1461 ack 1 len 40
    0.341 < . seq 1 ack 1501`,
  ),
  written(
    'challenge ACKs',
    'a RST and a SYN that are not what they should be',
    `${OPENING}
    0.021 > . seq 1 ack 1 len 1000
    0.041 < . seq 1 ack 1001
    0.100 > R seq 1500
    0.120 < . seq 1 ack 1001
    0.200 > P. seq 1001 ack 1 len 10
    0.220 < . seq 1 ack 1011`,
  ),
  written(
    'window updates',
    'a window that opens by and by',
    `${OPENING}
    0.021 > . seq 1 ack 1 len 1460
    0.041 < . seq 1 ack 1461 win 20
    0.045 < . seq 1 ack 1461 win 40
    0.050 < . seq 1 ack 1461 win 502
    0.051 > . seq 1461 ack 1 len 1460
    0.071 < . seq 1 ack 2921`,
  ),
  written(
    'half-open discovered',
    'one end has forgotten: RST, then the same ports again',
    `${OPENING}
    0.021 > P. seq 1 ack 1 len 100
    0.041 < . seq 1 ack 101
    10.0 > P. seq 101 ack 1 len 100
    10.02 < R seq 1
    11.0 > S  seq 0 isn 777000 win 64240 mss 1460 wscale 7
    11.02 < S. seq 0 isn 888000 ack 1 win 65160 mss 1460 wscale 7
    11.03 > . seq 1 ack 1
    11.04 > F. seq 1 ack 1
    11.06 < F. seq 1 ack 2
    11.08 > . seq 2 ack 2`,
  ),
];

/** Chance for everything, at both ends and between. */
function mixtures(): readonly TraceCase[] {
  const cases: TraceCase[] = [];
  for (const at of ['client', 'server', 'middle'] as const)
    for (let seed = 1; seed <= 5; seed++)
      cases.push(
        virtual(`mixture ${seed}, ${at}`, 'loss, doubling, reordering and jitter by chance', {
          at,
          seed,
          toServer: { loss: 0.02, duplicate: 0.005, reorder: 0.01, jitter: ms(2) },
          toClient: { loss: 0.01, duplicate: 0.005, reorder: 0.005 },
          client: { send: 300_000 },
          server: { send: 150_000, closes: 'when the peer has' },
          sysctl: seed === 5 ? NO_SACK : {},
          runFor: seconds(120),
        }),
      );
  return cases;
}

export const CASES: readonly TraceCase[] = [...ALONE, ...WRITTEN, ...mixtures()];
