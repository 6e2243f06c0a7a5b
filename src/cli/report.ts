/** `tcpx report FILE…`: logs, captures and comparisons as one HTML page; with --live one that is fed while a log grows. */
import { existsSync, realpathSync } from 'node:fs';
import { basename } from 'node:path';
import { type Command, Option } from 'commander';
import { LogFormatError, readLog } from '../tools/log-ndjson.ts';
import { followFile } from '../tools/report/follow.ts';
import { LogCollector } from '../tools/report/from-log.ts';
import { reportHtml } from '../tools/report/html.ts';
import { LiveReport } from '../tools/report/live.ts';
import type { Report } from '../tools/report/model.ts';
import { type ReportPart, readReportPart } from '../tools/report/read.ts';
import { LANGS, type Lang } from '../tools/report/texts.ts';
import type { CliCommand } from './command.ts';
import { CliFailure, Exit, failureFrom, withExitCode } from './exit.ts';
import { cannotRead } from './in-file.ts';
import type { Io } from './io.ts';
import { wholeNumber } from './option-types.ts';
import { OutFile } from './out-file.ts';
import { ProgressLine } from './progress-line.ts';
import { tcpxVersion } from './version.ts';

interface ReportOptions {
  readonly output?: string;
  readonly connection?: number;
  readonly live?: true;
  readonly title?: string;
  readonly lang: Lang;
}

export const report: CliCommand = {
  name: 'report',
  summary: 'make a page of a log, a capture or a comparison: ladder, states, plots, side by side',
  group: 'Recordings:',
  declare,
  run: async (args, options, io) => {
    try {
      // commander's options by the names and parsers of declare.
      const o = options as unknown as ReportOptions;
      return await (o.live ? runLive(args, o, io) : runReport(args, o, io));
    } catch (error) {
      // All that goes wrong here is trouble, as with diff.
      throw withExitCode(failureFrom(error), Exit.USAGE);
    }
  },
};

function declare(command: Command): void {
  command
    .usage('[options] FILE...')
    .argument('<file...>', 'a log of --json-file, a capture (pcap, pcapng), or what `tcpx compare --json` printed')
    .addOption(new Option('-o, --output <file>', 'the page; - is stdout (default: FILE.html here, if there is none)'))
    .addOption(
      new Option('-c, --connection <number>', 'only this one of each file').argParser(
        wholeNumber('--connection', 1, Number.MAX_SAFE_INTEGER),
      ),
    )
    .addOption(
      new Option('--live', 'serve the page on loopback, and feed it while the log grows; FILE may be - for stdin'),
    )
    .addOption(new Option('--title <text>', 'what the page is called (default: the names of the files)'))
    .addOption(new Option('--lang <language>', 'English or Chinese, to begin with').choices([...LANGS]).default('en'))
    .addHelpText(
      'after',
      `
The page needs nothing but itself, and fetches nothing. ? in it lists its keys.

Examples:
  $ tcpx report run.ndjson                                     makes run.ndjson.html
  $ tcpx report run.pcapng -c 3 -o third.html
  $ tcpx compare 10.0.0.2:7 --json > both.json; tcpx report both.json run.ndjson -o all.html
  $ tcpx report --live run.ndjson                              while tcpx connect --json-file run.ndjson runs
  $ sudo tcpx connect 10.0.0.2:7 --json 2> >(tcpx report --live -)

Exit codes:
  0    done; with --live: ended by ^C
  2    trouble: wrong usage, a file that is none of these, or is cut off (what is there is used), or can't be written`,
    );
}

const usage = (message: string, hint: string): CliFailure => new CliFailure(message, { exitCode: Exit.USAGE, hint });

async function runReport(paths: readonly string[], o: ReportOptions, io: Io): Promise<number> {
  const output = outputOf(paths, o);
  const progress = new ProgressLine(io, true);
  const parts: ReportPart[] = [];
  for (const path of paths) {
    const part = await readReportPart(path, {
      connection: o.connection,
      named: paths.length > 1,
      onProgress: (octets, of) => progress.update(octets, of),
    }).catch((error: unknown) => {
      throw readFailure(path, error);
    });
    parts.push(part);
  }
  progress.clear();
  for (const remark of parts.flatMap((part) => part.remarks)) io.stderr.write(`tcpx: ${remark}\n`);
  const page = reportHtml(
    {
      title: titleOf(paths, o),
      lang: o.lang,
      about: parts.flatMap((part) => part.about),
      connections: parts.flatMap((part) => part.connections),
      comparisons: parts.flatMap((part) => part.comparisons),
    },
    { version: tcpxVersion() },
  );
  write(output, page, io);
  return parts.some((part) => part.broken) ? Exit.USAGE : Exit.OK;
}

const titleOf = (paths: readonly string[], o: ReportOptions): string =>
  o.title ?? paths.map((path) => (path === '-' ? 'tcpx' : basename(path))).join(', ');

/** Where the page goes. What the user did not name is never written over, and what is read never at all. */
function outputOf(paths: readonly string[], o: ReportOptions): string {
  if (paths.includes('-')) throw usage('stdin is read with --live only', 'write the log to a file, or add --live');
  const output = o.output ?? `${basename(paths[0] ?? 'report')}.html`;
  if (output === '-') return output;
  if (existsSync(output)) {
    if (o.output === undefined)
      throw usage(`${output} is there already`, `-o ${output} writes over it; or name another file`);
    const same = paths.find((path) => existsSync(path) && realpathSync(path) === realpathSync(output));
    if (same !== undefined) throw usage(`${same} would be written over with its own page`, 'name another file with -o');
  }
  return output;
}

function write(output: string, page: string, io: Io): void {
  if (output === '-') {
    io.stdout.write(page);
    return;
  }
  const file = new OutFile(output, io.env);
  file.append(new TextEncoder().encode(page));
  file.close();
  if (file.failure !== undefined) throw file.failure;
  io.stderr.write(`tcpx: ${output}: open it in a browser\n`);
}

function readFailure(path: string, error: unknown): unknown {
  if (error instanceof Error && 'hint' in error && typeof error.hint === 'string')
    return usage(error.message, error.hint);
  return cannotRead(path, error, 'give a log, a capture or a comparison') ?? error;
}

/** Milliseconds between two updates of the page, at least; and how many times as long as one takes to make. */
const EVERY = 250;
const SHARE = 10;

async function runLive(paths: readonly string[], o: ReportOptions, io: Io): Promise<number> {
  const [path] = paths;
  if (path === undefined || paths.length > 1)
    throw usage('--live follows one log', 'give one file, or - for stdin; without --live there may be several');
  return new LiveRun(path, o, io).run();
}

class LiveRun {
  readonly #path: string;
  readonly #o: ReportOptions;
  readonly #io: Io;
  readonly #collector: LogCollector;
  readonly #server: LiveReport;
  readonly #abort = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #pause = EVERY;

  constructor(path: string, o: ReportOptions, io: Io) {
    this.#path = path;
    this.#o = o;
    this.#io = io;
    this.#collector = new LogCollector({ conn: o.connection });
    this.#server = new LiveReport(this.#report(), tcpxVersion());
  }

  async run(): Promise<number> {
    const stopped = new Promise<void>((resolve) => {
      this.#abort.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    const undo = (['SIGINT', 'SIGTERM'] as const).map((signal) => this.#io.onSignal(signal, () => this.#abort.abort()));
    try {
      this.#io.stdout.write(`${await this.#server.listen()}\n`);
      await this.#follow();
      this.#tell(true);
      if (!this.#abort.signal.aborted) {
        this.#io.stderr.write('tcpx: the log has ended; the page stays until ^C\n');
        await stopped;
      }
      if (this.#o.output !== undefined)
        write(this.#o.output, reportHtml(this.#report(), { version: tcpxVersion() }), this.#io);
      return Exit.OK;
    } finally {
      clearTimeout(this.#timer);
      for (const each of undo) each();
      this.#server.close();
    }
  }

  /** Takes the log until its summary, its end or the signal. */
  async #follow(): Promise<void> {
    const { signal } = this.#abort;
    const chunks =
      this.#path === '-'
        ? untilAborted(this.#io.stdin, signal)
        : followFile(this.#path, {
            signal,
            onMissing: () => this.#io.stderr.write(`tcpx: waiting for ${this.#path}\n`),
          });
    try {
      for await (const { record } of readLog(chunks)) {
        this.#collector.add(record);
        this.#timer ??= setTimeout(() => this.#tell(false), this.#pause);
        // A file that somebody may still have open has no end of its own.
        if (this.#collector.ended) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof LogFormatError)) throw readFailure(this.#path, error);
      if (!error.cutOff || this.#collector.empty)
        throw usage(`${this.#path}: ${error.message}`, '`tcpx connect --json-file FILE` records one');
      this.#io.stderr.write(`tcpx: ${this.#path}: ${error.message}\n`);
    }
  }

  #tell(ended: boolean): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const before = performance.now();
    this.#server.update(this.#report(), ended);
    this.#pause = Math.max(EVERY, (performance.now() - before) * SHARE);
  }

  #report(): Report {
    return {
      title: titleOf([this.#path], this.#o),
      lang: this.#o.lang,
      about: this.#collector.about(),
      connections: this.#collector.connections(),
    };
  }
}

/** What comes from `stream`, as far as the signal. */
async function* untilAborted(stream: Io['stdin'], signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
  const stop = (): void => {
    stream.destroy();
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const chunk of stream) yield typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
