/** A claim's run as lines of text, in either language: as it happens, and its end. */
import { type LadderTextOptions, ladderRowText } from '../ladder-text.ts';
import { type Paint, paintState } from '../log-style.ts';
import type { Lang } from '../report/texts.ts';
import {
  type Claim,
  type ClaimGroup,
  type LabRun,
  type LabStep,
  type RowNote,
  type StepConnection,
  type Text,
  text,
} from './claim.ts';

export const GROUPS: Readonly<Record<ClaimGroup, Text>> = {
  opening: text('Opening', '建立连接'),
  closing: text('Closing', '关闭连接'),
  between: text('In between, and above', '两者之间与之上'),
};

export const NOTES: Readonly<Record<RowNote, Text>> = {
  lost: text('lost on the way', '途中丢失'),
  twice: text('delivered twice', '到达两次'),
  changed: text('changed on the way', '途中被改'),
  late: text('held back', '途中滞留'),
  'made up': text('made by the lab', '实验室伪造'),
  again: text('sent again', '重传'),
};

export const SAID = {
  claim: text('claim', '命题'),
  shown: text('shown', '已演示'),
  notShown: text('not shown', '未能演示'),
  written: text('written in', '出处'),
  inferred: text(
    '~ a kernel is at that end: its states are inferred from the segments, and checked against what the kernel says where a step says so',
    '~ 该端是内核：其状态由报文段推断；步骤中注明之处已与内核自述的状态核对',
  ),
} as const;

export interface LabTextOptions extends LadderTextOptions {
  readonly lang: Lang;
}

/** Prints a run while it happens. */
export class LabText {
  readonly #o: LabTextOptions;
  readonly #out: (line: string) => void;
  #last: StepConnection | undefined;
  /** Rows without a transition since the last other thing; of those beyond RUN_ENDS what they were. */
  #quiet = 0;
  #left = { out: 0, outOctets: 0, in: 0, inOctets: 0 };

  constructor(o: LabTextOptions, out: (line: string) => void) {
    this.#o = o;
    this.#out = out;
  }

  begin(claim: Pick<Claim, 'name' | 'title' | 'claim'>): void {
    const { paint, lang } = this.#o;
    this.#out(`${paint.bold(claim.name)}: ${claim.title[lang]}`);
    this.#out(paint.dim(`${SAID.claim[lang]}: ${claim.claim[lang]}`));
  }

  step(step: LabStep): void {
    const { paint, lang } = this.#o;
    if (step.kind === 'row' ? !this.#isQuiet(step) : true) this.#endQuiet();
    switch (step.kind) {
      case 'say':
        this.#out('');
        this.#out(`${paint.cyan('»')} ${step.text[lang]}`);
        return;
      case 'check':
        this.#out(`  ${checkMark(step.ok, paint)} ${step.text[lang]}`);
        return;
      case 'table':
        for (const line of step.lines[lang]) this.#out(`  ${line}`);
        return;
      case 'row':
        this.#row(step);
        return;
    }
  }

  end(run: LabRun): void {
    const { paint, lang } = this.#o;
    this.#endQuiet();
    this.#out('');
    if (this.#last !== undefined) this.#out(paint.dim(SAID.inferred[lang]));
    for (const line of run.shown) this.#out(`${paint.green(SAID.shown[lang])}: ${line[lang]}`);
    if (run.failure !== undefined) this.#out(`${paint.red(SAID.notShown[lang])}: ${run.failure[lang]}`);
    this.#out(`${SAID.written[lang]}: ${run.written.join('; ')}`);
    if (run.tries > 1) this.#out(paint.dim(tryText(run)[lang].trim()));
  }

  #row({ connection, row, note }: Extract<LabStep, { kind: 'row' }>): void {
    const { paint, lang } = this.#o;
    if (connection !== this.#last) {
      this.#last = connection;
      this.#out(this.#header(connection));
    }
    const { segment } = row;
    if (segment !== undefined && this.#quiet > RUN_ENDS) {
      const { dir, seg } = segment;
      this.#left[dir]++;
      this.#left[dir === 'in' ? 'inOctets' : 'outOctets'] += seg.len;
      return;
    }
    const noted =
      segment === undefined || note === undefined ? row : { ...row, segment: { ...segment, note: NOTES[note][lang] } };
    const line = ladderRowText(noted, this.#o);
    this.#out(note === 'lost' ? paint.dim(line) : line);
  }

  /** One more of the rows that say little; counts it. */
  #isQuiet({ connection, row, note }: Extract<LabStep, { kind: 'row' }>): boolean {
    const quiet = connection === this.#last && row.ours === undefined && row.peer === undefined && note === undefined;
    if (quiet) this.#quiet++;
    return quiet;
  }

  #endQuiet(): void {
    const { out, outOctets, in: back, inOctets } = this.#left;
    this.#quiet = 0;
    if (out + back === 0) return;
    this.#left = { out: 0, outOctets: 0, in: 0, inOctets: 0 };
    const said = text(
      `… ${out} segments out (${outOctets} octets), ${back} in (${inOctets}) …`,
      `… 发出 ${out} 个报文段（${outOctets} 字节），收到 ${back} 个（${inOctets} 字节）…`,
    );
    this.#out(`${' '.repeat(30)}${this.#o.paint.dim(said[this.#o.lang])}`);
  }

  #header(c: StepConnection): string {
    const { paint, width } = this.#o;
    const left = `${c.left} ${c.local}:${c.localPort}  ${paintState(paint, c.leftStart)}`;
    const right = `${paintState(paint, c.rightStart)}  kernel ${c.remote}:${c.remotePort}`;
    const plain = `${c.left} ${c.local}:${c.localPort}  ${c.leftStart}${c.rightStart}  kernel ${c.remote}:${c.remotePort}`;
    return `            ${left}${' '.repeat(Math.max(2, Math.max(80, width) - 12 - plain.length))}${right}`;
  }
}

/** Rows of a run in which nothing changes that are shown. */
const RUN_ENDS = 10;

const checkMark = (ok: boolean, paint: Paint): string => (ok ? paint.green('✓') : paint.red('✗'));

/** ` (second try)`; nothing for the first. */
export function tryText({ tries }: LabRun): Text {
  if (tries === 1) return text('', '');
  const [en, zh] = ORDINALS[tries] ?? [`${tries}th`, String(tries)];
  return text(` (${en} try)`, `（第${zh}次）`);
}
const ORDINALS: Readonly<Record<number, readonly [en: string, zh: string]>> = {
  2: ['second', '二'],
  3: ['third', '三'],
  4: ['fourth', '四'],
};

/** One line for each run, where several are told of together. */
export function runLine(run: LabRun, lang: Lang, paint: Paint): readonly string[] {
  const what = run.ok ? run.shown : [run.failure ?? text('', '')];
  const head = `${checkMark(run.ok, paint)} ${run.name.padEnd(22)} ${run.seconds.toFixed(1).padStart(5)} s  `;
  const tried = paint.dim(tryText(run)[lang]);
  return what.map((line, i) => `${i === 0 ? head : ' '.repeat(34)}${line[lang].split('\n')[0]}${i === 0 ? tried : ''}`);
}

/** All there are, by group: name and title. */
export function listLines(claims: readonly Claim[], lang: Lang, paint: Paint): readonly string[] {
  const groups = Object.keys(GROUPS) as ClaimGroup[];
  return groups.flatMap((group) => {
    const members = claims.filter((c) => c.group === group);
    if (members.length === 0) return [];
    return [paint.bold(GROUPS[group][lang]), ...members.map((c) => `  ${c.name.padEnd(22)}${c.title[lang]}`)];
  });
}
