/** Options from the environment, for every option that a command has. */
import type { Command, Option } from 'commander';
import { describe, expect, test } from 'vitest';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { optionsFromEnvironment, variableOf } from '../../../src/cli/environment.ts';
import { buildProgram } from '../../../src/cli/program.ts';
import { fakeIo } from '../../support/cli-io.ts';

/** Values that some option takes; the first that does is as good as any. */
const VALUES = [
  '1',
  '0.5',
  '1000',
  '1%',
  '20ms',
  '10.0.0.1',
  '10.0.0.1/24',
  '8080',
  'a:b',
  '443',
  'SYN-SENT',
  'x',
  '0011223344556677',
  '10mbit',
  'trouble',
  'port 443',
  'net.ipv4.tcp_sack=0',
];

const commands = (): readonly Command[] => buildProgram(fakeIo({}), COMMANDS, () => {}).commands;
const named = (name: string): Command => commands().find((command) => command.name() === name)!;

/** What the option is with that in its variable; undefined where it is no value for it. */
function taken(name: string, option: Option, text: string): unknown {
  const command = named(name);
  try {
    optionsFromEnvironment(command, { [variableOf(option)!]: text });
  } catch {
    return undefined;
  }
  return command.getOptionValueSource(option.attributeName()) === 'env'
    ? { value: command.getOptionValue(option.attributeName()) as unknown }
    : undefined;
}

describe('has a variable:', () => {
  for (const command of commands()) {
    test(`each option of ${command.name()}`, () => {
      const options = command.options.filter((o) => o.long !== '--help' && o.long !== undefined);
      const deaf = options.filter(
        (option) => ![...(option.argChoices ?? []), ...VALUES].some((text) => taken(command.name(), option, text)),
      );
      expect(deaf.map(({ flags }) => flags)).toEqual([]);
    });
  }
});

test('no two options of a command have one variable, and it is the long name', () => {
  for (const command of commands()) {
    const variables = command.options.map(variableOf).filter((name) => name !== undefined);
    expect([command.name(), new Set(variables).size]).toEqual([command.name(), variables.length]);
    for (const name of variables) expect(name).toMatch(/^TCPX_[A-Z0-9_]+$/);
  }
});

test('every --help says so', () => {
  for (const command of commands()) {
    let help = '';
    command.configureOutput({
      writeOut: (text) => {
        help += text;
      },
    });
    try {
      command.outputHelp();
    } catch {}
    expect([command.name(), /Environment: every option/.test(help)]).toEqual([command.name(), true]);
  }
});
