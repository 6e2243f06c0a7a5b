/**
 * The diagram of docs/state-machine.md and of the report's page, as SVG. What is drawn comes from the transition table, where it
 * stands from here: laid out after figure 5 of RFC 9293, time going down, whoever closes first on the left. A page finds the
 * boxes by `data-state`, the arrows by `data-arrow`, and colours them with rules of its own.
 */
import type { State } from '../../tcp/machine.ts';
import { ruleText, TRANSITIONS } from '../../tcp/machine.ts';
import { type Arrow, arrows, endings, STATES, statesText } from './arrows.ts';

type Point = readonly [x: number, y: number];

const WIDTH = 960;
const HEIGHT = 1030;
const BOX = { width: 148, height: 44 } as const;

type Colours = readonly [fill: string, stroke: string];
const CLOSED_COLOURS: Colours = ['#f2f2f2', '#777'];
const OPENING: Colours = ['#e3eefb', '#2f6db5'];
const OPEN: Colours = ['#e2f4e3', '#2b8a3e'];
const CLOSES_FIRST: Colours = ['#fdeedd', '#c46a12'];
const CLOSES_SECOND: Colours = ['#f0e7fa', '#7a44b8'];

/** Centres. CLOSED stands twice: where a connection begins, and where it ends. */
const PLACES: Readonly<Record<State | 'the end', Point>> = {
  CLOSED: [480, 60],
  LISTEN: [480, 190],
  'SYN-RECEIVED': [190, 320],
  'SYN-SENT': [770, 320],
  ESTABLISHED: [480, 450],
  'FIN-WAIT-1': [190, 580],
  'CLOSE-WAIT': [770, 580],
  'FIN-WAIT-2': [190, 720],
  CLOSING: [480, 720],
  'LAST-ACK': [770, 720],
  'TIME-WAIT': [480, 850],
  'the end': [770, 850],
};

const COLOURS: Readonly<Record<State, Colours>> = {
  CLOSED: CLOSED_COLOURS,
  LISTEN: OPENING,
  'SYN-RECEIVED': OPENING,
  'SYN-SENT': OPENING,
  ESTABLISHED: OPEN,
  'FIN-WAIT-1': CLOSES_FIRST,
  'FIN-WAIT-2': CLOSES_FIRST,
  CLOSING: CLOSES_FIRST,
  'TIME-WAIT': CLOSES_FIRST,
  'CLOSE-WAIT': CLOSES_SECOND,
  'LAST-ACK': CLOSES_SECOND,
};

/** Where an arrow doesn't go straight: from where to where, and the place of its words. */
interface Route {
  readonly from: Point;
  readonly to: Point;
  /** A curve bends towards it. */
  readonly via?: Point;
  readonly label: Point;
  readonly anchor?: 'start' | 'middle' | 'end';
}

const ROUTES: Readonly<Record<string, Route>> = {
  'CLOSED>LISTEN': { from: [450, 82], to: [450, 168], label: [442, 130], anchor: 'end' },
  'LISTEN>CLOSED': { from: [510, 168], to: [510, 82], label: [518, 130], anchor: 'start' },
  'CLOSED>SYN-SENT': { from: [554, 52], via: [730, 60], to: [785, 298], label: [674, 122], anchor: 'end' },
  'SYN-SENT>CLOSED': { from: [825, 298], via: [850, 22], to: [554, 40], label: [824, 110], anchor: 'start' },
  'LISTEN>SYN-RECEIVED': { from: [406, 196], via: [250, 215], to: [215, 298], label: [262, 212], anchor: 'end' },
  'SYN-RECEIVED>LISTEN': { from: [258, 298], via: [330, 250], to: [430, 212], label: [366, 268], anchor: 'start' },
  'LISTEN>SYN-SENT': { from: [554, 196], via: [680, 215], to: [735, 298], label: [640, 262], anchor: 'end' },
  'SYN-SENT>SYN-RECEIVED': { from: [696, 330], to: [264, 330], label: [480, 322] },
  'SYN-RECEIVED>ESTABLISHED': { from: [240, 342], to: [420, 428], label: [318, 398], anchor: 'end' },
  'SYN-SENT>ESTABLISHED': { from: [720, 342], to: [540, 428], label: [642, 398], anchor: 'start' },
  'SYN-RECEIVED>FIN-WAIT-1': { from: [170, 342], to: [170, 558], label: [162, 455], anchor: 'end' },
  'ESTABLISHED>FIN-WAIT-1': { from: [420, 472], to: [240, 558], label: [318, 508], anchor: 'end' },
  'ESTABLISHED>CLOSE-WAIT': { from: [540, 472], to: [720, 558], label: [642, 508], anchor: 'start' },
  'FIN-WAIT-1>FIN-WAIT-2': { from: [190, 602], to: [190, 698], label: [182, 655], anchor: 'end' },
  'FIN-WAIT-1>CLOSING': { from: [250, 602], to: [430, 698], label: [352, 648], anchor: 'start' },
  'CLOSE-WAIT>LAST-ACK': { from: [770, 602], to: [770, 698], label: [778, 655], anchor: 'start' },
  'CLOSING>TIME-WAIT': { from: [480, 742], to: [480, 828], label: [488, 790], anchor: 'start' },
  'FIN-WAIT-2>TIME-WAIT': { from: [240, 742], to: [420, 828], label: [318, 798], anchor: 'end' },
  'LAST-ACK>CLOSED': { from: [770, 742], to: [770, 828], label: [778, 790], anchor: 'start' },
  'TIME-WAIT>CLOSED': { from: [554, 850], to: [696, 850], label: [625, 842] },
  'FIN-WAIT-2>CLOSED': { from: [190, 742], via: [330, 980], to: [745, 872], label: [320, 908] },
};

export function diagramSvg(): string {
  const boxes = STATES.map((state) => boxSvg(state, PLACES[state], state, state));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="Helvetica, Arial, sans-serif" font-size="13">`,
    '<title>The states of a TCP connection and what leads from one to the other</title>',
    '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto-start-reverse"><path d="M0 0 10 5 0 10z" fill="#444"/></marker></defs>',
    `<rect data-paper="" width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    ...arrows().map(arrowSvg),
    ...boxes,
    boxSvg('CLOSED', PLACES['the end'], 'CLOSED', 'the end'),
    ...endingsSvg(),
    '</svg>',
    '',
  ].join('\n');
}

function boxSvg(state: State, [x, y]: Point, text: string, id: string): string {
  const [fill, stroke] = COLOURS[state];
  const { width, height } = BOX;
  return [
    `<g data-state="${id}">`,
    `<rect x="${x - width / 2}" y="${y - height / 2}" width="${width}" height="${height}" rx="10" fill="${fill}" stroke="${stroke}" stroke-width="1.8"/>`,
    `<text x="${x}" y="${y + 5}" text-anchor="middle" font-size="15" font-weight="bold" fill="#222">${text}</text>`,
    '</g>',
  ].join('\n');
}

const LINE_HEIGHT = 16;

function arrowSvg(arrow: Arrow): string {
  const { from, to, via, label, anchor = 'middle' } = ROUTES[`${arrow.from}>${arrow.to}`] ?? straight(arrow);
  const path = via === undefined ? `M${from} L${to}` : `M${from} Q${via} ${to}`;
  const rules = arrow.events.map((event) => `${event}: ${ruleText(ruleOf(arrow.from, event))}`);
  const [x, y] = label;
  const words = arrow.events.map((event, i) => {
    const up = (arrow.events.length - 1 - i) * LINE_HEIGHT;
    return `<text x="${x}" y="${y - up}" text-anchor="${anchor}" fill="#333" stroke="#fff" stroke-width="4" paint-order="stroke">${event}</text>`;
  });
  return [
    `<g data-arrow="${arrow.from}&gt;${arrow.to}"><title>${rules.join('\n')}</title>`,
    `<path d="${path}" fill="none" stroke="#444" stroke-width="1.5" marker-end="url(#head)"/>`,
    ...words,
    '</g>',
  ].join('\n');
}

/** For an arrow that has no route yet: visible, if not pretty. */
function straight(arrow: Arrow): Route {
  const from = PLACES[arrow.from];
  const to = PLACES[arrow.to];
  return { from, to, label: [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2] };
}

function ruleOf(from: State, event: string): string {
  const rows: Readonly<Record<string, readonly [string, string]>> = TRANSITIONS[from];
  return rows[event]?.[1] ?? '';
}

function endingsSvg(): readonly string[] {
  const [x, y] = [116, 960];
  return [
    `<text x="${x}" y="${y}" fill="#333" font-weight="bold">Not drawn, to CLOSED at once:</text>`,
    ...endings().map(
      ({ event, states }, i) =>
        `<text x="${x + 232}" y="${y + i * LINE_HEIGHT}" fill="#333"><tspan font-weight="bold">${event}</tspan> in ${statesText(states)}</text>`,
    ),
  ];
}
