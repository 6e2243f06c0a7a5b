/** docs/state-sweep.md: the sweep as tables that a person reads, one group for each state. */
import {
  ACKS,
  CARRIED,
  type CarriedName,
  CELLS,
  type Cell,
  PLACES,
  type Place,
  SITUATIONS,
  STAMPS,
  type Varied,
} from './cells.ts';
import { parseOutcome, type SweepDocument } from './document.ts';
import { EXPLANATIONS, PROFILE_REASONS, profileReason } from './explain.ts';
import type { Outcome } from './play.ts';

/** Heads of columns; shorter than a cell's own words. */
const PLACE_HEADS: Readonly<Record<Place, string>> = {
  'far left': 'far left',
  IRS: 'at IRS',
  left: 'ends at RCV.NXT',
  'across left': 'across RCV.NXT',
  next: 'at RCV.NXT',
  inside: 'in the window',
  last: 'ends at the edge',
  'across right': 'across the edge',
  edge: 'at the edge',
  right: 'beyond',
};

const bothHead = (place: Place, ack: string): string => `${PLACE_HEADS[place]}, ${ack}`;

interface Table {
  readonly varied: Varied;
  readonly title: string;
  /** In their order. */
  readonly heads: readonly string[];
  readonly head: (cell: Cell) => string;
}

// A segment that acknowledges all of ours stands in the first table.
const TABLES: readonly Table[] = [
  {
    varied: 'place',
    title: 'Where it stands',
    heads: (Object.keys(PLACES) as readonly Place[]).map((place) => PLACE_HEADS[place]),
    head: (cell) => PLACE_HEADS[cell.place],
  },
  {
    varied: 'ack',
    title: 'What it acknowledges, at RCV.NXT',
    heads: Object.values(ACKS),
    head: (cell) => ACKS[cell.ack],
  },
  {
    varied: 'both',
    title: 'Outside of the window, and an acknowledgment that is not acceptable',
    heads: (Object.keys(PLACES) as readonly Place[]).flatMap((place) =>
      Object.values(ACKS).map((ack) => bothHead(place, ack)),
    ),
    head: (cell) => bothHead(cell.place, ACKS[cell.ack]),
  },
  {
    varied: 'stamp',
    title: 'Its timestamp, at RCV.NXT',
    heads: Object.values(STAMPS),
    head: (cell) => (cell.stamp === undefined ? '' : STAMPS[cell.stamp]),
  },
];

export function sweepMarkdown(document: SweepDocument): string {
  const keys = EXPLANATIONS.map((e) => e.key);
  const numberOf = (key: string): number => keys.indexOf(key) + 1;
  const all = Object.values(document.cells);
  const differing = all.filter((cell) => cell.why !== undefined).length;
  const lines = [
    ...opening(document, all.length, differing),
    ...overview(document),
    ...SITUATIONS.flatMap((situation) => [
      `## ${situation.name}`,
      '',
      situation.reached,
      '',
      ...TABLES.flatMap((table) =>
        tableLines(
          table,
          CELLS.filter((cell) => cell.situation.name === situation.name && cell.varied === table.varied),
          document,
          numberOf,
        ),
      ),
    ]),
    '## Where they differ',
    '',
    ...EXPLANATIONS.flatMap(({ key, why }) => {
      const where = CELLS.filter((cell) => document.cells[cell.id]?.why === key);
      const states = [...new Set(where.map((cell) => cell.situation.name))];
      const counts = `${where.length} ${where.length === 1 ? 'case' : 'cases'}, in ${states.join(', ')}`;
      return [`${numberOf(key)}. <a id="${key}"></a>**${key}**: ${why} *(${counts})*`];
    }),
    '',
    ...byTheLetter(document),
  ];
  return `${lines.join('\n')}\n`;
}

function byTheLetter(document: SweepDocument): readonly string[] {
  const cells = CELLS.filter((cell) => document.cells[cell.id]?.rfc !== undefined);
  return [
    '## With --profile rfc',
    '',
    `The tables are those of tcpx as it is by default, with Linux’s habits. By the letter of the RFCs ${cells.length} cases come out otherwise:`,
    '',
    ...PROFILE_REASONS.map(({ why }) => `- ${why} *(${cells.filter((cell) => profileReason(cell) === why).length})*`),
  ];
}

/** How many cases each has, and in how many of them both do the same. */
function overview(document: SweepDocument): readonly string[] {
  const rows = SITUATIONS.map(({ name }) => {
    const cells = CELLS.filter((cell) => cell.situation.name === name);
    const other = cells.filter((cell) => document.cells[cell.id]?.why !== undefined).length;
    const anchor = name.toLowerCase().replaceAll(',', '').replaceAll(' ', '-');
    return `| [${name}](#${anchor}) | ${cells.length} | ${cells.length - other} | ${other} |`;
  });
  return ['| | cases | the same | otherwise on the kernel |', '|---|---|---|---|', ...rows, ''];
}

function opening(document: SweepDocument, all: number, differing: number): readonly string[] {
  return [
    '# What every state does with every segment',
    '',
    `${SITUATIONS.length} ways to be in one of the eleven states, every kind of segment in each: ${all} cases, played on tcpx in virtual time and on`,
    `Linux ${document.kernel} in real time. In ${all - differing} of them both do the same. In the other ${differing} they differ, for ${EXPLANATIONS.length} reasons, which are [at the end](#where-they-differ).`,
    '`npm run sweep` plays them all and prints this page; it fails when a difference has no reason there. docs/state-sweep.json has each case in a line.',
    '',
    '**How to read it.** A row is what a segment carries, a column where it stands, what it acknowledges, both, or what its timestamp says. In',
    'the tables of places it acknowledges all we sent; data is 10 octets. In the cell: what was sent in answer (`–`: nothing), with what',
    'RCV.NXT moved by behind the ACK; *sack* and *dsack* where the answer has such a block; what the user sees; and the state, where it',
    'is another than before. `RST` stands at SEG.ACK, `RST,ACK` at 0, as RFC 9293 §3.10.7.1 has them, where nothing else is said. Where the',
    'kernel does otherwise, it stands below with the number of the reason. Rows that are alike are one.',
    '',
    '**How the kernel was asked.** Each case is a connection of its own, a hundred of them side by side in a network namespace, the sweep at the',
    'other end of its only interface. What it answers was seen on the wire, within a quarter of a second after the segment. Its state was',
    'read from the namespace’s `/proc/net/tcp`, which, unlike TCP_INFO and the tracepoint sock:inet_sock_set_state, shows connections in SYN-RECEIVED and',
    'TIME-WAIT, too; which states were passed on the way is not seen there. LISTEN is said where no connection is left and a listener is. What the',
    'user sees are results of read(), accept() and SIOCOUTQ afterwards. RCV.NXT and SND.UNA show only as far as answers and these calls tell. All was played',
    'twice, with the least retransmission timeout at 3 s, and without tail loss probes, so that nothing else leaves meanwhile.',
    '',
  ];
}

function tableLines(
  table: Table,
  cells: readonly Cell[],
  document: SweepDocument,
  numberOf: (key: string) => number,
): readonly string[] {
  if (cells.length === 0) return [];
  const heads = table.heads.filter((head) => cells.some((cell) => table.head(cell) === head));
  const rows = (Object.keys(CARRIED) as readonly CarriedName[]).flatMap((carried) => {
    const own = cells.filter((cell) => cell.carried === carried);
    if (own.length === 0) return [];
    const texts = heads.map((head) => {
      const cell = own.find((c) => table.head(c) === head);
      return cell === undefined ? '' : cellText(cell, document, numberOf);
    });
    return [{ names: [CARRIED[carried].name], texts }];
  });
  // Without a window there is one column, and nothing to say of it.
  const shown = heads.length === 1 ? ['what it does'] : heads;
  return [
    `**${heads.length === 1 ? 'Whatever its number' : table.title}**`,
    '',
    `| | ${shown.join(' | ')} |`,
    `|---|${shown.map(() => '---').join('|')}|`,
    ...merged(rows).map((row) => `| ${row.names.join('<br>')} | ${row.texts.join(' | ')} |`),
    '',
  ];
}

interface TableRow {
  readonly names: readonly string[];
  readonly texts: readonly string[];
}

function merged(rows: readonly TableRow[]): readonly TableRow[] {
  const byText = new Map<string, TableRow>();
  for (const row of rows) {
    const key = row.texts.join('|');
    const before = byText.get(key);
    byText.set(key, before === undefined ? row : { ...before, names: [...before.names, ...row.names] });
  }
  return [...byText.values()];
}

function cellText(cell: Cell, document: SweepDocument, numberOf: (key: string) => number): string {
  const found = document.cells[cell.id];
  if (found === undefined) throw new Error(`not in the document: ${cell.id}`);
  const ours = outcomeWords(parseOutcome(found.tcpx), cell);
  if (found.tcpx === found.kernel) return ours;
  const theirs = outcomeWords(parseOutcome(found.kernel), cell);
  const reason = found.why === undefined ? '**not explained**' : `[${numberOf(found.why)}](#${found.why})`;
  return `${ours}<br>*kernel:* ${theirs} ${reason}`;
}

/** States in which the FIN of the peer has come: the user has seen the end before. */
const ENDED: ReadonlySet<string> = new Set(['CLOSE-WAIT', 'CLOSING', 'LAST-ACK', 'TIME-WAIT']);

function outcomeWords(o: Outcome, cell: Cell): string {
  const { state } = cell.situation;
  const user = o.user
    .filter((word) => word !== 'end' || !ENDED.has(state))
    .map((word) => word.replace(/^(\d+) of ours acknowledged$/, '$1 acknowledged'));
  const parts = [o.sent.join(', ') || '–', ...user];
  if (o.state !== state) parts.push(`→&nbsp;${o.state}`);
  return parts.join('; ');
}
