/** Pages in a headless Chromium: what it complains of, and what it asks the network for, is kept. */
import { type Browser, chromium, type Page } from 'playwright-core';

export interface Opened {
  readonly page: Page;
  /** Console, errors that nobody caught, and requests but for the page itself and its feed. */
  readonly complaints: readonly string[];
  close(): Promise<void>;
}

export const launchBrowser = (): Promise<Browser> =>
  // As root, Chromium has no sandbox to offer; what it opens is ours.
  chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });

export async function openPage(
  browser: Browser,
  url: string,
  o: { readonly width?: number; readonly dark?: boolean } = {},
): Promise<Opened> {
  const context = await browser.newContext({
    viewport: { width: o.width ?? 1400, height: 900 },
    colorScheme: o.dark ? 'dark' : 'light',
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (request.url() !== url && !/^data:|\/events$/.test(request.url())) complaints.push(request.url());
  });
  await page.goto(url);
  return { page, complaints, close: () => context.close() };
}
