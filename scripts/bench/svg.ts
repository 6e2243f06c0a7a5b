/** Plots as SVG text: lines and bars on axes, nothing else. Colours read on white, which is drawn behind them. */

export interface Line {
  readonly name: string;
  readonly colour: string;
  readonly dashed?: boolean;
  /** Ascending in x. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Axis {
  readonly title: string;
  readonly from: number;
  readonly to: number;
  /** Decades are as far from each other as others; `from` above 0. */
  readonly log?: boolean;
  /** Instead of round numbers. */
  readonly ticks?: readonly (readonly [at: number, text: string])[];
}

export interface LinePlot {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
  /** A mark at each point. */
  readonly marks?: boolean;
}

export interface BarPlot {
  readonly title: string;
  /** Of the values; they begin at 0. */
  readonly unit: string;
  readonly groups: readonly {
    readonly name: string;
    readonly bars: readonly { readonly name: string; readonly colour: string; readonly value: number }[];
  }[];
}

const WIDTH = 720;
const HEIGHT = 360;
const AREA = { left: 70, right: 700, top: 70, bottom: 310 } as const;
const GREY = '#666';

export function lineSvg(o: LinePlot): string {
  const x = scale(o.x, AREA.left, AREA.right);
  const y = scale(o.y, AREA.bottom, AREA.top);
  const lines = o.lines.map((line) => {
    const points = line.points.map(([px, py]) => `${x(px).toFixed(1)},${y(py).toFixed(1)}`);
    const dash = line.dashed === true ? ' stroke-dasharray="6 4"' : '';
    const path = `<polyline fill="none" stroke="${line.colour}" stroke-width="2"${dash} points="${points.join(' ')}"/>`;
    if (o.marks !== true) return path;
    const dots = points.map((p) => {
      const [cx, cy] = p.split(',');
      return `<circle cx="${cx}" cy="${cy}" r="3.5" fill="${line.colour}"/>`;
    });
    return [path, ...dots].join('\n');
  });
  return document(o.title, [...xAxis(o.x, x), ...yAxis(o.y, y), ...lines, ...legend(o.lines, o.y)]);
}

export function barSvg(o: BarPlot): string {
  const most = Math.max(...o.groups.flatMap((g) => g.bars.map((b) => b.value)), Number.MIN_VALUE);
  const axis: Axis = { title: o.unit, from: 0, to: roundUp(most * 1.08) };
  const y = scale(axis, AREA.bottom, AREA.top);
  const groupWidth = (AREA.right - AREA.left) / o.groups.length;
  const parts = o.groups.flatMap((group, g) => {
    const left = AREA.left + g * groupWidth;
    const barWidth = Math.min(56, (groupWidth * 0.8) / group.bars.length);
    const first = left + (groupWidth - barWidth * group.bars.length) / 2;
    const bars = group.bars.flatMap((bar, i) => {
      const [at, top] = [first + i * barWidth, y(bar.value)];
      return [
        `<rect x="${at.toFixed(1)}" y="${top.toFixed(1)}" width="${(barWidth - 3).toFixed(1)}" height="${(AREA.bottom - top).toFixed(1)}" fill="${bar.colour}"/>`,
        text(at + (barWidth - 3) / 2, top - 5, short(bar.value), 'middle', 11),
      ];
    });
    return [...bars, text(left + groupWidth / 2, AREA.bottom + 18, group.name, 'middle')];
  });
  const names = new Map(o.groups.flatMap((g) => g.bars.map((b) => [b.name, b.colour] as const)));
  const entries = [...names].map(([name, colour]) => ({ name, colour }));
  return document(o.title, [...yAxis(axis, y), ...parts, ...legend(entries, axis)]);
}

/** Three digits. */
const short = (n: number): string => String(Number(n.toPrecision(3)));

function scale(axis: Axis, from: number, to: number): (value: number) => number {
  const place = axis.log === true ? Math.log10 : (v: number): number => v;
  const [low, high] = [place(axis.from), place(axis.to)];
  return (value) => {
    const inside = Math.min(axis.to, Math.max(axis.from, value));
    return from + ((place(inside) - low) / (high - low)) * (to - from);
  };
}

function ticksOf(axis: Axis): readonly (readonly [number, string])[] {
  if (axis.ticks !== undefined) return axis.ticks;
  const ticks: [number, string][] = [];
  if (axis.log === true) {
    for (let at = 10 ** Math.ceil(Math.log10(axis.from)); at <= axis.to; at *= 10) ticks.push([at, short(at)]);
    return ticks;
  }
  const step = roundUp((axis.to - axis.from) / 6);
  for (let at = Math.ceil(axis.from / step) * step; at <= axis.to * (1 + 1e-9); at += step) ticks.push([at, short(at)]);
  return ticks;
}

/** The next of 1, 2, 5, 10, 20… */
export function roundUp(n: number): number {
  const decade = 10 ** Math.floor(Math.log10(n));
  const factor = [1, 2, 5, 10].find((f) => f * decade >= n * (1 - 1e-9)) ?? 10;
  return factor * decade;
}

function xAxis(axis: Axis, x: (value: number) => number): readonly string[] {
  return [
    ...ticksOf(axis).flatMap(([at, label]) => [
      rule(x(at), AREA.bottom, x(at), AREA.bottom + 5),
      text(x(at), AREA.bottom + 18, label, 'middle', 11),
    ]),
    rule(AREA.left, AREA.bottom, AREA.right, AREA.bottom),
    text((AREA.left + AREA.right) / 2, AREA.bottom + 38, axis.title, 'middle'),
  ];
}

function yAxis(axis: Axis, y: (value: number) => number): readonly string[] {
  return [
    ...ticksOf(axis).flatMap(([at, label]) => [
      `<line x1="${AREA.left}" y1="${y(at).toFixed(1)}" x2="${AREA.right}" y2="${y(at).toFixed(1)}" stroke="#e4e4e4"/>`,
      text(AREA.left - 7, y(at) + 4, label, 'end', 11),
    ]),
    rule(AREA.left, AREA.top, AREA.left, AREA.bottom),
    text(AREA.left - 7, AREA.top - 12, axis.title, 'start'),
  ];
}

/** About as wide as a letter is. */
const LETTER = 6.8;

function legend(
  entries: readonly { readonly name: string; readonly colour: string; readonly dashed?: boolean }[],
  y: Axis,
): readonly string[] {
  let at = AREA.left + 30 + y.title.length * LETTER;
  return entries.flatMap(({ name, colour, dashed }) => {
    const dash = dashed === true ? ' stroke-dasharray="6 4"' : '';
    const here = at;
    at += 44 + name.length * LETTER;
    return [
      `<line x1="${here.toFixed(1)}" y1="54" x2="${(here + 22).toFixed(1)}" y2="54" stroke="${colour}" stroke-width="3"${dash}/>`,
      text(here + 27, 58, name, 'start'),
    ];
  });
}

const rule = (x1: number, y1: number, x2: number, y2: number): string =>
  `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="${GREY}"/>`;

const text = (x: number, y: number, what: string, anchor: 'start' | 'middle' | 'end', size = 12): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" font-size="${size}" fill="#222">${escaped(what)}</text>`;

const escaped = (what: string): string => what.replace(/[<>&]/g, (c) => `&#${c.charCodeAt(0)};`);

function document(title: string, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${WIDTH / 2}" y="26" text-anchor="middle" font-size="16" fill="#222">${escaped(title)}</text>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}
