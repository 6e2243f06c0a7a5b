/** `tcpx man`: the manual page, for man(1) to show. */
import type { CliCommand } from './command.ts';
import { Exit } from './exit.ts';
import { manPage } from './man-page.ts';
import { tcpxVersion } from './version.ts';

export const man: CliCommand = {
  name: 'man',
  summary: 'print the manual page tcpx(1)',
  group: 'This machine:',
  declare(command) {
    command.addHelpText(
      'after',
      `
Examples:
  $ tcpx man | man -l -
  $ tcpx man | sudo tee /usr/local/share/man/man1/tcpx.1

Exit codes:
  0    done
  2    wrong usage`,
    );
  },
  async run(_args, _options, io, program) {
    if (program === undefined) throw new TypeError('man: the tree of commands is missing');
    const date = io.wallClock().toISOString().slice(0, 10);
    io.stdout.write(manPage(program, { version: tcpxVersion(), date }));
    return Exit.OK;
  },
};
