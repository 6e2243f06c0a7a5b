/** Figures to see the others by: the kernel as a C program has it, and what the bridge lets through. */
import type { Case } from './cases.ts';
import type { Places } from './run.ts';
import { median } from './statistics.ts';

export interface References {
  /** Gbit/s, and µs for `rtt`. */
  readonly kernelFromC: Readonly<Record<string, number>>;
  /** Gbit/s between two C programs through the bridge without delay or loss: it is the limit there. */
  readonly bridgeLimit?: number;
}

const FROM_C: ReadonlySet<string> = new Set(['send', 'receive', 'rtt']);

export async function references(places: Places, cases: readonly Case[], quick: boolean): Promise<References> {
  const times = quick ? 1 : 3;
  const kernelFromC: Record<string, number> = {};
  for (const { name } of cases) if (FROM_C.has(name)) kernelFromC[name] ??= await fromC(places, name, times, false);
  const bridged = cases.some((c) => c.path !== undefined && c.path.rate === undefined);
  return { kernelFromC, ...(bridged && { bridgeLimit: await fromC(places, 'send', times, true) }) };
}

async function fromC(places: Places, name: string, times: number, bridged: boolean): Promise<number> {
  const place = await places.get({ cc: 'cubic' }, bridged);
  const bridge = bridged ? await place.startBridge({ delay: '0ms', seed: 1 }, 'out') : undefined;
  const values: number[] = [];
  try {
    for (let i = 0; i < times; i++) {
      const program = place.startPeer(place.here, place.cores.stack, name, place.serverAddress, '1', '0.3');
      const said = await program.said('result', 20_000);
      await program.ended();
      const octets = Number(said['octets']);
      const us = Number(said['t1']) - Number(said['t0']);
      values.push(name === 'rtt' ? Number(said['p50']) : (octets * 8) / us / 1000);
      // What it says of every sender; nobody asks for this one.
      if (name === 'send') await place.peer.said('discarded', 20_000);
    }
  } finally {
    bridge?.kill();
    await bridge?.ended();
  }
  return Number(median(values).toPrecision(4));
}
