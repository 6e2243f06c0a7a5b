/** What went over time: sequence numbers, windows and what is in flight, round trips. All show the same stretch of time. */
/** @import uPlot from 'uplot' */
/** @import { PageConnection } from '../page-data.ts' */
import { chooseRow, IN, OUT, rowAt, wordAt } from './connection.js';
import { button, card, colour, connection, element, on, view, words } from './dom.js';

/** A script of its own, before this one. @type {typeof import('uplot')} */
const Plot = Reflect.get(globalThis, 'uPlot');

/** @typedef {readonly (number | null)[]} Values */
/** @typedef {{ label: string, t: readonly number[], v: Values, colour: string, kind: 'line' | 'steps' | 'points', dash?: number[], hidden?: boolean }} Series */

/** Most sent segments in sight that are drawn with their length. */
const MOST_BARS = 4000;

export function plotsCard() {
  return new PlotsView().element;
}

class PlotsView {
  #direction = OUT;
  #ends = element('div', { class: 'switch', role: 'group' });
  #sequence = element('div', { class: 'plot wide' });
  #window = element('div', { class: 'plot' });
  #rtt = element('div', { class: 'plot' });
  /** @type {uPlot[]} */
  #plots = [];
  #syncing = false;
  /** All of the time there is, seconds. @type {[number, number]} */
  #whole = [0, 1];
  /** What is in sight; undefined for all of it. @type {[number, number] | undefined} */
  #range;

  constructor() {
    const zoom = (/** @type {number} */ by, /** @type {number} */ move) => () => this.#zoom(by, move);
    const tools = [
      this.#ends,
      button('+', words('zoom'), zoom(0.5, 0)),
      button('−', words('zoom'), zoom(2, 0)),
      button('←', words('zoom'), zoom(1, -0.5)),
      button('→', words('zoom'), zoom(1, 0.5)),
      element('button', { type: 'button', id: 'unzoom', click: () => this.#all() }, words('resetZoom')),
    ];
    const hint = element('p', { class: 'hint' }, words('zoom'));
    const grid = element('div', { class: 'grid' }, this.#sequence, this.#window, this.#rtt);
    this.element = card('plots', words('plots'), tools, hint, grid);
    on('connection', () => this.#begin());
    on('rows', () => this.#make());
    on('theme', () => this.#make());
    on('row', () => this.#markRow());
    new ResizeObserver(() => this.#resize()).observe(grid);
    // What is measured needs to be in the document.
    queueMicrotask(() => this.#begin());
  }

  #begin() {
    this.#range = undefined;
    const c = connection();
    if (c === undefined) return;
    const [us, peer] = c.names;
    const arrows = /** @type {const} */ ([
      [OUT, `${us} → ${peer}`],
      [IN, `${peer} → ${us}`],
    ]);
    this.#ends.replaceChildren(
      ...arrows.map(([direction, text]) => {
        const choose = () => {
          this.#direction = direction;
          this.#begin();
        };
        const pressed = String(direction === this.#direction);
        return element('button', { type: 'button', 'aria-pressed': pressed, click: choose }, text);
      }),
    );
    this.#make();
  }

  #make() {
    const c = connection();
    for (const plot of this.#plots) plot.destroy();
    this.#plots = [];
    if (c === undefined || c.rows.t.length === 0) return;
    const times = [...minMax(c.rows.t), ...minMax(c.rtt.t), ...minMax(c.congestion.t)];
    const [from, to] = minMax(times);
    this.#whole = [(from ?? 0) / 1e6, Math.max((to ?? 0) / 1e6, (from ?? 0) / 1e6 + 1e-6)];
    this.#plot(this.#sequence, words('sequencePlot'), sequenceSeries(c, this.#direction), bars(c, this.#direction));
    this.#plot(this.#window, words('windowPlot'), windowSeries(c));
    this.#plot(this.#rtt, words('rttPlot'), rttSeries(c));
    const [min, max] = this.#range ?? this.#whole;
    for (const plot of this.#plots) plot.setScale('x', { min, max });
    this.#markRow();
  }

  /**
   * @param {HTMLElement} into
   * @param {string} title
   * @param {readonly Series[]} all
   * @param {(u: uPlot) => void} [draw]
   */
  #plot(into, title, all, draw) {
    const series = all.filter((s) => s.v.some((v) => v !== null));
    into.replaceChildren(element('h3', {}, title));
    if (series.length === 0) {
      into.append(element('p', { class: 'hint' }, words('noSamples')));
      return;
    }
    const axis = { stroke: colour('--dim'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } };
    const values = (/** @type {uPlot} */ _, /** @type {number[]} */ splits) => splits.map(shortNumber);
    const mark = element('i', { class: 'mark' });
    const plot = new Plot(
      {
        width: Math.max(200, into.clientWidth),
        height: into === this.#sequence ? 300 : 220,
        scales: { x: { time: false } },
        cursor: { sync: { key: 'tcpx' }, drag: { x: true, y: false, dist: 4 }, focus: { prox: 20 } },
        axes: [
          { ...axis, size: 32 },
          { ...axis, values, size: 58 },
        ],
        series: [
          { label: words('seconds'), value: (_, v) => (v === null ? '' : v.toFixed(6)) },
          ...series.map(plotted),
        ],
        hooks: {
          setScale: [(u, key) => this.#onScale(u, key)],
          draw: draw === undefined ? [] : [draw],
          ready: [
            (u) => {
              u.over.append(mark);
              this.#onClick(u);
            },
          ],
        },
      },
      aligned(series),
      into,
    );
    this.#plots.push(plot);
  }

  /** @param {uPlot} u @param {string} key */
  #onScale(u, key) {
    if (key !== 'x' || this.#syncing) return;
    const { min, max } = u.scales['x'] ?? {};
    if (typeof min !== 'number' || typeof max !== 'number') return;
    this.#show(min, max, u);
  }

  /** @param {number} min @param {number} max @param {uPlot} [but] */
  #show(min, max, but) {
    const whole = min <= this.#whole[0] && max >= this.#whole[1];
    this.#range = whole ? undefined : [min, max];
    this.#syncing = true;
    for (const plot of this.#plots) if (plot !== but) plot.setScale('x', { min, max });
    // uPlot settles scales in a microtask of its own, which must find the flag as it is now.
    queueMicrotask(() => {
      this.#syncing = false;
      this.#markRow();
    });
  }

  #all() {
    this.#show(this.#whole[0], this.#whole[1]);
  }

  /** @param {number} by @param {number} move in widths of what is in sight */
  #zoom(by, move) {
    const [min, max] = this.#range ?? this.#whole;
    const width = max - min;
    const row = connection()?.rows.t[view.row];
    const chosen = row === undefined ? undefined : row / 1e6;
    const about = by < 1 && chosen !== undefined && chosen >= min && chosen <= max ? chosen : (min + max) / 2;
    const wanted = Math.max(1e-5, width * by);
    const middle = about + width * move;
    const from = Math.max(this.#whole[0], Math.min(middle - wanted / 2, this.#whole[1] - wanted));
    this.#show(from, Math.min(this.#whole[1], from + wanted));
  }

  /** @param {uPlot} u */
  #onClick(u) {
    let down = 0;
    u.over.addEventListener('mousedown', (event) => {
      down = event.clientX;
    });
    u.over.addEventListener('click', (event) => {
      const c = connection();
      if (c === undefined || Math.abs(event.clientX - down) > 3) return;
      const at = u.posToVal(event.clientX - u.over.getBoundingClientRect().left, 'x');
      chooseRow(rowAt(c, at * 1e6));
    });
  }

  /** A line where the chosen row is. */
  #markRow() {
    const t = connection()?.rows.t[view.row];
    for (const plot of this.#plots) {
      const mark = plot.over.querySelector('.mark');
      if (!(mark instanceof HTMLElement)) continue;
      const left = t === undefined ? -1 : plot.valToPos(t / 1e6, 'x');
      mark.hidden = !(left >= 0 && left <= plot.over.clientWidth);
      mark.style.left = `${left}px`;
    }
  }

  #resize() {
    for (const plot of this.#plots) {
      const width = Math.max(200, plot.root.parentElement?.clientWidth ?? 0);
      if (width !== plot.width) plot.setSize({ width, height: plot.height });
    }
    this.#markRow();
  }
}

/** @param {readonly number[]} all */
function minMax(all) {
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const one of all) {
    if (one < min) min = one;
    if (one > max) max = one;
  }
  return min <= max ? [min, max] : [];
}

/** @param {number} n */
function shortNumber(n) {
  if (Math.abs(n) >= 1e9) return `${Number((n / 1e9).toPrecision(4))} G`;
  if (Math.abs(n) >= 1e6) return `${Number((n / 1e6).toPrecision(4))} M`;
  if (Math.abs(n) >= 1e4) return `${Number((n / 1e3).toPrecision(4))} k`;
  return String(Number(n.toPrecision(6)));
}

/** @param {Series} s @returns {uPlot.Series} */
function plotted(s) {
  const stroke = colour(s.colour);
  const stepped = Plot.paths.stepped?.({ align: 1 });
  return {
    label: s.label,
    show: s.hidden !== true,
    stroke,
    width: 1.5,
    spanGaps: true,
    ...(s.dash !== undefined && { dash: s.dash }),
    ...(s.kind === 'points' && { paths: () => null }),
    ...(s.kind === 'steps' && stepped !== undefined && { paths: stepped }),
    points: s.kind === 'points' ? { show: true, size: 4, fill: stroke } : { show: false },
  };
}

/** One axis of time for all of them: as uPlot has it, what has no value there is null. @param {readonly Series[]} series */
function aligned(series) {
  const tables = series.map((s) => ordered(s));
  const joined = Plot.join(/** @type {uPlot.AlignedData[]} */ (tables));
  return joined;
}

/** Microseconds to seconds, and never back: a capture's clock may be. Of one moment the last counts. @param {Series} s */
function ordered(s) {
  /** @type {number[]} */
  const times = [];
  /** @type {(number | null)[]} */
  const values = [];
  for (let i = 0; i < s.t.length; i++) {
    const v = s.v[i] ?? null;
    if (v === null) continue;
    const t = Math.max((s.t[i] ?? 0) / 1e6, times.at(-1) ?? 0);
    if (t === times.at(-1)) {
      values[values.length - 1] = v;
      continue;
    }
    times.push(t);
    values.push(v);
  }
  return [times, values];
}

/** What is sent again, in the words of a log and of a capture. */
const AGAIN = /retrans|tail loss/;

/**
 * For each word of the connection whether it is one of these: rows are many, words few.
 * @param {PageConnection} c
 * @param {RegExp} pattern
 */
const wordsLike = (c, pattern) => c.words.map((word) => pattern.test(word));

/**
 * @param {PageConnection} c
 * @param {number} direction
 * @returns {readonly Series[]}
 */
function sequenceSeries(c, direction) {
  const { rows } = c;
  const back = direction === OUT ? IN : OUT;
  const isReset = wordsLike(c, /^[^a-z]*R[^a-z]*$/);
  const takesOne = wordsLike(c, /^[^a-z]*[SF][^a-z]*$/);
  const isAgain = wordsLike(c, AGAIN);
  const column = (/** @type {(i: number) => number | null} */ of) => rows.t.map((_, i) => of(i));
  const flagged = (/** @type {readonly boolean[]} */ which, /** @type {number} */ i) =>
    which[rows.flags[i] ?? 0] === true;
  const sent = (/** @type {number} */ i, /** @type {boolean} */ again) => {
    if (rows.kind[i] !== direction || flagged(isReset, i) || (isAgain[rows.note[i] ?? 0] === true) !== again)
      return null;
    const len = rows.len[i] ?? 0;
    return len > 0 || flagged(takesOne, i) ? (rows.seq[i] ?? 0) + len : null;
  };
  const came = (/** @type {Values} */ of) =>
    column((i) => (rows.kind[i] === back && !flagged(isReset, i) ? (of[i] ?? null) : null));
  const data = column((i) => sent(i, false));
  const edge = came(rows.edge);
  return [
    {
      label: words('windowEdge'),
      t: rows.t,
      v: edge,
      colour: '--violet',
      kind: 'steps',
      dash: [4, 4],
      // A window that is never reached would press all else to the floor; its legend brings it back.
      hidden: highest(edge) > 3 * highest(data),
    },
    { label: words('acked'), t: rows.t, v: came(rows.ack), colour: '--green', kind: 'steps' },
    { label: words('dataSent'), t: rows.t, v: data, colour: '--blue', kind: 'points' },
    { label: words('sentAgain'), t: rows.t, v: column((i) => sent(i, true)), colour: '--red', kind: 'points' },
  ];
}

/** @param {Values} values */
function highest(values) {
  let most = 0;
  for (const v of values) if (v !== null && v > most) most = v;
  return most;
}

/**
 * Draws how long segments are, when few enough are in sight.
 * @param {PageConnection} c
 * @param {number} direction
 * @returns {(u: uPlot) => void}
 */
function bars(c, direction) {
  return (u) => {
    const { min, max } = u.scales['x'] ?? {};
    if (typeof min !== 'number' || typeof max !== 'number') return;
    const [from, to] = [rowAt(c, min * 1e6), rowAt(c, max * 1e6)];
    if (to - from > MOST_BARS) return;
    const { rows } = c;
    const { ctx } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
    ctx.clip();
    ctx.lineWidth = 2 * devicePixelRatio;
    const [again, first] = [colour('--red'), colour('--blue')];
    for (let i = from; i <= to; i++) {
      const len = rows.len[i] ?? 0;
      if (rows.kind[i] !== direction || len === 0) continue;
      const x = u.valToPos((rows.t[i] ?? 0) / 1e6, 'x', true);
      ctx.strokeStyle = AGAIN.test(wordAt(c, rows.note[i])) ? again : first;
      ctx.beginPath();
      ctx.moveTo(x, u.valToPos(rows.seq[i] ?? 0, 'y', true));
      ctx.lineTo(x, u.valToPos((rows.seq[i] ?? 0) + len, 'y', true));
      ctx.stroke();
    }
    ctx.restore();
  };
}

/** @param {PageConnection} c @returns {readonly Series[]} */
function windowSeries(c) {
  const { rows, congestion, names } = c;
  const carries = (/** @type {readonly number[]} */ flight) => (flight.some((n) => n > 1) ? flight : []);
  const of = (/** @type {string} */ who) => words('inFlightOf', { who });
  return [
    { label: of(names[0]), t: rows.t, v: carries(rows.flightOut), colour: '--blue', kind: 'steps' },
    { label: of(names[1]), t: rows.t, v: carries(rows.flightIn), colour: '--green', kind: 'steps' },
    { label: words('cwnd'), t: congestion.t, v: congestion.cwnd, colour: '--orange', kind: 'steps' },
    {
      label: words('ssthresh'),
      t: congestion.t,
      v: congestion.ssthresh,
      colour: '--violet',
      kind: 'steps',
      dash: [4, 4],
    },
  ];
}

/** @param {PageConnection} c @returns {readonly Series[]} */
function rttSeries(c) {
  const { rtt, names } = c;
  const ms = (/** @type {Values} */ values) => values.map((v) => (v === null ? null : v / 1000));
  const of = (/** @type {number} */ end) => ms(rtt.rtt.map((v, i) => (rtt.end[i] === end ? v : null)));
  const both = rtt.end.includes(1);
  const name = (/** @type {string} */ who) => (both ? words('rttOf', { who }) : words('rtt'));
  return [
    { label: name(names[0]), t: rtt.t, v: of(0), colour: '--blue', kind: 'points' },
    { label: name(names[1]), t: rtt.t, v: of(1), colour: '--green', kind: 'points' },
    { label: words('srtt'), t: rtt.t, v: ms(rtt.srtt), colour: '--orange', kind: 'line' },
    { label: words('rto'), t: rtt.t, v: ms(rtt.rto), colour: '--violet', kind: 'steps', dash: [4, 4] },
  ];
}
