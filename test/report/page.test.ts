/** The report's page in a browser: what it shows, how it is used, how fast it is there, and that it runs nobody's script. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { LadderRow } from '../../src/tools/ladder.ts';
import { logConnections } from '../../src/tools/report/from-log.ts';
import { reportHtml } from '../../src/tools/report/html.ts';
import { LiveReport } from '../../src/tools/report/live.ts';
import type { Report, ReportConnection } from '../../src/tools/report/model.ts';
import { launchBrowser, type Opened, openPage } from '../support/browser.ts';
import { recordedRun } from '../support/recorded.ts';
import { report, SOAK } from '../support/scale.ts';

// A browser on a machine that may be busy.
vi.setConfig({ testTimeout: 150_000, hookTimeout: 60_000 });

const HOSTILE = `</script><script>window.hacked=1</script><img src=x onerror="window.hacked=1">`;
const [RUN] = logConnections(recordedRun({ lose: [1, 4] }).log()) as [ReportConnection];

let folder: string;
let browser: Browser;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tcpx-page-'));
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true });
});

const open = (url: string, o?: Parameters<typeof openPage>[2]): Promise<Opened> => openPage(browser, url, o);

function openReport(report: Report, o: Parameters<typeof open>[1] = {}): Promise<Opened> {
  const path = join(folder, 'page.html');
  writeFileSync(path, reportHtml(report));
  return open(`file://${path}`, o);
}

const textOf = async (page: Page, selector: string): Promise<string> => (await page.textContent(selector)) ?? '';
const chosen = (page: Page): Promise<string> => textOf(page, '.row.chosen');

test('rows, transitions, search, end, language, colours and help by the keyboard', async () => {
  const { page, complaints, close } = await openReport({ title: 'run', connections: [RUN] });
  expect(await chosen(page)).toContain('SYN-SENT');
  await page.keyboard.press('j');
  expect(await chosen(page)).toContain('retransmit timer');
  await page.keyboard.press('k');
  await page.keyboard.press('n');
  expect(await textOf(page, '.told')).toBe('2 of 6: SYN-SENT → ESTABLISHED, rcv SYN,ACK, RFC 9293 §3.10.7.3 fourth');
  expect(await textOf(page, '[data-state].now text')).toBe('ESTABLISHED');
  expect(await page.getAttribute('[data-arrow].now', 'data-arrow')).toBe('SYN-SENT>ESTABLISHED');
  expect(await page.locator('[data-arrow].taken').count()).toBe(2);
  await page.keyboard.press('x');
  expect(await chosen(page)).toContain('fast retransmit');
  await page.keyboard.press('/');
  await page.keyboard.type('fin');
  await page.keyboard.press('Enter');
  expect(await chosen(page)).toContain('[F.]');
  expect(await textOf(page, '.count')).toMatch(/^\d+ found$/);
  await page.keyboard.press('Escape');
  await page.keyboard.press('s');
  expect(await textOf(page, '.told')).toContain('ESTABLISHED');
  await page.keyboard.press('G');
  expect(await chosen(page)).toContain('2MSL');
  expect(await textOf(page, '[data-state].now text')).toBe('CLOSED');
  await page.keyboard.press('l');
  expect(await textOf(page, '#states h2')).toBe('状态');
  const before = await page.evaluate('getComputedStyle(document.body).backgroundColor');
  await page.keyboard.press('t');
  expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).not.toBe(before);
  await page.keyboard.press('?');
  expect(await page.locator('dialog dt').count()).toBe(12);
  await page.keyboard.press('Escape');
  // A dialog tells that it has been closed in a task of its own.
  await page.locator('dialog').waitFor({ state: 'detached' });
  expect(complaints).toEqual([]);
  await close();
});

test('the plots show the same stretch of time, and a click finds the segment', async () => {
  const { page, complaints, close } = await openReport({ title: 'run', connections: [RUN] });
  expect(await page.locator('.uplot').count()).toBe(3);
  await page.click('.plot.wide .u-over', { position: { x: 5, y: 40 } });
  expect(await chosen(page)).toContain('0.000000');
  const line = (selector: string): Promise<string | null> =>
    page.locator(`${selector} .mark`).evaluate((mark) => (mark as unknown as { style: { left: string } }).style.left);
  await page.keyboard.press('G');
  // Where it is after the chosen row has been brought in sight.
  await page.locator('.plot.wide').scrollIntoViewIfNeeded();
  const box = (await page.locator('.plot.wide .u-over').boundingBox())!;
  const whole = Number.parseFloat((await line('.plot.wide')) ?? '');
  expect(whole).toBeGreaterThan(box.width * 0.9);
  // Zoomed to the second half, by dragging.
  await page.mouse.move(box.x + box.width / 2, box.y + 50);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width - 2, box.y + 60, { steps: 4 });
  await page.mouse.up();
  await page.keyboard.press('g');
  await expect.poll(() => page.locator('.mark[hidden]').count()).toBe(3);
  await page.keyboard.press('z');
  await expect.poll(() => page.locator('.mark[hidden]').count()).toBe(0);
  expect(complaints).toEqual([]);
  await close();
});

test('whatever a log holds is text, and nothing of it runs', async () => {
  const bad = { ...RUN, title: HOSTILE, remarks: [HOSTILE], notes: [{ t: 0, text: HOSTILE }] };
  const ladder = { ...RUN.ladder, names: [HOSTILE, HOSTILE] as const, ourStart: HOSTILE };
  const segment = { t: 0, dir: 'out' as const, text: HOSTILE, state: HOSTILE };
  const { page, complaints, close } = await openReport({
    title: HOSTILE,
    about: [{ heading: HOSTILE, lines: [HOSTILE] }],
    connections: [{ ...bad, ladder }, bad],
    comparisons: [
      {
        name: HOSTILE,
        verdict: HOSTILE,
        mark: 'differs',
        sides: [HOSTILE, HOSTILE],
        rows: [{ left: segment, right: undefined, mark: 'differs', remarks: [HOSTILE] }],
        findings: [{ property: HOSTILE, left: HOSTILE, right: HOSTILE, mark: 'same', verdict: HOSTILE, why: HOSTILE }],
      },
    ],
  });
  for (const key of ['j', 'n', 's', 'c', 'l']) await page.keyboard.press(key);
  expect(await textOf(page, 'h1')).toBe(HOSTILE);
  expect(await page.evaluate('window.hacked')).toBeUndefined();
  expect(await page.locator('img').count()).toBe(0);
  expect(complaints).toEqual([]);
  await close();
});

test('a comparison tells its attempts, and what only one of them showed', async () => {
  const finding = {
    property: 'data',
    left: '5',
    right: '6',
    mark: 'excused',
    verdict: 'chance',
    why: 'unexplained',
  } as const;
  const { page, complaints, close } = await openReport({
    title: 'both',
    comparisons: [
      {
        ...{ name: 'bulk', verdict: 'same', mark: 'same', sides: ['kernel', 'tcpx'], rows: [], findings: [] },
        ...{ summary: 'many octets', attempts: 3, chance: [finding] },
      },
    ],
  });
  expect(await textOf(page, 'summary')).toBe('bulk same many octets (3 attempts)');
  expect(await textOf(page, 'tr.excused')).toBe('datachance56not in each attempt: unexplained');
  await page.keyboard.press('l');
  expect(await textOf(page, 'tr.excused .verdict')).toBe('偶然');
  expect(await textOf(page, 'summary')).toContain('共 3 次尝试');
  expect(complaints).toEqual([]);
  await close();
});

test('of fifty thousand segments only those in sight are in the document', async () => {
  const path = join(folder, 'long.html');
  writeFileSync(path, reportHtml({ title: 'long', connections: [longRun(50_000)] }));
  const { page, complaints, close } = await open('about:blank');
  // The time its thread was at work: what else the machine does is not the page's doing.
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  await page.goto(`file://${path}`);
  await page.waitForSelector('.row.chosen');
  await page.evaluate('new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))');
  const { metrics } = await session.send('Performance.getMetrics');
  const seconds = metrics.find(({ name }) => name === 'TaskDuration')!.value;
  report(`50000 segments: ${seconds.toFixed(2)} s of the browser's thread`);
  if (SOAK) expect(seconds).toBeLessThan(2);
  expect(await page.locator('.row').count()).toBeLessThan(100);
  await page.keyboard.press('G');
  expect(await chosen(page)).toContain('49.999000');
  expect(complaints.filter((text) => text !== `file://${path}`)).toEqual([]);
  await close();
});

test('on a phone nothing is wider than the screen, in the dark as well', async () => {
  const { page, complaints, close } = await openReport(
    { title: 'run', connections: [RUN], about: [{ lines: ['word '.repeat(80)] }] },
    { width: 360, dark: true },
  );
  expect(Number(await page.evaluate('document.documentElement.scrollWidth'))).toBeLessThanOrEqual(360);
  await page.click('.row:nth-child(3)');
  expect(await textOf(page, '#detail')).toContain('Sequence number');
  expect(complaints).toEqual([]);
  await close();
});

test('a page that is fed shows what comes, and says when nothing more will', async () => {
  const live = new LiveReport({ title: 'now' }, '0.1.0');
  try {
    const { page, complaints, close } = await open(await live.listen());
    expect(await textOf(page, '#page')).toContain('Waiting for the first connection');
    const records = recordedRun().log();
    live.update({ title: 'now', connections: logConnections(records.slice(0, 6)) }, false);
    await page.waitForSelector('.row');
    expect(await textOf(page, '.feed')).toBe('live');
    live.update({ title: 'now', connections: logConnections(records) }, true);
    await page.waitForSelector('.feed.ended');
    expect(await textOf(page, '.told')).toContain('TIME-WAIT → CLOSED');
    expect(complaints).toEqual([]);
    await close();
  } finally {
    live.close();
  }
});

/** A transfer of `n` segments a millisecond apart, a tenth of them sent again. */
function longRun(n: number): ReportConnection {
  const rows = Array.from({ length: n }, (_, i): LadderRow => {
    const at = Math.floor(i / 2) * 1448;
    const isAck = i % 2 === 1;
    const seg = {
      flags: '.',
      seq: isAck ? 1 : at,
      ack: isAck ? at : 1,
      wnd: 500,
      len: isAck ? 0 : 1448,
      ts: [i, i] as const,
    };
    const note = i % 20 === 0 ? 'retransmission' : undefined;
    return {
      t: i * 1000,
      ours: i === 0 ? 'ESTABLISHED' : undefined,
      peer: undefined,
      segment: { dir: isAck ? 'in' : 'out', seg, note },
      remark: undefined,
    };
  });
  const open = { local: '10.0.0.1', localPort: 1, remote: '10.0.0.2', remotePort: 2 };
  const congestion = rows.map(({ t }) => ({ t, cwnd: 14_480 + (t % 70_000), ssthresh: 50_000 }));
  const rtt = rows.map(({ t }) => ({ t, end: 'ours' as const, rtt: 1000 + (t % 700), srtt: 1200, rto: 200_000 }));
  return {
    title: 'long',
    ladder: { open, ourStart: 'SYN-SENT', peerStart: 'SYN-RECEIVED', rows },
    samples: { congestion, rtt },
  };
}
