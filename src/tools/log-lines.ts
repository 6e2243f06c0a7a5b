/** The lines of the log that stand alone: header, summary, failure; and how its quantities are written. */
import { countersText, faultsText } from './fault-text.ts';
import type { FailureRecord, HeaderRecord, ListenRecord, OpenRecord, SummaryRecord } from './log-record.ts';
import type { Paint } from './log-style.ts';

/** Microseconds as seconds with six decimals, ten columns. */
export const timeText = (t: number): string => (t / 1_000_000).toFixed(6).padStart(10);

export const octetsText = (n: number): string => `${n} octet${n === 1 ? '' : 's'}`;
const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
const ms = (us: number): string => (us / 1000).toFixed(3);

/** Who talks to whom, and with the first connection by what way and under which settings. `came`: it came to a port of ours. */
export function openLines(
  open: OpenRecord,
  header: HeaderRecord | undefined,
  paint: Paint,
  name = '',
  came = false,
): readonly string[] {
  const parts = [
    `tcpx: ${name}${open.local}:${open.localPort} ${came ? '<-' : '->'} ${open.remote}:${open.remotePort}`,
  ];
  if (header === undefined) return parts;
  if (header.interface !== undefined)
    parts.push(`on ${header.interface}${header.gateway === undefined ? '' : ` via ${header.gateway}`}`);
  if (header.driver !== undefined) parts.push(`driver ${driverText(header.driver, header)}`);
  if (header.guard !== undefined) parts.push(`guard ${guardText(header.guard)}`);
  return [parts.join('  '), ...settingLines(header, paint)];
}

/** Where connections are taken; with the first under which settings. */
export function listenLines(listen: ListenRecord, header: HeaderRecord | undefined, paint: Paint): readonly string[] {
  const { local, localPort, guard } = listen;
  const driver = driverText(listen.driver, listen);
  const line = `tcpx: listening on ${local}:${localPort}  on ${listen.interface}  driver ${driver}  guard ${guardText(guard)}`;
  return header === undefined ? [line] : [...settingLines(header, paint), line];
}

function settingLines(header: HeaderRecord, paint: Paint): readonly string[] {
  const settings = [
    ...(header.profile === undefined ? [] : [['profile', header.profile] as const]),
    ...Object.entries(header.sysctl ?? {}),
    ...Object.entries(header.options ?? {}),
  ].map(([name, value]) => `${name}=${settingText(value)}`);
  return [
    ...(settings.length > 0 ? [paint.dim(`tcpx: ${settings.join('  ')}`)] : []),
    ...(header.faults === undefined ? [] : [faultsLine(header.faults)]),
  ];
}

function faultsLine(faults: NonNullable<HeaderRecord['faults']>): string {
  const of = (dir: 'in' | 'out'): string => `${dir}: ${faultsText(faults[dir]) || 'none'}`;
  return `tcpx: faults  ${of('in')}  ${of('out')}  seed ${faults.seed}`;
}

/** With what is not as it would be by itself. */
function driverText(driver: string, o: Pick<ListenRecord, 'fallBack' | 'offload'>): string {
  const notes = [...(o.fallBack === undefined ? [] : [o.fallBack]), ...(o.offload === false ? ['no offload'] : [])];
  return notes.length === 0 ? driver : `${driver} (${notes.join('; ')})`;
}

/** What a guard is, is in the log; that there is none is for everybody to see. */
const guardText = ({ kind, note }: { readonly kind: string; readonly note: string }): string =>
  kind === 'none' && note !== '' ? `none (${note.replace(/^no guard: /, '')})` : kind;

const settingText = (value: unknown): string => (typeof value === 'boolean' ? (value ? '1' : '0') : String(value));

export function summaryLine(s: SummaryRecord): string {
  const rtt = s.rtt === undefined ? '' : `, RTT min/avg/max ${ms(s.rtt.min)}/${ms(s.rtt.avg)}/${ms(s.rtt.max)} ms`;
  return (
    `tcpx: ${s.connections === undefined ? '' : `${count(s.connections, 'connection')}, `}sent ${octetsText(s.octetsOut)} in ${count(s.segmentsOut, 'segment')}, received ${octetsText(s.octetsIn)} in ${count(s.segmentsIn, 'segment')}, ` +
    `${count(s.retransmissions, 'retransmission')}${rtt}, ${(s.t / 1_000_000).toFixed(3)} s`
  );
}

/** What the faults on our own link did; nothing when there were none. */
export function faultSummaryLines(s: SummaryRecord): readonly string[] {
  const { faults } = s;
  if (faults === undefined) return [];
  return (['in', 'out'] as const).map(
    (dir) => `tcpx: faults ${dir}: ${countersText(faults[dir]) || 'none'}, of ${count(faults[dir].packets, 'packet')}`,
  );
}

/** What never came as far as tcpx; nothing when the kernel kept all, or doesn't tell. */
export function dropLines({ counters }: SummaryRecord): readonly string[] {
  const drops = counters?.['drops'] ?? 0;
  return drops === 0 ? [] : [`tcpx: ${count(drops, 'packet')} dropped by the kernel, whose buffer for us was full`];
}

export function failureLines(failure: FailureRecord): readonly string[] {
  const lines = [`tcpx: ${failure.message}`];
  if (failure.hint !== undefined) lines.push(`  hint: ${failure.hint}`);
  return lines;
}
