/** The TCPs that stand beside one another in the table, and a run of the battery on each. */
import { readFileSync } from 'node:fs';
import { nodeRandom } from '../../socket/node-clock.ts';
import type { Sysctl } from '../../tcp/config.ts';
import { type Findings, PROBES, runProbes } from './battery.ts';
import { Bench } from './bench.ts';
import { type KernelSetting, openKernelPath } from './kernel-path.ts';
import type { Finding, Probe, ReadSetting } from './model.ts';
import { CLOSE_REQUEST, SOURCE_REQUEST } from './model-server.ts';
import type { Path, Requests } from './path.ts';
import { VirtualPath } from './virtual-path.ts';

export interface RunOptions {
  readonly probes: readonly Probe[];
  /** Microseconds. */
  readonly patience: number;
  /** Packets per second. */
  readonly rate?: number;
  readonly signal?: AbortSignal;
  readonly onFinding?: (probe: Probe, finding: Finding) => void;
}

/** Settings that shape an answer without being what a probe is about. */
const OTHERS = ['tcp_wmem', 'tcp_syncookies', 'tcp_frto', 'tcp_recovery', 'tcp_retries2', 'tcp_moderate_rcvbuf'];
/** All that a namespace of our own is given as this one has it. */
const COPIED: readonly string[] = [...new Set([...PROBES.flatMap((probe) => probe.settings), ...OTHERS])];

/** What our own servers are asked with. */
const OWN_REQUESTS: Requests = { data: SOURCE_REQUEST, close: CLOSE_REQUEST };

/** Closes the path. */
export async function runOn(path: Path, requests: Requests, o: RunOptions): Promise<Findings> {
  const bench = new Bench(path, {
    random: nodeRandom(),
    patience: o.patience,
    requests,
    ...(o.rate !== undefined && { rate: o.rate }),
    ...(o.signal !== undefined && { signal: o.signal }),
  });
  try {
    const findings = runProbes(bench, o.probes, o.onFinding);
    return path.run === undefined ? await findings : await path.run(findings);
  } finally {
    await path.close();
  }
}

/** tcpx as it is by default, in virtual time. */
export const runOnTcpx = (o: RunOptions, sysctl: Partial<Sysctl> = {}): Promise<Findings> =>
  runOn(new VirtualPath({ random: nodeRandom(), sysctl }), OWN_REQUESTS, o);

/** This machine's kernel as it is set here, but for `wanted`. Throws LinkFailure. */
export async function runOnKernel(o: RunOptions, wanted: readonly KernelSetting[] = []): Promise<Findings> {
  const settings = COPIED.flatMap((name) => {
    const value = readSetting(name)?.trim().replaceAll('\t', ' ');
    return value === undefined ? [] : [{ name, value }];
  });
  return runOn(await openKernelPath({ settings, wanted }), OWN_REQUESTS, o);
}

/** This machine's, with `wanted` in place of what it has. */
export function settingsWith(wanted: readonly KernelSetting[] = []): ReadSetting {
  return (name) => wanted.findLast((setting) => setting.name === name)?.value ?? readSetting(name);
}

/** Names with a slash are below net/, others below net/ipv4/. */
function readSetting(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/net/${name.includes('/') ? name : `ipv4/${name}`}`, 'utf8');
  } catch {
    return undefined;
  }
}
