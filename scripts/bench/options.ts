/** The bench's command line. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { CASES, type Driver } from './cases.ts';
import type { StackName } from './client/stacks.ts';
import { BenchFailure } from './failure.ts';
import { DIST } from './lab.ts';

export interface Options {
  readonly only: readonly string[];
  readonly driver: Driver | undefined;
  readonly json: boolean;
  readonly quick: boolean;
  readonly pairs?: number;
  readonly seconds?: number;
  readonly chunk: number;
  readonly dist: string;
  readonly cc?: string;
  readonly stacks: readonly StackName[];
  readonly nodeArgs: readonly string[];
  readonly profile: boolean;
  readonly writeDocs: boolean;
  readonly save?: string;
  readonly from?: string;
}

const USAGE = 2;

export const HELP = `usage: npm run bench -- [options]

tcpx beside the kernel's TCP as Node's \`net\` has it, through two network namespaces on this machine. Wants root, a
C compiler and \`npm run build\`. Results on stdout, what is being done on stderr.

  --only NAME…       these workloads (also comma-separated): see below
  --driver NAME      only those of this driver: packet, raw
  --quick            shorter and fewer pairs: all in less than five minutes
  --pairs N          runs of each of the two, instead of the workload's own number (15 as a rule)
  --seconds N        measured in each run, the same (1 as a rule)
  --chunk N          octets of a write (65536)
  --cc NAME          TCP_CONGESTION of tcpx, instead of its default or the workload's own
  --stack NAME       only tcpx, or only net: no ratios
  --dist DIR         tcpx as it was built there (dist)
  --node-arg ARG     for the measured process: --cpu-prof and so on; may be repeated
  --profile          send and receive once more under Node's profiler: where the time goes
  --save FILE        everything that was found out, for --from
  --from FILE        measure nothing, tell again what was saved
  --write-docs       the tables, plots and profile of docs/performance.md; wants --profile too, for the last
  --json             one line of JSON, last on stdout
  --help

workloads: ${[...new Set(CASES.map((c) => c.name))].join(' ')}

Exit codes: 0 done, 1 something could not be measured, 2 wrong usage.
`;

/** Throws BenchFailure with exit code 2. */
export function optionsIn(args: readonly string[]): Options | 'help' {
  const { values, positionals } = parsed(args);
  if (values.help === true) return 'help';
  const only = [...(values.only ?? []).flatMap((names) => names.split(',')), ...positionals];
  const names = new Set(CASES.map((c) => c.name));
  for (const name of only)
    if (!names.has(name))
      throw new BenchFailure(`no workload is called '${name}'`, `there are ${[...names].join(' ')}`, USAGE);
  if (positionals.length > 0 && values.only === undefined)
    throw new BenchFailure(`'${positionals[0]}' is no option`, 'workloads come after --only', USAGE);
  const { driver, stack } = values;
  if (driver !== undefined && driver !== 'packet' && driver !== 'raw')
    throw new BenchFailure(`no driver is called '${driver}'`, 'packet or raw', USAGE);
  if (stack !== undefined && stack !== 'tcpx' && stack !== 'net')
    throw new BenchFailure(`no stack is called '${stack}'`, 'tcpx or net', USAGE);
  const quick = values.quick === true;
  return {
    only,
    driver,
    json: values.json === true,
    quick,
    ...(values.pairs !== undefined && { pairs: positive('--pairs', values.pairs) }),
    ...(values.seconds !== undefined && { seconds: positive('--seconds', values.seconds) }),
    chunk: values.chunk === undefined ? 1 << 16 : positive('--chunk', values.chunk),
    dist: values.dist === undefined ? DIST : resolve(values.dist),
    ...(values.cc !== undefined && { cc: values.cc }),
    stacks: stack === undefined ? ['tcpx', 'net'] : [stack],
    nodeArgs: values['node-arg'] ?? [],
    profile: values.profile === true,
    writeDocs: values['write-docs'] === true,
    ...(values.save !== undefined && { save: values.save }),
    ...(values.from !== undefined && { from: values.from }),
  };
}

function parsed(args: readonly string[]) {
  const string = { type: 'string' } as const;
  const boolean = { type: 'boolean' } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        only: { type: 'string', multiple: true },
        driver: string,
        quick: boolean,
        pairs: string,
        seconds: string,
        chunk: string,
        dist: string,
        cc: string,
        stack: string,
        'node-arg': { type: 'string', multiple: true },
        profile: boolean,
        'write-docs': boolean,
        save: string,
        from: string,
        json: boolean,
        help: boolean,
      },
    });
  } catch (error) {
    throw new BenchFailure(error instanceof Error ? error.message : String(error), 'npm run bench -- --help', USAGE);
  }
}

function positive(name: string, text: string): number {
  const n = Number(text);
  if (!(n > 0) || !Number.isFinite(n)) throw new BenchFailure(`${name} can't be '${text}'`, 'a number above 0', USAGE);
  return n;
}
