/** Runs of claims as a report for the page: each connection a ladder, with what was said on the way. */
import type { LadderRow } from '../ladder.ts';
import type { Report, ReportConnection, ReportNote, ReportSection } from '../report/model.ts';
import type { Lang } from '../report/texts.ts';
import type { LabRun, StepConnection } from './claim.ts';
import { NOTES, SAID, tryText } from './text.ts';

export function labReport(runs: readonly LabRun[], lang: Lang): Report {
  const [only] = runs;
  return {
    title: runs.length === 1 && only !== undefined ? `${only.name}: ${only.title[lang]}` : 'tcpx lab',
    lang,
    about: runs.map((run) => section(run, lang)),
    connections: runs.flatMap((run) => connections(run, lang)),
  };
}

function section(run: LabRun, lang: Lang): ReportSection {
  const tables = run.steps.flatMap((step) => (step.kind === 'table' ? step.lines[lang] : []));
  return {
    heading: `${run.ok ? '✓' : '✗'} ${run.name}: ${run.title[lang]}${tryText(run)[lang]}`,
    lines: [
      `${SAID.claim[lang]}: ${run.claim[lang]}`,
      ...run.shown.map((line) => `${SAID.shown[lang]}: ${line[lang]}`),
      ...(run.failure === undefined ? [] : [`${SAID.notShown[lang]}: ${run.failure[lang]}`]),
      `${SAID.written[lang]}: ${run.written.join('; ')}`,
      ...tables,
    ],
  };
}

/** What was said stands in the ladder of each connection that lived then. */
function connections(run: LabRun, lang: Lang): readonly ReportConnection[] {
  const rows = new Map<StepConnection, LadderRow[]>();
  // Of several processes the connection comes as a copy with each row.
  const known = new Map<string, StepConnection>();
  const notes: ReportNote[] = [];
  for (const step of run.steps) {
    if (step.kind === 'say' || step.kind === 'check') {
      const mark = step.kind === 'say' ? '' : step.ok ? '✓ ' : '✗ ';
      notes.push({ t: step.t, text: `${mark}${step.text[lang]}` });
    }
    if (step.kind !== 'row') continue;
    const key = JSON.stringify(step.connection);
    const connection = known.get(key) ?? step.connection;
    known.set(key, connection);
    const { segment } = step.row;
    const note = step.note === undefined ? undefined : NOTES[step.note][lang];
    const row = segment === undefined ? step.row : { ...step.row, segment: { ...segment, note } };
    rows.set(connection, [...(rows.get(connection) ?? []), row]);
  }
  return [...rows].map(([c, of]) => {
    const [first, last] = [of[0]?.t ?? 0, of.at(-1)?.t ?? 0];
    return {
      title: `${run.name} ${c.local}:${c.localPort} ${c.remote}:${c.remotePort}`,
      ladder: {
        open: c,
        names: [c.left, 'kernel'] as const,
        ourStart: c.leftStart,
        peerStart: c.rightStart,
        rows: of,
      },
      notes: notes.filter(({ t }) => t >= first - LEAD && t <= last + LEAD),
    };
  });
}

/** Microseconds by which what is said may come before a ladder's first row, or after its last. */
const LEAD = 1_500_000;
