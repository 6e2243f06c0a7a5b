/**
 * A report as one HTML page that needs nothing else: style, script, the plotting library and the data are in it, and its policy
 * forbids it to fetch anything. What comes from a log or a capture gets into it as JSON without a `<`, and from there as text only.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { diagramSvg } from '../state-machine/diagram.ts';
import { connectionColumns } from './columns.ts';
import type { Report } from './model.ts';
import type { PageData } from './page-data.ts';
import { pageTexts } from './texts.ts';

export interface HtmlOptions {
  /** Of tcpx. */
  readonly version?: string;
  /** Where the page hears what happens next, relative to itself: an event stream; it may then fetch from where it came. */
  readonly events?: string;
}

/** The page, from `<!doctype html>` on. */
export function reportHtml(report: Report, o: HtmlOptions = {}): string {
  const data = pageData(report, o);
  const { style, script } = pageAssets();
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf(script)}`,
    `style-src ${hashOf(style)}`,
    'img-src data:',
    ...(o.events === undefined ? [] : ["connect-src 'self'"]),
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return [
    '<!doctype html>',
    `<html lang="${data.lang === 'zh' ? 'zh-CN' : 'en'}">`,
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    '<meta name="generator" content="tcpx report">',
    '<link rel="icon" href="data:,">',
    `<title>${escapeHtml(report.title)}</title>`,
    `<style>${style}</style>`,
    '</head>',
    '<body>',
    '<main id="page"></main>',
    `<template id="diagram">${diagramSvg()}</template>`,
    `<script type="application/json" id="data">${jsonForHtml(data)}</script>`,
    `<script>${script}</script>`,
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

export function pageData(report: Report, o: HtmlOptions = {}): PageData {
  return {
    lang: report.lang ?? 'en',
    texts: pageTexts(),
    version: o.version ?? '',
    title: report.title,
    about: report.about ?? [],
    connections: (report.connections ?? []).map(connectionColumns),
    comparisons: report.comparisons ?? [],
    ...(o.events !== undefined && { events: o.events }),
  };
}

/** In their order: what a file uses is in one before it. */
const SCRIPTS = [
  'dom.js',
  'connection.js',
  'ladder.js',
  'diagram.js',
  'plots.js',
  'compare.js',
  'keys.js',
  'live.js',
  'main.js',
];

let assets: { readonly style: string; readonly script: string } | undefined;

function pageAssets(): { readonly style: string; readonly script: string } {
  assets ??= {
    style: `${plotFile('uPlot.min.css')}\n${ownFile('page.css')}`,
    script: [
      // Its licence asks for this line.
      '/* uPlot: MIT, Copyright (c) 2022 Leon Sorokin */',
      plotFile('uPlot.iife.min.js'),
      "(() => {\n'use strict';",
      ...SCRIPTS.map((name) => withoutModules(ownFile(name))),
      '})();',
    ].join('\n'),
  };
  return assets;
}

/** The page's files are modules for those who read and check them, and one script for the page. */
const withoutModules = (text: string): string =>
  text.replaceAll(/^import\b[^;]*;$/gm, '').replaceAll(/^export (?=(?:async )?(?:function|const|let|class)\b)/gm, '');

const ownFile = (name: string): string => readFileSync(new URL(`./page/${name}`, import.meta.url), 'utf8');

const plotFile = (name: string): string =>
  readFileSync(createRequire(import.meta.url).resolve(`uplot/dist/${name}`), 'utf8').trim();

const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** No `<`: nothing in it can end the element it stands in, or begin a comment there. */
const jsonForHtml = (value: unknown): string => JSON.stringify(value).replaceAll('<', '\\u003c');

const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
