/** Puts the page together, and draws it anew when its language changes. */

import { compareCard } from './compare.js';
import { chooseRow, chooseStep } from './connection.js';
import { diagramCard } from './diagram.js';
import { button, connection, data, element, forgetAll, on, tell, view, words } from './dom.js';
import { chooseConnection, help, listenToKeys } from './keys.js';
import { detailCard, ladderCard } from './ladder.js';
import { feedStatus, listenToNews } from './live.js';
import { plotsCard } from './plots.js';

function draw() {
  forgetAll();
  document.documentElement.lang = view.lang === 'zh' ? 'zh-CN' : 'en';
  document.title = data.title;
  const page = document.getElementById('page');
  page?.replaceChildren(
    heading(),
    about(),
    ...(data.comparisons.length > 0 ? [compareCard()] : []),
    ...(data.connections.length > 0 ? connectionParts() : []),
    ...(data.connections.length + data.comparisons.length === 0
      ? [element('p', { class: 'hint' }, words(data.events === undefined ? 'empty' : 'waiting'))]
      : []),
    element('footer', {}, words('made', { version: data.version })),
  );
}

function heading() {
  const title = element('h1');
  const status = element('span');
  const told = () => {
    title.textContent = data.title;
    const feed = feedStatus();
    status.className = `feed ${feed ?? ''}`;
    status.textContent = feed === undefined ? '' : words(feed);
    status.hidden = feed === undefined;
  };
  on('news', told);
  told();
  return element(
    'header',
    { class: 'top' },
    title,
    status,
    connectionChoice(),
    element(
      'nav',
      {},
      button(words('language'), words('language'), changeLanguage),
      button('◐', words('theme'), changeTheme),
      button('?', words('help'), help),
    ),
  );
}

function connectionChoice() {
  const select = element('select', {
    'aria-label': words('connection'),
    change: () => chooseConnection(select.selectedIndex),
  });
  const fill = () => {
    if (select.options.length !== data.connections.length)
      select.replaceChildren(...data.connections.map((c) => element('option', {}, c.title)));
    select.selectedIndex = view.connection;
    select.hidden = data.connections.length < 2;
  };
  on('connection', fill);
  on('news', fill);
  fill();
  return select;
}

function about() {
  const section = element('section', { class: 'about', 'aria-label': words('about') });
  const fill = () => {
    section.replaceChildren(
      ...data.about.flatMap(({ heading: text, lines }) => [
        ...(text === undefined ? [] : [element('h2', {}, text)]),
        ...lines.map((line) => element('p', {}, line)),
      ]),
    );
    section.hidden = data.about.length === 0;
  };
  on('news', fill);
  fill();
  return section;
}

function connectionParts() {
  const remarks = element('pre', { class: 'remarks' });
  const fill = () => {
    remarks.textContent = connection()?.remarks.join('\n') ?? '';
    remarks.hidden = remarks.textContent === '';
  };
  on('connection', fill);
  on('rows', fill);
  fill();
  return [
    element('div', { class: 'sides' }, ladderCard(), element('div', { class: 'side' }, diagramCard(), detailCard())),
    plotsCard(),
    remarks,
  ];
}

function changeLanguage() {
  view.lang = view.lang === 'en' ? 'zh' : 'en';
  draw();
  if (view.row >= 0) tell('row');
}

function changeTheme() {
  const { dataset } = document.documentElement;
  const dark =
    dataset['theme'] === undefined ? matchMedia('(prefers-color-scheme: dark)').matches : dataset['theme'] === 'dark';
  dataset['theme'] = dark ? 'light' : 'dark';
  tell('theme');
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => tell('theme'));
listenToKeys({ theme: changeTheme, language: changeLanguage });
draw();
if (data.events === undefined && connection() !== undefined) {
  chooseStep(-1);
  chooseRow(0);
}
listenToNews(draw);
