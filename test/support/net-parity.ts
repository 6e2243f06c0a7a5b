/**
 * A program for a namespace: the cases of test/net, on the kernel and on tcpx, over its loopback, or with the arguments
 * OWN FAR over a path that leads from FAR back to OWN. Prints what differs, as JSON.
 */
import net from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import tcpx from '../../src/net.ts';
import { cases } from '../net/cases.ts';
import { type Case, type Ends, type Net, type Records, runCase } from '../net/trial.ts';

interface Outcome {
  readonly name: string;
  readonly net?: Records;
  readonly tcpx?: Records;
  readonly failure?: string;
}

const [own, far] = process.argv.slice(2);
const ends: Ends | undefined = own !== undefined && far !== undefined ? { own, far } : undefined;
const chosen = cases.filter((c) => ends === undefined || c.onLoopback !== true);

async function compare(c: Case): Promise<Outcome> {
  try {
    const onNet = await runCase(c, net, ends);
    // the same names, which is what is shown here
    const onTcpx = await runCase(c, tcpx as unknown as Net, ends);
    const wanted = c.differs?.record(onNet) ?? onNet;
    return isDeepStrictEqual(onTcpx, wanted) ? { name: c.name } : { name: c.name, net: wanted, tcpx: onTcpx };
  } catch (error) {
    return { name: c.name, failure: String(error) };
  }
}

for (const c of chosen) console.log(JSON.stringify({ event: 'case', ...(await compare(c)) }));
console.log(JSON.stringify({ event: 'done', count: chosen.length }));
// Peers that a case left half-open stay open, on either.
process.exit();
