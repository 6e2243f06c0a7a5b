/** What a run ran on. */
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { tryRun } from '../../test/support/lab.ts';
import type { Cores } from './lab.ts';

export type Machine = Readonly<Record<string, unknown>>;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

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
    cores,
    kernelCongestionControl: 'that of the route: cubic, and bbr in rows that say so',
    peer: "the kernel's sockets from C: discards with MSG_TRUNC, sends with sendfile",
    link: 'veth, MTU 1500, offloads as they come (TSO, GSO, GRO on veth), but in mtu-*',
    load: readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3).map(Number),
  };
}

function commit(): string {
  const head = tryRun('git', ['-C', ROOT, 'rev-parse', '--short', 'HEAD']);
  if (head.status !== 0) return 'unknown';
  const changed = tryRun('git', ['-C', ROOT, 'status', '--porcelain', '--', 'src', 'scripts/bench']).stdout !== '';
  return `${head.stdout.trim()}${changed ? ' and changes' : ''}`;
}
