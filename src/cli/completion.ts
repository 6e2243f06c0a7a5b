/** `tcpx completion bash|zsh|fish`: a script that makes the shell complete commands, options and names. */
import { Argument } from 'commander';
import type { CliCommand } from './command.ts';
import { bashCompletion } from './completion-bash.ts';
import { fishCompletion } from './completion-fish.ts';
import { type ProgramModel, programModel } from './completion-model.ts';
import { completionWords } from './completion-words.ts';
import { zshCompletion } from './completion-zsh.ts';
import { Exit } from './exit.ts';

const SHELLS: Readonly<Record<string, (program: ProgramModel) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

export const completion: CliCommand = {
  name: 'completion',
  summary: 'print what makes bash, zsh or fish complete commands, options and names',
  group: 'This machine:',
  declare(command) {
    command.addArgument(new Argument('<shell>', 'whose language').choices(Object.keys(SHELLS))).addHelpText(
      'after',
      `
Examples:
  $ source <(tcpx completion bash)                                     for this shell
  $ tcpx completion bash | sudo tee /etc/bash_completion.d/tcpx        for all
  $ tcpx completion zsh > ~/.zfunc/_tcpx                               with ~/.zfunc in $fpath
  $ tcpx completion fish > ~/.config/fish/completions/tcpx.fish

Exit codes:
  0    done
  2    wrong usage`,
    );
  },
  async run([shell = ''], _options, io, program) {
    if (program === undefined) throw new TypeError('completion: the tree of commands is missing');
    io.stdout.write(SHELLS[shell]!(programModel(program, completionWords)));
    return Exit.OK;
  },
};
