/** The model in packetdrill's language: what `parse.ts` reads gives the same model again. */
import { TcpFlag } from '../../wire/tcp.ts';
import { flagsText } from '../../wire/tcp-text.ts';
import { optionListText } from './match.ts';
import type { About, IpSpec, PacketSpec, Scenario, Step, Value, When } from './model.ts';

/** The whole scenario, line by line: the n-th step stands on line `firstStepLine(about, options) + n`. */
export function formatScenario({ about, options, steps }: Pick<Scenario, 'about' | 'options' | 'steps'>): string {
  const head = [...aboutLines(about), ...options.map(({ name, value }) => `--${name}=${value}`)];
  return `${[...head, ...(head.length > 0 ? [''] : []), ...steps.map(formatStep)].join('\n')}\n`;
}

function aboutLines(about: About): readonly string[] {
  const lines: string[] = [];
  if (about.title !== undefined) lines.push(`//! title: ${about.title}`);
  if (about.covers.length > 0) lines.push(`//! covers: ${about.covers.join(' ')}`);
  if (about.profile !== undefined) lines.push(`//! profile: ${about.profile}`);
  if (about.on !== undefined) lines.push(`//! on: ${about.on.join(' ')}`);
  if (about.kernelDiffers !== undefined) lines.push(`//! kernel-differs: ${about.kernelDiffers}`);
  if (about.exact) lines.push('//! exact');
  return lines;
}

export function formatStep(step: Step): string {
  switch (step.kind) {
    case 'call': {
      const until = step.until === undefined ? '' : `...${secondsText(step.until)}`;
      const errno = step.errno === undefined ? '' : ` ${step.errno}`;
      const note = step.note === undefined ? '' : ` (${step.note})`;
      const args = step.args.map(formatValue).join(', ');
      return `${formatWhen(step.when)}${until} ${step.name}(${args}) = ${formatValue(step.result)}${errno}${note}`;
    }
    case 'in':
      return `${formatWhen(step.when)} < ${formatPacket(step.packet)}`;
    case 'out':
      return `${formatWhen(step.when)} > ${formatPacket(step.packet)}`;
    case 'command':
      return `${formatWhen(step.when)} \`${step.command}\``;
    case 'code':
      return `${formatWhen(step.when)} %{ ${step.code} }%`;
  }
}

function formatWhen(when: When): string {
  if (when.kind === 'any') return '*';
  const sign = when.kind === 'after' ? '+' : '';
  const from = `${sign}${secondsText(when.from)}`;
  return when.from === when.to ? from : `${from}~${sign}${secondsText(when.to)}`;
}

/** Without what says nothing: 100000 µs are 0.1. */
const secondsText = (us: number): string => (us / 1e6).toFixed(6).replace(/\.?0+$/, '');

export function formatPacket(packet: PacketSpec): string {
  const ip = formatIp(packet.ip);
  if (packet.kind === 'icmp') {
    const parts = [`${ip}icmp ${packet.type}`];
    if (packet.code !== undefined) parts.push(packet.code);
    if (packet.mtu !== undefined) parts.push(`mtu ${packet.mtu}`);
    if (packet.quoted !== undefined) parts.push(`[${rangeText(packet.quoted.seq, packet.quoted.len)}]`);
    return parts.join(' ');
  }
  const parts = [`${ip}${flagsWord(packet.flags)} ${rangeText(packet.seq, packet.len)}`];
  if (packet.ack !== undefined) parts.push(`ack ${packet.ack}`);
  if (packet.wnd !== undefined) parts.push(`win ${packet.wnd}`);
  if (packet.urg !== undefined) parts.push(`urg ${packet.urg}`);
  if (packet.options === 'any' || packet.options.length > 0) parts.push(`<${optionListText(packet.options)}>`);
  return parts.join(' ');
}

const rangeText = (seq: number, len: number): string => `${seq}:${(seq + len) >>> 0}(${len})`;

/** packetdrill has the dot behind the letters. */
function flagsWord(flags: number): string {
  if (flags === 0) return '-';
  const letters = flags & ~TcpFlag.ACK;
  return `${letters === 0 ? '' : flagsText(letters)}${flags & TcpFlag.ACK ? '.' : ''}`;
}

function formatIp(ip: IpSpec): string {
  const words: string[] = [];
  if (ip.ecn !== undefined) words.push(ip.ecn);
  for (const name of ['tos', 'ttl', 'conn', 'from', 'to', 'reserved', 'offset'] as const)
    if (ip[name] !== undefined) words.push(`${name} ${ip[name]}`);
  if (ip.ipopt !== undefined) words.push(`ipopt 0x${ip.ipopt}`);
  for (const name of ['badsum', 'more'] as const) if (ip[name]) words.push(name);
  return words.length === 0 ? '' : `[${words.join(',')}] `;
}

function formatValue(value: Value): string {
  switch (value.kind) {
    case 'any':
      return '...';
    case 'number':
      return value.hex ? `0x${value.n.toString(16)}` : String(value.n);
    case 'string':
      return `"${value.text}"`;
    case 'name':
      return value.name;
    case 'flags':
      return value.of.map(formatValue).join('|');
    case 'list':
      return `[${value.items.map(formatValue).join(', ')}]`;
    case 'struct':
      return `{${value.fields.map((f) => (f.name === undefined ? '' : `${f.name}=`) + formatValue(f.value)).join(', ')}}`;
    case 'apply':
      return `${value.name}(${value.args.map(formatValue).join(', ')})`;
  }
}
