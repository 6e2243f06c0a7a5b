/** `tcpx conform [ID…|FILE…|DIR]`: plays scenarios on tcpx and on the kernel, and says which come out as they say. */
import { existsSync, openSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { type Command, Option } from 'commander';
import { type ColorChoice, paintFor, useColor } from '../tools/log-style.ts';
import { openAgainstTarget } from '../tools/scenario/against-target.ts';
import { openKernelTarget } from '../tools/scenario/kernel-target.ts';
import { type Loaded, loadScenarios } from '../tools/scenario/library.ts';
import { isInPrivateNamespace, runInside } from '../tools/scenario/live-namespace.ts';
import { openLiveTarget } from '../tools/scenario/live-target.ts';
import type { TargetName } from '../tools/scenario/model.ts';
import type { Plan } from '../tools/scenario/plan.ts';
import { type OpenTarget, openTcpx, playOn } from '../tools/scenario/play.ts';
import {
  conformDocument,
  junitText,
  type Played,
  playedLines,
  summaryText,
  tapText,
  totalsOf,
} from '../tools/scenario/report.ts';
import { ipv4Text } from '../wire/ipv4.ts';
import type { CliCommand } from './command.ts';
import { asTrouble, CliFailure, Exit, exitCodesAsDiff, failureFrom } from './exit.ts';
import type { Io } from './io.ts';
import { nearestName } from './nearest.ts';
import { parseTarget, resolveHost, type Target } from './target.ts';

/** What `--on` can name. */
type OwnTarget = Exclude<TargetName, 'against'>;

interface ConformOptions {
  readonly on: OwnTarget | 'both';
  readonly against?: string;
  readonly format: 'text' | 'tap' | 'junit';
  readonly json?: true;
  readonly output?: string;
  readonly list?: true;
  readonly quiet?: true;
  readonly color: ColorChoice;
}

export const conform: CliCommand = {
  name: 'conform',
  summary: 'play scenarios (packetdrill scripts) on tcpx and on the kernel',
  group: 'Experiments:',
  declare,
  async run(args, options, io) {
    try {
      // commander's options by the names and parsers of declare.
      return await runConform(args, options as unknown as ConformOptions, io);
    } catch (error) {
      throw asTrouble(failureFrom(error));
    }
  },
};

function declare(command: Command): void {
  command
    .usage('[options] [ID…|FILE…|DIR…]')
    .argument(
      '[what...]',
      'requirements (MUST-13), scenarios by name, files or folders; all that come with tcpx when left out',
    )
    .addOption(
      new Option(
        '--on <where>',
        'what to play them on: tcpx in virtual time, this kernel, tcpx over its driver (live), tcpx and the kernel (both)',
      )
        .choices(['tcpx', 'kernel', 'live', 'both'])
        .default('tcpx'),
    )
    .addOption(
      new Option(
        '--against <host:port>',
        'play the packets against a host of yours that listens there, taking what its user does for granted',
      ).conflicts('on'),
    )
    .addOption(new Option('--format <format>', 'how to tell').choices(['text', 'tap', 'junit']).default('text'))
    .addOption(new Option('--json', 'print one JSON document instead').conflicts('format'))
    .addOption(new Option('-o, --output <file>', 'write it to a file'))
    .addOption(new Option('--list', 'only list the scenarios, with what they cover'))
    .addOption(new Option('-q, --quiet', 'tell of failures only'))
    .addOption(new Option('--color <when>', 'colours').choices(['auto', 'always', 'never']).default('auto'))
    .addHelpText(
      'after',
      `
Examples:
  $ tcpx conform                             all that come with tcpx, in virtual time
  $ tcpx conform MUST-13 close               a requirement, a folder of scenarios
  $ sudo tcpx conform --on both reset        on tcpx and on this kernel
  $ tcpx conform my-test.pkt --format tap

${exitCodesAsDiff({ same: 'all as they say', different: 'not all', nothing: 'nothing to play' })}`,
    );
}

async function runConform(words: readonly string[], o: ConformOptions, io: Io): Promise<number> {
  const loaded = loadScenarios(words);
  complain(loaded, io);
  if (o.list) {
    io.stdout.write(loaded.plans.map(listLine).join(''));
    return Exit.OK;
  }
  if (o.on === 'live' && o.against === undefined && !isInPrivateNamespace()) return runInside(commandLine(words, o));
  const paint = paintFor(o.output === undefined && useColor(o.color, io.stdout, io.env));
  const live = o.format === 'text' && !o.json && o.output === undefined;
  const grounds = o.against === undefined ? groundsOf(o.on) : [['against', await hostOf(o.against, io)] as const];
  const output = o.output === undefined ? undefined : openOutput(o.output);
  const played: Played[] = [];
  for (const plan of loaded.plans) {
    for (const [target, open] of grounds) {
      const one = await playOn(plan, target, open);
      played.push(one);
      if (live && (!o.quiet || one.verdict === 'fail')) io.stdout.write(`${playedLines(one, paint).join('\n')}\n`);
    }
  }
  const totals = totalsOf(played);
  if (live) io.stdout.write(`${summaryText(totals)}\n`);
  else tell(o, played, output, io);
  if (totals.skip === played.length)
    throw new CliFailure('every scenario was skipped: nothing was played', {
      exitCode: Exit.USAGE,
      hint: 'the reasons are in the report; `tcpx conform --list` shows what else there is',
    });
  return totals.fail === 0 ? Exit.OK : Exit.FAILURE;
}

/** The same once more, for the process inside. */
function commandLine(words: readonly string[], o: ConformOptions): readonly string[] {
  const flags = [o.json && '--json', o.quiet && '--quiet'].filter((flag) => typeof flag === 'string');
  const format = o.json ? [] : ['--format', o.format];
  const output = o.output === undefined ? [] : ['--output', o.output];
  return ['conform', '--on', o.on, ...format, '--color', o.color, ...flags, ...output, '--', ...words];
}

/** Mistakes are told, all of them, before anything is played. */
function complain({ problems, unknown, plans }: Loaded, io: Io): void {
  for (const { file, error } of problems)
    io.stderr.write(`${file}:${error.place.line}:${error.place.column}: ${error.message}\n`);
  if (problems.length > 0)
    throw new CliFailure(
      `${problems.length} ${problems.length === 1 ? 'scenario is' : 'scenarios are'} not right; nothing was played`,
      {
        exitCode: Exit.USAGE,
        hint: 'what is supported is in docs/scenarios.md',
      },
    );
  if (unknown.length > 0)
    throw new CliFailure(unknown.map(unknownText).join('; '), {
      exitCode: Exit.USAGE,
      hint: `${[...new Set(unknown.map(meant))].join('')}\`tcpx conform --list\` shows what there is`,
    });
  if (plans.length === 0) throw new CliFailure('there are no scenarios', { exitCode: Exit.USAGE });
}

const unknownText = (word: string): string =>
  existsSync(word)
    ? `${word}: there are no scenarios in it; their names end in .pkt`
    : `no file, and no scenario or requirement that one covers, is called ${word}`;

function meant(word: string): string {
  const names = loadScenarios([]).plans.flatMap(({ scenario: { name, file, about } }) => [
    name,
    file.replace(/\/.*$/, ''),
    file.replace(/\.pkt$/, ''),
    ...about.covers,
  ]);
  const near = nearestName(word, [...new Set(names)]);
  return near === undefined ? '' : `did you mean ${near}? `;
}

/** Before anything is played, that may take a while. */
function openOutput(path: string): number {
  try {
    return openSync(path, 'w');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliFailure(`cannot write ${path}: ${why}`, {
      exitCode: Exit.USAGE,
      hint: 'name a file in a folder that is there; nothing was played',
    });
  }
}

const listLine = ({ scenario }: Plan): string =>
  `${scenario.file.replace(/\.pkt$/, '').padEnd(36)} ${scenario.about.covers.join(' ')}\n`;

async function hostOf(text: string, io: Io): Promise<OpenTarget> {
  const { host, port } = parseTarget([text]);
  const address = await resolveHost(host, io, false);
  await seeListening({ host: ipv4Text(address), port });
  return (plan) => openAgainstTarget(plan, { address, port });
}

const LISTEN_PATIENCE_MS = 5000;

/** One connection of this machine's own: without a listener every scenario would fail at its first answer. */
function seeListening({ host, port }: Target): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      socket.destroy();
      reject(
        new CliFailure(`${host}:${port} can't be played against: ${why}`, {
          exitCode: Exit.USAGE,
          hint: 'start what is to listen there; nothing was played',
        }),
      );
    };
    const socket = connect({ host, port, timeout: LISTEN_PATIENCE_MS }, () => {
      socket.destroy();
      resolve();
    });
    socket.on('timeout', () => fail(`no answer within ${LISTEN_PATIENCE_MS / 1000} s`));
    socket.on('error', (error) => fail(error.message));
  });
}

const OPENERS: Readonly<Record<OwnTarget, OpenTarget>> = {
  tcpx: openTcpx,
  kernel: openKernelTarget,
  live: openLiveTarget,
};

function groundsOf(on: ConformOptions['on']): readonly (readonly [TargetName, OpenTarget])[] {
  const names = on === 'both' ? (['tcpx', 'kernel'] as const) : [on];
  return names.map((name) => [name, OPENERS[name]]);
}

function tell(o: ConformOptions, played: readonly Played[], output: number | undefined, io: Io): void {
  const text = o.json
    ? `${JSON.stringify(conformDocument(played))}\n`
    : o.format === 'tap'
      ? tapText(played)
      : o.format === 'junit'
        ? junitText(played)
        : `${played.flatMap((p) => playedLines(p, paintFor(false))).join('\n')}\n${summaryText(totalsOf(played))}\n`;
  if (output === undefined) io.stdout.write(text);
  else writeFileSync(output, text);
}
