import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { logConnections } from '../../../../src/tools/report/from-log.ts';
import { reportHtml } from '../../../../src/tools/report/html.ts';
import { pageTexts } from '../../../../src/tools/report/texts.ts';
import { recordedRun } from '../../../support/recorded.ts';

const HOSTILE = `</script><script>hacked=1</script><img src=x onerror="hacked=1">'"&<!--`;
const connections = logConnections(recordedRun().log());
const page = reportHtml({ title: 'run', connections });
const between = (text: string, from: string, to: string): string =>
  text.slice(text.indexOf(from) + from.length, text.indexOf(to, text.indexOf(from) + from.length));
const sha = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

test('nothing is fetched: no address of anything else, and a policy that forbids it', () => {
  const policy = between(page, 'http-equiv="Content-Security-Policy" content="', '"');
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toMatch(/unsafe|connect-src|https?:|\*/);
  // What looks like one is a name space, or the address in the library's own comment.
  const addresses = page.match(/https?:\/\/[^\s"'`)<]+/g) ?? [];
  expect(
    addresses.filter((a) => !/^http:\/\/www\.w3\.org\//.test(a) && a !== 'https://github.com/leeoniya/uPlot'),
  ).toEqual([]);
  expect(page).not.toMatch(/<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)="(?!data:,")/);
});

test('the policy lets this script and this style run, and no other', () => {
  const policy = between(page, 'http-equiv="Content-Security-Policy" content="', '"');
  const script = page.slice(page.lastIndexOf('<script>') + '<script>'.length, page.lastIndexOf('</script>'));
  expect(policy).toContain(`script-src ${sha(script)};`);
  expect(policy).toContain(`style-src ${sha(between(page, '<style>', '</style>'))};`);
  expect(script).not.toMatch(/^(?:import|export)\b/m);
});

test('only a page that is fed may fetch, and only from where it came', () => {
  expect(reportHtml({ title: 'x' }, { events: 'events' })).toContain("connect-src 'self'");
});

test('whatever a log holds ends neither the data nor the title', () => {
  const hostile = reportHtml({
    title: HOSTILE,
    about: [{ heading: HOSTILE, lines: [HOSTILE] }],
    connections: connections.map((c) => ({
      ...c,
      title: HOSTILE,
      remarks: [HOSTILE],
      notes: [{ t: 0, text: HOSTILE }],
    })),
    comparisons: [
      {
        name: HOSTILE,
        verdict: HOSTILE,
        mark: 'same',
        sides: [HOSTILE, HOSTILE],
        rows: [],
        findings: [],
        notes: [HOSTILE],
      },
    ],
  });
  expect(hostile).not.toContain('<img');
  expect(hostile.match(/<\/script>/g)?.length).toBe(page.match(/<\/script>/g)?.length);
  const json = between(hostile, '<script type="application/json" id="data">', '</script>');
  expect(json).not.toContain('<');
  const data = JSON.parse(json);
  expect([data.title, data.about[0].lines[0], data.connections[0].title, data.comparisons[0].name]).toEqual([
    HOSTILE,
    HOSTILE,
    HOSTILE,
    HOSTILE,
  ]);
});

test('the page asks for no text that there is none for, and has none it does not ask for', () => {
  const { en, zh } = pageTexts();
  expect(Object.keys(zh)).toEqual(Object.keys(en));
  for (const text of [...Object.values(en), ...Object.values(zh)]) expect(text.trim()).not.toBe('');
  const folder = new URL('../../../../src/tools/report/page/', import.meta.url);
  const scripts = readdirSync(folder).filter((name) => name.endsWith('.js'));
  const source = scripts.map((name) => readFileSync(new URL(name, folder), 'utf8')).join('\n');
  const asked = new Set([...source.matchAll(/'(\w+)'/g)].map((match) => match[1]));
  expect([...source.matchAll(/words\('(\w+)'/g)].map((m) => m[1]!).filter((key) => en[key] === undefined)).toEqual([]);
  expect(Object.keys(en).filter((key) => !asked.has(key) && !key.startsWith('verdict_'))).toEqual([]);
});

test('every script of the page is in it', () => {
  const folder = new URL('../../../../src/tools/report/page/', import.meta.url);
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.js'))) {
    const first = readFileSync(new URL(name, folder), 'utf8').split('\n')[0]!;
    expect(page).toContain(first);
  }
});
