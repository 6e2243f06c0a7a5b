/** A script played on one stack: what left, and what the calls came to, in words that can be compared. */
import type { CallRequest, CallResult } from '../../../src/tools/scenario/calls.ts';
import { O_NONBLOCK } from '../../../src/tools/scenario/constants.ts';
import type { OptionSpec, SegmentSpec } from '../../../src/tools/scenario/model.ts';
import { patternOctets } from '../../../src/tools/scenario/pattern-octets.ts';
import { PEER, SUT } from '../../../src/tools/scenario/run.ts';
import type { RunningCall, SentPacket } from '../../../src/tools/scenario/target.ts';
import { type SentSegment, Wire } from '../../../src/tools/scenario/wire.ts';
import { TcpFlag } from '../../../src/wire/tcp.ts';
import { flagsText } from '../../../src/wire/tcp-text.ts';
import { type Script, type ScriptStep, type Seen, STEP_US } from './script.ts';

/** The part of a scenario's target that a script needs. */
export interface Stage {
  readonly sent: SentPacket[];
  now(): number;
  /** Lets time pass until `at`, microseconds since the script began. */
  pass(at: number): Promise<unknown>;
  inject(packet: Uint8Array, more: boolean): void;
  call(request: CallRequest, octets: Uint8Array, expected: number | undefined): RunningCall;
}

export interface Ports {
  readonly bindPort: number;
  readonly connectPort: number;
  readonly peerPort: number;
}

/** A segment that left. */
export interface Sent {
  /** The step after which it was seen to leave; and when it did, microseconds since the script began. */
  readonly step: number;
  readonly at: number;
  /** Without PSH, which kernels set more often, and without what the clock or the buffers' sizes decide. */
  readonly text: string;
  /** All of it, timestamps counted from the first; its window where that is shut. */
  readonly spec: SegmentSpec;
}

/** What a call of a step came to. */
export interface Called {
  readonly step: number;
  readonly text: string;
}

export interface Played {
  readonly sent: readonly Sent[];
  readonly calls: readonly Called[];
  /** Some of what left was wrong in itself. */
  readonly faults: readonly string[];
}

const NOTHING = new Uint8Array(0);
const PATIENCE_US = 150_000;

export class Player {
  readonly #stage: Stage;
  readonly #ports: Ports;
  readonly #wire: Wire;
  readonly #sent: Sent[] = [];
  readonly #calls: Called[] = [];
  readonly #faults: string[] = [];
  /** The last incarnation's, where there was more than one. */
  #isn: number | undefined;
  #firstTsVal: number | undefined;
  #listener = -1;
  #fd = -1;
  #step = 0;
  /** When it was taken: a real clock may be late. */
  #beganAt = 0;
  #written = 0;
  #read = 0;
  #seen: { -readonly [K in keyof Seen]: Seen[K] } = {
    sndNxt: 1,
    rcvNxt: 1,
    hasSyn: false,
    isReset: false,
    timestamps: false,
    sack: false,
    wnd: 0,
  };

  constructor(stage: Stage, ports: Ports) {
    this.#stage = stage;
    this.#ports = ports;
    this.#wire = new Wire({
      sut: SUT,
      peer: PEER,
      bindPort: ports.bindPort,
      connectPort: ports.peerPort,
      peerPort: () => ports.peerPort,
    });
  }

  get seen(): Seen {
    return this.#seen;
  }

  get played(): Played {
    return { sent: this.#sent, calls: this.#calls, faults: this.#faults };
  }

  /** When each step was taken, microseconds since the script began. */
  readonly times: number[] = [];

  /**
   * Does the step, and lets its time pass. `at`: when, where that is not as soon as the step before is over. `expected`:
   * segments that will have left by then, for which a busy machine is given some more time.
   */
  async take(step: ScriptStep, at?: number, expected = 0): Promise<void> {
    if (at !== undefined) await this.#stage.pass(at);
    this.#look();
    const before = this.#stage.now();
    await this.#do(step);
    // Calls take their time; what they bring about comes with the last of them.
    this.#beganAt = step.do === 'in' ? before : this.#stage.now();
    this.times.push(this.#beganAt);
    await this.#stage.pass(this.#beganAt + STEP_US);
    this.#look();
    while (this.#sent.length < expected && this.#stage.now() < this.#beganAt + PATIENCE_US) {
      await this.#stage.pass(this.#stage.now() + 3000);
      this.#look();
    }
    this.#step++;
  }

  /** The descriptors, to be closed. */
  get open(): readonly number[] {
    return [this.#fd, this.#listener].filter((fd) => fd >= 0);
  }

  async #do(step: ScriptStep): Promise<void> {
    switch (step.do) {
      case 'in':
        // There is one connection: a SYN behind its end begins it anew.
        this.#stage.inject(this.#wire.build({ ...step.packet, ip: { conn: 1 } }), false);
        return;
      case 'listen':
        this.#listener = (await this.#made({ call: 'socket' })).result;
        await this.#made({ call: 'setsockopt', fd: this.#listener, option: 'SO_REUSEADDR', value: 1 });
        await this.#made({ call: 'fcntl', fd: this.#listener, command: 'F_SETFL', flags: O_NONBLOCK });
        await this.#told({ call: 'bind', fd: this.#listener, port: this.#ports.bindPort });
        await this.#told({ call: 'listen', fd: this.#listener, backlog: 5 });
        return;
      case 'connect':
        this.#fd = (await this.#made({ call: 'socket' })).result;
        await this.#made({ call: 'fcntl', fd: this.#fd, command: 'F_SETFL', flags: O_NONBLOCK });
        await this.#nagleOff();
        this.#wire.onConnect(this.#ports.peerPort, undefined);
        await this.#told({ call: 'connect', fd: this.#fd, address: PEER | 0, port: this.#ports.peerPort });
        return;
      case 'accept': {
        if (this.#listener < 0) return;
        const { result, errno } = await this.#made({ call: 'accept', fd: this.#listener });
        this.#calls.push({ step: this.#step, text: `accept ${errno ?? 'ok'}` });
        if (result < 0) return;
        this.#fd = result;
        await this.#made({ call: 'fcntl', fd: this.#fd, command: 'F_SETFL', flags: O_NONBLOCK });
        await this.#nagleOff();
        return;
      }
      case 'user':
        if (this.#fd >= 0) await this.#user(step.user);
        return;
      case 'nothing':
        return;
    }
  }

  /** Linux's Nagle is Minshall's, which lets a small segment follow full ones; ours is RFC 9293's. */
  async #nagleOff(): Promise<void> {
    await this.#made({ call: 'setsockopt', fd: this.#fd, option: 'TCP_NODELAY', value: 1 });
  }

  async #user(user: Extract<ScriptStep, { do: 'user' }>['user']): Promise<void> {
    const fd = this.#fd;
    switch (user.call) {
      case 'write': {
        const octets = patternOctets(this.#written, user.len);
        const { result } = await this.#told({ call: 'write', fd, len: user.len, flags: 0 }, octets);
        if (result > 0) this.#written += result;
        return;
      }
      case 'read': {
        const { octets } = await this.#told({ call: 'read', fd, len: 65_536, flags: 0 });
        if (octets === undefined) return;
        const wanted = patternOctets(this.#read, octets.length);
        if (octets.some((octet, i) => octet !== wanted[i])) this.#faults.push('other octets were read than were sent');
        this.#read += octets.length;
        return;
      }
      case 'shutdown':
        await this.#told({ call: 'shutdown', fd, how: 1 });
        return;
      case 'abort':
        await this.#made({ call: 'setsockopt', fd, option: 'SO_LINGER', value: { onoff: 1, linger: 0 } });
        this.#fd = -1;
        await this.#told({ call: 'close', fd });
        return;
      case 'close':
        this.#fd = -1;
        await this.#told({ call: 'close', fd });
        return;
    }
  }

  async #told(request: CallRequest, octets: Uint8Array = NOTHING): Promise<CallResult> {
    const result = await this.#made(request, octets);
    this.#calls.push({ step: this.#step, text: `${request.call} ${result.errno ?? result.result}` });
    return result;
  }

  async #made(request: CallRequest, octets: Uint8Array = NOTHING): Promise<CallResult> {
    const running = this.#stage.call(request, octets, undefined);
    const until = this.#stage.now() + 2_000_000;
    while (running.result === undefined && this.#stage.now() < until) await this.#stage.pass(this.#stage.now() + 200);
    return running.result ?? { result: -1, errno: 'EINPROGRESS (blocks)' };
  }

  #look(): void {
    for (const packet of this.#stage.sent.splice(0)) {
      const segment = this.#wire.read(packet.bytes, packet.t);
      if (segment !== undefined) this.#note(segment);
    }
  }

  #note(s: SentSegment): void {
    const { conn, flags } = s;
    const isn = conn?.sutIsn ?? 0;
    const isNext = flags & TcpFlag.SYN && s.seq >>> 0 !== isn >>> 0;
    // The numbers of a next incarnation count from its own ISN.
    if (isNext) this.#isn = s.seq;
    const seq = (s.seq - (flags & TcpFlag.SYN ? isn : (this.#isn ?? isn))) >>> 0;
    const ack = (s.ack - (conn?.peerIsn ?? 0)) >>> 0;
    this.#faults.push(...s.faults);
    const seen = this.#seen;
    if (flags & TcpFlag.RST) seen.isReset = true;
    else {
      const len = s.len + (flags & TcpFlag.SYN ? 1 : 0) + (flags & TcpFlag.FIN ? 1 : 0);
      seen.sndNxt = Math.max(seen.sndNxt, seq + len);
      if (flags & TcpFlag.ACK) seen.rcvNxt = ack;
      seen.timestamps = s.options.some((o) => o.kind === 'TS');
      if (flags & TcpFlag.SYN) seen.hasSyn = true;
      seen.wnd = s.wnd;
    }
    this.#sent.push({ step: this.#step, at: s.t, text: sentText(s, seq, ack), spec: this.#spec(s, seq, ack) });
  }

  #spec(s: SentSegment, seq: number, ack: number): SegmentSpec {
    const options = s.options.map((o): OptionSpec => {
      if (o.kind !== 'TS') return o;
      this.#firstTsVal ??= o.val;
      return { ...o, val: (o.val - this.#firstTsVal + 1) >>> 0 };
    });
    const { flags, len } = s;
    const wnd = s.wnd === 0 && !(flags & TcpFlag.RST) ? { wnd: 0 } : {};
    // Of an incarnation's SYN the number is its name, always the same.
    const named = flags & TcpFlag.SYN ? 0 : seq;
    return { kind: 'segment', ip: {}, flags, seq: named, len, ...(flags & TcpFlag.ACK && { ack }), ...wnd, options };
  }
}

function sentText(s: SentSegment, seq: number, ack: number): string {
  const options = s.options
    .map((o) => {
      if (o.kind === 'TS') return `TS ecr ${o.ecr}`;
      if (o.kind === 'sack') return `sack ${o.blocks.map(([l, r]) => `${l}:${r}`).join(' ')}`;
      return o.kind === 'wscale' ? 'wscale' : o.kind === 'mss' ? `mss ${o.n}` : o.kind;
    })
    .filter((text) => text !== 'nop' && text !== 'eol');
  const flags = flagsText(s.flags & ~TcpFlag.PSH);
  const acked = s.flags & TcpFlag.ACK ? ` ack ${ack}` : '';
  const wnd = s.flags & TcpFlag.RST ? '' : s.wnd === 0 ? ' win 0' : ' win >0';
  // A RST for a segment without ACK has no number of its own, and a next incarnation has drawn its own.
  const isElsewhere = seq > 2 ** 26 && seq < 2 ** 32 - 2 ** 26;
  const isFree = (s.flags & TcpFlag.RST && (s.seq === 0 || isElsewhere)) || (s.flags & TcpFlag.SYN && seq !== 0);
  const range = isFree ? `any(${s.len})` : `${seq}:${(seq + s.len) >>> 0}(${s.len})`;
  return `${flags} ${range}${acked}${wnd}${options.length > 0 ? ` <${options.join(',')}>` : ''}`;
}

/** `times`: when to take each step. `like`: another play, whose segments are waited for. */
export async function play(
  script: Script,
  stage: Stage,
  ports: Ports,
  o: { readonly times?: readonly number[]; readonly like?: Played } = {},
): Promise<Player> {
  const player = new Player(stage, ports);
  for (const [i, step] of script.steps.entries()) {
    const expected = o.like?.sent.filter((s) => s.step <= i).length;
    await player.take(step, o.times?.[i], expected);
  }
  return player;
}
