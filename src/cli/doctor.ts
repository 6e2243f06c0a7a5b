/** `tcpx doctor`: is everything here that tcpx needs, and what to do where it is not. */
import { networkInterfaces, release } from 'node:os';
import { type Command, Option } from 'commander';
import { type Interface, interfaceNamed, routeTo } from '../link/route.ts';
import { capabilitySets } from '../tools/capabilities.ts';
import type { Check, CheckStatus } from '../tools/doctor/check.ts';
import { firewallCheck } from '../tools/doctor/firewall.ts';
import { driverChecks, guardCheck, handshakeCheck, md5Check } from '../tools/doctor/live.ts';
import {
  capabilityCheck,
  fileLimitCheck,
  interfaceCheck,
  mtuCheck,
  nodeCheck,
  offloadCheck,
  partChecks,
  rpFilterCheck,
} from '../tools/doctor/system.ts';
import { type ColorChoice, type Paint, paintFor, useColor } from '../tools/log-style.ts';
import { type Ipv4, ipv4Text, parseIpv4 } from '../wire/ipv4.ts';
import type { CliCommand } from './command.ts';
import { CliFailure, Exit, failureFrom } from './exit.ts';
import { colorOption } from './option-types.ts';
import { tcpxVersion } from './version.ts';

export const DOCTOR_SCHEMA = 'tcpx.doctor/1';

interface DoctorOptions {
  readonly interface?: string;
  readonly json?: true;
  readonly color: ColorChoice;
}

/** What was looked at, and where. Printed by --json as it is, the schema's name in front. */
export interface Diagnosis {
  readonly tcpx: string;
  readonly node: string;
  readonly kernel: string;
  readonly interface: string | null;
  readonly address: string | null;
  readonly checks: readonly Check[];
}

export type Examine = (interfaceName: string | undefined) => Promise<Diagnosis>;

export const doctor: CliCommand = doctorWith(examine);

export function doctorWith(look: Examine): CliCommand {
  return {
    name: 'doctor',
    summary: 'say whether everything is here that tcpx needs, and what to do where it is not',
    group: 'This machine:',
    declare,
    run: async (_args, options, io) => {
      // commander's options by the names and parsers of `declare`.
      const o = options as unknown as DoctorOptions;
      const diagnosis = await look(o.interface);
      io.stdout.write(
        o.json ? `${jsonText(diagnosis)}\n` : tableText(diagnosis, paintFor(useColor(o.color, io.stdout, io.env))),
      );
      return exitOf(diagnosis.checks);
    },
  };
}

const HELP = `
It opens what connect and listen would open, and connects to a kernel socket of its own; nothing leaves this machine.

Examples:
  $ sudo tcpx doctor
  $ sudo tcpx doctor -I eth0 --json

Exit codes:
  0    nothing that tcpx needs is missing (there may be warnings)
  2    wrong usage
  69   something is not available here: not built, not in this kernel
  77   something is not permitted`;

function declare(command: Command): void {
  command
    .usage('[options]')
    .addOption(new Option('-I, --interface <name>', "interface to look at (default: the default route's)"))
    .addOption(new Option('--json', 'print the result as one JSON document'))
    .addOption(colorOption())
    .addHelpText('after', HELP);
}

/** What is not permitted comes first: with leave the rest may be there. */
function exitOf(checks: readonly Check[]): number {
  const failures = checks.filter((c) => c.status === 'failure');
  if (failures.some((c) => c.why === 'not permitted')) return Exit.NOT_PERMITTED;
  return failures.length > 0 ? Exit.UNAVAILABLE : Exit.OK;
}

/** Looks at this machine. Throws CliFailure when there is no such interface. */
async function examine(interfaceName: string | undefined): Promise<Diagnosis> {
  const checks: Check[] = [nodeCheck(), capabilityCheck(capabilitySets())];
  const parts = partChecks();
  checks.push(...parts);
  const about = (i?: Interface, address?: Ipv4): Diagnosis => ({
    tcpx: tcpxVersion(),
    node: process.versions.node,
    kernel: release(),
    interface: i?.name ?? null,
    address: address === undefined ? null : ipv4Text(address),
    checks,
  });
  // Without the addon nothing can be asked of the kernel.
  if (parts[0]?.status !== 'ok') return about();
  const chosen = interfaceToLookAt(interfaceName ?? defaultInterface());
  const address = addressOf(chosen.name);
  checks.push(interfaceCheck(chosen, address === undefined ? undefined : ipv4Text(address)), mtuCheck(chosen));
  checks.push(offloadCheck(chosen), rpFilterCheck(chosen), fileLimitCheck(), firewallCheck());
  if (address !== undefined && chosen.up) {
    checks.push(md5Check(address), await guardCheck(address));
    const drivers = await driverChecks(chosen, address);
    checks.push(...drivers);
    // Without any it would fail for the same reason.
    if (drivers.some((driver) => driver.status === 'ok')) checks.push(await handshakeCheck(address));
  }
  return about(chosen, address);
}

/** An interface that isn't there is not available, to the one who looks what is. */
function interfaceToLookAt(name: string): Interface {
  try {
    return interfaceNamed(name);
  } catch (error) {
    const { message, hint } = failureFrom(error);
    throw new CliFailure(message, { exitCode: Exit.UNAVAILABLE, cause: error, ...(hint !== undefined && { hint }) });
  }
}

/** Of the default route; loopback's where there is none. */
function defaultInterface(): string {
  for (const far of ['192.0.2.1', '127.0.0.1']) {
    try {
      return routeTo(parseIpv4(far)!).interface;
    } catch (error) {
      if (far === '127.0.0.1') throw error;
    }
  }
  return 'lo';
}

function addressOf(name: string): Ipv4 | undefined {
  for (const info of networkInterfaces()[name] ?? []) if (info.family === 'IPv4') return parseIpv4(info.address);
  return undefined;
}

function jsonText(d: Diagnosis): string {
  const checks = d.checks.map(({ name, status, detail, remedy }) => ({ name, status, detail, remedy: remedy ?? null }));
  const ok = d.checks.every((c) => c.status !== 'failure');
  return JSON.stringify({ schema: DOCTOR_SCHEMA, ...d, ok, checks }, null, 2);
}

const NAME_WIDTH = 15;
const STATUS_WIDTH = 9;

export function tableText(d: Diagnosis, paint: Paint): string {
  const colour: Readonly<Record<CheckStatus, (text: string) => string>> = {
    ok: paint.green,
    warning: paint.yellow,
    failure: paint.red,
  };
  const lines = [`tcpx ${d.tcpx}, Node ${d.node}, Linux ${d.kernel}`, ''];
  for (const { name, status, detail, remedy } of d.checks) {
    lines.push(`  ${colour[status](status.padEnd(STATUS_WIDTH))}${paint.bold(name.padEnd(NAME_WIDTH))}${detail}`);
    if (remedy !== undefined) lines.push(`${' '.repeat(2 + STATUS_WIDTH + NAME_WIDTH)}${paint.cyan(`→ ${remedy}`)}`);
  }
  return `${lines.join('\n')}\n\n${verdict(d.checks)}\n`;
}

function verdict(checks: readonly Check[]): string {
  const count = (status: CheckStatus): number => checks.filter((c) => c.status === status).length;
  const said = (n: number, what: string): string[] => (n === 0 ? [] : [`${n} ${what}${n === 1 ? '' : 's'}`]);
  const parts = [...said(count('failure'), 'failure'), ...said(count('warning'), 'warning')];
  if (parts.length === 0) return 'Everything that tcpx needs is here.';
  return count('failure') > 0 ? `${parts.join(', ')}.` : `Nothing that tcpx needs is missing; ${parts.join(', ')}.`;
}
