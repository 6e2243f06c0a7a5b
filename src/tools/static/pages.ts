/** The pages that a static server makes itself: a directory's list, and why there is nothing to see. */
import { octetsText } from '../perf/text.ts';
import type { Entry } from './tree.ts';

const STYLE = `
:root { color-scheme: light dark; --fg: #1b1f24; --bg: #fdfdfc; --soft: #6b7280; --line: #e5e7eb; --link: #0b57d0; --row: #f3f4f6; }
@media (prefers-color-scheme: dark) { :root { --fg: #e6e6e6; --bg: #16181c; --soft: #9aa1ab; --line: #2b2f36; --link: #8ab4f8; --row: #1f2329; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--fg); background: var(--bg); max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.25rem; font-weight: 600; overflow-wrap: anywhere; }
a { color: var(--link); text-decoration: none; } a:hover, a:focus { text-decoration: underline; }
table { border-collapse: collapse; width: 100%; } tr:hover td { background: var(--row); }
td, th { padding: .3rem .6rem; text-align: left; border-bottom: 1px solid var(--line); } td:first-child { overflow-wrap: anywhere; }
th { font-weight: 500; color: var(--soft); font-size: .85rem; } .n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; color: var(--soft); }
footer, p.why { color: var(--soft); } footer { margin-top: 1.5rem; font-size: .85rem; }
@media (max-width: 34rem) { .d { display: none; } }
`;

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
<body>
${body}
<footer>tcpx serve</footer>
</body>
</html>
`;
}

/** `urlPath`: decoded, with slashes at both ends. */
export function directoryPage(urlPath: string, entries: readonly Entry[]): string {
  const up = urlPath === '/' ? '' : row('../', '..', '', '');
  const rows = entries.map(({ name, isDirectory, size, modified }) =>
    row(
      `${encodeURIComponent(name)}${isDirectory ? '/' : ''}`,
      `${name}${isDirectory ? '/' : ''}`,
      isDirectory ? '' : octetsText(size),
      modified.toISOString().slice(0, 16).replace('T', ' '),
    ),
  );
  const list = `${up}${rows.join('')}`;
  const table = `<table>
<thead><tr><th>name</th><th class="n">size</th><th class="n d">changed (UTC)</th></tr></thead>
<tbody>
${list}</tbody>
</table>`;
  const empty = entries.length === 0 ? '\n<p class="why">Nothing is in here.</p>' : '';
  return page(urlPath, `<h1>${crumbs(urlPath)}</h1>\n${table}${empty}`);
}

export function errorPage(status: number, title: string, why: string): string {
  return page(
    `${status} ${title}`,
    `<h1>${status} ${escaped(title)}</h1>\n<p class="why">${escaped(why)}</p>\n<p><a href="/">to the beginning</a></p>`,
  );
}

// './' in front: a name may look like a scheme.
const row = (href: string, name: string, size: string, date: string): string =>
  `<tr><td><a href="./${escaped(href)}">${escaped(name)}</a></td><td class="n">${size}</td><td class="n d">${date}</td></tr>\n`;

/** Each part of the path leads there. */
function crumbs(urlPath: string): string {
  const names = urlPath.split('/').filter((name) => name !== '');
  let href = '/';
  const links = names.map((name) => {
    href += `${encodeURIComponent(name)}/`;
    return `<a href="${escaped(href)}">${escaped(name)}</a> / `;
  });
  return `<a href="/">/</a> ${links.join('')}`.trim();
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
