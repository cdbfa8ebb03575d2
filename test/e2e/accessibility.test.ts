import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { browserMissing, launchBrowser, openPage } from '../support/browser.ts';
import { mustSkip } from '../support/optional.ts';
import { emptyState } from '../support/fake-engine.ts';
import { bringAxe, drawn, lookLike, seriousFindings } from '../support/window/axe.ts';
import { sceneState } from '../support/window/scene.ts';
import { buildWindow, serveWindow, type ServedWindow } from '../support/window/served-window.ts';

let browser: Browser;
let built: Awaited<ReturnType<typeof buildWindow>>;
let served: ServedWindow;

/** Screens as their addresses, and what is opened on them. */
const places: readonly (readonly [name: string, hash: string, open?: (page: Page) => Promise<void>])[] = [
  ['sessions', '#/sessions'],
  ['a session', '#/sessions/s-02'],
  ['a closed session', '#/sessions/s-22'],
  ['services', '#/services'],
  [
    'a service and why',
    `#/services/${encodeURIComponent('mira-laptop/svc8Qx')}`,
    (page) => page.getByRole('button', { name: 'Why?', exact: true }).click(),
  ],
  ['identities', '#/identities'],
  ['an identity', '#/identities/plant-7-maintenance'],
  [
    'a second factor',
    '#/identities/agent-claude',
    (page) => page.getByRole('button', { name: 'Set up', exact: true }).click(),
  ],
  ['refused attempts', '#/sessions?show=refused', (page) => page.getByRole('row').nth(2).click()],
  ['agents', '#/agents'],
  ['an agent', '#/agents/claude-code'],
  ['approvals', '#/approvals'],
  ['a refusal in the making', '#/approvals', (page) => page.getByRole('button', { name: 'Deny …' }).first().click()],
  ['the map', '#/map'],
  ['binding an agent', '#/agents/cursor', (page) => page.getByRole('button', { name: 'Bind …' }).click()],
  ['models', '#/models?span=month'],
  ['a recording', '#/recordings/rec-2', (page) => page.getByRole('button', { name: 'Show operations' }).click()],
  ['the fleet', '#/fleet'],
  ['the palette', '#/sessions', (page) => page.keyboard.press('Control+k')],
  ['contracts', '#/policy/contracts'],
  ['local rules', '#/policy/rules'],
  ['posture', '#/policy/posture'],
  ['quarantine', '#/policy/quarantine'],
  ['audit', '#/audit', (page) => page.getByRole('row').nth(2).click()],
  ['diagnostics', '#/diagnostics'],
  ['support bundle', '#/diagnostics', (page) => page.getByRole('button', { name: 'Support bundle' }).click()],
  ['settings', '#/settings'],
  ['enrolment', '#/enrol'],
];

/** A desktop, half a screen, the same at 200 %, a small window, and a telephone. */
const sizes = [
  [1280, 800],
  [900, 700],
  [640, 400],
  [720, 480],
  [390, 780],
] as const;

/** Pixels that the page, or what scrolls in it up and down, is wider than it shows. The map is wider by nature. */
function tooWide(page: Page): Promise<number> {
  return page.evaluate(() => {
    // One that a drawer has taken the place of is of no width.
    const scrolled = [...document.querySelectorAll('.screen-scroll:not(:has(.map))')].filter(
      ({ clientWidth }) => clientWidth > 100,
    );
    return Math.max(...[document.documentElement, ...scrolled].map((one) => one.scrollWidth - one.clientWidth));
  });
}

const looks = [
  ['en', 'light', 'all'],
  ['en', 'dark', 'colour'],
  ['de', 'dark', 'all'],
] as const;

describe.skipIf(mustSkip(browserMissing()))('the window for everyone', () => {
  beforeAll(async () => {
    [browser, built] = await Promise.all([launchBrowser(), buildWindow()]);
    served = await serveWindow(built.directory, sceneState(Date.now()));
  });
  afterAll(async () => {
    await served[Symbol.asyncDispose]();
    await browser.close();
    await built[Symbol.asyncDispose]();
  });

  // Each screen is opened once. All rules are asked in English and light, and in German and dark; between them, where only the theme was changed, those
  // about colours: they are all that a theme can break.
  it('has no serious finding and is never wider than its window: both themes, both languages, every size', async () => {
    await using opened = await openPage(browser, served.url());
    const { page } = opened;
    await page.getByRole('heading', { level: 1 }).waitFor();
    await bringAxe(page);
    const found: Record<string, readonly string[]> = {};
    for (const [name, hash, open] of places) {
      await lookLike(page, { theme: 'light', language: 'en', width: 1280, height: 800 });
      await page.evaluate((to) => (location.hash = to), hash);
      await drawn(page);
      await open?.(page);
      for (const [width, height] of sizes) {
        for (const [language, theme, what] of looks) {
          await lookLike(page, { theme, language, width, height });
          const findings = await seriousFindings(page, what);
          const wide = await tooWide(page);
          if (wide > 0) findings.push(`${wide} px wider than its window`);
          if (findings.length > 0) found[`${name}, ${width}, ${language}, ${theme}`] = findings;
        }
      }
      await page.keyboard.press('Escape');
      await page.keyboard.press('Escape');
    }
    expect(found).toEqual({});
  }, 300_000);

  it('has none on a first run, nor in German', async () => {
    await using empty = await serveWindow(built.directory, emptyState());
    await using opened = await openPage(browser, empty.url(), { locale: 'de-DE' });
    await opened.page.getByRole('heading', { name: 'Willkommen bei Culvert' }).waitFor();
    await bringAxe(opened.page);
    expect(await seriousFindings(opened.page)).toEqual([]);
  });

  it('is worked with the keyboard alone: find a session, read it, close it, come back', async () => {
    await using own = await serveWindow(built.directory, sceneState(Date.now()));
    await using opened = await openPage(browser, own.url());
    const { page } = opened;
    await page.getByRole('row').nth(3).waitFor();
    const focused = (): Promise<string> =>
      page.evaluate(() => {
        const element = document.activeElement;
        return `${element?.getAttribute('role') ?? element?.tagName ?? ''} ${element?.getAttribute('aria-label') ?? element?.textContent ?? ''}`;
      });
    const tabTo = async (what: RegExp): Promise<void> => {
      for (let step = 0; step < 60; step += 1) {
        if (what.test(await focused())) return;
        await page.keyboard.press('Tab');
      }
      throw new Error(`Tab never reached ${what}`);
    };
    await tabTo(/^A Services/);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Services' }).waitFor();
    await tabTo(/^row/);
    await page.keyboard.press('End');
    await expect.poll(focused).toContain('warehouse-db');
    await page.keyboard.press('Home');
    await expect.poll(focused).toContain('billing-db');
    await page.keyboard.press('Enter');
    await page.getByRole('complementary', { name: 'Details' }).waitFor();
    await tabTo(/Why\?$/);
    await page.keyboard.press('Enter');
    await page.getByRole('list', { name: 'From name to terminator' }).waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(focused).toContain('row billing-db');
    await page.keyboard.press('Shift+Tab');
    await page.evaluate(() => (location.hash = '#/sessions'));
    await tabTo(/^row/);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Tab');
    await expect.poll(focused).toMatch(/Close session to/);
    await page.keyboard.press('Enter');
    await expect.poll(() => own.engine.calls.filter(({ name }) => name === 'session.close')).toHaveLength(1);
  });

  it('tells screen readers how large a list is and where one stands in it', async () => {
    await using opened = await openPage(browser, served.url());
    const grid = opened.page.getByRole('grid', { name: 'Sessions' });
    await grid.getByRole('row').nth(5).waitFor();
    expect(await grid.getAttribute('aria-rowcount')).toBe('31');
    expect(await grid.getByRole('row').nth(1).getAttribute('aria-rowindex')).toBe('2');
    expect(await grid.getByRole('columnheader', { name: 'Age' }).getAttribute('aria-sort')).toBe('ascending');
    await grid.getByRole('columnheader', { name: 'Service' }).getByRole('button').click();
    expect(await grid.getByRole('columnheader', { name: 'Service' }).getAttribute('aria-sort')).not.toBeNull();
  });

  it('stands still for who asked for reduced motion', async () => {
    await using opened = await openPage(browser, served.url());
    const { page } = opened;
    await page.getByRole('row').nth(1).click();
    await page.getByRole('complementary', { name: 'Details' }).waitFor();
    // Transitions of no length still begin and end within a frame; what moves on would never come to rest.
    await page.waitForFunction(() => document.getAnimations().every((one) => one.playState !== 'running'), undefined, {
      timeout: 1000,
    });
  });

  it.each(['en', 'de'] as const)('cuts off nothing that decides, at any size: %s', async (language) => {
    await using opened = await openPage(browser, served.url());
    const { page } = opened;
    const word = language === 'en' ? 'Open' : 'Offen';
    const state = page.getByRole('row').getByText(word, { exact: true }).first();
    for (const [width, height] of sizes) {
      await lookLike(page, { theme: 'light', language, width, height });
      await expect
        .poll(async () => {
          const box = await state.boundingBox();
          return box === null ? Infinity : box.x + box.width;
        })
        .toBeLessThanOrEqual(width);
    }
  });

  it('keeps the focus in the list when what had it is gone', async () => {
    await using own = await serveWindow(built.directory, sceneState(Date.now()));
    await using opened = await openPage(browser, own.url());
    const { page } = opened;
    const first = page.getByRole('row').nth(1);
    await first.focus();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await expect.poll(() => own.engine.calls.some(({ name }) => name === 'session.close')).toBe(true);
    await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute('role'))).toBe('row');
  });

  it('fits a narrow window without losing its controls', async () => {
    await using opened = await openPage(browser, served.url(), { width: 760 });
    const { page } = opened;
    await page.getByRole('heading', { name: 'Sessions' }).waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true);
    await page.getByRole('link', { name: 'Services', exact: true }).click();
    await page.getByRole('heading', { name: 'Services' }).waitFor();
  });
});
