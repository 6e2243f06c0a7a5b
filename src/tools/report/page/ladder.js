/** The ladder: both ends' states and the segments between them. Of any number of rows only those in sight are in the document. */
/** @import { PageConnection } from '../page-data.ts' */
import { chooseRow, flagNames, IN, NOTE, OUT, rowText, segmentText, statesOf, wordAt } from './connection.js';
import { card, connection, element, on, secondsText, spanText, stateClass, view, words } from './dom.js';

/** Rows kept beyond what is in sight, each way. */
const SPARE = 8;
const narrow = matchMedia('(max-width: 700px)');
/** As in the style sheet. */
const rowHeight = () => (narrow.matches ? 44 : 28);

/** @typedef {'all' | 'states' | 'trouble'} Filter */

export function ladderCard() {
  return new LadderView().element;
}

class LadderView {
  /** @type {HTMLElement} */
  #list;
  /** @type {HTMLElement} */
  #space;
  #heads = element('div', { class: 'heads' });
  #count = element('span', { class: 'count', role: 'status' });
  #box = element('input', { type: 'search', id: 'find', placeholder: words('search'), 'aria-label': words('search') });
  #filter = element(
    'select',
    { 'aria-label': words('ladder'), change: () => this.#refilter() },
    element('option', { value: 'all' }, words('all')),
    element('option', { value: 'states' }, words('states')),
    element('option', { value: 'trouble' }, words('trouble')),
  );
  /** Indices of the rows that are shown; undefined for all. @type {readonly number[] | undefined} */
  #shown;
  #frame = 0;

  constructor() {
    this.#space = element('div', { class: 'space' });
    this.#list = element(
      'div',
      { class: 'list', tabindex: '0', role: 'listbox', 'aria-label': words('ladder'), scroll: () => this.#later() },
      this.#space,
    );
    this.#box.addEventListener('keydown', (event) => this.#onKey(event));
    this.#space.addEventListener('click', (event) => {
      const row = event.target instanceof Element ? event.target.closest('[data-row]') : null;
      if (row !== null) chooseRow(Number(row.getAttribute('data-row')));
    });
    this.element = card('ladder', words('ladder'), [this.#filter, this.#box, this.#count], this.#heads, this.#list);
    new ResizeObserver(() => this.#later()).observe(this.#list);
    on('connection', () => this.#begin());
    on('rows', () => this.#grow());
    on('row', () => this.#show());
    this.#begin();
  }

  #begin() {
    const c = connection();
    this.#heads.replaceChildren();
    if (c === undefined) return;
    c.names.forEach((name, end) => {
      const inferred = end === 1 || c.inferred ? words('inferred') : words('fromLog');
      this.#heads.append(
        element('div', {}, element('b', {}, name), ` ${c.ends[end]} `, element('small', {}, inferred)),
      );
    });
    this.#list.scrollTop = 0;
    this.#refilter();
  }

  /** Stays at the end where it was there; goes along with what is new as long as no row is chosen. */
  #grow() {
    const { scrollTop, clientHeight, scrollHeight } = this.#list;
    const follows = view.row < 0 && scrollTop + clientHeight >= scrollHeight - 2 * rowHeight();
    this.#refilter();
    if (follows) this.#list.scrollTop = this.#list.scrollHeight;
  }

  #refilter() {
    const c = connection();
    if (c === undefined) return;
    const { rows } = c;
    // Of the three options above.
    const filter = /** @type {Filter} */ (this.#filter.value);
    this.#shown =
      filter === 'all'
        ? undefined
        : rows.t.flatMap((_, i) => {
            const wanted =
              filter === 'trouble' ? rows.trouble[i] : rows.ours[i] || rows.peer[i] || rows.kind[i] === NOTE;
            return wanted ? [i] : [];
          });
    this.#draw();
  }

  #later() {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const c = connection();
    if (c === undefined) return;
    const height = rowHeight();
    const total = this.#shown?.length ?? c.rows.t.length;
    const from = Math.max(0, Math.floor(this.#list.scrollTop / height) - SPARE);
    const to = Math.min(total, Math.ceil((this.#list.scrollTop + this.#list.clientHeight) / height) + SPARE);
    this.#space.style.height = `${total * height}px`;
    const made = [];
    for (let n = from; n < to; n++) {
      const i = this.#shown === undefined ? n : (this.#shown[n] ?? 0);
      const row = rowElement(c, i);
      row.style.top = `${n * height}px`;
      made.push(row);
    }
    this.#space.replaceChildren(...made);
  }

  /** Brings the chosen row in sight. */
  #show() {
    const height = rowHeight();
    const place = this.#shown === undefined ? view.row : this.#shown.findIndex((i) => i >= view.row);
    const top = Math.max(0, place) * height;
    const { scrollTop } = this.#list;
    const inSight = this.#heightInSight();
    if (top < scrollTop + height || top > scrollTop + inSight - 2 * height)
      this.#list.scrollTop = top - inSight / 2 + height;
    this.#draw();
    // The last rows of a list that the window cuts; one that is out of sight altogether is let be.
    if (inSight < this.#list.clientHeight) this.#space.querySelector('.chosen')?.scrollIntoView({ block: 'nearest' });
  }

  /** How much of the list the window shows, while it shows any. */
  #heightInSight() {
    const { top, bottom, height } = this.#list.getBoundingClientRect();
    const shown = Math.min(bottom, innerHeight) - Math.max(top, 0);
    return shown < 4 * rowHeight() ? height : shown;
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.key === 'Escape') {
      this.#box.blur();
      this.#count.textContent = '';
    } else if (event.key === 'Enter') this.#find(event.shiftKey ? -1 : 1);
    else return;
    event.preventDefault();
  }

  /** @param {1 | -1} way */
  #find(way) {
    const c = connection();
    const wanted = this.#box.value.trim().toLowerCase();
    if (c === undefined || wanted === '') return;
    /** @type {number[]} */
    const found = [];
    for (let i = 0; i < c.rows.t.length; i++) if (rowText(c, i).includes(wanted)) found.push(i);
    this.#count.textContent = found.length === 0 ? words('nothingFound') : words('found', { n: found.length });
    const next = way > 0 ? found.find((i) => i > view.row) : found.findLast((i) => i < view.row);
    const row = next ?? (way > 0 ? found[0] : found.at(-1));
    if (row !== undefined) chooseRow(row);
  }
}

/**
 * @param {PageConnection} c
 * @param {number} i
 */
function rowElement(c, i) {
  const { rows } = c;
  const kind = rows.kind[i];
  const classes = ['row', kind === OUT ? 'out' : kind === IN ? 'in' : kind === NOTE ? 'said' : 'remark'];
  if (rows.trouble[i]) classes.push('trouble');
  if (i === view.row) classes.push('chosen');
  const [ours, peer] = statesOf(c);
  const isSegment = kind === OUT || kind === IN;
  const text = isSegment ? segmentText(c, i) : wordAt(c, rows.note[i]);
  const rung = isSegment
    ? element(
        'span',
        { class: 'rung' },
        element('i'),
        element('b', { title: text }, text),
        element('i', { class: 'long' }),
      )
    : element('span', { class: 'rung' }, element('b', { title: text }, text));
  return element(
    'div',
    {
      class: classes.join(' '),
      'data-row': String(i),
      role: 'option',
      'aria-selected': i === view.row ? 'true' : 'false',
    },
    element('time', {}, secondsText(rows.t[i] ?? 0)),
    stateElement(wordAt(c, rows.ours[i]), c.inferred),
    element('i', { class: `rail ${stateClass(wordAt(c, ours[i]))}` }),
    rung,
    element('i', { class: `rail ${stateClass(wordAt(c, peer[i]))}` }),
    stateElement(wordAt(c, rows.peer[i]), true),
  );
}

/**
 * @param {string} state
 * @param {boolean} inferred
 */
function stateElement(state, inferred) {
  if (state === '') return element('span', { class: 'state' });
  return element('span', { class: `state ${stateClass(state)}` }, `${inferred ? '~' : ''}${state}`);
}

/** All that is known of the chosen row. */
export function detailCard() {
  const list = element('dl', { 'aria-live': 'polite' });
  const made = card('detail', words('segment'), [], list);
  const fill = () => {
    const c = connection();
    const facts = c === undefined || view.row < 0 || view.row >= c.rows.t.length ? [] : factsOf(c, view.row);
    list.replaceChildren(...facts.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]));
    made.hidden = facts.length === 0;
  };
  for (const topic of /** @type {const} */ (['row', 'connection', 'rows'])) on(topic, fill);
  fill();
  return made;
}

/**
 * @param {PageConnection} c
 * @param {number} i
 * @returns {readonly (readonly [string, string])[]}
 */
function factsOf(c, i) {
  const { rows } = c;
  const kind = rows.kind[i];
  const t = rows.t[i] ?? 0;
  const since = i > 0 ? ` (${spanText(t - (rows.t[i - 1] ?? 0))} ${words('sincePrevious')})` : '';
  /** @type {[string, string][]} */
  const facts = [[words('time'), `${secondsText(t)} s${since}`]];
  const note = wordAt(c, rows.note[i]);
  if (note !== '') facts.push([words('note'), note]);
  if (kind === OUT || kind === IN) {
    const flags = wordAt(c, rows.flags[i]);
    const [from, to] = kind === OUT ? c.names : [c.names[1], c.names[0]];
    const len = rows.len[i] ?? 0;
    const seq = rows.seq[i] ?? 0;
    facts.push([words('segment'), `${from} → ${to}`]);
    facts.push([words('flags'), `${flags || 'none'}  ${flagNames(flags)}`]);
    facts.push([words('seq'), len > 0 ? `${seq} – ${seq + len}` : String(seq)]);
    if (rows.ack[i] !== null) facts.push([words('ack'), String(rows.ack[i])]);
    facts.push([words('len'), String(len)]);
    const edge = rows.edge[i] ?? null;
    const ack = rows.ack[i] ?? null;
    const offered = edge === null || ack === null ? '' : ` = ${edge - ack} ${words('octets')}`;
    facts.push([words('wnd'), `${rows.wnd[i]}${offered}`]);
    const stamps = rows.tsVal[i] === null ? '' : `TS ${rows.tsVal[i]} ${rows.tsEcr[i]}`;
    const options = [wordAt(c, rows.options[i]), stamps].filter((text) => text !== '').join(', ');
    if (options !== '') facts.push([words('options'), options]);
    facts.push([words('flight'), `${kind === OUT ? rows.flightOut[i] : rows.flightIn[i]} ${words('octets')}`]);
  }
  const [ours, peer] = statesOf(c);
  facts.push([words('states'), `${c.names[0]} ${wordAt(c, ours[i])}, ${c.names[1]} ~${wordAt(c, peer[i])}`]);
  return facts;
}
