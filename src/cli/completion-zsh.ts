/** The completion of tcpx for zsh, in the terms of its _arguments. */
import type { OptionModel, Place, ProgramModel } from './completion-model.ts';

export function zshCompletion(program: ProgramModel): string {
  const { commands } = program;
  return `#compdef tcpx
# zsh completion for tcpx. For good: tcpx completion zsh > a file _tcpx in a folder of $fpath
# For this shell: source <(tcpx completion zsh)

_tcpx() {
  local -a commands
  commands=(
${commands.map((c) => `    ${quoted(`${c.name}:${c.summary}`)}`).join('\n')}
  )
  if (( CURRENT == 2 )); then
    if [[ $PREFIX == -* ]]; then _arguments ${program.options.map(spec).join(' ')}; else _describe -t commands command commands; fi
    return
  fi
  local cmd=$words[2]
  shift words
  (( CURRENT-- ))
  case $cmd in
${commands.map((c) => `    ${c.name}) _arguments -S \\\n${[...c.options.map(spec), rest(c.words)].map((text) => `      ${text}`).join(' \\\n')} ;;`).join('\n')}
  esac
}

if [[ $funcstack[1] == _tcpx ]]; then _tcpx "$@"; else compdef _tcpx tcpx; fi
`;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const plain = (text: string): string => text.replace(/[[\]:\\]/g, '\\$&');

/** '(-p --port)'{-p,--port}'[source port]:port:action'. */
function spec({ flags, description, value }: OptionModel): string {
  const isLong = (flag: string): boolean => flag.startsWith('--');
  // A long option's value may stand behind '='; one that may be left out only there.
  const forms = flags.map((flag) =>
    value === undefined ? flag : `${flag}${isLong(flag) ? (value.optional ? '=-' : '=') : '+'}`,
  );
  const all = forms.length > 1 ? `'(${flags.join(' ')})'{${forms.join(',')}}` : quoted(forms[0]!);
  const colon = value?.optional ? '::' : ':';
  const tail = value === undefined ? '' : `${colon}${plain(value.name)}:${action([value.place])}`;
  return `${all}${quoted(`[${plain(description)}]${tail}`)}`;
}

const rest = (places: readonly Place[]): string => {
  const known = places.filter((place) => place.kind !== 'anything');
  return quoted(known.length === 0 ? '*: : ' : `*:argument:${action(known)}`);
};

function action(places: readonly Place[]): string {
  const parts: string[] = [];
  const words = places.flatMap((place) => (place.kind === 'words' ? place.words : []));
  const isList = places.some((place) => place.kind === 'words' && place.listed);
  if (words.length > 0) parts.push(`${isList ? '_sequence compadd -' : 'compadd --'} ${words.join(' ')}`);
  for (const { kind } of places) {
    if (kind === 'file') parts.push('_files');
    if (kind === 'directory') parts.push('_files -/');
    if (kind === 'interface') parts.push('compadd -- /sys/class/net/*(:t)');
    if (kind === 'user') parts.push('_users');
    if (kind === 'host') parts.push('_hosts');
  }
  return parts.length === 0 ? ' ' : `{${[...new Set(parts)].join('; ')}}`;
}
