/** `tcpx lab`: every claim about how TCP opens and closes, made to happen between tcpx and this machine's kernel. */
import { type Command, Option } from 'commander';
import { micros } from '../base/time.ts';
import type { Claim, LabRun } from '../tools/lab/claim.ts';
import { CLAIMS } from '../tools/lab/claims.ts';
import { enterLab, isInLab, mayMakeNamespaces } from '../tools/lab/lab.ts';
import { type LabDocument, type LabLine, runMany } from '../tools/lab/many.ts';
import { labReport } from '../tools/lab/report.ts';
import { runClaim } from '../tools/lab/run.ts';
import { LabText, listLines, runLine } from '../tools/lab/text.ts';
import { type ColorChoice, type Paint, paintFor, useColor } from '../tools/log-style.ts';
import { reportHtml } from '../tools/report/html.ts';
import { LANGS, type Lang } from '../tools/report/texts.ts';
import { monotonicMicros } from '../tools/scenario/kernel-process.ts';
import type { CliCommand } from './command.ts';
import { asTrouble, CliFailure, Exit, exitCodesAsDiff, failureFrom } from './exit.ts';
import type { Io } from './io.ts';
import { isUtf8 } from './locale.ts';
import { nearestName } from './nearest.ts';
import { colorOption } from './option-types.ts';
import { OutFile } from './out-file.ts';
import { PcapFile } from './pcap-file.ts';
import { ProgressLine } from './progress-line.ts';
import { tcpxVersion } from './version.ts';

interface LabCliOptions {
  readonly all?: true;
  readonly json?: true;
  readonly write?: string;
  readonly html?: string;
  readonly lang: Lang;
  readonly verbose?: true;
  readonly color: ColorChoice;
}

export const lab: CliCommand = {
  name: 'lab',
  summary: 'make a claim about TCP happen, between tcpx and this kernel, and check it on the segments',
  group: 'Experiments:',
  declare,
  // commander's options by the names and parsers of declare.
  run: async (args, options, io) => {
    try {
      return await runLab(args, options as unknown as LabCliOptions, io);
    } catch (error) {
      throw asTrouble(failureFrom(error));
    }
  },
};

function declare(command: Command): void {
  command
    .usage('[options] list [NAME…] | run NAME… | run --all')
    .argument('<action>', 'list: what there is; run: make it happen')
    .argument('[names...]', 'claims, as in the list')
    .addOption(new Option('--all', 'every claim, those that wait side by side'))
    .addOption(new Option('--json', 'NDJSON on stdout; its last line is {scenarios: [{name, ok, shown, tries}]}'))
    .addOption(
      new Option('-w, --write <file>', 'the packets as a pcap; of several claims FILE.NAME.pcap each, without .pcap'),
    )
    .addOption(new Option('--html <file>', 'the run as a page: ladders, states, what was said and shown'))
    .addOption(new Option('--lang <language>', 'English or Chinese').choices([...LANGS]).default('en'))
    .addOption(new Option('-v, --verbose', 'of several claims: each with its ladder'))
    .addOption(colorOption())
    .addHelpText(
      'after',
      `
The lab is three network namespaces (this command's, the kernel's it talks to, the path between them), made for the run
and gone with it. Nothing leaves this machine. Needs root.

Several claims run side by side. One that measures time runs alone, and so does again one that was not shown beside the
others: up to three times each, until it is shown. The output says at which try: (second try), in --json \`tries\`.

Examples:
  $ tcpx lab list
  $ sudo tcpx lab run handshake
  $ sudo tcpx lab run time-wait -w time-wait.pcap
  $ sudo tcpx lab run --all
  $ sudo tcpx lab run teardown --lang zh

${exitCodesAsDiff({ same: 'all were shown', different: 'not all', nothing: 'a file that cannot be written' })}`,
    );
}

async function runLab(args: readonly string[], o: LabCliOptions, io: Io): Promise<number> {
  const [action = '', ...names] = args;
  const paint = paintFor(useColor(o.color, io.stdout, io.env));
  if (action === 'list') {
    list(names.length === 0 ? CLAIMS : claimsNamed(names), o, io, paint);
    return Exit.OK;
  }
  if (action !== 'run') {
    const near = nearestName(action, ['list', 'run']);
    throw usage(
      `lab does not know '${action}'`,
      near === undefined ? '`tcpx lab list` or `tcpx lab run NAME`' : `did you mean '${near}'?`,
    );
  }
  const claims = chosen(names, o);
  if (claims.length > 1) return runSideBySide(claims, o, io, paint);
  if (!isInLab()) return enterLab(commandLine(claims[0]!, o));
  return runHere(claims[0]!, o, io, paint);
}

const usage = (message: string, hint: string): CliFailure => new CliFailure(message, { exitCode: Exit.USAGE, hint });

function chosen(names: readonly string[], o: LabCliOptions): readonly Claim[] {
  if (o.all === true && names.length > 0) throw usage('--all and names exclude each other', 'leave one of them out');
  if (o.all === true) return CLAIMS;
  if (names.length === 0) throw usage('no claim named', '`tcpx lab list` shows them; --all runs every one');
  return claimsNamed(names);
}

function claimsNamed(names: readonly string[]): readonly Claim[] {
  return [...new Set(names)].map((name) => {
    const found = CLAIMS.find((claim) => claim.name === name);
    if (found !== undefined) return found;
    const near = nearestName(
      name,
      CLAIMS.map((claim) => claim.name),
    );
    const all = '`tcpx lab list` shows all';
    throw usage(`no claim is called '${name}'`, near === undefined ? all : `did you mean '${near}'? ${all}`);
  });
}

function list(listed: readonly Claim[], o: LabCliOptions, io: Io, paint: Paint): void {
  if (o.json === true) {
    const claims = listed.map(({ name, group, title, claim, written }) => ({
      ...{ name, group, written },
      title: title[o.lang],
      claim: claim[o.lang],
    }));
    io.stdout.write(`${JSON.stringify({ claims })}\n`);
    return;
  }
  io.stdout.write(`${listLines(listed, o.lang, paint).join('\n')}\n`);
}

/** The same for one claim, for a process of its own. */
function commandLine(claim: Claim, o: LabCliOptions): readonly string[] {
  return [
    ...['lab', 'run', claim.name, '--lang', o.lang, '--color', o.color],
    ...(o.json === true ? ['--json'] : []),
    ...(o.write === undefined ? [] : ['--write', o.write]),
    ...(o.html === undefined ? [] : ['--html', o.html]),
  ];
}

/** This process is in its namespace. */
async function runHere(claim: Claim, o: LabCliOptions, io: Io, paint: Paint): Promise<number> {
  const line = (value: LabLine | LabDocument): void => void io.stdout.write(`${JSON.stringify(value)}\n`);
  const text = o.json === true ? undefined : labText(o, io, paint);
  const pcap = o.write === undefined ? undefined : pcapFile(o.write, io);
  const page = o.html === undefined ? undefined : new OutFile(o.html, io.env);
  try {
    text?.begin(claim);
    const run = await runClaim(claim, {
      onLab: (what) => {
        if (o.json !== true) io.stderr.write(`tcpx: ${what}\n`);
      },
      onStep: (step) => (text === undefined ? line({ type: 'step', scenario: claim.name, step }) : text.step(step)),
      // What was lost on the way is in it as well: it was sent.
      onPacket: ({ at, bytes }) => pcap?.packet(at, 'in', bytes, false),
    });
    if (text === undefined) {
      const { steps: _, ...rest } = run;
      line({ type: 'run', run: rest });
      line(documentOf([run], o.lang));
    } else text.end(run);
    page?.append(pageOf([run], o.lang));
    return run.ok ? Exit.OK : Exit.FAILURE;
  } finally {
    pcap?.close();
    page?.close();
  }
}

function pcapFile(path: string, io: Io): PcapFile {
  const zero = new Date(io.wallClock().getTime() - micros(monotonicMicros()) / 1000);
  return new PcapFile(path, io.env, zero);
}

async function runSideBySide(claims: readonly Claim[], o: LabCliOptions, io: Io, paint: Paint): Promise<number> {
  mayMakeNamespaces();
  const page = o.html === undefined ? undefined : new OutFile(o.html, io.env);
  // What can't be written is told before anything runs; each claim's own process writes to it.
  for (const { write } of claims.map((claim) => fileOf(claim, o)))
    if (write !== undefined) new OutFile(write, io.env).close();
  const abort = new AbortController();
  let ended: CliFailure | undefined;
  const undo = (['SIGINT', 'SIGTERM'] as const).map((signal) =>
    io.onSignal(signal, () => {
      ended = new CliFailure(`ended by ${signal}`, { exitCode: Exit[signal] });
      abort.abort();
    }),
  );
  const progress = new ProgressLine(io, o.json !== true);
  const startedAt = performance.now();
  let done = 0;
  const ticking = setInterval(
    () => progress.say((s) => `tcpx: ${done} of ${claims.length} claims, ${s.toFixed(0)} s`),
    200,
  );
  try {
    const runs = await runMany(claims, {
      argv: (claim) => commandLine(claim, { lang: o.lang, color: o.color, json: true, ...fileOf(claim, o) }),
      signal: abort.signal,
      onStep: (scenario, step, nth) => {
        const line: LabLine = { type: 'step', scenario, ...(nth > 1 && { try: nth }), step };
        if (o.json === true) io.stdout.write(`${JSON.stringify(line)}\n`);
      },
      onRun: (run) => {
        done++;
        progress.clear();
        tell(run, o, io, paint);
      },
    });
    if (ended !== undefined) throw ended;
    const failed = runs.filter((run) => !run.ok);
    page?.append(pageOf(runs, o.lang));
    if (o.json === true) io.stdout.write(`${JSON.stringify(documentOf(runs, o.lang))}\n`);
    else io.stdout.write(`${summary(runs, failed.length, (performance.now() - startedAt) / 1000, o.lang)}\n`);
    return failed.length === 0 ? Exit.OK : Exit.FAILURE;
  } finally {
    page?.close();
    clearInterval(ticking);
    progress.clear();
    for (const each of undo) each();
  }
}

function pageOf(runs: readonly LabRun[], lang: Lang): Uint8Array {
  return new TextEncoder().encode(reportHtml(labReport(runs, lang), { version: tcpxVersion() }));
}

function fileOf(claim: Claim, { write }: LabCliOptions): { readonly write?: string } {
  return write === undefined ? {} : { write: `${write.replace(/\.pcap$/, '')}.${claim.name}.pcap` };
}

function tell(run: LabRun, o: LabCliOptions, io: Io, paint: Paint): void {
  if (o.json === true) {
    const { steps: _, ...rest } = run;
    io.stdout.write(`${JSON.stringify({ type: 'run', run: rest } satisfies LabLine)}\n`);
    return;
  }
  if (o.verbose === true) {
    const text = labText(o, io, paint);
    text.begin(run);
    for (const step of run.steps) text.step(step);
    text.end(run);
    io.stdout.write('\n');
    return;
  }
  io.stdout.write(`${runLine(run, o.lang, paint).join('\n')}\n`);
}

function summary(runs: readonly LabRun[], failed: number, seconds: number, lang: Lang): string {
  const ok = runs.length - failed;
  const again = runs.filter((run) => run.ok && run.tries > 1).length;
  return lang === 'en'
    ? `${ok} of ${runs.length} claims shown${again === 0 ? '' : ` (${again} not at the first try)`}, in ${seconds.toFixed(0)} s`
    : `${runs.length} 个命题中已演示 ${ok} 个${again === 0 ? '' : `（${again} 个并非第一次）`}，用时 ${seconds.toFixed(0)} 秒`;
}

function labText(o: LabCliOptions, io: Io, paint: Paint): LabText {
  const width = Number(io.env['COLUMNS']) || io.stdout.columns || 120;
  // The ladder's marks are one column wide in either language.
  return new LabText({ paint, width, ascii: !isUtf8(io.env), all: false, lang: o.lang }, (line) =>
    io.stdout.write(`${line}\n`),
  );
}

const documentOf = (runs: readonly LabRun[], lang: Lang): LabDocument => ({
  scenarios: runs.map(({ name, ok, shown, tries }) => ({ name, ok, shown: shown.map((text) => text[lang]), tries })),
});
