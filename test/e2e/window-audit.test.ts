import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { browserMissing } from '../support/browser.ts';
import { mustSkip } from '../support/optional.ts';
import { useWindows } from '../support/window/opened-windows.ts';

const row = (page: Page, text: string | RegExp) => page.getByRole('row').filter({ hasText: text });
const query = (page: Page) => new URLSearchParams(new URL(page.url()).hash.split('?')[1] ?? '');

describe.skipIf(mustSkip(browserMissing()))('the audit as the timeline of an incident', () => {
  const { open } = useWindows();

  it('verifies itself, and says when it did', async () => {
    await using window = await open();
    const { page, engine } = window;
    await page.getByRole('link', { name: 'Audit', exact: true }).click();
    await page.getByText('Intact: 12,482 records').waitFor();
    await page.getByText(/^checked /).waitFor();
    expect(engine.calls.filter(({ name }) => name === 'audit.verify').length).toBeGreaterThan(0);
  });

  it('narrows by what a record says, keeps it in the address, and exports exactly that with a manifest', async () => {
    await using window = await open();
    const { page } = window;
    await page.getByRole('link', { name: 'Audit', exact: true }).click();
    await page.getByRole('button', { name: 'Narrow down' }).click();
    await page.getByRole('menuitem', { name: 'Agent codex' }).click();
    await page.getByRole('button', { name: 'No longer only Agent codex' }).waitFor();
    expect(query(page).get('agent')).toBe('codex');
    await page.reload();
    await row(page, 'codex').first().waitFor();
    expect(await row(page, 'claude-code').count()).toBe(0);
    await page.getByRole('button', { name: 'Export' }).click();
    const files: [name: string, text: string][] = [];
    page.on('download', (download) => {
      void download
        .path()
        .then((path) => readFile(path, 'utf8'))
        .then((text) => files.push([download.suggestedFilename(), text]));
    });
    await page.getByRole('dialog').getByRole('button', { name: 'Save file' }).click();
    await expect.poll(() => files.length).toBe(2);
    const [lines = '', manifest = ''] = [...files].sort(([a], [b]) => a.length - b.length).map(([, text]) => text);
    const records = lines
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { agent: string });
    expect(records.every(({ agent }) => agent === 'codex')).toBe(true);
    expect(JSON.parse(manifest)).toMatchObject({
      records: records.length,
      query: { agent: 'codex' },
      journal: { ok: true },
    });
  });

  it('takes a span from a preset, a field or a part of the histogram', async () => {
    await using window = await open();
    const { page } = window;
    await page.getByRole('link', { name: 'Audit', exact: true }).click();
    const histogram = page.getByRole('img', { name: /records from/ });
    const box = (await histogram.boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.5, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.9, box.y + 20);
    await page.mouse.up();
    await expect.poll(() => query(page).has('since') && query(page).has('until')).toBe(true);
    const [since, until] = [query(page).get('since')!, query(page).get('until')!];
    expect(Date.parse(since)).toBeLessThan(Date.parse(until));
    await page.getByRole('button', { name: 'All', exact: true }).click();
    await expect.poll(() => query(page).has('since')).toBe(false);
    await page.getByText('UTC', { exact: true }).click();
    await page.getByRole('columnheader', { name: 'Time (UTC)' }).waitFor();
    await page.getByRole('textbox', { name: 'From' }).fill('2026-01-02T03:04:05');
    await expect.poll(() => query(page).get('since')).toBe('2026-01-02T03:04:05.000Z');
  });

  it('groups by session, and narrows to one from its record', async () => {
    await using window = await open();
    const { page } = window;
    await page.getByRole('link', { name: 'Audit', exact: true }).click();
    await row(page, 'issues-mcp').first().waitFor();
    await page.getByRole('button', { name: /No groups/ }).click();
    await page.getByRole('option', { name: 'By session' }).click();
    await page.getByRole('gridcell', { name: /s-02.*issues-mcp.*records/ }).waitFor();
    await row(page, 'delete_comment').first().click();
    const details = page.getByRole('complementary', { name: 'Details' });
    await details.getByRole('button', { name: 'Only this: Session' }).click();
    await expect.poll(() => query(page).get('session')).toBe('s-02');
  });
});
