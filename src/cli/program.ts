/**
 * The program: commander's tree of all commands, and the one place where whatever goes wrong becomes two lines and an exit code.
 */
import { Command, CommanderError } from 'commander';
import type { CliCommand } from './command.ts';
import { COMMANDS } from './commands.ts';
import { ENVIRONMENT_HELP, optionsFromEnvironment } from './environment.ts';
import { CliFailure, EXIT_CODES, Exit, failureFrom, failureText } from './exit.ts';
import type { Io } from './io.ts';
import { versionText } from './version.ts';

const EXAMPLES = `
Examples:
  $ sudo tcpx connect localhost:8080                  every transition, and why
  $ sudo tcpx connect 10.0.0.2:7 --json-file run.ndjson -w run.pcap
  $ tcpx ladder run.ndjson                            draw the recorded connection
  $ tcpx replay run.ndjson                            run it through the core again
  $ tcpx trace capture.pcap --only trouble            what went wrong in a capture
  $ sudo tcpx compare localhost:8080                  the kernel and tcpx, side by side
  $ sudo tcpx probe localhost:8080                    what kind of TCP is there
  $ sudo tcpx lab run handshake                       see it happen, step by step

${EXIT_CODES}`;

/** Runs `argv` (without node and script); returns the exit code and never throws. */
export async function runProgram(
  argv: readonly string[],
  io: Io,
  commands: readonly CliCommand[] = COMMANDS,
): Promise<number> {
  let exitCode: number = Exit.OK;
  const program = buildProgram(io, commands, (code) => {
    exitCode = code;
  });
  try {
    if (argv.length === 0)
      throw new CliFailure('no command given', {
        exitCode: Exit.USAGE,
        hint: '`tcpx --help` lists the commands; start with `sudo tcpx connect HOST:PORT`',
      });
    await program.parseAsync(withEmptyValues(argv, program), { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return Exit.OK;
    const failure = error instanceof CommanderError ? usageFailure(error, argv, commands) : failureFrom(error);
    io.stderr.write(failureText(failure, io.env['TCPX_DEBUG'] === '1'));
    return failure.exitCode;
  }
}

/** The tree alone, for the program and for whatever is generated from it. */
export function buildProgram(io: Io, commands: readonly CliCommand[], done: (exitCode: number) => void): Command {
  const program = new Command('tcpx')
    .description('A complete TCP in userspace, over raw packets: see every state transition and its cause.')
    .usage('COMMAND [options]')
    .option('-V, --version', 'print the versions of tcpx, Node and the kernel, and which native parts are built')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [COMMAND]', 'show the help of a command')
    .addHelpText('after', EXAMPLES);
  settle(program, io);
  program.on('option:version', () => {
    io.stdout.write(`${versionText()}\n`);
    throw new CommanderError(Exit.OK, 'commander.version', '');
  });
  for (const command of commands) {
    const sub = program
      .command(command.name)
      .summary(command.summary)
      .description(command.summary)
      .helpGroup(command.group);
    settle(sub, io);
    command.declare(sub);
    sub.addHelpText('after', ENVIRONMENT_HELP);
    sub.action(async () => {
      const variables = optionsFromEnvironment(sub, io.env);
      const options = sub.opts();
      if (variables.length > 0 && options['quiet'] !== true && options['json'] !== true)
        io.stderr.write(`tcpx: from the environment: ${variables.join(', ')}\n`);
      done(await command.run(sub.args, options, io, program));
    });
  }
  return program;
}

/** An option whose value may be left out takes it behind '=' only, as GNU's do: `--keepalive HOST:PORT` is no value. */
function withEmptyValues(argv: readonly string[], program: Command): readonly string[] {
  const command = program.commands.find((c) => c.name() === argv[0]);
  const optional = new Set(command?.options.filter((o) => o.optional).map((o) => o.long));
  const end = argv.indexOf('--');
  return argv.map((word, i) => (optional.has(word) && (end < 0 || i < end) ? `${word}=` : word));
}

function settle(command: Command, io: Io): void {
  command
    .exitOverride()
    .helpOption('-h, --help', 'show this help')
    .configureHelp({ sortOptions: false, showGlobalOptions: false, subcommandTerm: (sub) => sub.name() })
    .configureOutput({
      writeOut: (text) => {
        io.stdout.write(text);
      },
      // Errors are told once, by runProgram.
      writeErr: () => {},
      getOutHelpWidth: () => Math.min(io.stdout.columns ?? 100, 120),
      getOutHasColors: () => false,
    });
}

/** commander's complaint in our words: what is wrong, then the nearest name or where to look. */
function usageFailure(error: CommanderError, argv: readonly string[], commands: readonly CliCommand[]): CliFailure {
  const text = error.message.replace(/^error: /, '');
  const suggestion = /\n?\((Did you mean .*\?)\)$/s.exec(text);
  const message = (suggestion === null ? text : text.slice(0, suggestion.index)).replace(/\.$/, '');
  const command = commands.find((c) => argv.includes(c.name));
  const where =
    command === undefined ? '`tcpx --help` lists the commands' : `\`tcpx ${command.name} --help\` lists the options`;
  const nearest = suggestion?.[1]?.replace(/^D/, 'd').replace(/ (-*[\w-]+)\?$/, " '$1'?");
  return new CliFailure(message, { exitCode: Exit.USAGE, hint: nearest === undefined ? where : `${nearest} ${where}` });
}
