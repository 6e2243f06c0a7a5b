/** The rows of a measurement as a table of fixed columns, for people and for `grep`. */
import { bitRate, carried, type Interval, type PerfMode, type Row } from './model.ts';
import type { PerfResult } from './run.ts';

/** '1.21 GB': three digits, decimal units. */
export function octetsText(octets: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  return scaled(octets, units);
}

export const bitRateText = (bitsPerSecond: number): string =>
  scaled(bitsPerSecond, ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s', 'Tbit/s']);

function scaled(n: number, units: readonly string[]): string {
  let i = 0;
  let value = n;
  // 999.5 would be written as 1000 of the smaller unit.
  while (value >= 999.5 && i + 1 < units.length) {
    value /= 1000;
    i++;
  }
  const digits = i === 0 ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${units[i]}`;
}

/** Microseconds, three digits. */
export function rttText(us: number): string {
  if (us < 1000) return `${us} us`;
  if (us < 1_000_000) return `${Number((us / 1000).toPrecision(3))} ms`;
  return `${Number((us / 1_000_000).toPrecision(3))} s`;
}

const orDash = (value: number | null, text: (value: number) => string): string => (value === null ? '-' : text(value));

function line(cells: readonly [string, string, string, string, string, string, string], note = ''): string {
  const [id, interval, octets, rate, retr, cwnd, rtt] = cells;
  const text = `${id.padStart(5)}  ${interval.padEnd(17)}${octets.padStart(11)}${rate.padStart(14)}${retr.padStart(7)}${cwnd.padStart(10)}${rtt.padStart(9)}`;
  return `${text}  ${note}`.trimEnd();
}

const span = (from: number, to: number): string => `${from.toFixed(2).padStart(6)}-${to.toFixed(2)}`;

export const HEAD = line(['id', '  seconds', 'transferred', 'bit rate', 'retr', 'cwnd', 'rtt']);

function rowText(id: string, from: number, to: number, row: Row): string {
  return line([
    id,
    span(from, to),
    octetsText(row.octets),
    bitRateText(row.bitsPerSecond),
    orDash(row.retransmits, String),
    orDash(row.cwnd, octetsText),
    orDash(row.rtt, rttText),
  ]);
}

/** One line for each stream, and one for all where there are several. */
export function intervalText({ from, to, streams, sum }: Interval): readonly string[] {
  const lines = streams.map((row, i) => rowText(String(i + 1), from, to, row));
  return streams.length > 1 ? [...lines, rowText('sum', from, to, sum)] : lines;
}

/** What was sent, what arrived (or came back), and what it cost. */
export function summaryText(mode: PerfMode, result: PerfResult): readonly string[] {
  const { streams, seconds, deliveredSeconds } = result;
  const lines: string[] = [];
  const row = (id: string, to: number, octets: number, retr: number | undefined, note: string): void => {
    const cells = [
      octetsText(octets),
      bitRateText(bitRate(octets, to)),
      retr === undefined ? '-' : String(retr),
    ] as const;
    lines.push(line([id, span(0, to), ...cells, '', ''], note));
  };
  const all = (id: string, of: typeof streams): void => {
    const sum = (what: (stream: (typeof streams)[number]) => number): number => of.reduce((n, s) => n + what(s), 0);
    const retr = of.every((s) => s.reading.tcp !== undefined) ? sum((s) => s.reading.tcp?.retransmits ?? 0) : undefined;
    if (mode !== 'receive')
      row(
        id,
        seconds,
        sum((s) => s.written),
        retr,
        'written',
      );
    row(
      id,
      mode === 'receive' ? seconds : deliveredSeconds,
      sum((s) => carried(mode, s.reading)),
      undefined,
      ARRIVED[mode],
    );
  };
  for (const stream of streams) all(String(stream.id), [stream]);
  if (streams.length > 1) all('sum', streams);
  return [...lines, cpuText(mode, result)];
}

const ARRIVED: Readonly<Record<PerfMode, string>> = { send: 'arrived', receive: 'received', echo: 'came back' };

function cpuText(mode: PerfMode, { cpu, seconds, streams }: PerfResult): string {
  const share = (s: number): string => `${seconds > 0 ? Math.round((s / seconds) * 100) : 0} %`;
  const octets = streams.reduce((sum, s) => sum + carried(mode, s.reading), 0);
  const each = octets >= 1e6 ? `, ${((cpu.user + cpu.system) / (octets / 1e9)).toPrecision(3)} s per GB` : '';
  return `CPU of this process: ${share(cpu.user + cpu.system)} of a core (user ${share(cpu.user)}, system ${share(cpu.system)})${each}`;
}
