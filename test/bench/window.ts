/** The window's first paint with 5,000 services beside an empty page's in the same browser, in one interleaved run; and what its map costs a frame. */
import { createServer } from 'node:http';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { browserMissing, launchBrowser, openPage } from '../support/browser.ts';
import { listening } from '../support/listening.ts';
import { manyState } from '../support/window/many.ts';
import { serveWindow, type ServedWindow } from '../support/window/served-window.ts';
import { median, spread, table } from './figures.ts';
import { measureMapFrames } from './window-frames.ts';

const services = 5_000;
/** What is held to. */
const limitMs = 250;

/** @param beside directories of other builds of the window, measured in the same run. */
export async function measureWindow(rounds: number, beside: readonly string[]): Promise<string> {
  const missing = browserMissing();
  if (missing !== undefined) return `window: not here: ${missing}`;
  const directories = [join(process.cwd(), 'dist', 'app'), ...beside];
  const browser = await launchBrowser();
  try {
    return `${await firstPaints(browser, directories, rounds)}\n\n${await measureMapFrames(browser, directories)}`;
  } finally {
    await browser.close();
  }
}

interface Paint {
  readonly paintMs: number;
  readonly rowsMs: number;
}

async function firstPaints(browser: Browser, directories: readonly string[], rounds: number): Promise<string> {
  const empty = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>empty</title><p>nothing</p>');
  });
  const address = `http://127.0.0.1:${await listening(empty)}/`;
  const served: ServedWindow[] = [];
  for (const directory of directories) served.push(await serveWindow(directory, manyState(services)));
  const emptyMs: number[] = [];
  const found = served.map((): Paint[] => []);
  try {
    for (let round = 0; round <= rounds; round += 1) {
      const nothing = await paintOf(browser, address, false);
      const windows: Paint[] = [];
      for (const one of served) windows.push(await paintOf(browser, one.url(), true));
      if (round === 0) continue; // to warm up
      emptyMs.push(nothing.paintMs);
      windows.forEach((paint, index) => found[index]?.push(paint));
    }
  } finally {
    empty.close();
    for (const one of served) await one[Symbol.asyncDispose]();
  }
  const rows = found.map((paints, index) => {
    const over = paints.map(({ paintMs }, at) => paintMs - (emptyMs[at] ?? 0));
    return [
      index === 0 ? 'this window' : (directories[index] ?? ''),
      spread(
        paints.map(({ paintMs }) => paintMs),
        0,
      ),
      spread(over, 0),
      spread(
        paints.map(({ rowsMs }) => rowsMs),
        0,
      ),
      median(over) <= limitMs ? 'kept' : 'NOT KEPT',
    ];
  });
  const head = [
    `window, ${services} services, ${rounds} rounds`,
    'first paint ms',
    'beyond an empty page’s',
    'rows there ms',
    `at most ${limitMs} ms`,
  ];
  return table(head, [['an empty page', spread(emptyMs, 0), '–', '–', ''], ...rows]);
}

async function paintOf(browser: Browser, url: string, hasRows: boolean): Promise<Paint> {
  await using opened = await openPage(browser, `${url}#/services`);
  const { page } = opened;
  const rowsMs = hasRows
    ? await page
        .waitForFunction(() => document.querySelectorAll('[role=row]').length > 5 && performance.now(), undefined, {
          polling: 'raf',
        })
        .then((value) => value.jsonValue())
    : 0;
  const paintMs = await page
    .waitForFunction(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime)
    .then((value) => value.jsonValue());
  return { paintMs: paintMs ?? Number.NaN, rowsMs: rowsMs === false ? Number.NaN : rowsMs };
}
