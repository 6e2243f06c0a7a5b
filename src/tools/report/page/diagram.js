/** The state diagram with the way one end took through it, step by step. The picture is the one of the docs. */
/** @import { Move } from './connection.js' */
import { chooseStep, movesOf } from './connection.js';
import { button, card, connection, element, on, secondsText, tell, view, words } from './dom.js';

const SVG = 'http://www.w3.org/2000/svg';
/** Milliseconds between two steps that are played. */
const PACE = 900;

export function diagramCard() {
  return new DiagramView().element;
}

class DiagramView {
  /** @type {SVGSVGElement} */
  #svg;
  #ends = element('div', { class: 'switch', role: 'group' });
  #told = element('p', { class: 'told', 'aria-live': 'polite' });
  #steps = element('ol', { class: 'steps' });
  #play = button(words('play'), words('play'), () => this.#toggle());
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  constructor() {
    const template = document.getElementById('diagram');
    // The template holds the one picture.
    this.#svg = /** @type {SVGSVGElement} */ (
      /** @type {HTMLTemplateElement} */ (template).content.firstElementChild?.cloneNode(true)
    );
    this.#svg.removeAttribute('width');
    this.#svg.removeAttribute('height');
    addHeads(this.#svg);
    const controls = element(
      'div',
      { class: 'controls' },
      button('|◀', words('first'), () => chooseStep(-1)),
      button('◀', words('previous'), () => chooseStep(view.step - 1)),
      this.#play,
      button('▶', words('next'), () => chooseStep(view.step + 1)),
      button('▶|', words('last'), () => chooseStep(Number.MAX_SAFE_INTEGER)),
    );
    const picture = element('div', { class: 'picture' }, this.#svg);
    this.element = card('states', words('states'), [this.#ends], controls, this.#told, picture, this.#steps);
    on('connection', () => this.#begin());
    on('rows', () => this.#grow());
    on('end', () => this.#begin());
    on('row', () => this.#draw());
    this.#grow();
  }

  #toggle() {
    if (this.#timer !== undefined) {
      this.#stop();
      return;
    }
    const c = connection();
    if (c === undefined) return;
    if (view.step >= movesOf(c, view.end).length - 1) chooseStep(-1);
    this.#play.textContent = words('stop');
    this.#play.title = words('stop');
    this.#timer = setInterval(() => {
      const now = connection();
      if (!this.element.isConnected || now === undefined || view.step >= movesOf(now, view.end).length - 1)
        this.#stop();
      else chooseStep(view.step + 1);
    }, PACE);
  }

  #stop() {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#play.textContent = words('play');
    this.#play.title = words('play');
  }

  #begin() {
    const c = connection();
    if (c === undefined) return;
    this.#ends.replaceChildren(
      ...c.names.map((name, end) => {
        const choose = () => {
          view.end = end;
          view.step = movesOf(c, end).findLastIndex((move) => move.row <= view.row);
          tell('end');
        };
        return element('button', { type: 'button', 'aria-pressed': String(end === view.end), click: choose }, name);
      }),
    );
    const moves = movesOf(c, view.end);
    this.#steps.replaceChildren(
      ...moves.map((move, step) => {
        const because = [move.event === '' ? '' : move.event, move.rule].filter((part) => part !== '').join(', ');
        const text = element('span', {}, `${move.from} → ${move.to}`);
        return element(
          'li',
          { click: () => chooseStep(step) },
          element('time', {}, secondsText(c.rows.t[move.row] ?? 0)),
          text,
          element('small', {}, because === '' && move.from !== '?' ? words('takenBack') : because),
        );
      }),
    );
    this.#draw();
  }

  /** Where nothing is chosen, the diagram goes along with what happens. */
  #grow() {
    const c = connection();
    if (c !== undefined && view.row < 0) view.step = movesOf(c, view.end).length - 1;
    this.#begin();
  }

  #draw() {
    const c = connection();
    if (c === undefined) return;
    const moves = movesOf(c, view.end);
    const start = c.words[c.start[view.end] ?? 0] ?? '';
    const last = moves[view.step];
    this.#told.textContent =
      moves.length === 0
        ? words('noMoves')
        : last === undefined
          ? `${words('start')}: ${start}`
          : toldText(last, moves);
    for (const arrow of this.#svg.querySelectorAll('[data-extra]')) arrow.remove();
    for (const part of this.#svg.querySelectorAll('[data-state],[data-arrow]')) part.removeAttribute('class');
    this.#mark(`[data-state="${CSS.escape(start)}"]`, 'been');
    moves.slice(0, view.step + 1).forEach((move, i) => {
      const now = i === view.step ? ' now' : '';
      const to = move.to === 'CLOSED' ? 'the end' : move.to;
      if (!this.#mark(`[data-arrow="${CSS.escape(`${move.from}>${move.to}`)}"]`, `taken${now}`)) this.#extra(move, now);
      this.#mark(`[data-state="${CSS.escape(to)}"]`, 'been');
    });
    const at = last === undefined ? start : last.to === 'CLOSED' ? 'the end' : last.to;
    this.#mark(`[data-state="${CSS.escape(at)}"]`, 'been now');
    this.#bringInSight();
    [...this.#steps.children].forEach((item, i) => {
      item.className = i === view.step ? 'now' : i < view.step ? 'been' : '';
      if (i === view.step && item instanceof HTMLElement) scrollTo(this.#steps, item);
    });
  }

  /** Where the picture is wider than its place, the state is brought to the middle. */
  #bringInSight() {
    const picture = this.#svg.parentElement;
    const box = this.#svg.querySelector('.now rect')?.getBoundingClientRect();
    if (picture === null || box === undefined || picture.scrollWidth <= picture.clientWidth) return;
    const from = picture.getBoundingClientRect().left;
    picture.scrollLeft += box.left + box.width / 2 - from - picture.clientWidth / 2;
  }

  /**
   * @param {string} selector
   * @param {string} kind
   */
  #mark(selector, kind) {
    const found = this.#svg.querySelector(selector);
    found?.setAttribute('class', kind);
    return found !== null;
  }

  /**
   * A move that the picture has no arrow for, as what ends a connection at once: dashed, from box to box.
   * @param {Move} move
   * @param {string} now
   */
  #extra(move, now) {
    const from = this.#centre(move.from);
    const to = this.#centre(move.to === 'CLOSED' ? 'the end' : move.to);
    if (from === undefined || to === undefined) return;
    const group = document.createElementNS(SVG, 'g');
    group.setAttribute('data-extra', '');
    group.setAttribute('data-arrow', '');
    group.setAttribute('class', `taken${now}`);
    const line = document.createElementNS(SVG, 'path');
    line.setAttribute('d', `M${from} L${to}`);
    line.setAttribute('stroke-dasharray', '6 5');
    line.setAttribute('fill', 'none');
    line.setAttribute('stroke-width', '1.5');
    line.setAttribute('marker-end', 'url(#head)');
    const label = document.createElementNS(SVG, 'text');
    label.setAttribute('x', String((from[0] + to[0]) / 2));
    label.setAttribute('y', String((from[1] + to[1]) / 2));
    label.setAttribute('text-anchor', 'middle');
    label.setAttribute('stroke-width', '4');
    label.setAttribute('paint-order', 'stroke');
    label.textContent = move.event;
    group.append(line, label);
    // Below the boxes.
    this.#svg.querySelector('[data-state]')?.before(group);
  }

  /**
   * @param {string} state
   * @returns {readonly [number, number] | undefined}
   */
  #centre(state) {
    const box = this.#svg.querySelector(`[data-state="${CSS.escape(state)}"] rect`);
    if (box === null) return undefined;
    const at = (/** @type {string} */ name) => Number(box.getAttribute(name));
    return [at('x') + at('width') / 2, at('y') + at('height') / 2];
  }
}

/**
 * Brings a line of a list in sight, and leaves the page where it is.
 * @param {HTMLElement} list
 * @param {HTMLElement} line
 */
function scrollTo(list, line) {
  const top = line.offsetTop - list.offsetTop;
  const hidden = top < list.scrollTop || top + line.offsetHeight > list.scrollTop + list.clientHeight;
  if (hidden) list.scrollTop = top - list.clientHeight / 2;
}

/** Arrow heads in the colours of arrows that were taken, of one size however thick the arrow. @param {SVGSVGElement} svg */
function addHeads(svg) {
  const head = svg.querySelector('marker');
  if (head === null) return;
  head.setAttribute('markerUnits', 'userSpaceOnUse');
  head.setAttribute('markerWidth', '13');
  head.setAttribute('markerHeight', '13');
  for (const kind of ['taken', 'now']) {
    const other = /** @type {SVGMarkerElement} */ (head.cloneNode(true));
    other.id = `head-${kind}`;
    head.after(other);
  }
}

/**
 * @param {Move} move
 * @param {readonly Move[]} moves
 */
function toldText(move, moves) {
  const step = words('step', { n: view.step + 1, of: moves.length });
  const because = [move.event, move.rule].filter((part) => part !== '').join(', ');
  return `${step}: ${move.from} → ${move.to}${because === '' ? '' : `, ${because}`}`;
}
