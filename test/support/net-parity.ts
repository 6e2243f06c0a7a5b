/** A program for a namespace: the cases of test/net, on the kernel and on tcpx over its loopback. Prints what differs, as JSON. */
import net from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import tcpx from '../../src/net.ts';
import { cases } from '../net/cases.ts';
import { type Case, type Net, type Records, runCase } from '../net/trial.ts';

interface Outcome {
  readonly name: string;
  readonly net?: Records;
  readonly tcpx?: Records;
  readonly failure?: string;
}

async function compare(c: Case): Promise<Outcome> {
  try {
    const onNet = await runCase(c, net);
    // the same names, which is what is shown here
    const onTcpx = await runCase(c, tcpx as unknown as Net);
    const wanted = c.differs?.record(onNet) ?? onNet;
    return isDeepStrictEqual(onTcpx, wanted) ? { name: c.name } : { name: c.name, net: wanted, tcpx: onTcpx };
  } catch (error) {
    return { name: c.name, failure: String(error) };
  }
}

for (const c of cases) console.log(JSON.stringify({ event: 'case', ...(await compare(c)) }));
console.log(JSON.stringify({ event: 'done', count: cases.length }));
// Peers that a case left half-open stay open, on either.
process.exit();
