/** What every part of the page needs: elements, words in the reader's language, what is chosen at the moment, and who wants to know. */
/** @import { PageData, PageConnection } from '../page-data.ts' */

/** @type {PageData} */
export const data = JSON.parse(document.getElementById('data')?.textContent ?? '{}');

/** What is looked at. `row` is an index in the connection's rows, -1 for none; `step` of its moves, -1 for the beginning. */
export const view = {
  lang: data.lang,
  connection: 0,
  row: -1,
  step: -1,
  /** 0: the left end's states are shown in the diagram; 1: the right one's. */
  end: 0,
};

/**
 * Another connection is chosen, it has got rows, a row is chosen, the other end, other colours; there is news of the whole.
 * @typedef {'connection' | 'rows' | 'row' | 'end' | 'theme' | 'news'} Topic
 */

/** @type {Map<Topic, (() => void)[]>} */
const listeners = new Map();

/** Forgets everybody: the page is drawn anew. */
export function forgetAll() {
  listeners.clear();
}

/**
 * @param {Topic} topic
 * @param {() => void} run
 */
export function on(topic, run) {
  listeners.set(topic, [...(listeners.get(topic) ?? []), run]);
}

/** @param {Topic} topic */
export function tell(topic) {
  for (const run of listeners.get(topic) ?? []) run();
}

/** @returns {PageConnection | undefined} */
export function connection() {
  return data.connections[view.connection];
}

/**
 * A text of the page in the reader's language, `{name}` replaced.
 * @param {string} key
 * @param {Readonly<Record<string, string | number>>} [values]
 */
export function words(key, values = {}) {
  const text = data.texts[view.lang][key] ?? key;
  return text.replaceAll(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ''));
}

/** @typedef {string | Node | undefined} Child */

/**
 * An element. Text is text, whatever is in it.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Readonly<Record<string, string | boolean | ((event: Event) => void) | undefined>>} [properties]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === 'function') made.addEventListener(name, value);
    else if (typeof value === 'boolean') made.toggleAttribute(name, value);
    else if (value !== undefined) made.setAttribute(name, value);
  }
  for (const child of children) if (child !== undefined) made.append(child);
  return made;
}

/**
 * @param {string} label
 * @param {string} title
 * @param {() => void} run
 * @param {string} [kind]
 */
export function button(label, title, run, kind = '') {
  return element('button', { type: 'button', title, 'aria-label': title, class: kind, click: run }, label);
}

/**
 * A card: a heading, what goes beside it, and what is in it.
 * @param {string} name
 * @param {string} heading
 * @param {readonly Child[]} tools
 * @param {...Child} children
 */
export function card(name, heading, tools, ...children) {
  const head = element('header', {}, element('h2', {}, heading), element('div', { class: 'tools' }, ...tools));
  return element('section', { class: `card ${name}`, id: name, 'aria-label': heading }, head, ...children);
}

/** Microseconds as seconds. @param {number} t */
export const secondsText = (t) => (t / 1_000_000).toFixed(6);

/** A time between two things as people read it. @param {number} us */
export function spanText(us) {
  if (us < 1000) return `${us} µs`;
  if (us < 1_000_000) return `${Number((us / 1000).toPrecision(4))} ms`;
  return `${Number((us / 1_000_000).toFixed(3))} s`;
}

/** Which colours a state has: those of the diagram. @param {string} state */
export function stateClass(state) {
  switch (state) {
    case 'LISTEN':
    case 'SYN-SENT':
    case 'SYN-RECEIVED':
      return 'opening';
    case 'ESTABLISHED':
      return 'open';
    case 'CLOSE-WAIT':
    case 'LAST-ACK':
      return 'second';
    case 'FIN-WAIT-1':
    case 'FIN-WAIT-2':
    case 'CLOSING':
    case 'TIME-WAIT':
      return 'firstly';
    default:
      return 'closed';
  }
}

/** What a custom property of the style sheet comes to, in light or in dark. @param {string} name */
export function colour(name) {
  const probe = element('span', { hidden: true });
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
