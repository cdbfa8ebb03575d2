/** A Chromium that is installed, found by path: Playwright's own builds cannot be downloaded everywhere. */
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { findTool, toolsMissing } from './tools.ts';

const found = process.env['CULVERT_CHROMIUM'] ?? findTool('chromium');

/** For `describe.skipIf(mustSkip(browserMissing()))`: why browser tests cannot run here; undefined where they can. */
export function browserMissing(): string | undefined {
  return found === undefined ? toolsMissing('chromium') : undefined;
}

export async function launchBrowser(): Promise<Browser> {
  if (found === undefined) throw new Error('no Chromium is installed');
  // a sandbox of Chromium's own cannot be made by root; the pages here are our own
  return chromium.launch({ executablePath: found, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

export interface OpenPage extends AsyncDisposable {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors the page threw or logged, refusals of its own content policy among them. */
  readonly errors: string[];
}

export interface PageOptions {
  readonly theme?: 'light' | 'dark';
  readonly locale?: string;
  readonly width?: number;
  readonly height?: number;
}

/** A page of its own in a fresh profile, with reduced motion unless a test is about motion. */
export async function openPage(browser: Browser, url: string, options: PageOptions = {}): Promise<OpenPage> {
  const context = await browser.newContext({
    viewport: { width: options.width ?? 1280, height: options.height ?? 800 },
    colorScheme: options.theme ?? 'light',
    locale: options.locale ?? 'en-US',
    reducedMotion: 'reduce',
    acceptDownloads: true,
  });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.stack ?? error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  await page.goto(url);
  return { page, context, errors, [Symbol.asyncDispose]: () => context.close() };
}
