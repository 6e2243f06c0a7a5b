/**
 * Scenarios in a lab: each run has a port of its own at the peer, so that the path's rules meet its segments alone and runs
 * can go on side by side. Segments are seen on the path, as a wire carries them; one of the peer's counts from when it has
 * come through, and one that was lost on its way to us is not there.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Micros, micros, ms } from '../../base/time.ts';
import type { Route } from '../../link/route.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import type { RuleHandle, SeenPacket } from '../lab/path.ts';
import { LabCallError, type LabSocket } from '../lab/peer.ts';
import { monotonicMicros } from '../scenario/kernel-process.ts';
import type { Side } from './model.ts';
import { OwnPace } from './own-pace.ts';
import { type Contact, type OpenContact, type RunOptions, type RunResult, runScenario, type Watch } from './run.ts';
import type { Meet, PeerEnd, Scenario } from './scenario.ts';

/** Each way: long enough that whatever both ends do at once crosses on the path. */
export const LAB_DELAY: Micros = ms(25);
/** Every scenario is over in seconds: how often a SYN (four times more, a second apart), and data, is sent again before giving up. */
const SETTINGS = { 'net.ipv4.tcp_syn_retries': 2, 'net.ipv4.tcp_retries2': 4 };
/** Headers and options; or everything, for a capture file. */
const HEADERS_LEN = 128;
const FIRST_PORT = 7000;

export const labNow = (): Micros => micros(monotonicMicros());

export class CompareLab {
  readonly #lab: Lab;
  readonly #route: Route;
  readonly #ownPace = new OwnPace(labNow);
  #nextPort = FIRST_PORT;

  private constructor(lab: Lab, route: Route) {
    this.#lab = lab;
    this.#route = route;
  }

  /** Inside a namespace of our own. Throws LinkFailure. `routeTo`: how this namespace gets to the peer, once it does. */
  static async open(keepPayload: boolean, routeTo: (remote: Lab['remote']) => Route): Promise<CompareLab> {
    const lab = await openLab({
      sysctls: { local: SETTINGS },
      faults: { local: { delay: LAB_DELAY }, peer: { delay: LAB_DELAY } },
      ...(!keepPayload && { snapLen: HEADERS_LEN }),
    });
    return new CompareLab(lab, routeTo(lab.remote));
  }

  get text(): string {
    return this.#lab.text;
  }

  get remote(): Lab['remote'] {
    return this.#lab.remote;
  }

  get route(): Route {
    return this.#route;
  }

  /** Throws what opening throws, and what goes wrong with the peer's side other than by the connection. */
  async run(side: Side, open: OpenContact, scenario: Scenario, o: Omit<RunOptions, 'watch'>): Promise<RunResult> {
    const port = this.#nextPort++;
    const { lab = {} } = scenario;
    const rules: RuleHandle[] = [];
    for (const rule of lab.rules ?? []) rules.push(await this.#lab.path.rule({ ...rule, port }));
    const listens = scenario.peer !== 'closed' && lab.connects !== true;
    const listener = listens ? await this.#lab.peer.listen(port, 8, lab.options) : undefined;
    const meet = meeting();
    let failed: unknown;
    const serve = (contact: Contact): void => {
      const end = new RunEnd(this.#lab, port, listener, contact);
      lab.serve?.(end, meet).catch((error: unknown) => {
        if (!(error instanceof LabCallError)) failed = error;
      });
    };
    const talk = { ...o.talk, ...(lab.patience !== undefined && { patience: lab.patience }) };
    try {
      const target = { route: this.#route, remote: this.#lab.remote, remotePort: port };
      const result = await runScenario(side, open, scenario, target, {
        ...o,
        talk,
        watch: this.#watch(),
        serve,
        meet,
      });
      if (failed !== undefined) throw failed;
      return result;
    } finally {
      for (const rule of rules) await rule.remove();
      await listener?.close();
    }
  }

  /** Ends the lab. Idempotent. */
  close(): Promise<void> {
    this.#ownPace.stop();
    return this.#lab.close();
  }

  #watch(): Watch {
    const now = () => ({ t: labNow(), pace: labNow() });
    return {
      now,
      // The user of both sockets is this process.
      paceAt: (t) => this.#ownPace.of(t),
      start: ({ remotePort }, onPacket) =>
        this.#lab.path.onPacket((packet) => {
          const { segment, bytes } = packet;
          if (segment === undefined || (segment.srcPort !== remotePort && segment.dstPort !== remotePort)) return;
          const at = passedUs(packet);
          if (at !== undefined) onPacket(bytes, 0, bytes.length, { t: at, pace: at });
        }),
    };
  }
}

/** When a packet left or reached our end; undefined when it never did. */
function passedUs({ from, at, fate }: SeenPacket): Micros | undefined {
  if (from === 'local') return at;
  if (fate === 'drop' || fate === 'corrupt') return undefined;
  const held = typeof fate === 'object' && 'delay' in fate ? fate.delay : 0;
  return micros(at + LAB_DELAY + held);
}

/** Both sides' appointment: resolves for both when the second one comes. Each time anew. */
function meeting(): Meet {
  let waiting: (() => void) | undefined;
  return () => {
    if (waiting !== undefined) {
      waiting();
      waiting = undefined;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      waiting = resolve;
    });
  };
}

class RunEnd implements PeerEnd {
  readonly #lab: Lab;
  readonly #port: number;
  readonly #listener: LabSocket | undefined;
  readonly #contact: Contact;

  constructor(lab: Lab, port: number, listener: LabSocket | undefined, contact: Contact) {
    this.#lab = lab;
    this.#port = port;
    this.#listener = listener;
    this.#contact = contact;
  }

  accept(): Promise<LabSocket> {
    if (this.#listener === undefined) throw new Error('the peer of this scenario does not listen');
    return this.#listener.accept();
  }

  connect(): Promise<LabSocket> {
    const { local, localPort } = this.#contact.addresses;
    return this.#lab.peer.connect(local, localPort, this.#port);
  }

  sleep(ms: number): Promise<void> {
    return sleep(ms);
  }
}
