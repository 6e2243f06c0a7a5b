/** Two runs of a scenario side by side: a verdict on each property, then segment beside segment. */
/** @import { ComparedFinding, ComparedSegment, ReportComparison } from '../compared.ts' */
import { card, data, element, secondsText, words } from './dom.js';

/** So many scenarios are shown open. */
const FEW = 2;

export function compareCard() {
  const list = element('div', { class: 'scenarios' });
  const only = element('input', { type: 'checkbox', change: () => list.classList.toggle('only', only.checked) });
  const tools = [element('label', {}, only, words('onlyDifferences'))];
  const few = data.comparisons.length <= FEW;
  list.append(overview(), ...data.comparisons.map((c) => scenario(c, few)));
  return card('comparisons', words('comparisons'), tools, list);
}

/** All of them at a glance, where there are several. */
function overview() {
  if (data.comparisons.length < 2) return '';
  const rows = data.comparisons.map((c) =>
    element(
      'tr',
      { class: c.mark },
      element(
        'td',
        {},
        element('a', { href: `#scenario-${data.comparisons.indexOf(c)}`, click: () => show(c) }, c.name),
      ),
      element('td', {}, verdict(c.verdict, c.mark)),
      element('td', {}, summaryOf(c)),
    ),
  );
  return element('div', { class: 'scroll' }, element('table', {}, element('tbody', {}, ...rows)));
}

/** @param {ReportComparison} c */
function show(c) {
  document.getElementById(`scenario-${data.comparisons.indexOf(c)}`)?.setAttribute('open', '');
}

/**
 * @param {string} word
 * @param {string} mark
 */
function verdict(word, mark) {
  const key = `verdict_${word}`;
  return element('span', { class: `verdict ${mark}` }, data.texts.en[key] === undefined ? word : words(key));
}

/**
 * @param {ReportComparison} c
 * @param {boolean} open
 */
function scenario(c, open) {
  const findings = [
    ...c.findings.map((f) => finding(f, f.why)),
    ...(c.chance ?? []).map((f) => finding(f, `${words('notInEach')}: ${f.why}`)),
  ];
  const heads = [words('property'), words('verdict'), ...c.sides, ''];
  const table =
    findings.length === 0
      ? undefined
      : element(
          'div',
          { class: 'scroll' },
          element(
            'table',
            {},
            element('thead', {}, element('tr', {}, ...heads.map((head) => element('th', {}, head)))),
            element('tbody', {}, ...findings),
          ),
        );
  const rows = element('div');
  // Rows may be many: those of a scenario are made when somebody wants to see them.
  const fill = () => {
    if (made.open && rows.childElementCount === 0) rows.append(...pairs(c));
  };
  const made = element(
    'details',
    { open: open || c.mark === 'differs', id: `scenario-${data.comparisons.indexOf(c)}`, toggle: fill },
    element('summary', {}, element('b', {}, c.name), ' ', verdict(c.verdict, c.mark), ` ${summaryOf(c)}`),
    table,
    rows,
    ...(c.notes ?? []).map((note) => element('p', { class: 'hint' }, note)),
  );
  fill();
  return made;
}

/**
 * @param {ComparedFinding} f
 * @param {string} why
 */
function finding(f, why) {
  return element(
    'tr',
    { class: f.mark },
    element('td', {}, f.property),
    element('td', {}, verdict(f.verdict, f.mark)),
    element('td', {}, f.left),
    element('td', {}, f.right),
    element('td', {}, why),
  );
}

/** The scenario in a sentence, and how often it was run where that was more than once. @param {ReportComparison} c */
function summaryOf(c) {
  const { attempts = 1 } = c;
  return `${c.summary ?? ''}${attempts > 1 ? ` (${words('attempts', { n: attempts })})` : ''}`;
}

/** @param {ReportComparison} c */
function pairs(c) {
  return [
    element('div', { class: 'pair heads' }, ...c.sides.map((side) => element('b', {}, side))),
    ...c.rows.map((row) =>
      element(
        'div',
        { class: `pair ${row.mark}` },
        shot(row.left, c.sides[0]),
        shot(row.right, c.sides[1]),
        row.remarks.length === 0 ? undefined : element('p', {}, row.remarks.join('; ')),
      ),
    ),
  ];
}

/**
 * @param {ComparedSegment | undefined} s
 * @param {string} side
 */
function shot(s, side) {
  if (s === undefined) return element('div', { class: 'shot none', 'data-side': side });
  return element(
    'div',
    { class: `shot ${s.dir}`, 'data-side': side },
    element('time', {}, secondsText(s.t)),
    element('b', {}, s.dir === 'out' ? '→' : '←'),
    element('span', {}, s.text),
    s.state === undefined ? undefined : element('em', {}, s.state),
  );
}
