/** What every suite of the window begins and ends with: the window built, a browser started; both taken down. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import type { EngineState } from '../../../main/api/state.ts';
import { launchBrowser, type PageOptions } from '../browser.ts';
import { openWindow, type OpenWindow } from './open-window.ts';
import { sceneState } from './scene.ts';
import { buildWindow } from './served-window.ts';

/** Within a `describe`. */
export interface Windows {
  /** A window of its own over the scene, or over another state. */
  open(state?: EngineState, options?: PageOptions): Promise<OpenWindow>;
  /** For pages that a test opens in a way of its own. */
  readonly browser: Browser;
  /** Of the built window. */
  readonly directory: string;
}

/** @param options React's own checks are in the window unless `production`. */
export function useWindows(options: { readonly production?: boolean } = {}): Windows {
  let browser: Browser;
  let built: Awaited<ReturnType<typeof buildWindow>>;
  beforeAll(async () => {
    [browser, built] = await Promise.all([launchBrowser(), buildWindow(options)]);
  });
  afterAll(async () => {
    await browser.close();
    await built[Symbol.asyncDispose]();
  });
  return {
    open: (state = sceneState(Date.now()), page = {}) => openWindow(browser, built.directory, state, page),
    get browser() {
      return browser;
    },
    get directory() {
      return built.directory;
    },
  };
}
