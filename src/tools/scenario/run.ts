/**
 * Plays a scenario on a target: each step at its time, and what leaves in between against what is expected. Stops at the
 * first thing that is otherwise. Relative times count from when the step before happened.
 */
import { LinkFailure } from '../../link/failure.ts';
import { parseIpv4 } from '../../wire/ipv4.ts';
import { runCode, type Scalar } from './assertions.ts';
import { type CallRequest, type CallResult, callText, type ExpectedResult, type PlannedCall } from './calls.ts';
import { Msg, VALUES } from './constants.ts';
import { differences, joinedWith, sentText, specText } from './match.ts';
import type { CallStep, Place, SegmentSpec, Step, TargetName } from './model.ts';
import { patternOctets } from './pattern-octets.ts';
import type { Plan, PlannedStep } from './plan.ts';
import { NotPlayable, type RunningCall, type Target } from './target.ts';
import { type SentSegment, Wire } from './wire.ts';

/** Addresses as packetdrill has them: the stack under test, and the peer. */
export const SUT = parseIpv4('192.168.0.1')!;
export const PEER = parseIpv4('192.0.2.1')!;
const FIRST_PEER_PORT = 50_001;

/** Why a scenario fails. */
export interface Failure {
  readonly place: Place;
  readonly message: string;
  /** Both sides in tcpdump's notation, where it is about a segment. */
  readonly expected?: string;
  readonly was?: string;
  readonly details: readonly string[];
  /** What happened since the step before, line by line. */
  readonly trace: readonly string[];
}

export interface RunResult {
  readonly target: TargetName;
  readonly failure: Failure | undefined;
  /** Microseconds, on the target's clock. */
  readonly took: number;
  /** What its code printed. */
  readonly printed: readonly string[];
}

/** For `*`, and for what never comes. */
const LONGEST_WAIT = 600e6;
/** A call that should return at once, on a real machine. */
const CALL_PATIENCE = 1e6;
/** Until something that has just happened on a real machine has come through. */
const ASK_AGAIN = 2000;

/** Closes the target. */
export async function runScenario(plan: Plan, target: Target): Promise<RunResult> {
  const run = new Run(plan, target);
  try {
    const failure = await run.play();
    return { target: target.name, failure, took: target.now(), printed: run.printed };
  } finally {
    await target.close();
  }
}

/** A call that has not returned, or whose result hasn't been looked at. */
interface OpenCall {
  readonly step: CallStep;
  readonly call: PlannedCall;
  readonly running: RunningCall;
  /** When it should return. */
  readonly until: number;
  readonly fd: number | undefined;
}

class Run {
  readonly printed: string[] = [];
  readonly #plan: Plan;
  readonly #target: Target;
  readonly #wire: Wire;
  readonly #variables = new Map<string, Scalar>();
  /** The target's descriptors by the scenario's. */
  readonly #fds = new Map<number, number>();
  /** Octets written and read so far, by the target's descriptor. */
  readonly #written = new Map<number, number>();
  readonly #read = new Map<number, number>();
  #open: OpenCall | undefined;
  /** When the step before happened. */
  #base = 0;
  #infoFd = -1;
  /** What happened on the wire since the step before. */
  #story: string[] = [];

  constructor(plan: Plan, target: Target) {
    this.#plan = plan;
    this.#target = target;
    const { addresses } = target;
    this.#wire = new Wire({
      sut: addresses?.sut ?? SUT,
      peer: addresses?.peer ?? PEER,
      bindPort: addresses?.sutPort ?? plan.settings.bindPort,
      connectPort: plan.settings.connectPort,
      peerPort: (n) => addresses?.peerPorts[n] ?? FIRST_PEER_PORT + n,
    });
  }

  async play(): Promise<Failure | undefined> {
    for (const planned of this.#plan.steps) {
      // What is expected belongs to the step that brought it about.
      if (planned.step.kind !== 'out') {
        this.#story = [];
        this.#target.takeTrace();
      }
      const failure = await this.#held(planned.step, () => this.#step(planned));
      if (failure !== undefined) return failure;
    }
    return this.#held(this.#plan.scenario.steps.at(-1)!, () => this.#finish());
  }

  /** A fault of the stack's, or of what plays it, fails the scenario where it shows: the others can still be played. */
  async #held(step: Step, play: () => Promise<Failure | undefined>): Promise<Failure | undefined> {
    try {
      return await play();
    } catch (error) {
      if (error instanceof NotPlayable || error instanceof LinkFailure) throw error;
      const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
      return this.#fail(step, 'tcpx itself failed: this is a bug in it', { details: stack.split('\n') });
    }
  }

  /** How late something may be that is expected at `at`. */
  #late(at: number): number {
    return this.#plan.settings.tolerance + this.#target.slack(at - this.#base);
  }

  async #step(planned: PlannedStep): Promise<Failure | undefined> {
    const { step } = planned;
    if (step.kind === 'out') return this.#expect(step.packet, step);
    const [from] = this.#window(step);
    await this.#target.pass(from);
    // A real machine may be late: what follows counts from when it really happened.
    this.#base = Math.max(from, this.#target.now());
    const ended = this.#lookAtCall();
    if (ended !== undefined) return ended;
    switch (step.kind) {
      case 'in': {
        const packet = this.#wire.build(step.packet);
        this.#tell(
          '<',
          step.packet.kind === 'icmp'
            ? `icmp ${step.packet.type} ${step.packet.code ?? ''}`.trim()
            : specText(step.packet),
        );
        this.#target.inject(packet, step.packet.ip.more === true);
        return undefined;
      }
      case 'call':
        return this.#call(step, planned.call!);
      case 'code':
        return this.#code(step);
      case 'command':
        return this.#command(planned);
    }
  }

  /** When it may happen: not before, not after. */
  #window({ when }: Step): readonly [from: number, to: number] {
    if (when.kind === 'any') return [0, this.#target.now() + LONGEST_WAIT];
    const base = when.kind === 'after' ? this.#base : 0;
    return [base + when.from, base + when.to];
  }

  async #expect(spec: SegmentSpec, step: Step): Promise<Failure | undefined> {
    const [from, to] = this.#window(step);
    const { sent } = this.#target;
    const conn = this.#wire.connFor(spec);
    const limit = to + this.#late(to);
    const first = await this.#next(limit);
    if (first === undefined) {
      return this.#fail(step, 'nothing left', { expected: `by ${secondsText(to)}  > ${specText(spec)}` });
    }
    let segment = first;
    // Expected in one piece, it may leave in several.
    while (segment.len < spec.len) {
      const more = await this.#peek(limit);
      const joined = more === undefined ? undefined : joinedWith(segment, more);
      if (joined === undefined) break;
      sent.shift();
      segment = joined;
    }
    const details = differences(spec, segment, {
      conn,
      cookie: (name) => this.#wire.cookie(name),
      tsTick: this.#plan.settings.tsTick,
      tolerance: this.#late(to),
      ownSizes: this.#target.addresses !== undefined,
    });
    const timing = first.t < from - this.#plan.settings.tolerance - this.#target.slack(0) || segment.t > limit;
    this.#tell('>', sentText(segment, spec), segment.t);
    if (details.length > 0 || timing) {
      const when = from === to ? secondsText(from) : `${secondsText(from)}~${secondsText(to)}`;
      const late = timing ? [`time: expected ${when}, was ${secondsText(segment.t)}`] : [];
      return this.#fail(step, details.length > 0 ? 'another segment left' : 'it left at another time', {
        expected: `${when}  > ${specText(spec)}`,
        was: `${secondsText(segment.t)}  > ${sentText(segment, spec)}`,
        details: [...details, ...late],
      });
    }
    this.#wire.matched(spec, segment);
    this.#base = Math.max(segment.t, from);
    return this.#lookAtCall();
  }

  /** The next segment that has left, waited for until `limit`. */
  async #next(limit: number): Promise<SentSegment | undefined> {
    const segment = await this.#peek(limit);
    if (segment !== undefined) this.#target.sent.shift();
    return segment;
  }

  async #peek(limit: number): Promise<SentSegment | undefined> {
    const { sent } = this.#target;
    for (;;) {
      if (sent.length === 0 && !(await this.#target.pass(limit, () => sent.length > 0))) return undefined;
      const packet = sent[0]!;
      const segment = this.#wire.read(packet.bytes, packet.t);
      if (segment !== undefined) return segment;
      sent.shift();
    }
  }

  async #call(step: CallStep, call: PlannedCall): Promise<Failure | undefined> {
    const busy = await this.#awaitCall();
    if (busy !== undefined) return busy;
    if (this.#target.isReal) await this.#target.pass(this.#target.now() + ASK_AGAIN);
    const request = this.#translated(call.request);
    if (request.call === 'connect') this.#wire.onConnect(request.port, undefined);
    if (request.call === 'write' && request.flags & Msg.FASTOPEN && !this.#written.has(request.fd))
      this.#wire.onConnect(undefined, undefined);
    const at = request.call === 'write' ? (this.#written.get(request.fd) ?? 0) : 0;
    const octets = request.call === 'write' ? patternOctets(at, request.len) : NOTHING;
    const running = this.#target.call(request, octets, call.expected.result);
    const fd = 'fd' in request ? request.fd : undefined;
    const until = step.until === undefined ? this.#base : this.#base - fromOf(step) + step.until;
    this.#open = { step, call: { ...call, request }, running, until, fd };
    if (step.until !== undefined) return undefined;
    // On a real machine even a call that doesn't wait takes its time.
    await this.#target.pass(
      this.#target.now() + (this.#target.isReal ? CALL_PATIENCE : 0),
      () => running.result !== undefined,
    );
    if (running.result === undefined) return this.#fail(step, `${callText(call.request)} has not returned: it blocks`);
    return this.#lookAtCall();
  }

  /** A call before this one is still under way: it has to return first. */
  async #awaitCall(): Promise<Failure | undefined> {
    const open = this.#open;
    if (open === undefined) return undefined;
    await this.#target.pass(open.until + this.#late(open.until), () => open.running.result !== undefined);
    if (open.running.result === undefined)
      return this.#fail(open.step, `${callText(open.call.request)} has not returned by ${secondsText(open.until)}`);
    return this.#lookAtCall();
  }

  #lookAtCall(): Failure | undefined {
    const open = this.#open;
    if (open?.running.result === undefined) return undefined;
    this.#open = undefined;
    const { step, call, running } = open;
    const { result } = running;
    const took = running.returnedAt ?? this.#target.now();
    const details = this.#callDifferences(call.expected, result!, open);
    if (step.until !== undefined && Math.abs(took - open.until) > this.#late(open.until))
      details.push(`it returned at ${secondsText(took)}, expected at ${secondsText(open.until)}`);
    if (details.length > 0) return this.#fail(step, `${callText(call.request)} came to something else`, { details });
    this.#onReturn(call, result!, open.fd);
    return undefined;
  }

  #callDifferences(expected: ExpectedResult, got: CallResult, open: OpenCall): string[] {
    const details: string[] = [];
    const isFd = open.step.name === 'socket' || open.step.name.startsWith('accept');
    const same = isFd && got.result >= 0 ? (expected.result ?? 0) >= 0 : expected.result === got.result;
    const gotText = got.errno === undefined ? String(got.result) : `${got.result} ${got.errno}`;
    if (expected.result !== undefined && !same)
      details.push(
        `expected ${expected.result}${expected.errno === undefined ? '' : ` ${expected.errno}`}, was ${gotText}`,
      );
    else if (expected.errno !== undefined && got.errno !== expected.errno)
      details.push(`expected ${expected.errno}, was ${gotText}`);
    expected.values?.forEach((wanted, i) => {
      const value = got.values?.[i];
      if (wanted !== undefined && value !== wanted) details.push(`value: expected ${wanted}, was ${value ?? 'none'}`);
    });
    const { octets } = got;
    if (octets !== undefined && open.fd !== undefined) {
      const at = this.#read.get(open.fd) ?? 0;
      const wanted = patternOctets(at, octets.length);
      const wrong = octets.findIndex((octet, i) => octet !== wanted[i]);
      if (wrong >= 0) details.push(`octet ${at + wrong} that was read is not the one that was sent`);
    }
    return details;
  }

  #onReturn(call: PlannedCall, got: CallResult, fd: number | undefined): void {
    const { request, expected } = call;
    if (request.call === 'socket' || request.call === 'accept') {
      if (got.result >= 0) this.#fds.set(expected.result ?? got.result, got.result);
      if (request.call === 'accept' && got.result >= 0) this.#infoFd = got.result;
    }
    if (request.call === 'connect') this.#infoFd = request.fd;
    if (fd === undefined) return;
    if (request.call === 'write' && got.result > 0) this.#written.set(fd, (this.#written.get(fd) ?? 0) + got.result);
    if (request.call === 'write' && request.flags & Msg.FASTOPEN) this.#infoFd = fd;
    if (request.call === 'read' && got.octets !== undefined && !(request.flags & Msg.PEEK))
      this.#read.set(fd, (this.#read.get(fd) ?? 0) + got.octets.length);
    if (request.call === 'close') {
      this.#written.delete(fd);
      this.#read.delete(fd);
    }
  }

  /** With the target's descriptors. */
  #translated(request: CallRequest): CallRequest {
    const of = (fd: number): number => this.#fds.get(fd) ?? -1;
    if (request.call === 'poll') return { ...request, fds: request.fds.map((f) => ({ ...f, fd: of(f.fd) })) };
    return 'fd' in request ? { ...request, fd: of(request.fd) } : request;
  }

  /** On a real machine what has just been put on the wire may still be on its way: so it is asked again for a while. */
  async #code(step: Extract<Step, { kind: 'code' }>): Promise<Failure | undefined> {
    const until = this.#target.now() + (this.#target.isReal ? this.#late(this.#base) : 0);
    for (;;) {
      const info = (await this.#target.info(this.#infoFd)) ?? {};
      const printed: string[] = [];
      const known = (asked: string): Scalar | undefined => info[asked] ?? VALUES[asked];
      const failure = runCode(step.statements, known, this.#variables, (line) => printed.push(line));
      if (failure === undefined || this.#target.now() >= until) {
        this.printed.push(...printed);
        return failure === undefined
          ? undefined
          : this.#fail({ ...step, place: failure.place ?? step.place }, failure.message);
      }
      await this.#target.pass(this.#target.now() + ASK_AGAIN);
    }
  }

  async #command(planned: PlannedStep): Promise<Failure | undefined> {
    for (const effect of planned.effects ?? []) {
      if (effect.kind === 'wait') {
        this.#base += effect.us;
        await this.#target.pass(this.#base);
      } else if (!(await this.#target.set(effect.name, effect.value)))
        return this.#fail(planned.step, `${effect.name} can't be changed here once the scenario has begun`);
    }
    return this.#lookAtCall();
  }

  /** Calls under way return; where all that may leave is listed, nothing else has left. */
  async #finish(): Promise<Failure | undefined> {
    const last = this.#plan.scenario.steps.at(-1)!;
    const failure = await this.#awaitCall();
    if (failure !== undefined || !this.#plan.scenario.about.exact) return failure;
    const extra = await this.#next(this.#target.now() + this.#target.slack(0));
    if (extra === undefined) return undefined;
    return this.#fail(last, 'a segment left that nobody expected', {
      was: `${secondsText(extra.t)}  > ${sentText(extra, undefined)}`,
    });
  }

  #tell(mark: '<' | '>', text: string, t = this.#target.now()): void {
    this.#story.push(`${secondsText(t)}  ${mark} ${text}`);
  }

  #fail(
    { place }: { readonly place: Place },
    message: string,
    more: { readonly expected?: string; readonly was?: string; readonly details?: readonly string[] } = {},
  ): Failure {
    const waiting = this.#target.sent
      .flatMap((packet) => this.#wire.read(packet.bytes, packet.t) ?? [])
      .map((segment) => `${secondsText(segment.t)}  > ${sentText(segment, undefined)}`);
    const own = this.#target.takeTrace();
    return {
      place,
      message,
      ...(more.expected !== undefined && { expected: more.expected }),
      ...(more.was !== undefined && { was: more.was }),
      details: more.details ?? [],
      trace: own.length > 0 ? own : [...this.#story, ...waiting],
    };
  }
}

const fromOf = ({ when }: Step): number => (when.kind === 'any' ? 0 : when.from);

const NOTHING = new Uint8Array(0);

const secondsText = (us: number): string => (us / 1e6).toFixed(6);
