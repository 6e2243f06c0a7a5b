/** `tcpx report --live` beside a real `tcpx connect` to a kernel's socket, in a browser: what happens is there as it happens. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { launchBrowser, openPage } from '../support/browser.ts';
import { Child } from '../support/child.ts';
import { openPair, type PairLab } from '../support/lab.ts';
import { cliProgram, scratch } from '../support/tcpx.ts';

vi.setConfig({ testTimeout: 240_000 });
/** How long the page may take to show what has happened, on a busy machine. */
const SOON = { timeout: 60_000 };

let lab: PairLab;
let browser: Browser;
beforeAll(async () => {
  lab = openPair();
  browser = await launchBrowser();
}, 60_000);
afterAll(async () => {
  await browser?.close();
  lab?.close();
});

const loader = fileURLToPath(new URL('../support/ts-loader.mjs', import.meta.url));
function startReport(log: string): Child {
  const args = ['--import', loader, cliProgram(), 'report', '--live', log];
  return new Child(spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] }), 'report --live');
}

test('the page shows each segment and state as the connection lives, and how it ended', async () => {
  const log = scratch('live.ndjson');
  const report = startReport(log);
  try {
    const [url] = await report.output(/^http:\S+/m, SOON.timeout);
    const { page, complaints, close } = await openPage(browser, url);
    expect(await page.textContent('#page')).toContain('Waiting for the first connection');

    const server = await lab.server.kernelPeer('0', '--echo');
    const target = `${lab.serverAddress}:${server.port}`;
    const tcpx = lab.client.node(cliProgram(), ['connect', target, '--json-file', log, '--time-wait', '--msl', '1']);
    const row = (text: string): Promise<void> => page.locator('.row', { hasText: text }).first().waitFor(SOON);
    await tcpx.output(/-> ESTABLISHED/, SOON.timeout);
    await row('[S.]');
    await expect.poll(() => page.textContent('.told'), SOON).toContain('SYN-SENT → ESTABLISHED');
    expect(await page.textContent('.feed')).toBe('live');
    expect(await page.locator('.row', { hasText: '[F.]' }).count()).toBe(0);
    expect(tcpx.ended).toBeUndefined();

    tcpx.write('hello');
    await row('seq 1:6');
    await tcpx.output(/hello/, SOON.timeout);
    expect(await page.textContent('.feed')).toBe('live');

    tcpx.end();
    await row('[F.]');
    await page.locator('.feed.ended').waitFor(SOON);
    expect((await tcpx.exit()).code).toBe(0);
    expect(await page.textContent('.told')).toContain('TIME-WAIT → CLOSED');
    expect(await page.textContent('[data-state].now text')).toBe('CLOSED');
    await report.output(/the log has ended; the page stays until \^C/);
    expect(complaints).toEqual([]);
    await close();
    report.kill('SIGINT');
    expect((await report.exit()).code).toBe(0);
  } finally {
    report.kill('SIGKILL');
  }
});
