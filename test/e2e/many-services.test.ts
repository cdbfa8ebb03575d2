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
/** A frame at 60 Hz is 16.7 ms. Machines that test are shared and paint in software: what is held to is that stutters stay rare. */
const medianFrameMs = 34;
const rareFrameMs = 120;

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
    const started = Date.now();
    await using opened = await openPage(browser, `${served.url()}`);
    const { page } = opened;
    await page.getByRole('link', { name: 'Services', exact: true }).click();
    await page.getByRole('row').filter({ hasText: 'service-00000' }).waitFor();
    const shownMs = Date.now() - started;
    expect(shownMs).toBeLessThan(5_000);
    expect(await page.getByRole('grid').getAttribute('aria-rowcount')).toBe('5001');
    expect(await page.getByRole('row').count()).toBeLessThan(maxRows);

    const frames = await page.evaluate(async () => {
      const grid = document.querySelector('[role=grid]');
      const took: number[] = [];
      let last = performance.now();
      for (let frame = 0; frame < 90; frame += 1) {
        grid?.scrollBy(0, 400);
        await new Promise(requestAnimationFrame);
        took.push(performance.now() - last);
        last = performance.now();
      }
      return took.slice(5).sort((a, b) => a - b);
    });
    const median = frames[Math.floor(frames.length / 2)] ?? 0;
    const rare = frames[Math.floor(frames.length * 0.95)] ?? 0;
    console.info(
      `shown after ${shownMs} ms; frames: median ${median.toFixed(1)} ms, 95th percentile ${rare.toFixed(1)} ms`,
    );
    expect(median).toBeLessThan(medianFrameMs);
    expect(rare).toBeLessThan(rareFrameMs);
    expect(await page.getByRole('row').count()).toBeLessThan(maxRows);

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
      const longest = { ms: 0 };
      Object.assign(window, { longest });
      let last = performance.now();
      const tick = (): void => {
        longest.ms = Math.max(longest.ms, performance.now() - last);
        last = performance.now();
        requestAnimationFrame(tick);
      };
      tick();
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
    const longest = await page.evaluate(() => (window as unknown as { longest: { ms: number } }).longest.ms);
    console.info(`5,000 changes in one delta: longest frame ${longest.toFixed(0)} ms`);
    expect(longest).toBeLessThan(1_000);
  });
});
