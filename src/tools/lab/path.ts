/** A lab's path as its user has it: the process that carries the frames, rules that it is given, packets that it has seen. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { LinkFailure } from '../../link/failure.ts';
import { IN_NEW_NAMESPACE, Namespace } from './namespace.ts';
import { type LabSegment, type MadeSegment, makePacket, readSegment } from './packet.ts';
import type { FromPath, PathCounters, PathSettings, SeenOnPath, ToPath } from './path-messages.ts';
import { type LabSide, matches, type PathRule, type SegmentMatch } from './path-rule.ts';

/** A packet that has come to the path. */
export interface SeenPacket extends SeenOnPath {
  /** Undefined for what is no TCP segment. */
  readonly segment: LabSegment | undefined;
}

export interface RuleHandle {
  /** Idempotent. */
  remove(): Promise<void>;
}

/** In the sources it is .ts, built .js. */
const PROGRAM = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './path-process.ts' : './path-process.js', import.meta.url),
);

export class LabPath {
  /** All so far, in order; nothing when the path doesn't watch. */
  readonly seen: SeenPacket[] = [];
  readonly namespace: Namespace;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (message: FromPath & { op: 'done' }) => void>();
  readonly #watchers = new Set<(packet: SeenPacket) => void>();
  #lastId = 0;
  #started: { readonly done: () => void; readonly failed: (error: Error) => void } | undefined;
  #gone = false;

  private constructor(child: ChildProcess, pid: number) {
    this.#child = child;
    this.pid = pid;
    this.namespace = new Namespace(pid);
    child.on('message', (message: FromPath) => this.#take(message));
    child.once('exit', () => {
      this.#gone = true;
      this.#started?.failed(new LinkFailure('EIO', "the lab's path ended", 'this is a bug in tcpx'));
      for (const done of this.#waiting.values()) done({ op: 'done', id: 0 });
      this.#waiting.clear();
    });
  }

  /** The process, in its namespace; it carries nothing before `start`. Throws LinkFailure. */
  static async open(): Promise<LabPath> {
    const [command = '', ...args] = [...IN_NEW_NAMESPACE, process.execPath, ...process.execArgv, PROGRAM];
    const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced' });
    await once(child, 'spawn');
    return new LabPath(child, child.pid ?? 0);
  }

  async start(settings: PathSettings): Promise<void> {
    const started = new Promise<void>((resolve, reject) => {
      this.#started = { done: resolve, failed: reject };
    });
    this.#send({ op: 'start', settings });
    await started;
    this.#started = undefined;
  }

  /** In force when it resolves. Of several that match, the one given first decides. */
  async rule(rule: PathRule): Promise<RuleHandle> {
    const id = ++this.#lastId;
    await this.#ask({ op: 'rule', id, rule });
    return {
      remove: async () => {
        await this.#ask({ op: 'clear', id: ++this.#lastId, rules: [id] });
      },
    };
  }

  /** Sends a packet of the other end's to `to`, made up or seen before; nothing happens to it on its way. `told`: it is listed as seen. */
  async inject(to: LabSide, packet: MadeSegment | Uint8Array, told = true): Promise<void> {
    await this.injectAll(to, [packet], told);
  }

  async injectAll(to: LabSide, packets: readonly (MadeSegment | Uint8Array)[], told = true): Promise<void> {
    const whole = packets.map((p) => (p instanceof Uint8Array ? p : makePacket(p)));
    await this.#ask({ op: 'inject', id: ++this.#lastId, to, packets: whole, told });
  }

  /** Of what each end sent; all that was seen until now is in `seen` when it resolves. */
  async counters(): Promise<PathCounters | undefined> {
    return (await this.#ask({ op: 'counters', id: ++this.#lastId })).counters;
  }

  /** Calls `watcher` for each packet from now on; returns what ends it. */
  onPacket(watcher: (packet: SeenPacket) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Segments seen so far that match. */
  segments(match: Partial<SegmentMatch> = {}): readonly SeenPacket[] {
    return this.seen.filter((p) => isMatch(p, match));
  }

  /** The `n`-th segment that matches, of all so far or still to come. Rejects after `patience` milliseconds. */
  async segment(match: Partial<SegmentMatch>, n = 1, patience = 10_000): Promise<SeenPacket & { segment: LabSegment }> {
    const found = await this.until(() => this.segments(match)[n - 1], patience);
    if (found?.segment === undefined)
      throw new Error(`no segment ${JSON.stringify(match)} (number ${n}) was seen within ${patience} ms`);
    return { ...found, segment: found.segment };
  }

  /** What `look` finds, looked for again at each packet; undefined after `patience` milliseconds. */
  until<T>(look: () => T | undefined, patience: number): Promise<T | undefined> {
    const found = look();
    if (found !== undefined) return Promise.resolve(found);
    return new Promise((resolve) => {
      const stop = this.onPacket(() => {
        const later = look();
        if (later === undefined) return;
        done(later);
      });
      const timer = setTimeout(() => done(look()), patience);
      function done(value: T | undefined): void {
        stop();
        clearTimeout(timer);
        resolve(value);
      }
    });
  }

  /** Resolves when process and namespace are gone. Idempotent. */
  async close(): Promise<void> {
    if (this.#gone) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }

  #ask(message: ToPath & { readonly id: number }): Promise<FromPath & { op: 'done' }> {
    if (this.#gone) return Promise.resolve({ op: 'done', id: message.id });
    return new Promise((resolve) => {
      this.#waiting.set(message.id, resolve);
      this.#send(message);
    });
  }

  #send(message: ToPath): void {
    // It may have ended since; its exit is what tells.
    this.#child.send(message, () => {});
  }

  #take(message: FromPath): void {
    switch (message.op) {
      case 'ready':
        this.#started?.done();
        return;
      case 'failed':
        this.#started?.failed(new LinkFailure(message.code, message.message, message.hint));
        return;
      case 'seen':
        for (const packet of message.packets) this.#see({ ...packet, segment: readSegment(packet.bytes) });
        return;
      case 'done': {
        const done = this.#waiting.get(message.id);
        this.#waiting.delete(message.id);
        done?.(message);
        return;
      }
    }
  }

  #see(packet: SeenPacket): void {
    this.seen.push(packet);
    for (const watcher of [...this.#watchers]) watcher(packet);
  }
}

function isMatch({ from, segment }: SeenPacket, match: Partial<SegmentMatch>): boolean {
  return segment !== undefined && (match.from === undefined || match.from === from) && matches(match, segment);
}
