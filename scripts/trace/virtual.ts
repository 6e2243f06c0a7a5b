/** Captures made in virtual time: two stacks, a path with faults, two users, and a tap where the capture is made. */
import { seededRandom } from '../../src/base/random.ts';
import { type Micros, micros, ms, seconds } from '../../src/base/time.ts';
import { VirtualTime } from '../../src/base/virtual-time.ts';
import type { Faults } from '../../src/link/faults.ts';
import type { Link } from '../../src/link/link.ts';
import { memoryLink } from '../../src/link/memory.ts';
import { captureTap } from '../../src/link/taps/capture.ts';
import { faultTap } from '../../src/link/taps/fault.ts';
import type { Endpoint } from '../../src/stack/endpoint.ts';
import { Stack } from '../../src/stack/stack.ts';
import type { SocketOptions, Sysctl } from '../../src/tcp/config.ts';
import { parseIpv4 } from '../../src/wire/ipv4.ts';

export interface CapturedAt {
  readonly t: Micros;
  readonly octets: Uint8Array;
}

export const CLIENT = parseIpv4('10.0.0.1')!;
export const SERVER = parseIpv4('10.0.0.2')!;

export interface Plan {
  /** Octets to send in all. */
  readonly send?: number;
  /** So many at a time, every so often; all at once when absent. */
  readonly chunk?: number;
  readonly every?: Micros;
  /** Reads nothing before this long after the beginning, or for ever. */
  readonly readsFrom?: Micros | 'never';
  /** Octets read every 10 ms; all when absent. */
  readonly readPace?: number;
  /** 'when sent', 'when the peer has', 'never'; default 'when sent'. */
  readonly closes?: 'when sent' | 'when the peer has' | 'never';
  readonly abortsAt?: Micros;
  readonly options?: Partial<SocketOptions>;
}

export interface VirtualOptions {
  readonly seed?: number;
  /** Beside an end, which sees what that sends before the path does; or in the middle, behind the faults. */
  readonly at: 'client' | 'server' | 'middle';
  readonly toServer?: Faults;
  readonly toClient?: Faults;
  readonly delay?: Micros;
  readonly rate?: number;
  readonly sysctl?: Partial<Sysctl>;
  readonly client: Plan;
  readonly server: Plan | 'deaf' | 'nobody';
  readonly runFor?: Micros;
  /** Whatever else happens, with times of its own. */
  readonly also?: (world: World) => void;
}

export interface World {
  readonly time: VirtualTime;
  readonly client: Stack;
  readonly server: Stack;
  at(t: Micros, run: () => void): void;
}

/** Packets of the capture, in its order. */
export function virtualCapture(o: VirtualOptions): readonly CapturedAt[] {
  const start = seconds(1_700_000_000);
  const time = new VirtualTime(start);
  const packets: CapturedAt[] = [];
  const seed = o.seed ?? 1;
  const [linkA, linkB] = memoryLink(time, {
    delay: o.delay ?? ms(10),
    ...(o.rate !== undefined && { rate: o.rate }),
  });
  const watched = (link: Link): Link =>
    captureTap(link, time.clock(), (t, _dir, octets) => packets.push({ t, octets }));
  const faulty = (link: Link, out: Faults | undefined, n: number): Link =>
    out === undefined ? link : faultTap(link, { clock: time.clock(), random: seededRandom(seed * 100 + n), out });
  const clientLink = o.at === 'middle' ? faulty(watched(linkA), o.toServer, 1) : faulty(linkA, o.toServer, 1);
  const serverLink = faulty(linkB, o.toClient, 2);
  const stack = (link: Link, address: typeof CLIENT, n: number): Stack =>
    new Stack({
      clock: time.clock(),
      random: seededRandom(seed * 1000 + n),
      link,
      address,
      ...(o.sysctl && { sysctl: o.sysctl }),
    });
  const client = stack(o.at === 'client' ? watched(clientLink) : clientLink, CLIENT, 1);
  const server = stack(o.at === 'server' ? watched(serverLink) : serverLink, SERVER, 2);
  const world: World = { time, client, server, at: (t, run) => time.schedule(micros(start + t), run) };
  if (o.server !== 'deaf' && o.server !== 'nobody') {
    const plan = o.server;
    const listener = server.listen({ port: 80, options: plan.options ?? {} });
    listener.onConnection = () => {
      for (let e = listener.accept(); e !== undefined; e = listener.accept()) runPlan(world, e, plan);
    };
  }
  if (o.server === 'deaf') server.close?.();
  runPlan(world, client.connect({ address: SERVER, port: 80, options: o.client.options ?? {} }), o.client);
  o.also?.(world);
  const end = micros(start + (o.runFor ?? seconds(600)));
  time.runWhile(() => true, end);
  return packets;
}

const FILL = new Uint8Array(65_536).fill(0x61);

export function runPlan(world: World, endpoint: Endpoint, plan: Plan): void {
  const { time } = world;
  const begin = time.now;
  let left = plan.send ?? 0;
  let allowed = plan.every === undefined ? left : 0;
  let ended = false;
  let closed = false;
  let reading = plan.readsFrom === undefined;
  let pending = false;
  const read = (): void => {
    if (!reading || ended) return;
    let budget = plan.readPace ?? Number.POSITIVE_INFINITY;
    while (budget > 0) {
      const octets = endpoint.receive();
      if (octets === 'empty') return;
      if (octets === 'end') {
        ended = true;
        return;
      }
      budget -= octets.length;
    }
    if (pending) return;
    pending = true;
    time.schedule(micros(time.now + ms(10)), () => {
      pending = false;
      work();
    });
  };
  const write = (): void => {
    while (left > 0 && allowed > 0) {
      const len = Math.min(left, allowed, FILL.length);
      const taken = endpoint.send(FILL.subarray(0, len));
      left -= taken;
      allowed -= taken;
      if (taken < len) return;
    }
  };
  const work = (): void => {
    if (plan.readPace === undefined || !pending) read();
    write();
    const closes = plan.closes ?? 'when sent';
    const may =
      endpoint.state !== 'SYN-SENT' &&
      left === 0 &&
      (closes === 'when sent' || (closes === 'when the peer has' && ended));
    if (closed || !may) return;
    closed = true;
    endpoint.shutdown();
  };
  endpoint.onEvent = work;
  if (plan.every !== undefined) {
    const tick = (): void => {
      allowed += plan.chunk ?? 1000;
      work();
      if (left > allowed) time.schedule(micros(time.now + plan.every!), tick);
    };
    time.schedule(micros(begin + plan.every), tick);
  }
  if (typeof plan.readsFrom === 'number') {
    time.schedule(micros(begin + plan.readsFrom), () => {
      reading = true;
      work();
    });
  }
  if (plan.abortsAt !== undefined) time.schedule(micros(begin + plan.abortsAt), () => endpoint.abort());
  work();
}
