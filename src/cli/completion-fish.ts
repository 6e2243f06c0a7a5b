/** The completion of tcpx for fish: a rule for each command, option and kind of word. */
import type { OptionModel, Place, ProgramModel } from './completion-model.ts';

export function fishCompletion(program: ProgramModel): string {
  const lines = [
    '# fish completion for tcpx. For this shell: tcpx completion fish | source',
    '# For good: tcpx completion fish > ~/.config/fish/completions/tcpx.fish',
    'complete -c tcpx -f',
    ...program.options.map((option) => `complete -c tcpx -n __fish_use_subcommand ${optionText(option)}`),
  ];
  for (const { name, summary, options, words } of program.commands) {
    lines.push(`complete -c tcpx -n __fish_use_subcommand -a ${name} -d ${quoted(summary)}`);
    const here = `complete -c tcpx -n '__fish_seen_subcommand_from ${name}; and test (commandline -opc)[2] = ${name}'`;
    for (const option of options) lines.push(`${here} ${optionText(option)}`);
    for (const place of words) {
      const text = placeText(place);
      if (text !== undefined) lines.push(`${here} ${text}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

function optionText({ flags, description, value }: OptionModel): string {
  const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  const place = value === undefined ? undefined : placeText(value.place);
  // -x: a value, and no files; -r -F: files.
  const tail =
    value === undefined || value.optional
      ? []
      : place === '-F'
        ? ['-r -F']
        : ['-x', ...(place === undefined ? [] : [place])];
  return [...names, `-d ${quoted(description)}`, ...tail].join(' ');
}

function placeText(place: Place): string | undefined {
  switch (place.kind) {
    case 'words':
      return place.listed
        ? `-a ${quoted(`(__fish_complete_list , "printf '%s\\n' ${place.words.join(' ')}")`)}`
        : `-a ${quoted(place.words.join(' '))}`;
    case 'file':
      return '-F';
    case 'directory':
      return "-a '(__fish_complete_directories)'";
    case 'interface':
      return "-a '(command ls /sys/class/net)'";
    case 'user':
      return "-a '(__fish_complete_users)'";
    case 'host':
      return "-a '(__fish_print_hostnames)'";
    case 'anything':
      return undefined;
  }
}
