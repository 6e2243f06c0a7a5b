/** The manual page tcpx(1) in the man(7) macros, from commander's tree: every command with its options and its own words. */
import type { EventEmitter } from 'node:events';
import type { Command } from 'commander';

/** `version` and `date` (YYYY-MM-DD) stand at the foot of each page. */
export function manPage(program: Command, o: { readonly version: string; readonly date: string }): string {
  const help = program.createHelp();
  const commands = help.visibleCommands(program).filter((command) => command.name() !== 'help');
  const lines = [
    `.TH TCPX 1 ${o.date} "tcpx ${o.version}" "User Commands"`,
    '.SH NAME',
    'tcpx \\- a TCP in userspace, to connect, listen, measure, probe and compare with',
    '.SH SYNOPSIS',
    '.B tcpx',
    '.I COMMAND',
    '[options]',
    '.SH DESCRIPTION',
    ...paragraph(program.description()),
    ...paragraph('Options that several commands have mean the same in each; `tcpx help COMMAND` shows those of one.'),
    '.SH OPTIONS',
    ...optionLines(program),
  ];
  for (const [group, members] of grouped(commands)) {
    lines.push(`.SH ${heading(group)}`);
    for (const command of members) lines.push(...commandLines(command));
  }
  lines.push(...tailLines(program, '.SH'));
  return `${lines.join('\n')}\n`;
}

function grouped(commands: readonly Command[]): ReadonlyMap<string, readonly Command[]> {
  const groups = new Map<string, Command[]>();
  for (const command of commands) {
    const group = command.helpGroup();
    groups.set(group, [...(groups.get(group) ?? []), command]);
  }
  return groups;
}

const heading = (text: string): string => quoted(text.replace(/:$/, '').toUpperCase());

function commandLines(command: Command): readonly string[] {
  return [
    `.SS ${quoted(`tcpx ${command.name()} ${command.usage()}`)}`,
    ...paragraph(sentence(command.description())),
    ...optionLines(command),
    ...tailLines(command, '.PP'),
  ];
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

function optionLines(command: Command): readonly string[] {
  const help = command.createHelp();
  return help
    .visibleOptions(command)
    .filter((option) => option.long !== '--help')
    .flatMap((option) => ['.TP', `.B ${escaped(option.flags)}`, escaped(help.optionDescription(option))]);
}

/** What `--help` has after the options. Examples and lists keep their lines; `head` is for their headings. */
function tailLines(command: Command, head: '.SH' | '.PP'): readonly string[] {
  const lines: string[] = [];
  for (const block of helpTail(command).split(/\n{2,}/)) {
    const text = block.trim();
    const [first = '', ...rest] = text.split('\n');
    // The environment is said once, for all.
    if (text === '' || (head === '.PP' && (first.startsWith('Environment:') || first.startsWith('Exit codes:'))))
      continue;
    if (/^[A-Z][\w ]+:$/.test(first)) {
      lines.push(...(head === '.SH' ? [`.SH ${heading(first)}`] : ['.PP', escaped(first)]), ...literal(rest));
    } else if (rest.some((line) => /^ {2}/.test(line))) lines.push('.PP', ...literal([first, ...rest]));
    else lines.push(...paragraph(text));
  }
  return lines;
}

/** commander keeps what addHelpText was given to itself until help is shown. */
function helpTail(command: Command): string {
  let text = '';
  // commander's own types leave out that it is an EventEmitter.
  (command as unknown as EventEmitter).emit('afterHelp', {
    error: false,
    command,
    write: (part: string) => {
      text += part;
    },
  });
  return text;
}

const paragraph = (text: string): readonly string[] => ['.PP', escaped(text.replaceAll(/\s*\n\s*/g, ' '))];
const literal = (lines: readonly string[]): readonly string[] => ['.nf', ...lines.map(escaped), '.fi'];

/** Backslashes, and what would begin a request; hyphens are to be copied as they are, and ASCII quotes to stay ASCII. */
function escaped(text: string): string {
  const plain = text
    .replaceAll('\n', ' ')
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replaceAll('…', '...')
    .replaceAll(/[^\x20-\x7e]/g, (char) => `\\[u${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}]`);
  return /^[.']/.test(plain) ? `\\&${plain}` : plain;
}

const quoted = (text: string): string => `"${escaped(text).replaceAll('"', '\\(dq')}"`;
