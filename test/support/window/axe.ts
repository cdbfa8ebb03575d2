/** axe in a page: put there once, then asked as often as theme, language and size change, without the page being loaded anew. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

const require = createRequire(import.meta.url);
/** What a theme can change. */
const ofColour = ['color-contrast', 'link-in-text-block'] as const;
const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'];

/** The part of axe's interface that is used. */
interface Axe {
  run(context: unknown, options: unknown): Promise<{ readonly violations: readonly Violation[] }>;
}

interface Violation {
  readonly id: string;
  readonly impact?: string | null;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}

/** Once a page that was loaded. */
export async function bringAxe(page: Page): Promise<void> {
  const from = createRequire(require.resolve('@axe-core/playwright'));
  await page.evaluate(await readFile(from.resolve('axe-core/axe.min.js'), 'utf8'));
}

/** Serious and critical findings; of `colour` alone where nothing but the theme is another than before. */
export async function seriousFindings(page: Page, what: 'all' | 'colour' = 'all'): Promise<string[]> {
  const only = what === 'all' ? { type: 'tag', values: tags } : { type: 'rule', values: [...ofColour] };
  const violations = await page.evaluate(async (runOnly) => {
    const { axe } = globalThis as unknown as { axe: Axe };
    return (await axe.run(document, { runOnly, resultTypes: ['violations'], preload: false })).violations;
  }, only);
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes.slice(0, 3).map(({ html, failureSummary }) => `${id}: ${html.slice(0, 160)} ${failureSummary ?? ''}`),
    );
}

/** How a person has the window. */
export interface Look {
  readonly theme: 'light' | 'dark';
  readonly language: 'en' | 'de';
  readonly width: number;
  readonly height: number;
}

/** Change it under the open page, and wait until it is drawn. */
export async function lookLike(page: Page, { theme, language, width, height }: Look): Promise<void> {
  await page.setViewportSize({ width, height });
  await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
  await page.evaluate((wanted) => {
    if (navigator.languages[0] === wanted) return;
    const languages = Object.freeze([wanted]);
    Object.defineProperty(navigator, 'languages', { configurable: true, get: () => languages });
    window.dispatchEvent(new Event('languagechange'));
  }, language);
  await page.waitForFunction(
    ([dark, spoken]) => document.documentElement.dataset['theme'] === dark && document.documentElement.lang === spoken,
    [theme, language] as const,
    { polling: 'raf' },
  );
  await drawn(page);
}

/** Two frames on, and nothing moves any more. */
export async function drawn(page: Page): Promise<void> {
  await page.evaluate(async () => {
    for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
    await Promise.all(document.getAnimations().map(({ finished }) => finished.catch(() => undefined)));
  });
}
