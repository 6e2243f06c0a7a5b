import { readFileSync } from 'node:fs';
import { Command, type Option } from 'commander';
import { expect, test } from 'vitest';
import type { CliCommand } from '../../../src/cli/command.ts';
import { connect } from '../../../src/cli/connect.ts';
import { Exit } from '../../../src/cli/exit.ts';
import { listen } from '../../../src/cli/listen.ts';
import { perf } from '../../../src/cli/perf.ts';
import * as stack from '../../../src/stack/index.ts';

const README = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
/** The first fenced block in `language` behind `after`. */
function block(language: string, after: string): string {
  const behind = README.slice(README.indexOf(after) + after.length);
  const found = new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'm').exec(behind);
  return found?.[1] ?? '';
}

test("the README's two stacks in virtual time print what it says they print", () => {
  const example = block('js', 'Here are two stacks');
  const [head, ...rest] = example.split('\n');
  const names = /^import (\{.*\}) from 'tcpx\/stack';$/.exec(head!)![1]!;
  const printed: string[] = [];
  const run = new Function('stack', 'console', `'use strict'; const ${names} = stack; ${rest.join('\n')}`);
  run(stack, { log: (...words: unknown[]) => printed.push(words.join(' ')) });
  expect(`${printed.join('\n')}\n`).toBe(block('', "'ms');\n```\n"));
});

/** Options in the table of a section, by the words in backquotes. */
function optionsNamed(from: string, to: string): ReadonlySet<string> {
  const table = README.slice(README.indexOf(from), README.indexOf(to));
  return new Set(
    [...table.matchAll(/^\| (`-(?:\\\||[^|])*) \|/gm)].flatMap((row) =>
      [...row[1]!.matchAll(/`(-[^`]*)`/g)].map((m) => m[1]!.split(/[ ,[]/)[0]!),
    ),
  );
}

function optionsOf(cli: CliCommand): readonly Option[] {
  const command = new Command();
  cli.declare(command);
  return command.options.filter((o) => !o.hidden);
}

test('every option of connect that the README names exists, and it names all that --help shows', () => {
  const named = optionsNamed('## tcpx connect', '`tcpx connect --help` has');
  const known = optionsOf(connect);
  for (const name of named)
    expect(
      known.some((o) => o.short === name || o.long === name),
      name,
    ).toBe(true);
  for (const o of known) expect(named.has(o.short ?? '') || named.has(o.long ?? ''), o.flags).toBe(true);
});

test.each([
  [listen, '## tcpx listen', 'The other options are those of `connect`'],
  [perf, '## tcpx perf', '`transferred` is what the peer acknowledged'],
])('of $name it names all that connect has not', (command, from, to) => {
  const named = optionsNamed(from, to);
  const shared = new Set(optionsOf(connect).map((o) => o.flags));
  const known = optionsOf(command);
  const own = known.filter((o) => !shared.has(o.flags));
  for (const name of named)
    expect(
      known.some((o) => o.short === name || o.long === name),
      name,
    ).toBe(true);
  for (const o of own) expect(named.has(o.short ?? '') || named.has(o.long ?? ''), o.flags).toBe(true);
});

test('every exit code is in the README', () => {
  const table = README.slice(README.indexOf('| exit code'), README.indexOf('`compare`, `conform` and `replay` end'));
  const documented = [...table.matchAll(/^\| ([\d, ]+) \|/gm)].flatMap((m) => m[1]!.split(', ').map(Number));
  expect(documented.sort((a, b) => a - b)).toEqual(Object.values(Exit).sort((a, b) => a - b));
});
