import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { browserMissing, openPage } from '../support/browser.ts';
import { emptyState } from '../support/fake-engine.ts';
import { mustSkip } from '../support/optional.ts';
import { manyState } from '../support/window/many.ts';
import { sceneState } from '../support/window/scene.ts';
import { serveWindow } from '../support/window/served-window.ts';
import { useWindows } from '../support/window/opened-windows.ts';

const go = (page: Page, name: string) => page.getByRole('link', { name, exact: true }).click();
const row = (page: Page, text: string | RegExp) => page.getByRole('row').filter({ hasText: text });

describe.skipIf(mustSkip(browserMissing()))('the window as a desk', () => {
  const windows = useWindows();
  const { open } = windows;

  it('draws who reaches what; a press narrows, a glance says what could be reached', async () => {
    await using window = await open();
    const { page } = window;
    await go(page, 'Map');
    const boxes = page.getByRole('list', { name: 'Map' });
    await boxes.getByRole('link', { name: 'claude-code: 7 open sessions.' }).hover();
    await page.getByText('claude-code used 6 of the 6 services it could reach.').waitFor();
    await boxes.getByRole('link', { name: /^cursor: 0 open sessions, 4 refused/ }).waitFor();
    await boxes.getByRole('link', { name: /^goose.*Quarantined/ }).waitFor();
    await boxes.getByRole('link', { name: /^grafana/ }).click();
    await page.getByRole('heading', { name: 'Sessions' }).waitFor();
    expect(await page.getByRole('searchbox').inputValue()).toBe('grafana');
  });

  it('stays readable with five thousand services: they stand in groups', async () => {
    await using window = await open(manyState(5_000));
    const { page } = window;
    await go(page, 'Map');
    const boxes = page.getByRole('list', { name: 'Map' });
    await boxes.getByRole('link', { name: 'group 0: 250 services.' }).waitFor();
    expect(await boxes.getByRole('link').count()).toBeLessThan(70);
    await boxes.getByRole('link', { name: 'group 0: 250 services.' }).click();
    await page.getByRole('heading', { name: 'Services' }).waitFor();
    await row(page, 'service-00000').waitFor();
    expect(await row(page, 'service-00001').count()).toBe(0);
  });

  it('looks at everything that Culvert needs, with one next step where something is amiss', async () => {
    await using window = await open();
    const { page, engine } = window;
    await go(page, 'Diagnostics');
    const checks = page.getByRole('list', { name: 'Check-up' });
    await checks.getByRole('listitem').first().getByText('Other VPNs').waitFor();
    await checks.getByText('Set ranges').waitFor();
    await page.getByText('1 amiss').waitFor();
    const asked = () => engine.calls.filter(({ name }) => name === 'engine.doctor').length;
    const before = asked();
    await page.getByRole('button', { name: 'Check again' }).click();
    await expect.poll(asked).toBe(before + 1);
  });

  it('says how to start an engine that is not there', async () => {
    await using opened = await openPage(windows.browser, 'about:blank');
    const served = await serveWindow(windows.directory, sceneState(Date.now()));
    const { page } = opened;
    await page.route('**/engine', (route) => route.abort());
    await page.routeWebSocket(/engine$/, (socket) => socket.close());
    await page.goto(served.url());
    await page.getByText('culvert run', { exact: true }).waitFor();
    await page.getByText('sudo culvert service install', { exact: true }).waitFor();
    await page.getByText('culvert doctor', { exact: true }).waitFor();
    await served[Symbol.asyncDispose]();
  });

  it('changes a setting: checked first, shown as a diff, written when the person says so', async () => {
    await using window = await open();
    const { page, engine } = window;
    await go(page, 'Settings');
    await page.getByRole('textbox', { name: 'Proxy listens on' }).fill('here');
    await page.getByRole('button', { name: 'Check the change' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('expected HOST:PORT').waitFor();
    expect(await dialog.getByRole('button', { name: 'Write it' }).isDisabled()).toBe(true);
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('textbox', { name: 'Proxy listens on' }).fill('127.0.0.1:1081');
    await page.getByRole('button', { name: 'Check the change' }).click();
    await dialog.getByRole('insertion').getByText('proxy.listen: 127.0.0.1:1081').waitFor();
    await dialog.getByText('It counts from the engine’s next start.').waitFor();
    await dialog.getByRole('button', { name: 'Write it' }).click();
    await page.getByText('culvert.yaml is changed.').waitFor();
    const asked = engine.calls.filter(({ name }) => name === 'engine.changeSettings').at(-1)?.request;
    expect(asked).toEqual({ changes: [{ path: ['proxy', 'listen'], value: '127.0.0.1:1081' }], apply: true });
  });

  it('binds an agent from its page, with the change to the file shown', async () => {
    await using window = await open();
    const { page, engine } = window;
    await page.goto(`${page.url()}#/agents/cursor`);
    await page.getByRole('button', { name: 'Bind …' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: /Dials as/ }).click();
    await page.getByRole('option', { name: 'agent-claude' }).click();
    expect(await dialog.getByRole('textbox', { name: 'Program' }).inputValue()).toBe('/opt/Cursor/cursor');
    await dialog.getByRole('button', { name: 'Check the change' }).click();
    await dialog.getByRole('insertion').getByText('agents.cursor.identity: agent-claude').waitFor();
    await dialog.getByText('It counts at once.').waitFor();
    await dialog.getByRole('button', { name: 'Write it' }).click();
    await expect.poll(() => engine.calls.some(({ name }) => name === 'policy.reload')).toBe(true);
  });

  it('lists first steps after enrolment, and ticks them off', async () => {
    const state = sceneState(Date.now());
    const { mira, ...none } = { mira: state.identities['mira-laptop']! };
    await using window = await open(emptyState({ ...none, identities: { [mira.name]: { ...mira, mfa: 'none' } } }));
    const { page, engine } = window;
    await go(page, 'Services');
    const steps = page.getByRole('region', { name: 'First steps' });
    await steps.getByText('Done: An identity is ready').waitFor();
    await steps.getByRole('link', { name: 'A service can be reached' }).waitFor();
    const [key, service] = Object.entries(state.services)[0]!;
    engine.push({ kind: 'service-changed', key, value: service });
    await steps.getByText('Done: A service can be reached').waitFor();
    await steps.getByRole('button', { name: 'Hide' }).click();
    await page.reload();
    await row(page, service.name).first().waitFor();
    expect(await steps.count()).toBe(0);
  });

  it('goes anywhere by Ctrl+K, and to the search of a screen by /', async () => {
    await using window = await open();
    const { page } = window;
    await row(page, 'grafana').first().waitFor();
    await page.keyboard.press('Control+k');
    await page.keyboard.type('plc press');
    await page.getByRole('menuitem', { name: /plc-press-line/ }).waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    const details = page.getByRole('complementary', { name: 'Details' });
    await details.getByRole('heading', { name: 'plc-press-line' }).waitFor();
    await expect.poll(() => page.title()).toContain('Services – Culvert');
    await page.keyboard.press('Escape');
    await page.keyboard.press('/');
    await page.keyboard.type('graf');
    expect(await page.getByRole('searchbox', { name: 'Filter services' }).inputValue()).toBe('graf');
    // Where one was is where one comes back to.
    await go(page, 'Sessions');
    await go(page, 'Services');
    expect(await page.getByRole('searchbox', { name: 'Filter services' }).inputValue()).toBe('graf');
  });

  it('opens a service by a line to copy', async () => {
    await using window = await open();
    const { page } = window;
    await go(page, 'Services');
    await row(page, 'warehouse-db').click();
    const details = page.getByRole('complementary', { name: 'Details' });
    await details.getByRole('button', { name: 'Copy psql line' }).click();
    await details.getByRole('button', { name: 'Copied' }).waitFor();
    await page.keyboard.press('Escape');
    const search = page.getByRole('searchbox');
    await search.focus();
    await page.keyboard.press('Control+V');
    await expect.poll(() => search.inputValue()).toBe('psql -h 127.0.0.1 -p 15432');
  });

  it('adds up what models cost, by agent, model and day', async () => {
    await using window = await open();
    const { page } = window;
    await go(page, 'Models');
    await page.getByRole('radio', { name: '30 days' }).click();
    await page.getByText('90 requests, 6 refused.').waitFor();
    await row(page, 'claude-opus-4-7').first().getByText('$').waitFor();
    expect(await page.getByRole('listitem').filter({ hasText: 'tokens' }).count()).toBeGreaterThanOrEqual(6);
  });

  it('reads a recording as operations, and saves its packets', async () => {
    await using window = await open();
    const { page } = window;
    await go(page, 'Recordings');
    await page.getByRole('button', { name: 'Look into plc-press-line, vendor-laptop' }).click();
    await page.getByRole('button', { name: 'Show operations' }).click();
    const operations = page.getByRole('list', { name: 'Operations' });
    await operations.getByText('write-var DB1.DBW4 [42]').waitFor();
    await operations.getByRole('listitem').filter({ hasText: 'plc-stop' }).getByText('Denied').waitFor();
    const downloading = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Packets' }).click();
    expect((await downloading).suggestedFilename()).toBe('rec-2.pcapng');
  });

  it('solves an incident from the fleet in under ten clicks: from the alert to cut off everywhere', async () => {
    await using window = await open();
    const { page } = window;
    let clicks = 0;
    const click = async (locator: ReturnType<Page['getByRole']>): Promise<void> => {
      clicks += 1;
      await locator.click();
    };
    await click(page.getByRole('link', { name: 'Fleet', exact: true }));
    const alerts = page.getByRole('list', { name: 'Alerts' });
    await alerts.getByText('Record 884 is not the one that was received before.').waitFor();
    await click(alerts.getByRole('link', { name: 'vendor-laptop' }));
    await page.getByRole('list', { name: 'Who reaches what' }).getByText('historian').waitFor();
    const timeline = page.getByRole('list', { name: 'What happened on all devices' });
    await expect.poll(() => timeline.getByRole('listitem').count()).toBe(2);
    await click(timeline.getByRole('listitem').filter({ hasText: 'delete_project' }).getByRole('button'));
    await click(page.getByRole('menuitem', { name: 'Quarantine goose on every device' }));
    await click(page.getByRole('dialog').getByRole('button', { name: 'Quarantine' }));
    const orders = page.getByRole('list', { name: 'Orders to all devices' });
    await orders.getByText('app:goose').waitFor();
    await orders.getByText('2 of 4 devices, the slowest after 47 ms').waitFor();
    expect(clicks).toBeLessThan(10);
  });
});
