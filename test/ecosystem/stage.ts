/**
 * Two namespaces, tcpx in one and real programs in the other, for each test of this folder; and how much is asked of them:
 * little among all other tests, what is claimed in `npm run soak`.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, vi } from 'vitest';
import type { Child } from '../support/child.ts';
import { openPair, type PairLab } from '../support/lab.ts';
import { report, SOAK, scaled } from '../support/scale.ts';
import { until } from '../support/tcpx.ts';
import { type Certificate, loseOneInHundred, makeCertificate } from './counterparts.ts';

export interface Stage extends PairLab {
  readonly directory: string;
  readonly certificate: Certificate;
}

export interface Size {
  readonly requests: number;
  readonly octets: number;
}

/** Each test runs at both. */
export const paths: readonly (readonly [name: string, size: Size, loses: boolean])[] = [
  ['', scaled({ requests: 100, octets: 5_000_000 }, { requests: 1000, octets: 100_000_000 }), false],
  [' with 1 % loss', scaled({ requests: 30, octets: 500_000 }, { requests: 1000, octets: 100_000_000 }), true],
];

/** Before and after all tests of a file; `start` brings up whom they talk to, in the stage's `server`. */
export function useStage(start: (stage: Stage) => Promise<unknown>): () => Stage {
  vi.setConfig({ testTimeout: scaled(180_000, 900_000), hookTimeout: 90_000 });
  let stage: Stage | undefined;
  beforeAll(async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tcpx-ecosystem-'));
    mkdirSync(join(directory, 'site'));
    const lab = openPair();
    const certificate = makeCertificate(directory, lab.serverAddress, lab.clientAddress);
    stage = { ...lab, directory, certificate };
    await start(stage);
  });
  afterAll(() => {
    stage?.close();
    if (stage !== undefined) rmSync(stage.directory, { recursive: true, force: true });
  });
  return () => stage!;
}

/** Loss from here on, if asked for; what there was is taken back. */
export function setLoss(stage: Stage, loses: boolean): void {
  stage.server.nftClear();
  if (loses) loseOneInHundred(stage.server, stage.client, stage.serverInterface);
}

const program = (name: string): string => fileURLToPath(new URL(`./clients/${name}.ts`, import.meta.url));

/** One of clients/, where tcpx is; or, with `peerArgs`, where the counterparts are. */
export function startProgram(stage: Stage, name: string, size: Size, ...peerArgs: readonly string[]): Child {
  const { serverAddress: host, clientAddress: address, certificate, directory } = stage;
  const place = peerArgs.length === 0 ? stage.client : stage.server;
  const plan = JSON.stringify({ host, address, ...certificate, directory, ...size });
  return place.node(program(name), [plan, ...peerArgs]);
}

/** What a program of clients/ found, when it has ended by itself and nothing is left of it at the other end, either. */
export async function resultsOf(stage: Stage, child: Child): Promise<Readonly<Record<string, unknown>>> {
  const exit = await child.exit(scaled(120_000, 800_000));
  if (SOAK) for (const line of child.stderr.trim().split('\n')) report(line);
  expect(exit, child.stderr).toEqual({ code: 0, signal: null });
  await until(() => peersOf(stage).length === 0, 60_000);
  // as the program wrote it
  const last = JSON.parse(child.stdout.trim().split('\n').at(-1)!) as Readonly<Record<string, unknown>>;
  const { left, ...results } = last;
  expect(left).toEqual([]);
  return results;
}

/** Connections of the counterparts' that are not over; a listener on all addresses has ours in IPv6's clothes. */
export function peersOf({ server, clientAddress }: Stage): readonly unknown[] {
  const isOurs = new RegExp(`^(\\[::ffff:)?${clientAddress.replaceAll('.', '\\.')}\\]?:`);
  return server.sockets().filter(({ peer, state }) => isOurs.test(peer) && state !== 'TIME-WAIT');
}
