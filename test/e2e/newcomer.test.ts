/** The ten jobs of somebody new, in a browser. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { browserMissing } from '../support/browser.ts';
import { mustSkip } from '../support/optional.ts';
import { jobs, pressesOf } from '../support/window/newcomer.ts';
import { useWindows } from '../support/window/opened-windows.ts';

describe.skipIf(mustSkip(browserMissing()))('somebody new to the window', () => {
  const windows = useWindows();

  it.each(jobs)('$name: $presses presses', async (job) => {
    await using window = await windows.open();
    const { page, engine } = window;
    const files: string[] = [];
    page.on('download', (download) => files.push(download.suggestedFilename()));
    const saved = (name: RegExp) => expect.poll(() => files.some((file) => name.test(file))).toBe(true);
    expect(await pressesOf(job, { page, engine, saved })).toBe(job.presses);
    expect(window.errors).toEqual([]);
  });
});

it('finds each job with its presses in the gallery', async () => {
  const gallery = await readFile(new URL('../../resources/docs/gallery.md', import.meta.url), 'utf8');
  for (const { name, presses } of jobs) expect(gallery).toContain(`| ${name} | ${presses} |`);
});
