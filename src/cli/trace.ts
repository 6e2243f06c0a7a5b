/** `tcpx trace FILE`: the TCP connections of a capture, what happened in each, and what each segment was. */
import { type Command, Option } from 'commander';
import { PcapError, type PcapErrorCode } from '../pcap/pcap-error.ts';
import { ladderText } from '../tools/ladder-text.ts';
import { type ColorChoice, type Paint, paintFor, useColor } from '../tools/log-style.ts';
import type { Note, TracedConnection } from '../tools/trace/connection.ts';
import { type ConnectionFilter, FilterError, parseFilter } from '../tools/trace/filter.ts';
import { connectionLine, endLine, fileLine, segmentLine } from '../tools/trace/json.ts';
import { KINDS, TROUBLE } from '../tools/trace/kinds.ts';
import { LadderCollector } from '../tools/trace/ladder.ts';
import { linkTypeText } from '../tools/trace/link-layers.ts';
import { type ReadOutcome, traceFile } from '../tools/trace/run.ts';
import type { SeenSegment } from '../tools/trace/seen-segment.ts';
import { type ConnectionSummary, summaryOf } from '../tools/trace/summary.ts';
import { detailLines, segmentLines, tableHead, tableRow, timeText } from '../tools/trace/text.ts';
import { Trace, type TraceCounts, type TraceSink } from '../tools/trace/trace.ts';
import type { CliCommand } from './command.ts';
import { CliFailure, Exit } from './exit.ts';
import { cannotRead } from './in-file.ts';
import type { Io } from './io.ts';
import { isUtf8 } from './locale.ts';
import { nearestName } from './nearest.ts';
import { colorOption, wholeNumber } from './option-types.ts';
import { ProgressLine } from './progress-line.ts';

interface TraceOptions {
  readonly connection?: number;
  readonly segments?: true;
  readonly only?: number;
  readonly ladder?: true;
  readonly filter?: ConnectionFilter;
  readonly json?: true;
  readonly all?: true;
  readonly width?: number;
  readonly ascii?: true;
  readonly color: ColorChoice;
}

export const trace: CliCommand = {
  name: 'trace',
  summary: 'find the TCP connections of a capture, and say what went wrong in them',
  group: 'Recordings:',
  declare,
  // commander's options by the names and parsers of declare.
  run: (args, options, io) => runTrace(args[0] ?? '', options as unknown as TraceOptions, io),
};

function declare(command: Command): void {
  command
    .usage('[options] FILE')
    .argument('<file>', 'a capture: pcap (microseconds, nanoseconds) or pcapng, gzipped or not; - is stdin')
    .addOption(
      new Option('-c, --connection <number>', 'only this one, in full').argParser(
        wholeNumber('--connection', 1, Number.MAX_SAFE_INTEGER),
      ),
    )
    .addOption(new Option('-s, --segments', 'every segment, with what it was and whom it moved'))
    .addOption(
      new Option('--only <kinds>', 'segments of these kinds only, with commas; `trouble` for all that is').argParser(
        parseKinds,
      ),
    )
    .addOption(new Option('-l, --ladder', 'draw the connection, both ends’ states beside it'))
    .addOption(
      new Option(
        '-f, --filter <words>',
        'connections these hold for: host, net, port, client, server, and, or, not',
      ).argParser(parseFilterOption),
    )
    .addOption(new Option('--json', 'a JSON document a line'))
    .addOption(new Option('--all', 'with --ladder: long runs without anything of note, too'))
    .addOption(
      new Option(
        '--width <columns>',
        "with --ladder: columns to stay within (default: the terminal's, or 110)",
      ).argParser(wholeNumber('--width', 80, 1000)),
    )
    .addOption(new Option('--ascii', 'with --ladder: plain ASCII (default: where the locale is not UTF-8)'))
    .addOption(colorOption())
    .addHelpText(
      'after',
      `
Kinds:
${kindLines().join('\n')}

Examples:
  $ tcpx trace run.pcap                                  a line for each connection
  $ tcpx trace run.pcap -c 3 --ladder                    the third, drawn
  $ tcpx trace run.pcap --only trouble -f 'port 443'     what went wrong on port 443
  $ tcpx trace run.pcap -s --json | jq 'select(.rtt)'
  $ ssh HOST sudo tcpdump -c 1000 -w - tcp | tcpx trace -

Exit codes:
  0    done
  1    no TCP in it, or no such connection
  2    trouble: wrong usage, not a capture, or one that is cut off or damaged (what is whole was used)`,
    );
}

const kindLines = (): readonly string[] => {
  const names = KINDS.map((k) => k.name);
  const half = Math.ceil(names.length / 2);
  return names.slice(0, half).map((name, i) => `  ${name.padEnd(30)}${names[i + half] ?? ''}`.trimEnd());
};

/** What --only takes. */
export const kindNames = (): readonly string[] => ['trouble', ...KINDS.map((k) => k.name)];

/** Names with commas between as Kind bits. */
function parseKinds(text: string): number {
  let bits = 0;
  for (const name of text.split(',').map((part) => part.trim())) {
    const found = KINDS.find((k) => k.name === name);
    if (name === 'trouble') bits |= TROUBLE;
    else if (found !== undefined) bits |= found.bit;
    else {
      const near = nearestName(name, kindNames());
      throw new CliFailure(`--only: unknown kind '${name}'`, {
        exitCode: Exit.USAGE,
        hint: `${near === undefined ? '' : `did you mean '${near}'? `}\`tcpx trace --help\` lists them`,
      });
    }
  }
  return bits;
}

function parseFilterOption(text: string): ConnectionFilter {
  try {
    return parseFilter(text);
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    throw new CliFailure(`--filter '${text}': ${error.message}`, {
      exitCode: Exit.USAGE,
      hint: "for example --filter 'port 80 and not host 10.0.0.7'",
      cause: error,
    });
  }
}

async function runTrace(path: string, o: TraceOptions, io: Io): Promise<number> {
  const output = new TraceOutput(path, o, io);
  const trace = new Trace(output, { wants: output.wants });
  output.counts = trace.counts;
  const progress = new ProgressLine(io, o.segments !== true && o.only === undefined);
  let outcome: ReadOutcome;
  try {
    outcome = await traceFile(
      path === '-' ? io.stdin : path,
      trace,
      (octets, of) => progress.update(octets, of),
      () => output.ready(),
    );
  } catch (error) {
    progress.clear();
    throw readFailure(path, error);
  }
  progress.clear();
  return output.end(outcome);
}

/** By what the file is instead of a capture. */
const HINTS: Readonly<Partial<Record<PcapErrorCode, string>>> = {
  'pcap-is-compressed': 'unpack it first; what gzip packed is read as it is',
  'pcap-is-json': '`tcpx ladder FILE` draws a log of --json-file, `tcpx report FILE` makes a page of it',
};

function readFailure(path: string, error: unknown): unknown {
  if (error instanceof PcapError)
    return new CliFailure(`${path}: ${error.message}`, {
      exitCode: Exit.USAGE,
      hint: HINTS[error.code] ?? 'give a capture: `tcpdump -w FILE`, `tcpx connect -w FILE` and Wireshark write them',
      cause: error,
    });
  return cannotRead(path, error, 'give a capture file') ?? error;
}

/** Connections whose details are held back until it is known that they are few; beyond this it is a table. */
const FEW = 1;

class TraceOutput implements TraceSink {
  readonly wants: ConnectionFilter;
  counts: TraceCounts | undefined;
  readonly #path: string;
  readonly #o: TraceOptions;
  readonly #io: Io;
  readonly #paint: Paint;
  readonly #ladder: LadderCollector | undefined;
  /** Text that waits for one write. */
  #text = '';
  /** Not told yet: whether there will be more decides how. */
  #first: ConnectionSummary | undefined;
  #shown = 0;

  constructor(path: string, o: TraceOptions, io: Io) {
    this.#path = path;
    this.#o = o;
    this.#io = io;
    this.#paint = paintFor(useColor(o.color, io.stdout, io.env));
    this.#ladder = o.ladder ? new LadderCollector() : undefined;
    this.wants = (c) => (o.connection === undefined || c.number === o.connection) && (o.filter?.(c) ?? true);
    if (o.json) this.#text += fileLine(path);
  }

  segment(c: TracedConnection, seg: SeenSegment, note: Note, t: number, record: number): void {
    const { segments, only, json } = this.#o;
    const since = t - (this.counts?.firstAt ?? t);
    this.#ladder?.segment(c, seg, note, since);
    if (only === undefined ? segments !== true : (note.kinds & only) === 0) return;
    if (json) this.#text += segmentLine(c, seg, note, since, record);
    else {
      const numbered = this.#o.connection === undefined;
      for (const line of segmentLines(c, seg, note, since, record, { paint: this.#paint, numbered })) this.#line(line);
    }
  }

  retired(c: TracedConnection): void {
    this.#shown++;
    const zero = this.counts?.firstAt ?? 0;
    if (this.#o.json) {
      this.#text += connectionLine(c, zero);
      return;
    }
    if (this.#ladder !== undefined) return;
    const summary = summaryOf(c, zero);
    if (this.#shown <= FEW) this.#first = summary;
    else {
      this.#tableBegins();
      this.#line(tableRow(summary));
    }
  }

  /** Whatever waits may be written; resolves when there is room for more. */
  ready(): Promise<void> | undefined {
    if (this.#text === '') return undefined;
    const text = this.#text;
    this.#text = '';
    if (this.#io.stdout.write(text)) return undefined;
    return new Promise((resolve) => {
      this.#io.stdout.once('drain', resolve);
    });
  }

  async end(outcome: ReadOutcome): Promise<number> {
    const counts = this.counts!;
    if (this.#first !== undefined) for (const line of detailLines(this.#first, this.#paint)) this.#line(line);
    this.#draw();
    if (this.#o.json) this.#text += endLine(counts, outcome);
    await this.ready();
    for (const remark of remarks(this.#path, counts, outcome, this.#o.json === true))
      this.#io.stderr.write(`tcpx: ${remark}\n`);
    if (outcome.broken !== undefined) return Exit.USAGE;
    if (this.#shown === 0) throw this.#nothing(counts);
    return Exit.OK;
  }

  #tableBegins(): void {
    if (this.#shown !== FEW + 1) return;
    this.#line(this.#paint.bold(tableHead()));
    if (this.#first !== undefined) this.#line(tableRow(this.#first));
    this.#first = undefined;
  }

  #draw(): void {
    const drawn = this.#ladder?.finish();
    if (drawn === undefined) return;
    if (this.#shown > 1)
      throw new CliFailure(`${this.#path} holds ${this.#shown} connections, and a ladder is of one`, {
        exitCode: Exit.USAGE,
        hint: '--connection NUMBER picks one; `tcpx trace FILE` lists them',
      });
    const { width, ascii, all } = this.#o;
    const columns = width ?? (Number(this.#io.env['COLUMNS']) || this.#io.stdout.columns || 110);
    const text = {
      paint: this.#paint,
      width: columns,
      ascii: ascii === true || !isUtf8(this.#io.env),
      all: all === true,
    };
    for (const line of ladderText(drawn, text)) this.#line(line);
    const { leftOut } = this.#ladder!;
    if (leftOut > 0) this.#io.stderr.write(`tcpx: ${leftOut} segments after these are not drawn\n`);
  }

  #nothing(counts: TraceCounts): CliFailure {
    const { connection, filter } = this.#o;
    if (counts.readings.tcp === 0)
      return new CliFailure(`${this.#path}: no TCP in it (${counts.packets} packets: ${packetsText(counts)})`, {
        hint: 'was it captured where the traffic passes, and without a filter that leaves TCP out?',
      });
    const what = connection === undefined ? 'no connection for which the filter holds' : `no connection ${connection}`;
    return new CliFailure(
      `${this.#path}: ${what}${connection !== undefined && filter !== undefined ? ' for which the filter holds' : ''}`,
      {
        hint: `\`tcpx trace ${this.#path}\` lists the ${counts.connections} there are`,
      },
    );
  }

  #line(line: string): void {
    this.#text += `${line}\n`;
  }
}

/** What was read, and what could not be. */
function remarks(path: string, counts: TraceCounts, outcome: ReadOutcome, json: boolean): readonly string[] {
  const said: string[] = [];
  const { readings } = counts;
  const span = counts.firstAt === undefined ? 0 : counts.lastAt - counts.firstAt;
  const links = counts.linkTypes.map(linkTypeText).join(', ');
  if (!json && readings.tcp > 0)
    said.push(
      `${path}: ${outcome.format}, ${links}; ${counts.packets} packets in ${timeText(span)}, ${readings.tcp} TCP segments, ${countText(counts.connections, 'connection')}`,
    );
  if (readings.fragment > 0) said.push(`${readings.fragment} fragments of IP packets were not looked into`);
  if (readings.cut > 0) said.push(`${readings.cut} packets were captured too short to be told`);
  if (readings.damaged > 0) said.push(`${readings.damaged} packets have lengths that contradict each other`);
  if (readings['unknown link'] > 0)
    said.push(`${readings['unknown link']} packets are of a link type that isn't known here (${links})`);
  if (counts.early > 0)
    said.push(
      `${counts.early} connections were told before the end, to keep memory bounded; what came later counts as new ones`,
    );
  const { broken } = outcome;
  if (broken !== undefined)
    said.push(
      `${path}: stopped at record ${broken.record}: ${broken.message}; the ${counts.packets} whole packets before it are used`,
    );
  return said;
}

const countText = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

function packetsText({ readings }: TraceCounts): string {
  const named = {
    other: 'of other kinds',
    fragment: 'fragments',
    cut: 'cut short',
    damaged: 'damaged',
    'unknown link': 'of an unknown link type',
  };
  const parts = Object.entries(named).flatMap(([reading, text]) => {
    const count = readings[reading as keyof typeof named];
    return count > 0 ? [`${count} ${text}`] : [];
  });
  return parts.length === 0 ? 'none' : parts.join(', ');
}
