import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { browserMissing, launchBrowser, openPage } from '../support/browser.ts';
import { mustSkip } from '../support/optional.ts';
import { manyState } from '../support/window/many.ts';
import { buildWindow, serveWindow } from '../support/window/served-window.ts';

let browser: Browser;
let built: Awaited<ReturnType<typeof buildWindow>>;

/** Rows that may exist at a time, whatever the list's length: those in view and some beyond. */
const maxRows = 60;
/** Times that the window draws for one delta, however much is in it. */
const maxCommits = 5;
describe.skipIf(mustSkip(browserMissing()))('five thousand services and fifty identities', () => {
  beforeAll(async () => {
    [browser, built] = await Promise.all([launchBrowser(), buildWindow({ production: true })]);
  });
  afterAll(async () => {
    await browser.close();
    await built[Symbol.asyncDispose]();
  });

  it('appear at once, scroll smoothly, and are searched as one types', { timeout: 120_000 }, async () => {
    await using served = await serveWindow(built.directory, manyState(5_000));
    await using opened = await openPage(browser, served.url());
    const { page } = opened;
    await page.getByRole('link', { name: 'Services', exact: true }).click();
    await page.getByRole('row').filter({ hasText: 'service-00000' }).waitFor();
    expect(await page.getByRole('grid').getAttribute('aria-rowcount')).toBe('5001');
    expect(await page.getByRole('row').count()).toBeLessThan(maxRows);
    // What is drawn is what is in view: no more than for a hundred services.
    const drawn = await page.locator('*').count();
    expect(drawn).toBeLessThan((await drawnFor(100)) * 1.1);

    // The work of scrolling: each row that comes into view is made once, and no frame has more than those in view.
    const scrolled = await page.evaluate(async () => {
      const grid = document.querySelector('[role=grid]')!;
      const rowsIn = (node: Node): number => (node instanceof Element && node.matches('[role=row]') ? 1 : 0);
      let made = 0;
      const observer = new MutationObserver((changes) => {
        for (const { addedNodes } of changes) for (const node of addedNodes) made += rowsIn(node);
      });
      observer.observe(grid, { childList: true, subtree: true });
      const from = grid.scrollTop;
      let most = 0;
      for (let frame = 0; frame < 90; frame += 1) {
        grid.scrollBy(0, 400);
        await new Promise(requestAnimationFrame);
        most = Math.max(most, grid.querySelectorAll('[role=row]').length);
      }
      await new Promise(requestAnimationFrame);
      observer.disconnect();
      const heightPx = grid.querySelectorAll('[role=row]')[1]!.getBoundingClientRect().height;
      return { made, most, passed: (grid.scrollTop - from) / heightPx };
    });
    console.info(`scrolled past ${scrolled.passed.toFixed(0)} rows: ${scrolled.made} made, ${scrolled.most} at most`);
    expect(scrolled.passed).toBeGreaterThan(500);
    expect(scrolled.most).toBeLessThan(maxRows);
    expect(scrolled.made).toBeLessThan(scrolled.passed + maxRows);

    await page.getByRole('searchbox').fill('service-04999');
    await page.getByRole('row').filter({ hasText: 'service-04999' }).waitFor();
    expect(await page.getByRole('row').count()).toBe(2);
    await page.getByRole('searchbox').fill('');

    await page.getByRole('button', { name: /No groups/ }).click();
    await page.getByRole('option', { name: 'By workgroup' }).click();
    await page.getByRole('gridcell', { name: /group 0.*250 services/ }).waitFor();
    await page.getByRole('link', { name: 'Identities', exact: true }).click();
    await page.getByRole('row').filter({ hasText: 'identity-0' }).first().waitFor();
    expect(await page.getByRole('grid').getAttribute('aria-rowcount')).toBe('51');
  });

  it('may all change at once without freezing the window', { timeout: 120_000 }, async () => {
    await using served = await serveWindow(built.directory, manyState(5_000));
    await using opened = await openPage(browser, served.url());
    const { page } = opened;
    await page.getByRole('link', { name: 'Services', exact: true }).click();
    await page.getByRole('row').nth(2).waitFor();
    await page.evaluate(() => {
      // Changes of one commit are told together.
      const work = { commits: 0, rows: new Set<string>() };
      Object.assign(window, { work });
      new MutationObserver((changes) => {
        const touched = changes.flatMap(({ target }) => {
          const row = (target instanceof Element ? target : target.parentElement)?.closest('[role=row]');
          return row === null || row === undefined ? [] : [row.getAttribute('aria-rowindex') ?? ''];
        });
        if (touched.length > 0) work.commits += 1;
        for (const row of touched) work.rows.add(row);
      }).observe(document.querySelector('[role=grid]')!, {
        childList: true,
        subtree: true,
        attributes: true,
        characterData: true,
      });
    });
    const { services } = served.engine.state();
    served.engine.push(
      ...Object.entries(services).map(([key, value]) => ({
        kind: 'service-changed' as const,
        key,
        value: { ...value, status: 'no-router' as const },
      })),
    );
    await page.getByRole('row').filter({ hasText: 'No router reachable' }).first().waitFor();
    const work = await page.evaluate(() => {
      const { commits, rows } = (window as unknown as { work: { commits: number; rows: Set<string> } }).work;
      return { commits, rows: rows.size };
    });
    console.info(`5,000 changes in one delta: ${work.rows} rows drawn anew in ${work.commits} commits`);
    expect(work.rows).toBeGreaterThan(0);
    expect(work.rows).toBeLessThan(maxRows);
    expect(work.commits).toBeLessThan(maxCommits);
  });
});

/** Elements of the window where there are so many services. */
async function drawnFor(services: number): Promise<number> {
  await using served = await serveWindow(built.directory, manyState(services));
  await using opened = await openPage(browser, served.url());
  const { page } = opened;
  await page.getByRole('link', { name: 'Services', exact: true }).click();
  await page.getByRole('row').filter({ hasText: 'service-00000' }).waitFor();
  return page.locator('*').count();
}
