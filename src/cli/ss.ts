/** `tcpx ss`: the connections of running tcpx processes, in the manner of ss(8). */
import { type Command, Option } from 'commander';
import { type Asked, askAll } from '../tools/status/ask.ts';
import { statusDirectories } from '../tools/status/directory.ts';
import { FilterError, parseFilter } from '../tools/status/filter.ts';
import { STATUS_SCHEMA } from '../tools/status/model.ts';
import { statusText } from '../tools/status/text.ts';
import type { CliCommand } from './command.ts';
import { CliFailure, Exit } from './exit.ts';
import type { Io } from './io.ts';
import { secondsValue, wholeNumber } from './option-types.ts';

interface SsOptions {
  readonly info?: true;
  readonly options?: true;
  readonly processes?: true;
  readonly listening?: true;
  readonly all?: true;
  readonly header: boolean;
  readonly pid?: number;
  /** Seconds, or nothing said of them. */
  readonly watch?: number;
  readonly json?: true;
}

const HELP = `
Asks the processes of this user that run a stack of tcpx: connect, listen, perf, ping, socks, forward, serve, and
programs that offer it (offerStatus). They listen on sockets in a directory that only their user can enter: /run/tcpx
for root, else $XDG_RUNTIME_DIR/tcpx, /run/user/UID/tcpx or $TMPDIR/tcpx-UID. Addresses and ports are always numbers.

FILTER is ss's: [state STATE] [exclude STATE] [EXPRESSION], of src, dst (ADDR[/LEN][:PORT]), sport, dport (= != < > <=
>= PORT), and, or, not, parentheses. Without states, -a or -l: all but listening, TIME-WAIT and SYN-RECV.

Examples:
  $ sudo tcpx ss
  $ sudo tcpx ss -ti dport = :443
  $ sudo tcpx ss -a -o -p --watch
  $ sudo tcpx ss --json state time-wait

Exit codes:
  0    done, also when there is nothing to show
  1    a process did not answer
  2    wrong usage`;

/** What ss takes too, and what goes without saying here. */
const quietly = (flags: string, text: string): Option => new Option(flags, text);

export const ss: CliCommand = {
  name: 'ss',
  summary: 'show the connections of running tcpx processes',
  group: 'This machine:',
  declare: declareSs,
  // commander's options by the names and parsers of declareSs.
  run: (words, options, io) => runSs(words.join(' '), options as unknown as SsOptions, io),
};

function declareSs(command: Command): void {
  command.usage('[options] [FILTER]').argument('[filter...]', 'which connections');
  command.optionsGroup('Which:');
  command
    .addOption(new Option('-a, --all', 'in every state').conflicts('listening'))
    .addOption(new Option('-l, --listening', 'ports that listen, instead'))
    .addOption(new Option('--pid <pid>', 'of that process only').argParser(wholeNumber('--pid', 1, 4_194_304, 4711)))
    .addOption(quietly('-t, --tcp', 'TCP, as always here'))
    .addOption(quietly('-n, --numeric', 'numbers, as always here'));
  command.optionsGroup('What:');
  command
    .addOption(new Option('-i, --info', "TCP's variables: windows, times, counters"))
    .addOption(new Option('-o, --options', 'timers'))
    .addOption(new Option('-p, --processes', 'whose it is'))
    .addOption(new Option('-H, --no-header', 'no line of headings'));
  command.optionsGroup('How:');
  command
    .addOption(new Option('--watch [seconds]', 'again and again, until ^C (every second)').argParser(watchValue))
    .addOption(new Option('--json', 'one JSON document; with --watch a line each time'));
  command.optionsGroup('Options:');
  command.addHelpText('after', HELP);
}

const watchValue = (text: string): number => (text === '' ? 1 : secondsValue('--watch')(text));

async function runSs(words: string, o: SsOptions, io: Io): Promise<number> {
  const filter = withStates(words, o);
  try {
    parseFilter(filter);
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    throw new CliFailure(`filter '${words}': ${error.message}`, {
      exitCode: Exit.USAGE,
      hint: 'for example: tcpx ss state established dport = :443',
    });
  }
  const look = (): Promise<Asked> => askAll(statusDirectories(io.env), { filter, info: o.info === true }, o.pid);
  if (o.watch === undefined) return show(await look(), o, io);
  return watch(look, o.watch, o, io);
}

/** The switches are another way of saying which states; what the filter says itself goes before them. */
function withStates(words: string, o: SsOptions): string {
  if (/^\s*(state|exclude)\s/i.test(words)) return words;
  if (o.listening) return `state listening ${words}`;
  return o.all ? `state all ${words}` : words;
}

function show({ answers, troubles }: Asked, o: SsOptions, io: Io): number {
  for (const trouble of troubles) io.stderr.write(`tcpx: ${trouble}\n`);
  if (answers.length === 0 && o.json !== true)
    io.stderr.write(
      `tcpx: ${o.pid === undefined ? 'no tcpx process of this user is running' : `no tcpx process ${o.pid} of this user`}\n`,
    );
  io.stdout.write(o.json ? jsonText({ answers, troubles }, io) : table({ answers, troubles }, o));
  return troubles.length === 0 ? Exit.OK : Exit.FAILURE;
}

const table = ({ answers }: Asked, o: SsOptions): string =>
  statusText(answers, { header: o.header, timers: o.options === true, processes: o.processes === true });

function jsonText({ answers }: Asked, io: Io): string {
  const processes = answers.map(({ process: { schema: _, ...facts }, connections }) => ({ ...facts, connections }));
  return `${JSON.stringify({ schema: STATUS_SCHEMA, wall: io.wallClock().toISOString(), processes })}\n`;
}

const HOME_AND_CLEAR = '\x1b[H\x1b[2J';

async function watch(look: () => Promise<Asked>, seconds: number, o: SsOptions, io: Io): Promise<number> {
  let stopped = false;
  let wake = (): void => {};
  const undo = (['SIGINT', 'SIGTERM'] as const).map((signal) =>
    io.onSignal(signal, () => {
      stopped = true;
      wake();
    }),
  );
  const onTerminal = io.stdout.isTTY === true;
  while (!stopped) {
    const asked = await look();
    if (o.json) io.stdout.write(jsonText(asked, io));
    else {
      const time = io.wallClock().toTimeString().slice(0, 8);
      io.stdout.write(`${onTerminal ? HOME_AND_CLEAR : ''}${time}\n${table(asked, o)}${onTerminal ? '' : '\n'}`);
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (stopped) wake();
    });
  }
  for (const take of undo) take();
  return Exit.OK;
}
