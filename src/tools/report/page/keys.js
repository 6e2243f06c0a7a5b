/** The keys, and the help that lists them. */
import { chooseRow, chooseStep, movesOf } from './connection.js';
import { button, connection, data, element, tell, view, words } from './dom.js';

/** @typedef {{ keys: readonly string[], shown: string, text: string, run: (key: string) => void }} Binding */

/**
 * @param {{ theme: () => void, language: () => void }} page
 * @returns {readonly Binding[]}
 */
function bindings(page) {
  const step = (/** @type {number} */ by) => chooseRow(Math.max(0, view.row + by));
  return [
    {
      keys: ['j', 'ArrowDown', 'k', 'ArrowUp'],
      shown: 'j k ↓ ↑',
      text: 'keyRow',
      run: (key) => step(key === 'j' || key === 'ArrowDown' ? 1 : -1),
    },
    {
      keys: ['n', 'ArrowRight', 'p', 'ArrowLeft'],
      shown: 'n p → ←',
      text: 'keyMove',
      run: (key) => chooseStep(view.step + (key === 'n' || key === 'ArrowRight' ? 1 : -1)),
    },
    { keys: ['x'], shown: 'x', text: 'keyTrouble', run: nextTrouble },
    {
      keys: ['g', 'G', 'Home', 'End'],
      shown: 'g G',
      text: 'keyEnds',
      run: (key) => chooseRow(key === 'g' || key === 'Home' ? 0 : (connection()?.rows.t.length ?? 0) - 1),
    },
    { keys: ['/'], shown: '/', text: 'keyFind', run: () => document.getElementById('find')?.focus() },
    { keys: ['s'], shown: 's', text: 'keySide', run: otherEnd },
    { keys: ['c'], shown: 'c', text: 'keyConnection', run: nextConnection },
    { keys: ['z'], shown: 'z', text: 'keyZoom', run: () => document.getElementById('unzoom')?.click() },
    { keys: ['t'], shown: 't', text: 'keyTheme', run: page.theme },
    { keys: ['l'], shown: 'l', text: 'keyLanguage', run: page.language },
    { keys: ['?'], shown: '?', text: 'keyHelp', run: help },
  ];
}

function nextTrouble() {
  const c = connection();
  const row = c?.rows.trouble.findIndex((is, i) => is === 1 && i > view.row) ?? -1;
  if (row >= 0) chooseRow(row);
}

function otherEnd() {
  const c = connection();
  if (c === undefined) return;
  view.end = 1 - view.end;
  view.step = movesOf(c, view.end).findLastIndex((move) => move.row <= view.row);
  tell('end');
}

function nextConnection() {
  if (data.connections.length > 0) chooseConnection((view.connection + 1) % data.connections.length);
}

/** @param {number} index */
export function chooseConnection(index) {
  view.connection = index;
  view.row = -1;
  view.step = -1;
  tell('connection');
}

/** Once for the page's life. @param {{ theme: () => void, language: () => void }} page */
export function listenToKeys(page) {
  const all = bindings(page);
  document.addEventListener('keydown', (event) => {
    const { target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (target instanceof Element && target.closest('input, select, textarea, dialog, summary') !== null) return;
    const found = all.find((binding) => binding.keys.includes(event.key));
    if (found === undefined) return;
    event.preventDefault();
    found.run(event.key);
  });
}

export function help() {
  const rows = bindings({ theme: () => {}, language: () => {} }).flatMap(({ shown, text }) => [
    element('dt', {}, ...shown.split(' ').map((key) => element('kbd', {}, key))),
    element('dd', {}, words(text)),
  ]);
  const dialog = element(
    'dialog',
    { class: 'help', 'aria-label': words('help'), close: () => dialog.remove() },
    element('h2', {}, words('help')),
    element('dl', {}, ...rows, element('dt', {}, element('kbd', {}, 'Esc')), element('dd', {}, words('keyClose'))),
    button(words('close'), words('close'), () => dialog.close()),
  );
  document.body.append(dialog);
  dialog.showModal();
}
