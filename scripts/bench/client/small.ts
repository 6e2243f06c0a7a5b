/** Much ado with little data: `rtt`, `handshake`, `connect-close`. Times are microseconds. */
import { once } from 'node:events';
import { PORTS } from '../ports.ts';
import type { Said } from '../program.ts';
import { type ClientOptions, delay, nowUs } from './measure.ts';
import type { Opened, Socket } from './stacks.ts';

/** One octet there, and back. */
export async function roundTrips(stack: Opened, o: ClientOptions): Promise<Said> {
  const socket = stack.connect(PORTS.echo);
  const failed = new Promise<never>((_, reject) => socket.on('error', reject));
  await Promise.race([once(socket, 'connect'), failed]);
  const took = new Times(o);
  const octet = Buffer.alloc(1, 'x');
  const over = new Promise<void>((resolve) => {
    let sentAt = performance.now();
    socket.on('data', () => {
      const now = performance.now();
      if (!took.add(now, now - sentAt)) return resolve();
      sentAt = performance.now();
      socket.write(octet);
    });
    socket.write(octet);
  });
  await Promise.race([over, failed]);
  socket.resetAndDestroy();
  await delay(0.05);
  return took.summary();
}

/** One connection after another: from `connect` to 'connect'. Each ends with a reset. */
export async function handshakes(stack: Opened, o: ClientOptions): Promise<Said> {
  const took = new Times(o);
  await new Promise<void>((resolve, reject) => {
    const next = (): void => {
      const begun = performance.now();
      const socket = stack.connect(PORTS.many);
      socket.on('connect', () => {
        const now = performance.now();
        socket.on('close', took.add(now, now - begun) ? next : resolve);
        socket.resetAndDestroy();
      });
      socket.on('error', reject);
    };
    next();
  });
  return took.summary();
}

/** `count` at a time: connect, read the end, end, and again. The peer closes first, so TIME-WAIT is its. */
export async function connectAndClose(stack: Opened, o: ClientOptions): Promise<Said> {
  let over = 0;
  let open = 0;
  let ending = false;
  const failures: Record<string, number> = {};
  const stopped = new Promise<void>((resolve) => {
    const next = (): void => {
      if (ending) {
        if (open === 0) resolve();
        return;
      }
      open++;
      const socket: Socket = stack.connect(PORTS.close);
      socket.on('end', () => socket.end());
      socket.on('error', (error: NodeJS.ErrnoException) => {
        failures[error.code ?? error.message] = (failures[error.code ?? error.message] ?? 0) + 1;
      });
      socket.on('close', () => {
        open--;
        over++;
        next();
      });
      socket.resume();
    };
    for (let i = 0; i < o.count; i++) next();
  });
  await delay(o.warmSeconds);
  const [t0, over0] = [nowUs(), over];
  await delay(o.seconds);
  const [t1, over1] = [nowUs(), over];
  ending = true;
  await Promise.race([stopped, delay(3)]);
  return { perSecond: ((over1 - over0) * 1e6) / (t1 - t0), failures, left: open };
}

/** Durations in milliseconds, told in microseconds; the first seconds are not counted. */
class Times {
  readonly #from: number;
  readonly #until: number;
  readonly #took: number[] = [];

  constructor(o: ClientOptions) {
    this.#from = performance.now() + o.warmSeconds * 1000;
    this.#until = this.#from + o.seconds * 1000;
  }

  /** False when the time is over. */
  add(now: number, ms: number): boolean {
    if (now >= this.#from) this.#took.push(ms * 1000);
    return now < this.#until;
  }

  /** `quantiles`: 0, 1, … 100 % of them are not longer. */
  summary(): Said {
    const sorted = this.#took.sort((a, b) => a - b);
    const at = (share: number): number =>
      Number(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]?.toFixed(2));
    const quantiles = Array.from({ length: 101 }, (_, i) => at(i / 100));
    return { count: sorted.length, p50: at(0.5), p99: at(0.99), quantiles };
  }
}
