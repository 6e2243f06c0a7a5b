/**
 * Floods from a namespace against a listener on the `packet` driver, with honest clients at the same time: each of them
 * connects in time, memory stays as it was, and the event loop goes on turning.
 *
 * The bounds are those of a machine that has a processor to give: tcpx needs about one for 100 000 answers a second. Where
 * packets were dropped before tcpx could see them (the kernel counts them), the clients have to connect, but in no
 * particular time, and one whose FIN outran its data is reset: only the segment that follows the SYN shows a cookie, to
 * the kernel's own listener too. As late as the loop of a process is that does nothing, twice that is added to tcpx's
 * bound. What was measured is printed.
 */
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { expectClean } from '../support/clean-capture.ts';
import { openPair, type PairLab } from '../support/lab.ts';
import {
  Bystander,
  clientsDone,
  droppedByMachine,
  type FloodOptions,
  flood,
  kernelClients,
  type Many,
  startManyUnder,
} from '../support/many.ts';
import { report, scaled } from '../support/scale.ts';
import { scratch } from '../support/tcpx.ts';

// Namespaces, children and real time, on a machine that may be busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

interface Place {
  readonly address: string;
  readonly mac: string;
  readonly port: number;
}
const SERVER: Place = { address: '10.77.0.9', mac: '02:00:00:00:00:09', port: 7000 };
const CAPTURED: Place = { address: '10.77.0.10', mac: '02:00:00:00:00:0a', port: 7001 };
/** An address of the other side whose kernel is silent: connections of the attacker's own. */
const ATTACKER = '10.77.0.77';
const CLIENTS = 200;
const RATE = 100_000;
const MB = 1_000_000;

/**
 * V8 lets the room for young objects grow and shrink by some 20 MB as it sees fit, which would hide what a flood leaves
 * behind; so it gets a size of its own here.
 */
const STEADY = ['--max-semi-space-size=1'];

let lab: PairLab;
let server: Many;
let bystander: Bystander;

beforeAll(async () => {
  lab = openPair();
  // Made-up sources are answered through a gateway that drops what isn't its own.
  lab.client.ip('route', 'add', 'default', 'via', lab.serverAddress);
  lab.server.ip('address', 'add', `${ATTACKER}/24`, 'dev', lab.serverInterface);
  lab.server.nft('input', `ip daddr ${ATTACKER} drop`);
  bystander = await Bystander.start(lab.client);
  server = await listening(SERVER, '--echo');
});
afterAll(async () => {
  await server.end();
  lab.close();
});

function listening({ address, mac, port }: Place, ...args: string[]): Promise<Many> {
  const own = ['--own', `${address}/24`, '--mac', mac, '--interface', lab.clientInterface];
  const where = ['--listen', String(port), '--from', lab.serverAddress];
  return startManyUnder(STEADY, lab.client, [...where, ...own, ...args]);
}

type Kind = FloodOptions['kind'];
let ports = 20_000;

function attack(kind: Kind, rate: number, seconds: number, at = SERVER): ReturnType<typeof flood> {
  ports += 100;
  return flood(lab.server, {
    ...{ interface: lab.serverInterface, to: at.mac, target: `${at.address}:${at.port}`, kind, rate, seconds },
    ...(kind === 'octets' && { source: ATTACKER, ports }),
  });
}

const honest = (spreadMs: number): ReturnType<typeof kernelClients> =>
  kernelClients(
    lab.server,
    ...[
      '--connect',
      `${SERVER.address}:${SERVER.port}`,
      '--count',
      String(CLIENTS),
      '--send',
      '1000',
      '--spread',
      String(spreadMs),
    ],
  );

/** What runs for the first time is compiled, and young objects get the room they will have: not growth. */
beforeEach(async () => {
  const { intact, failures } = await clientsDone(honest(0), 60_000);
  expect({ intact, failures }).toEqual({ intact: CLIENTS, failures: {} });
});

/** What must be seen of it in the stack's counters, for each packet sent, at the least. */
const SEEN: Readonly<Record<Kind, string>> = {
  syn: 'cookiesSent',
  rst: 'segmentsIn',
  ack: 'noConnection',
  data: 'noConnection',
  fragments: 'fragments',
  octets: 'segmentsIn',
};

test.each([
  ['syn', 10],
  ['rst', scaled(2, 10)],
  ['ack', scaled(2, 10)],
  ['data', scaled(2, 10)],
  ['fragments', scaled(2, 10)],
  ['octets', scaled(2, 10)],
] as const)('a flood of %s', async (kind, seconds) => {
  const { grown, held, loopDelay, bound, clients, lost } = await withstand(kind, seconds);
  expect(grown).toBeLessThan(10);
  expect(held).toBeLessThan(5);
  expect(loopDelay).toBeLessThan(bound);
  expect(clients.connected).toBe(CLIENTS);
  const { ECONNRESET: reset = 0, ...failures } = clients.failures;
  expect(failures).toEqual({});
  expect(clients.intact + reset).toBe(CLIENTS);
  if (lost > 0) {
    report(
      `${kind}: ${lost} packets were dropped unseen: ${reset} resets, and how long the clients waited, are not judged`,
    );
    return;
  }
  expect(reset).toBe(0);
  expect(clients.connectMs.most).toBeLessThan(3000);
});

/** One flood with honest clients beside it, and what was seen of it. Memory in MB, times in ms. */
async function withstand(kind: Kind, seconds: number) {
  const rehearsal = await attack(kind, RATE, 1);
  await rehearsal.done;
  const before = await server.metrics();
  const droppedBefore = droppedByMachine();
  server.reset();
  bystander.reset();
  const { done } = await attack(kind, RATE, seconds);
  const clients = honest(seconds * 800);
  const sent = await done;
  const idle = await bystander.delayMs();
  const after = await server.metrics();
  const were = await clientsDone(clients, 60_000);
  const seen = after.counters[SEEN[kind]]! - before.counters[SEEN[kind]]!;
  const grown = (after.rss - before.rss) / MB;
  const held = (after.heapUsed + after.external - before.heapUsed - before.external) / MB;
  // Of a processor, in the time it lasted: what the machine had left for tcpx.
  const share = (after.cpuSeconds - before.cpuSeconds) / sent.seconds;
  const lost = after.drops - before.drops + droppedByMachine() - droppedBefore;
  report(
    `${kind}: ${sent.sent} sent at ${sent.rate}/s, ${seen} taken with ${(100 * share).toFixed(0)} % of a processor; loop delay p99 ${after.loopDelayMs.p99.toFixed(1)} ms ` +
      `(idle process ${idle.p99.toFixed(1)}); memory ${grown.toFixed(1)} MB, ${held.toFixed(1)} of it in use; ` +
      `${were.connected} clients connected within ${were.connectMs.most.toFixed(0)} ms, half within ${were.connectMs.median.toFixed(1)}; ${lost} packets dropped unseen; ${JSON.stringify(were.failures)}`,
  );
  expect(seen).toBeGreaterThan(0);
  return {
    grown,
    held,
    loopDelay: after.loopDelayMs.p99,
    bound: 50 + 2 * idle.p99,
    clients: were,
    lost,
  };
}

test('what we answer to each of them is as it should be', async () => {
  const capture = scratch('floods.pcap');
  const captured = await listening(CAPTURED, '--capture', capture, '--backlog', '10');
  for (const kind of ['syn', 'rst', 'ack', 'data', 'fragments', 'octets'] as const) {
    const { done } = await attack(kind, 2000, 0.5, CAPTURED);
    await done;
  }
  const { counters } = await captured.metrics();
  for (const name of ['cookiesSent', 'resetsOut', 'fragments']) expect(counters[name], name).toBeGreaterThan(0);
  await captured.end();
  report(`tshark: ${expectClean(capture, CAPTURED.address)} packets, none of ours bad`);
});
