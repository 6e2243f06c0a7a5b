/**
 * What a claim acts on: the lab, a tcpx with an address of its own in it (10.77.0.3), and somebody who listens: what is said,
 * the ladder as it grows, what is checked and what was shown.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Micros, micros } from '../../base/time.ts';
import { type Host, openHost } from '../../socket/host.ts';
import type { Endpoint } from '../../stack/endpoint.ts';
import type { Listener } from '../../stack/listener.ts';
import type { ConnectOptions, ListenOptions, StackTracer } from '../../stack/stack-options.ts';
import type { Sysctl } from '../../tcp/config.ts';
import type { State } from '../../tcp/machine.ts';
import type { TraceRecord } from '../../tcp/trace.ts';
import type { Ipv4 } from '../../wire/ipv4.ts';
import type { Lang } from '../report/texts.ts';
import { monotonicMicros } from '../scenario/kernel-process.ts';
import { LAB_INTERFACE, LAB_OWN, LAB_PREFIX_LEN, labMac } from './addresses.ts';
import { type Claim, ClaimFailed, type LabStep, type Sabotage, type Text, text } from './claim.ts';
import type { Lab } from './lab.ts';
import { LiveLadder } from './live-ladder.ts';
import type { LabSegment } from './packet.ts';
import type { SeenPacket } from './path.ts';
import type { PathRule, SegmentMatch } from './path-rule.ts';
import { TcpxEnd } from './tcpx-end.ts';

/** A segment seen on the path. */
export type Seen = SeenPacket & { readonly segment: LabSegment };
/** Of a tcpx; `own` is its place among LAB_OWN. */
export interface TcpxOptions {
  readonly sysctl?: Partial<Sysctl>;
  readonly own?: number;
  /** With the kernel's address, 10.77.0.1, and ports of its range instead. */
  readonly shared?: boolean;
}
type HowToConnect = Omit<ConnectOptions, 'address' | 'port'> & { readonly tcpx?: Host };

/** A wire without news for so long is quiet, milliseconds: above what a busy machine needs for a step. */
const QUIET = 60;

export class Stage {
  readonly lab: Lab;
  readonly steps: LabStep[] = [];
  readonly shown: Text[] = [];
  readonly #claim: Claim;
  readonly #sabotage: Sabotage;
  readonly #onStep: (step: LabStep) => void;
  readonly #zero = micros(monotonicMicros());
  readonly #hosts: Host[] = [];
  readonly #atEnd: (() => void)[] = [];
  readonly #ends = new Map<
    number,
    { readonly endpoint: Endpoint; readonly states: State[]; end: TcpxEnd | undefined }
  >();
  readonly #ladder: LiveLadder;
  readonly #stop: () => void;
  /** Milliseconds. */
  readonly #quiet: number;
  /** Steps that wait for the rows of what was before them. */
  #waiting: LabStep[] = [];
  readonly #timer: NodeJS.Timeout;
  /** Ports whose segments the ladder leaves out: floods. */
  readonly hiddenPorts = new Set<number>();
  readonly records: { readonly endpoint: Endpoint; readonly record: TraceRecord }[] = [];
  #lastId = 0;
  #lastPacketAt = 0;
  #first: Promise<Host> | undefined;

  constructor(lab: Lab, claim: Claim, sabotage: Sabotage, onStep: (step: LabStep) => void) {
    this.lab = lab;
    this.#claim = claim;
    this.#sabotage = sabotage;
    this.#onStep = onStep;
    const source = {
      isTcpx: (address: Ipv4) => LAB_OWN.includes(address),
      isListening: (port: number) => lab.sockets('peer', port).some((s) => s.state === 'LISTEN'),
      isHidden: (port: number) => this.hiddenPorts.has(port),
    };
    const { local, peer } = claim.lab?.faults ?? {};
    const oneWay = Math.max(local?.delay ?? 0, peer?.delay ?? 0);
    this.#quiet = QUIET + oneWay / 500;
    this.#ladder = new LiveLadder(source, this.#zero, oneWay);
    this.#stop = lab.path.onPacket((packet) => {
      this.#lastPacketAt = performance.now();
      this.#ladder.packet(packet);
    });
    this.#timer = setInterval(() => this.#grow(false), 50);
  }

  /** The first tcpx, opened when it is first asked for. */
  tcpx(): Promise<Host> {
    this.#first ??= this.open();
    return this.#first;
  }

  /** A tcpx; 10.77.0.3 unless `own` says otherwise. */
  async open(o: TcpxOptions = {}): Promise<Host> {
    const address = LAB_OWN[o.own ?? 0]!;
    const own = { address, prefixLen: LAB_PREFIX_LEN, mac: labMac(address), probe: 'off' } as const;
    const host = await openHost({
      remote: this.lab.remote,
      interface: LAB_INTERFACE,
      ...(o.shared === true ? { ports: 'many' as const } : { ownAddress: own }),
      sysctl: { tcp_msl: 1, ...o.sysctl, ...this.#sabotage.sysctl },
      nextId: () => ++this.#lastId,
      tracer: this.#tracer(),
    });
    this.#hosts.push(host);
    if (this.#first === undefined) this.#first = Promise.resolve(host);
    return host;
  }

  /** A connection of tcpx's to a port of the peer. */
  async connect(port: number, o: HowToConnect = {}): Promise<TcpxEnd> {
    const { tcpx = await this.tcpx(), ...how } = o;
    return this.endOf(tcpx.stack.connect({ ...how, address: this.lab.remote, port }));
  }

  async listen(port: number, o: Omit<ListenOptions, 'port'> = {}): Promise<Listener> {
    return (await this.tcpx()).stack.listen({ ...o, port });
  }

  /** The next connection that `listener` has; fails the claim when none comes. */
  async accept(listener: Listener, patience = 5000): Promise<TcpxEnd> {
    const until = performance.now() + patience;
    for (;;) {
      const endpoint = listener.accept();
      if (endpoint !== undefined) return this.endOf(endpoint);
      if (performance.now() > until)
        throw new ClaimFailed(text('tcpx has no connection to accept', 'tcpx 没有连接可以 accept'));
      await sleep(5);
    }
  }

  endOf(endpoint: Endpoint): TcpxEnd {
    const known = this.#ends.get(endpoint.id);
    const end = new TcpxEnd(endpoint, known?.states ?? []);
    if (known !== undefined) known.end = end;
    return end;
  }

  /** tcpx's own address, the first one's. */
  get address(): Ipv4 {
    return LAB_OWN[0]!;
  }

  rule(rule: PathRule): ReturnType<Lab['path']['rule']> {
    return this.lab.path.rule(rule);
  }

  /** The `n`-th such segment, so far or still to come; fails the claim when it doesn't come in time (milliseconds). */
  async segment(match: Partial<SegmentMatch>, n = 1, patience = 5000): Promise<Seen> {
    const found = await this.lab.path.until(() => this.segments(match)[n - 1], patience);
    if (found !== undefined) return found;
    throw new ClaimFailed(
      text(
        `no segment came as expected: ${JSON.stringify(match)}, number ${n}`,
        `没有等到预期的报文段：${JSON.stringify(match)}，第 ${n} 个`,
      ),
    );
  }

  /** Such segments so far, if they were not lost on their way. */
  segments(match: Partial<SegmentMatch> = {}): readonly Seen[] {
    return this.sent(match).filter(({ fate }) => fate !== 'drop' && fate !== 'corrupt');
  }

  /** Such segments so far, lost ones as well. */
  sent(match: Partial<SegmentMatch> = {}): readonly Seen[] {
    return this.lab.path.segments(match).filter((p): p is Seen => p.segment !== undefined);
  }

  /** The kernel's states on `port`, listeners aside. */
  peerStates(port: number): readonly State[] {
    return this.lab
      .sockets('peer', port)
      .filter((s) => s.state !== 'LISTEN')
      .map((s) => s.state);
  }

  /** Whether the kernel shows `state` on `port` ('CLOSED': nothing), waiting for it up to `patience` milliseconds. */
  async peerReached(port: number, state: State, patience = 5000): Promise<boolean> {
    return this.until(() => {
      const states = this.peerStates(port);
      return state === 'CLOSED' ? states.length === 0 : states.includes(state);
    }, patience);
  }

  async until(isSo: () => boolean, patience = 5000): Promise<boolean> {
    for (const until = performance.now() + patience; performance.now() < until; await sleep(4)) if (isSo()) return true;
    return isSo();
  }

  /** Until the wire is quiet: what was begun has happened. */
  async settle(quiet = this.#quiet, patience = 5000): Promise<void> {
    const until = performance.now() + patience;
    this.#lastPacketAt = performance.now();
    while (performance.now() < until && performance.now() - this.#lastPacketAt < quiet) await sleep(5);
    await this.lab.path.counters();
  }

  /** One sentence, after what the wire has shown so far. */
  async say(en: string, zh: string): Promise<void> {
    await this.settle();
    this.#grow(true);
    this.#told({ kind: 'say', text: text(en, zh), t: this.now });
  }

  /** Must be so, or the claim was not shown. */
  check(ok: boolean, en: string, zh: string): void {
    const what = text(en, zh);
    this.#waiting.push({ kind: 'check', text: what, ok, t: this.now });
    if (!ok) throw new ClaimFailed(what);
  }

  /** A fact that was seen. */
  show(en: string, zh: string): void {
    this.shown.push(text(en, zh));
  }

  table(lines: Readonly<Record<Lang, readonly string[]>>): void {
    this.#waiting.push({ kind: 'table', lines, t: this.now });
  }

  /** Microseconds since it began. */
  get now(): Micros {
    return micros(monotonicMicros() - this.#zero);
  }

  /** When a packet came to the path, on the same clock. */
  timeOf(packet: SeenPacket): Micros {
    return micros(packet.at - this.#zero);
  }

  /** Everything is shown that there is; idempotent. */
  async close(): Promise<void> {
    await this.settle(30, 300);
    this.#grow(true);
    clearInterval(this.#timer);
    this.#stop();
    for (const host of this.#hosts) host.close();
    for (const run of this.#atEnd.splice(0)) run();
  }

  /** `run` is called when the claim is over, whichever way it ends. */
  atEnd(run: () => void): void {
    this.#atEnd.push(run);
  }

  get name(): string {
    return this.#claim.name;
  }

  #tracer(): StackTracer {
    return {
      enabled: true,
      open: (conn, endpoint) => {
        this.#ends.set(conn, { endpoint, states: [], end: undefined });
      },
      record: (record) => {
        const known = this.#ends.get(record.conn);
        if (known === undefined) return;
        if (record.type !== 'segment') this.records.push({ endpoint: known.endpoint, record });
        if (record.type === 'state') {
          known.states.push(record.to);
          this.#ladder.state(known.endpoint, record, micros(monotonicMicros()));
        }
        // Who waits may act: not inside the core.
        queueMicrotask(() => known.end?.nudge());
      },
    };
  }

  /** Steps and rows in the order in which they happened. */
  #grow(all: boolean): void {
    const now = micros(monotonicMicros());
    const until = all ? Number.POSITIVE_INFINITY : this.#ladder.readyUntil(now) - this.#zero;
    const steps = this.#waiting.filter((step) => step.t <= until);
    this.#waiting = this.#waiting.filter((step) => step.t > until);
    for (const { connection, row, note } of this.#ladder.take(now, all))
      steps.push({ kind: 'row', t: micros(row.t), connection, row, ...(note !== undefined && { note }) });
    for (const step of steps.sort((a, b) => a.t - b.t)) this.#told(step);
  }

  #told(step: LabStep): void {
    this.steps.push(step);
    this.#onStep(step);
  }
}
