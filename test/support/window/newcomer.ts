/** What somebody new to the window wants of it: ten jobs, each with the number of presses that it takes. */
import type { Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
import type { FakeEngine } from '../fake-engine.ts';
import { madeUpToken as token } from './token.ts';

/** What a job is done with. */
export interface Newcomer {
  readonly page: Page;
  readonly engine: FakeEngine;
  /** Every press goes through here. Typing is not counted. */
  press(target: Locator): Promise<void>;
  /** A file was handed over since the job began whose name matches. */
  saved(name: RegExp): Promise<void>;
}

/** One of the ten. */
export interface Job {
  readonly name: string;
  /** Exactly so many: a press more is a worse window, and one less is to be told. */
  readonly presses: number;
  run(person: Newcomer): Promise<void>;
}

const row = (page: Page, text: string | RegExp) => page.getByRole('row').filter({ hasText: text });
const place = (page: Page, name: string) => page.getByRole('link', { name, exact: true });
const button = (within: Page | Locator, name: string | RegExp) => within.getByRole('button', { name, exact: true });
const details = (page: Page) => page.getByRole('complementary', { name: 'Details' });

/** In the order in which one meets them. */
export const jobs: readonly Job[] = [
  {
    name: 'Enrol by a dropped token',
    presses: 1,
    async run({ page, engine, press }) {
      const data = await page.evaluateHandle((text) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([text], 'newcomer.jwt', { type: 'application/jwt' }));
        return transfer;
      }, token);
      await page.locator('body').dispatchEvent('drop', { dataTransfer: data });
      await page.getByText('https://ctrl.example:1280').waitFor();
      await press(button(page, 'Enrol'));
      await page.getByRole('heading', { name: 'You are in' }).waitFor();
      expect(engine.state().identities['newcomer']?.state).toBe('ready');
    },
  },
  {
    name: 'Enrol by an address',
    presses: 4,
    async run({ page, engine, press }) {
      await press(place(page, 'Identities'));
      await press(button(page, 'Add identity'));
      await page.getByRole('textbox').fill('https://other.example');
      await press(button(page, 'Continue'));
      await page.getByRole('textbox', { name: 'Name on this device' }).fill('by-link');
      await press(button(page, 'Enrol'));
      await page.getByRole('heading', { name: 'You are in' }).waitFor();
      expect(engine.state().identities['by-link']?.state).toBe('ready');
    },
  },
  {
    name: 'See sessions, open one and close it',
    presses: 3,
    async run({ page, engine, press }) {
      await press(place(page, 'Sessions'));
      await press(row(page, 'grafana').first());
      await press(button(details(page), 'Close session'));
      await expect.poll(() => engine.calls.some(({ name }) => name === 'session.close')).toBe(true);
      await page.keyboard.press('Escape');
    },
  },
  {
    name: 'Put an agent into quarantine and let it out again',
    presses: 8,
    async run({ page, engine, press }) {
      const held = (): string[] => Object.keys(engine.state().quarantine);
      await press(place(page, 'Sessions'));
      await press(row(page, 'issues-mcp').first());
      await press(button(details(page), 'Quarantine'));
      await press(page.getByRole('menuitem', { name: 'Quarantine claude-code' }));
      await press(button(page.getByRole('dialog'), 'Quarantine'));
      await expect.poll(held).toContain('app:claude-code');
      await press(place(page, 'Policy'));
      await press(page.getByRole('tab', { name: /Quarantine/ }));
      await press(button(page, 'Release claude-code'));
      await expect.poll(held).not.toContain('app:claude-code');
    },
  },
  {
    name: 'Understand why something was refused',
    presses: 3,
    async run({ page, press }) {
      await press(place(page, 'Sessions'));
      await press(page.getByRole('radio', { name: /Refused/ }));
      await press(page.getByRole('button', { name: 'Why was billing-db.northwind:5432 refused?' }).first());
      await details(page).getByText('No identity of this agent may dial billing-db.').waitFor();
      await details(page).getByText('Check the spelling, or ask for access').waitFor();
      await page.keyboard.press('Escape');
    },
  },
  {
    name: 'See who called which tool yesterday',
    presses: 4,
    async run({ page, press }) {
      await press(place(page, 'Audit'));
      await press(button(page, 'Yesterday'));
      await press(button(page, 'Narrow down'));
      await press(page.getByRole('menuitem', { name: 'Service issues-mcp' }));
      await row(page, 'search_issues').filter({ hasText: 'goose' }).first().waitFor();
    },
  },
  {
    name: 'Export an incident',
    presses: 4,
    async run({ page, press, saved }) {
      await press(place(page, 'Audit'));
      await press(button(page, 'Yesterday'));
      await press(button(page, 'Export'));
      await press(button(page.getByRole('dialog'), 'Save file'));
      await saved(/^culvert-audit-.*\.jsonl$/);
      await saved(/^culvert-audit-.*\.jsonl\.manifest\.json$/);
    },
  },
  {
    name: 'See what an agent may reach',
    presses: 2,
    async run({ page, press }) {
      await press(place(page, 'Agents'));
      await press(place(page, 'claude-code'));
      await page.getByText('Could reach 6 services').waitFor();
    },
  },
  {
    name: 'Save a support bundle',
    presses: 3,
    async run({ page, press, saved }) {
      await press(place(page, 'Diagnostics'));
      await press(button(page, 'Support bundle'));
      await page.getByText(/2,210 redactions/).waitFor();
      await press(button(page.getByRole('dialog'), 'Save file'));
      await saved(/^culvert-bundle\.zip$/);
    },
  },
  {
    name: 'Change a setting',
    presses: 3,
    async run({ page, engine, press }) {
      await press(place(page, 'Settings'));
      await page.getByRole('textbox', { name: 'Proxy listens on' }).fill('127.0.0.1:1081');
      await press(button(page, 'Check the change'));
      await press(button(page.getByRole('dialog'), 'Write it'));
      await page.getByText('culvert.yaml is changed.').waitFor();
      const asked = engine.calls.filter(({ name }) => name === 'engine.changeSettings').at(-1)?.request;
      expect(asked).toMatchObject({ apply: true });
    },
  },
  {
    name: 'Set up a second factor',
    presses: 5,
    async run({ page, engine, press }) {
      await press(place(page, 'Identities'));
      await press(row(page, 'agent-claude'));
      await press(button(page, 'Set up'));
      const dialog = page.getByRole('dialog');
      await dialog.getByRole('textbox', { name: 'Code' }).fill('123456');
      await press(button(dialog, 'Confirm'));
      await press(button(dialog, 'I have kept them'));
      expect(engine.state().identities['agent-claude']?.mfa).toBe('enrolled');
      await page.keyboard.press('Escape');
    },
  },
];

/** Do it, and count. */
export async function pressesOf(job: Job, person: Omit<Newcomer, 'press'>): Promise<number> {
  let presses = 0;
  await job.run({
    ...person,
    async press(target) {
      presses += 1;
      await target.click();
    },
  });
  return presses;
}
