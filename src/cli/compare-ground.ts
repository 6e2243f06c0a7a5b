/** Where scenarios are compared: against a peer of the user's, one after the other, or in a lab, several at a time. */
import { type Route, routeTo } from '../link/route.ts';
import { type HostOptions, openHost } from '../socket/host.ts';
import type { Sysctl } from '../tcp/config.ts';
import { compareRuns } from '../tools/compare/differences.ts';
import { CompareLab, labNow } from '../tools/compare/lab-run.ts';
import type { Comparison, Side } from '../tools/compare/model.ts';
import { type OpenContact, type RunOptions, type RunResult, runScenario } from '../tools/compare/run.ts';
import type { Scenario } from '../tools/compare/scenario.ts';
import { snifferWatch, wallNow } from '../tools/compare/sniffer-watch.ts';
import { tcpxContacts } from '../tools/compare/tcpx-side.ts';
import { kernelSettings } from '../tools/kernel-settings.ts';
import { kernelContacts } from '../tools/kernel-side.ts';
import type { Ipv4 } from '../wire/ipv4.ts';

export interface GroundOptions {
  readonly driver: HostOptions['driver'];
  readonly guard: NonNullable<HostOptions['guard']>;
  /** Instead of the kernel's. */
  readonly ownSettings: boolean;
  readonly keepPayload: boolean;
  readonly signal: AbortSignal;
  readonly request: Uint8Array;
  /** Milliseconds for each step of the peer's. */
  readonly patience: number;
}

export interface Compared {
  readonly comparison: Comparison;
  readonly kernel: RunResult;
  readonly tcpx: RunResult;
}

export interface Ground {
  readonly remote: Ipv4;
  readonly route: Route;
  /** What was made for it, if anything. */
  readonly text: string | undefined;
  /** Of our stack. */
  readonly sysctl: Partial<Sysctl>;
  /** Scenarios that don't disturb one another. */
  readonly atOnce: number;
  /** How often one is run at most. */
  readonly attempts: number;
  compare(scenario: Scenario): Promise<Compared>;
  close(): Promise<void>;
}

/** Longer than Linux's longest delayed ACK, milliseconds. */
const QUIET_MS = 250;
/** Where nothing listens on nearly every machine. */
export const CLOSED_PORT = 1;

export interface GroundTarget {
  readonly route: Route;
  readonly remote: Ipv4;
  readonly port: number;
  /** For what is to be refused. */
  readonly closedPort: number | undefined;
}

const runOptions = (o: GroundOptions): Omit<RunOptions, 'watch'> => ({
  keepPayload: o.keepPayload,
  signal: o.signal,
  talk: { request: o.request, quiet: QUIET_MS, patience: o.patience },
});

function tcpxOpener(o: GroundOptions, sysctl: Partial<Sysctl>, now: Parameters<typeof tcpxContacts>[2]): OpenContact {
  return tcpxContacts(openHost, { ...(o.driver !== undefined && { driver: o.driver }), guard: o.guard, sysctl }, now);
}

function compared(scenario: Scenario, kernel: RunResult, tcpx: RunResult, loopback: boolean): Compared {
  const complaint = scenario.complaint(kernel.run.outcome);
  const comparison = compareRuns(kernel.run, tcpx.run, {
    scenario: scenario.name,
    loopback,
    complaint: complaint === undefined ? undefined : `with the kernel's sockets: ${complaint}`,
  });
  return { comparison, kernel, tcpx };
}

export function targetGround(o: GroundOptions, target: GroundTarget): Ground {
  const { route, remote } = target;
  const sysctl = o.ownSettings ? {} : kernelSettings();
  const side = (name: Side, open: OpenContact, scenario: Scenario): Promise<RunResult> => {
    const remotePort = scenario.peer === 'closed' ? (target.closedPort ?? CLOSED_PORT) : target.port;
    return runScenario(
      name,
      open,
      scenario,
      { route, remote, remotePort },
      { ...runOptions(o), watch: snifferWatch(name) },
    );
  };
  return {
    remote,
    route,
    text: undefined,
    sysctl,
    atOnce: 1,
    attempts: 2,
    async compare(scenario) {
      const kernel = await side('kernel', kernelContacts(wallNow), scenario);
      const tcpx = await side('tcpx', tcpxOpener(o, sysctl, wallNow), scenario);
      return compared(scenario, kernel, tcpx, route.loopback);
    },
    close: () => Promise.resolve(),
  };
}

/** Inside a namespace of our own. Throws LinkFailure. */
export async function labGround(o: GroundOptions): Promise<Ground> {
  const lab = await CompareLab.open(o.keepPayload, (remote) => routeTo(remote, {}));
  const sysctl = o.ownSettings ? {} : kernelSettings();
  return {
    remote: lab.remote,
    route: lab.route,
    text: lab.text,
    sysctl,
    // Each capture of driver raw takes a ring of memory and the main thread.
    atOnce: o.driver === 'raw' ? 2 : 6,
    attempts: 3,
    async compare(scenario) {
      const [kernel, tcpx] = await Promise.all([
        lab.run('kernel', kernelContacts(labNow), scenario, runOptions(o)),
        lab.run('tcpx', tcpxOpener(o, sysctl, labNow), scenario, runOptions(o)),
      ]);
      return compared(scenario, kernel, tcpx, false);
    },
    close: () => lab.close(),
  };
}
