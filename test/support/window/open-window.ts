/** A page over the scene, with what its test looks at; what a test pushes comes after what the page began with. */
import type { Browser, Page } from 'playwright-core';
import type { EngineState } from '../../../main/api/state.ts';
import { openPage, type PageOptions } from '../browser.ts';
import { sceneState } from './scene.ts';
import { serveWindow, type ServedWindow } from './served-window.ts';

export type OpenWindow = ServedWindow & { readonly page: Page; readonly errors: readonly string[] };

/** @param directory of the built window. */
export async function openWindow(
  browser: Browser,
  directory: string,
  state: EngineState = sceneState(Date.now()),
  options: PageOptions = {},
): Promise<OpenWindow> {
  const served = await serveWindow(directory, state);
  const opened = await openPage(browser, served.url(), options);
  // Its frame is drawn before the engine's state is there: what is pushed in between is in that state, and so no news.
  await opened.page.locator('main[aria-busy=false]').waitFor();
  return {
    ...served,
    page: opened.page,
    errors: opened.errors,
    async [Symbol.asyncDispose]() {
      await opened[Symbol.asyncDispose]();
      await served[Symbol.asyncDispose]();
    },
  };
}
