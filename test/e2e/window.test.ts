import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { emptyState } from '../support/fake-engine.ts';
import { browserMissing, openPage } from '../support/browser.ts';
import { mustSkip } from '../support/optional.ts';
import { serveWindow } from '../support/window/served-window.ts';
import { closed } from '../support/window/scene-engine.ts';
import { sceneState } from '../support/window/scene.ts';
import { useWindows } from '../support/window/opened-windows.ts';
import { madeUpToken as token } from '../support/window/token.ts';

const row = (page: Page, text: string | RegExp) => page.getByRole('row').filter({ hasText: text });
const go = async (page: Page, name: string): Promise<void> => {
  await page.getByRole('link', { name, exact: true }).click();
  // The screen before it is still there for a frame, rows and all.
  await page.getByRole('heading', { level: 1, name, exact: true }).waitFor();
};

describe.skipIf(mustSkip(browserMissing()))('the window in a browser', () => {
  const windows = useWindows();
  const { open } = windows;

  it('leaves no token in the address, breaks no content policy, and logs no error', async () => {
    await using window = await open();
    await window.page.getByRole('heading', { name: 'Sessions' }).waitFor();
    expect(new URL(window.page.url()).pathname + new URL(window.page.url()).search).toBe('/');
    for (const name of [
      'Services',
      'Identities',
      'Agents',
      'Approvals',
      'Policy',
      'Audit',
      'Diagnostics',
      'Settings',
      'Sessions',
    ]) {
      await go(window.page, name);
      await window.page.getByRole('heading', { name, level: 1 }).waitFor();
    }
    expect(window.errors).toEqual([]);
  });

  it('leads a first run to enrolment: drop a token, keep the key, see what it reaches', async () => {
    await using window = await open(emptyState());
    const { page } = window;
    await page.getByRole('heading', { name: 'Welcome to Culvert' }).waitFor();
    const data = await page.evaluateHandle((text) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([text], 'mira.jwt', { type: 'application/jwt' }));
      return transfer;
    }, token);
    const drop = page.getByRole('group', { name: 'Drop a .jwt file here' });
    for (const type of ['dragenter', 'dragover', 'drop']) await drop.dispatchEvent(type, { dataTransfer: data });
    await page.getByText('https://ctrl.example:1280').waitFor();
    expect(await page.getByRole('textbox', { name: 'Name on this device' }).inputValue()).toBe('mira');
    await page.getByRole('button', { name: 'Enrol', exact: true }).click();
    await page.getByRole('heading', { name: 'You are in' }).waitFor();
    expect(window.engine.calls.find(({ name }) => name === 'identity.enroll')?.request).toMatchObject({
      source: token,
      name: 'mira',
    });
    await page.getByRole('button', { name: 'See services' }).click();
    await page.getByRole('heading', { name: 'Services' }).waitFor();
  });

  it('says why an enrolment failed, and keeps what was typed', async () => {
    await using window = await open(emptyState());
    const { page } = window;
    const expired = token.replace(/[^.]*$/, 'expired');
    await page.getByRole('textbox').fill('not a token');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByText('neither a token').waitFor();
    await page.getByRole('textbox').fill(expired);
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('textbox', { name: 'Name on this device' }).fill('second');
    await page.getByRole('button', { name: 'Enrol', exact: true }).click();
    await page.getByText('This token expired yesterday.').waitFor();
    await page.getByText('ziti.enroll.token_expired').waitFor();
    expect(await page.getByRole('textbox', { name: 'Name on this device' }).inputValue()).toBe('second');
  });

  it('takes a password again where an identity signs in with one', async () => {
    await using window = await open();
    const { page, engine } = window;
    const { loginProviders: _none, ...identity } = engine.state().identities['mira-laptop']!;
    const waiting = { ...identity, state: 'login-required', proof: 'password' } as const;
    engine.push({ kind: 'identity-changed', key: identity.name, value: waiting });
    await go(page, 'Identities');
    await row(page, identity.name).click();
    const details = page.getByRole('complementary', { name: 'Details' });
    await details.getByLabel('Password').fill('enchantress of numbers');
    await details.getByRole('button', { name: 'Sign in' }).click();
    const asked = () => engine.calls.find(({ name }) => name === 'identity.passwordLogin')?.request;
    await expect.poll(asked).toEqual({ name: identity.name, password: 'enchantress of numbers' });
  });

  it('shows a session as it appears, and closes it', async () => {
    await using window = await open();
    const { page, engine } = window;
    await row(page, 'warehouse-db').first().waitFor();
    const session = engine.state().sessions['s-07']!;
    engine.push({
      kind: 'session-changed',
      key: 'new-1',
      value: { ...session, id: 'new-1', service: 'fresh-service', startedAt: new Date().toISOString() },
    });
    await row(page, 'fresh-service').waitFor();
    await row(page, 'fresh-service').getByRole('button', { name: /close/i }).click();
    await row(page, 'fresh-service').getByText('consumer_close').waitFor();
    expect(engine.state().sessions['new-1']?.state).toBe('closed');
  });

  it('says why a session was closed by policy', async () => {
    await using window = await open();
    const { page, engine } = window;
    await row(page, 'grafana').first().waitFor();
    engine.push(closed(engine.state().sessions['s-08']!, 'policy_revoked'));
    await row(page, 'grafana').filter({ hasText: 'Access revoked' }).getByText('policy_revoked').waitFor();
  });

  it('closes all sessions of an agent after asking, and puts it in quarantine', async () => {
    await using window = await open();
    const { page, engine } = window;
    await row(page, 'issues-mcp').first().click();
    const details = page.getByRole('complementary', { name: 'Details' });
    await details.getByText('delete_comment', { exact: true }).waitFor();
    await details.getByRole('button', { name: 'Close all of claude-code' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Close all' }).click();
    await expect.poll(() => engine.calls.some(({ name }) => name === 'session.closeApp')).toBe(true);
    await details.getByRole('button', { name: 'Quarantine' }).click();
    await page.getByRole('menuitem', { name: 'Quarantine claude-code' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Quarantine' }).click();
    await expect.poll(() => Object.keys(engine.state().quarantine)).toContain('app:claude-code');
    await page.keyboard.press('Escape');
  });

  it('filters, groups and pauses', async () => {
    await using window = await open();
    const { page, engine } = window;
    await page.getByRole('searchbox', { name: 'Filter sessions' }).fill('plc');
    await expect.poll(() => page.getByRole('row').count()).toBe(4);
    await page.getByRole('searchbox', { name: 'Filter sessions' }).fill('');
    await page.getByRole('radio', { name: /Closed/ }).click();
    await row(page, 'max_bytes_exceeded').waitFor();
    await page.getByRole('radio', { name: /All/ }).click();
    await page.getByRole('button', { name: /No groups/ }).click();
    await page.getByRole('option', { name: 'By program' }).click();
    await page.getByRole('gridcell', { name: /firefox.*open/ }).waitFor();
    const group = page.getByRole('button', { name: 'claude-code', exact: true });
    const before = await page.getByRole('grid').getAttribute('aria-rowcount');
    await group.click();
    await expect.poll(() => group.getAttribute('aria-expanded')).toBe('false');
    expect(Number(await page.getByRole('grid').getAttribute('aria-rowcount'))).toBeLessThan(Number(before));
    await page.getByRole('button', { name: 'Pause' }).click();
    engine.push({
      kind: 'session-changed',
      key: 'p',
      value: { ...engine.state().sessions['s-07']!, id: 'p', service: 'while-paused' },
    });
    await page.waitForTimeout(300);
    expect(await row(page, 'while-paused').count()).toBe(0);
    await page.getByRole('button', { name: 'Resume' }).click();
    await row(page, 'while-paused').waitFor();
  });

  it('explains a service: its status, its next step, and where the way breaks', async () => {
    await using window = await open();
    const { page } = window;
    await go(page, 'Services');
    await page.getByRole('radio', { name: /Need attention/ }).click();
    await row(page, 'billing-db').click();
    await page.getByRole('button', { name: 'Why?', exact: true }).click();
    const steps = page.getByRole('list', { name: 'From name to terminator' });
    await steps.getByText('Passes: ').first().waitFor();
    await expect.poll(() => steps.getByRole('listitem').filter({ hasText: 'Fails' }).innerText()).toContain('Posture');
    await page.getByRole('button', { name: /Why can’t I reach/ }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Pick: Program (optional)' }).click();
    await page.getByRole('menuitem', { name: 'codex' }).click();
    expect(await dialog.getByRole('textbox', { name: 'Program (optional)' }).inputValue()).toBe('codex');
    await dialog.getByRole('textbox', { name: 'Destination' }).fill('nowhere.example:80');
    await dialog.getByRole('button', { name: 'Find out' }).click();
    await dialog.getByText('No service of any identity claims nowhere.example.').first().waitFor();
  });

  it('sets up a second factor with a QR code and recovery codes', async () => {
    await using window = await open();
    const { page, engine } = window;
    await go(page, 'Identities');
    await row(page, 'agent-claude').click();
    await page.getByRole('button', { name: 'Set up', exact: true }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('img', { name: /QR code/ }).waitFor();
    await dialog.getByRole('textbox', { name: 'Code' }).fill('000000');
    await dialog.getByRole('button', { name: 'Confirm' }).click();
    await dialog.getByText('This code is not right').waitFor();
    await dialog.getByRole('textbox', { name: 'Code' }).fill('123 456');
    await dialog.getByRole('button', { name: 'Confirm' }).click();
    await dialog.getByRole('list', { name: 'Recovery codes' }).getByText('8f2k-91xq').waitFor();
    const downloading = page.waitForEvent('download');
    await dialog.getByRole('button', { name: 'Save file' }).click();
    expect(await readFile(await (await downloading).path(), 'utf8')).toContain('m3p0-77ad');
    await dialog.getByRole('button', { name: 'I have kept them' }).click();
    expect(engine.state().identities['agent-claude']?.mfa).toBe('enrolled');
  });

  it('disables, renames and removes an identity', async () => {
    await using window = await open();
    const { page, engine } = window;
    await go(page, 'Identities');
    await row(page, 'agent-claude').locator('label').click();
    await row(page, 'agent-claude').getByText('Disabled').waitFor();
    await row(page, 'agent-claude').click();
    await page.getByRole('button', { name: 'More' }).click();
    await page.getByRole('menuitem', { name: 'Rename' }).click();
    await page.getByRole('dialog').getByRole('textbox').fill('agents');
    await page.getByRole('dialog').getByRole('button', { name: 'Rename' }).click();
    await page.getByRole('complementary').getByRole('heading', { name: 'agents' }).waitFor();
    await page.getByRole('complementary').getByRole('button', { name: 'Remove', exact: true }).last().click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
    await expect.poll(() => Object.keys(engine.state().identities)).toEqual(['mira-laptop', 'plant-7-maintenance']);
  });

  it('searches the audit, verifies it and exports it', async () => {
    await using window = await open();
    const { page } = window;
    await go(page, 'Audit');
    await page.getByRole('radio', { name: 'Denied' }).click();
    await row(page, 'billing-db').first().waitFor();
    await page.getByRole('button', { name: 'Verify now' }).click();
    await page.getByText('Intact: 12,482 records').waitFor();
    await page.getByRole('button', { name: 'Export' }).click();
    const downloading = page.waitForEvent('download');
    await page.getByRole('dialog').getByRole('button', { name: 'Save file' }).click();
    const download = await downloading;
    const lines = (await readFile(await download.path(), 'utf8')).trim().split('\n');
    expect(download.suggestedFilename()).toMatch(/\.jsonl$/);
    const records = lines.map((line) => JSON.parse(line) as { seq: number; decision: string });
    expect(records.length).toBeGreaterThan(5);
    expect(records.every(({ decision }) => decision === 'deny')).toBe(true);
    expect(records.map(({ seq }) => seq)).toEqual([...records.map(({ seq }) => seq)].sort((a, b) => a - b));
  });

  it('previews a support bundle before it is saved, and sets the log level', async () => {
    await using window = await open();
    const { page, engine } = window;
    await go(page, 'Diagnostics');
    await page.getByRole('button', { name: 'Support bundle' }).click();
    await page.getByText(/2,210 redactions/).waitFor();
    const downloading = page.waitForEvent('download');
    await page.getByRole('dialog').getByRole('button', { name: 'Save file' }).click();
    expect((await downloading).suggestedFilename()).toBe('culvert-bundle.zip');
    await page.getByRole('button', { name: /Log level/ }).click();
    await page.getByRole('option', { name: 'Detailed' }).click();
    await expect
      .poll(() => engine.calls.find(({ name }) => name === 'engine.setLogLevel')?.request)
      .toEqual({ level: 'debug' });
  });

  it('speaks German throughout, at once', async () => {
    await using window = await open();
    const { page } = window;
    await go(page, 'Settings');
    await page.getByRole('button', { name: /Language/ }).click();
    await page.getByRole('option', { name: 'Deutsch' }).click();
    await page.getByRole('heading', { name: 'Einstellungen' }).waitFor();
    await go(page, 'Sitzungen');
    await page.getByRole('searchbox', { name: 'Sitzungen filtern' }).fill('billing');
    await page.getByText('Zugriff entzogen').waitFor();
    // What the engine says in English is said in German too.
    await go(page, 'Dienste');
    await row(page, 'build-farm').getByText('Starten Sie, was ihn anbietet').waitFor();
    await row(page, 'legacy-crm').click();
    await page.getByText('legacy-crm ist in Quarantäne: under investigation.').waitFor();
    await go(page, 'Sitzungen');
    expect(await page.evaluate(() => document.documentElement.lang)).toBe('de');
    await page.reload();
    await page.getByRole('heading', { name: 'Sitzungen' }).waitFor();
  });

  it('says what a caller without permission may not do', async () => {
    await using served = await serveWindow(windows.directory, sceneState(Date.now()), 'observe');
    await using opened = await openPage(windows.browser, served.url());
    await row(opened.page, 'grafana').first().getByRole('button', { name: /close/i }).click();
    await opened.page.getByRole('alert').getByText('session.close needs permission to operate').waitFor();
  });

  it('says that the engine is gone, and that after its restart this page must be opened anew', async () => {
    const served = await serveWindow(windows.directory, sceneState(Date.now()));
    await using opened = await openPage(windows.browser, served.url());
    const { page } = opened;
    await row(page, 'grafana').first().waitFor();
    const { port } = served.console;
    await served[Symbol.asyncDispose]();
    await page.getByText('What you see is the last known state.').waitFor();
    expect(await row(page, 'grafana').count()).toBeGreaterThan(0);
    await using again = await serveWindow(windows.directory, sceneState(Date.now()), 'administer', port);
    await page.getByText('A console address works once.').waitFor();
    await page.goto(again.url());
    await row(page, 'grafana').first().waitFor();
  });
});
