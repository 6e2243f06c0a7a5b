/** What a run ran on. */
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { tryRun } from '../../test/support/lab.ts';
import { deferralLimit } from './deferral.ts';
import type { Cores } from './lab.ts';
import type { References } from './references.ts';
import type { CaseResult } from './run.ts';

export type Machine = Readonly<Record<string, unknown>>;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Of before the run: other processes' load counts, its own does not. */
export function machineFacts(cores: Cores): Machine {
  const all = cpus();
  return {
    date: new Date().toISOString(),
    commit: commit(),
    kernel: `Linux ${release()}`,
    node: process.version,
    cpu: all[0]?.model.trim() ?? 'unknown',
    cpus: all.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    loadBefore: readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3).map(Number),
    cores,
    peer: "the kernel's sockets from C: discards with MSG_TRUNC, sends with sendfile",
    peerCongestionControl: "the route's: cubic, and bbr in rows that say so",
    netCongestionControl: "the route's: cubic, and bbr in rows that say so",
    skbDeferMax: deferralLimit() ?? 'none',
    link: 'veth, MTU 1500, TSO, GSO and GRO on; in mtu-* off at both ends',
  };
}

/** What the stacks said of themselves, and the figures to see theirs by. */
export function stackFacts(results: readonly CaseResult[], r: References): Machine {
  const tcpx: Record<string, unknown> = {};
  let highWaterMark: Record<string, unknown> = {};
  for (const { driver, about, outcomes } of results) {
    if (about.tcpx !== undefined) tcpx[driver] ??= about.tcpx;
    const [a, b] = [outcomes.tcpx.at(-1)?.said, outcomes.net.at(-1)?.said];
    if (a?.['highWaterMark'] !== undefined && b?.['highWaterMark'] !== undefined)
      highWaterMark = { tcpx: a['highWaterMark'], net: b['highWaterMark'] };
  }
  const congestion = new Set(results.flatMap((c) => c.outcomes.tcpx.map((o) => o.said['congestion'])));
  congestion.delete(undefined);
  const busy = results.flatMap((c) =>
    [...c.outcomes.tcpx, ...c.outcomes.net].map((o) => Number(o.said['bridgeBusy'] ?? 0)),
  );
  return {
    tcpx,
    tcpxCongestionControl: [...congestion],
    highWaterMark,
    pairsDisturbed: {
      again: results.reduce((sum, c) => sum + c.disturbed.again, 0),
      counted: results.reduce((sum, c) => sum + c.disturbed.counted, 0),
    },
    kernelFromC: r.kernelFromC,
    ...(r.bridgeLimit !== undefined && {
      bridge: { limitGbits: r.bridgeLimit, busiest: Number(Math.max(...busy).toFixed(2)) },
    }),
  };
}

function commit(): string {
  const head = tryRun('git', ['-C', ROOT, 'rev-parse', '--short', 'HEAD']);
  if (head.status !== 0) return 'unknown';
  const changed = tryRun('git', ['-C', ROOT, 'status', '--porcelain', '--', 'src', 'scripts/bench']).stdout !== '';
  return `${head.stdout.trim()}${changed ? ' and changes' : ''}`;
}
