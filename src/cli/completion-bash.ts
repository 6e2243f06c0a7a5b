/** The completion of tcpx for bash: one function, without anything from the package bash-completion. */
import { type OptionModel, type Place, type ProgramModel, wordsIn } from './completion-model.ts';

export function bashCompletion(program: ProgramModel): string {
  const { commands } = program;
  const names = commands.map((command) => command.name);
  return `# bash completion for tcpx. For this shell: source <(tcpx completion bash)
# For good: tcpx completion bash | sudo tee /etc/bash_completion.d/tcpx

_tcpx_reply() { # kinds of places, then words
  local kinds=$1 cur=$2 words=$3
  case $kinds in *interface*) words+=" $(ls /sys/class/net 2>/dev/null)" ;; esac
  case $kinds in *user*) words+=" $(compgen -u)" ;; esac
  case $kinds in *host*) words+=" $(compgen -A hostname)" ;; esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
  case $kinds in
    *file*) compopt -o filenames 2>/dev/null; mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur") ;;
    *directory*) compopt -o filenames 2>/dev/null; mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$cur") ;;
  esac
}

_tcpx_list() { # words with commas between, the last of them unfinished
  local cur=$1 words=$2 before=
  [[ $cur == *,* ]] && before=\${cur%,*},
  compopt -o nospace 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -P "$before" -W "$words" -- "\${cur##*,}")
}

_tcpx() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} cmd= i
  COMPREPLY=()
  # bash takes --color=auto for three words.
  if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ \${COMP_WORDS[i]} == -* ]] || { cmd=\${COMP_WORDS[i]}; break; }
  done
  case "$cmd $prev" in
${commands.flatMap((c) => c.options.flatMap((option) => valueCase(c.name, option))).join('\n')}
  esac
  case $cmd in
    '') if [[ $cur == -* ]]; then _tcpx_reply '' "$cur" '${flagsOf(program.options)}'; else _tcpx_reply '' "$cur" '${names.join(' ')}'; fi ;;
${commands.map((c) => commandCase(c.name, c.options, c.words)).join('\n')}
  esac
}

complete -F _tcpx tcpx
`;
}

const flagsOf = (options: readonly OptionModel[]): string => options.flatMap((option) => option.flags).join(' ');

/** An option whose value may be left out takes it behind '=' only. */
function valueCase(command: string, { flags, value }: OptionModel): readonly string[] {
  if (value === undefined || value.optional) return [];
  const patterns = flags.map((flag) => `'${command} ${flag}'`).join(' | ');
  const words = wordsIn([value.place]).join(' ');
  const isList = value.place.kind === 'words' && value.place.listed;
  const reply = isList ? '_tcpx_list' : `_tcpx_reply '${value.place.kind}'`;
  return [`    ${patterns}) ${reply} "$cur" '${words}'; return ;;`];
}

function commandCase(name: string, options: readonly OptionModel[], places: readonly Place[]): string {
  const kinds = [...new Set(places.map((place) => place.kind))].join(',');
  return `    ${name}) if [[ $cur == -* ]]; then _tcpx_reply '' "$cur" '${flagsOf(options)}'; else _tcpx_reply '${kinds}' "$cur" '${wordsIn(places).join(' ')}'; fi ;;`;
}
