/** Logs recorded in virtual time: two cores, one of them traced, joined by a path that can lose segments. */
import { type Micros, micros, ms } from '../../src/base/time.ts';
import { VirtualTime } from '../../src/base/virtual-time.ts';
import { type ConnectionConfig, DEFAULT_SOCKET_OPTIONS, DEFAULT_SYSCTL } from '../../src/tcp/config.ts';
import { Connection } from '../../src/tcp/connection.ts';
import { NO_TRACE, type Tracer } from '../../src/tcp/trace.ts';
import { type HeaderRecord, LOG_SCHEMA, type LogRecord, LogTally } from '../../src/tools/log-record.ts';
import { TcpSegment } from '../../src/wire/tcp.ts';

export const CONFIG: ConnectionConfig = {
  profile: 'linux',
  sysctl: { ...DEFAULT_SYSCTL, tcp_msl: 1 },
  options: DEFAULT_SOCKET_OPTIONS,
  path: { receiveMss: 1460, sendMss: 1460, defaultMss: 536, maxGsoPayload: 0 },
};

export const HEADER: HeaderRecord = {
  schema: LOG_SCHEMA,
  type: 'header',
  t: 0,
  wall: '2026-01-02T03:04:05.678Z',
  tcpx: '0.1.0',
  node: '20.0.0',
  kernel: '6.1.0',
  command: 'connect',
  target: '10.0.0.2:7',
  interface: 'eth0',
  mtu: 1500,
  driver: 'memory',
  guard: { kind: 'none', note: 'nothing to guard' },
  sysctl: { tcp_msl: 1 },
  options: {},
};

/** One end: a connection, and what its user does whenever something has happened. */
export interface End {
  readonly connection: Connection;
  send(text: string): void;
  close(): void;
  /** Text received so far. */
  readonly received: string;
  readonly ended: boolean;
}

export interface Pair {
  readonly time: VirtualTime;
  /** The traced end, which opens actively. */
  readonly ours: End;
  readonly peer: End;
  readonly records: LogRecord[];
  /** The whole log: header, records, summary. */
  log(): readonly LogRecord[];
}

/** Two ends, 5 ms apart. `lose`: the how-manieth segments we send, from 1, that don't arrive. */
export function recordedPair(o: { lose?: readonly number[]; peerListens?: boolean } = {}): Pair {
  const time = new VirtualTime();
  const records: LogRecord[] = [
    { type: 'open', t: 0, conn: 1, local: '10.0.0.1', localPort: 40_000, remote: '10.0.0.2', remotePort: 7 },
  ];
  const tally = new LogTally();
  const tracer: Tracer = {
    enabled: true,
    record: (record) => {
      // As JSON keeps it, and as it was at that moment.
      const kept = JSON.parse(JSON.stringify(record)) as LogRecord;
      records.push(kept);
      tally.add(kept);
    },
  };
  let sent = 0;
  const ours = new TestEnd(time, new Connection(1, CONFIG, tracer), () => !(o.lose ?? []).includes(++sent));
  const peer = new TestEnd(time, new Connection(1, CONFIG, NO_TRACE), () => true);
  ours.other = peer;
  peer.other = ours;
  if (o.peerListens !== false) peer.connection.open('passive', { iss: 0xffff_fff0 | 0, tsOffset: 77 }, time.now);
  ours.connection.open('active', { iss: 0x7fff_fffe, tsOffset: -5 }, time.now);
  ours.pump();
  return { time, ours, peer, records, log: () => [HEADER, ...records, tally.summary(time.now)] };
}

class TestEnd implements End {
  readonly connection: Connection;
  readonly #time: VirtualTime;
  readonly #arrives: () => boolean;
  readonly #out = new TcpSegment();
  other!: TestEnd;
  received = '';
  ended = false;
  #armed: Micros | undefined;

  constructor(time: VirtualTime, connection: Connection, arrives: () => boolean) {
    this.#time = time;
    this.connection = connection;
    this.#arrives = arrives;
  }

  send(text: string): void {
    this.connection.send(new TextEncoder().encode(text), this.#time.now);
    this.pump();
  }

  close(): void {
    this.connection.close(this.#time.now);
    this.pump();
  }

  pump(): void {
    const { now } = this.#time;
    for (let octets = this.connection.receive(now); octets !== 'empty'; octets = this.connection.receive(now)) {
      if (octets === 'end') {
        this.ended = true;
        break;
      }
      this.received += new TextDecoder().decode(octets);
    }
    while (this.connection.emit(now, this.#out)) if (this.#arrives()) this.#deliver(this.#out);
    this.connection.takeEvents();
    this.#arm();
  }

  #deliver(out: TcpSegment): void {
    const octets = new Uint8Array(out.payload.len);
    out.payload.copyTo(octets, 0);
    const copy = new TcpSegment();
    const payload = copy.payload;
    Object.assign(copy, out, { payload, sack: [...out.sack] });
    if (octets.length > 0) payload.push(octets, 0, octets.length);
    this.#time.schedule(micros(this.#time.now + ms(5)), () => {
      this.other.connection.onSegment(copy, this.#time.now);
      this.other.pump();
    });
  }

  #arm(): void {
    const at = this.connection.nextTimeout();
    if (at === this.#armed || !Number.isFinite(at)) return;
    this.#armed = at;
    this.#time.schedule(at, () => {
      this.#armed = undefined;
      if (this.connection.nextTimeout() <= this.#time.now) this.connection.onTimeout(this.#time.now);
      this.pump();
    });
  }
}

/** Handshake, data both ways, our CLOSE first, TIME-WAIT to its end. */
export function recordedRun(o: Parameters<typeof recordedPair>[0] = {}): Pair {
  const pair = recordedPair(o);
  const { time, ours, peer } = pair;
  const until = (condition: () => boolean): void => {
    while (!condition() && time.step());
  };
  until(() => ours.connection.state === 'ESTABLISHED');
  ours.send('hello'.repeat(1000));
  until(() => peer.received.length === 5000);
  peer.send('world');
  until(() => ours.received === 'world');
  ours.close();
  until(() => peer.ended);
  peer.close();
  until(() => ours.connection.state === 'CLOSED');
  return pair;
}
