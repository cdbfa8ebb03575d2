/** The whole of it, as a person meets it: a real engine on each network, its console, its window, and an application that flows through. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TOTP } from 'otpauth';
import { URI } from 'otpauth';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ConsoleView, ServiceView } from '../../main/api/views.ts';
import { browserMissing, launchBrowser, openPage, type OpenPage } from '../support/browser.ts';
import { mustSkip } from '../support/optional.ts';
import { culvert, culvertJson, startCulvert, type RunningCulvert } from '../support/culvert.ts';
import { describeGoverned } from '../support/networks.ts';
import { dialSocks, echo, ended, SocksRefusal } from '../support/socks-client.ts';
import { until } from '../support/until.ts';
import { listening } from '../support/listening.ts';

const window = fileURLToPath(new URL('../../dist/app', import.meta.url));
const row = (page: Page, text: string) => page.getByRole('row').filter({ hasText: text });
const go = async (page: Page, name: string): Promise<void> => {
  await page.getByRole('link', { name, exact: true }).click();
  // The screen before it is still there for a frame, rows and all.
  await page.getByRole('heading', { level: 1, name, exact: true }).waitFor();
};

describe.skipIf(mustSkip(browserMissing()))('a person at the window', () => {
  let browser: Browser;

  beforeAll(async () => {
    // the program serves the window built beside it
    if (!existsSync(join(window, 'index.html'))) {
      await build({
        configFile: fileURLToPath(new URL('../../app/vite.config.ts', import.meta.url)),
        logLevel: 'error',
      });
    }
    browser = await launchBrowser();
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
  });

  describeGoverned('of a real engine', (network) => {
    let home: string;
    let env: Record<string, string>;
    let target: Server;
    let device: RunningCulvert;
    let host: RunningCulvert;
    let opened: OpenPage;
    let page: Page;
    let proxy: string;
    let token: string;
    let openDialPolicy: string;
    const sockets = new Set<Socket>();
    const at = (name: string): string => join(home, name);

    beforeAll(async () => {
      home = await mkdtemp(join(tmpdir(), 'culvert-person-'));
      await mkdir(at('credentials'));
      await writeFile(at('credentials/culvert-passphrase'), 'correct horse\n', { mode: 0o600 });
      env = { CREDENTIALS_DIRECTORY: at('credentials') };
      target = createServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => sockets.delete(socket));
        socket.pipe(socket);
      });
      const port = await listening(target);
      const { admin } = network();
      const [laptop, box] = [await admin.createIdentity('person'), await admin.createIdentity('person-box')];
      token = laptop.jwt;
      await writeFile(at('box.jwt'), box.jwt);
      const service = (name: string, hosted: boolean): Promise<string> =>
        admin.createService({
          name,
          configs: {
            'intercept.v1': { protocols: ['tcp'], addresses: [`${name}.dark`], portRanges: [{ low: 7, high: 7 }] },
            ...(hosted ? { 'host.v1': { protocol: 'tcp', address: '127.0.0.1', port } } : {}),
          },
        });
      const open = await service('open-water', true);
      const dry = await service('dry-bed', false);
      openDialPolicy = await admin.createServicePolicy({ type: 'Dial', services: [open], identities: [laptop.id] });
      await admin.createServicePolicy({ type: 'Dial', services: [dry], identities: [laptop.id] });
      await admin.createServicePolicy({ type: 'Bind', services: [open], identities: [box.id] });
      const enrolled = await culvert(['enroll', at('box.jwt'), '--keystore', 'file', '--state', at('host')], { env });
      expect(enrolled).toMatchObject({ code: 0 });
      host = await startCulvert(['run', '--mode', 'host', '--state', at('host')], { env });
      await until(async () => {
        const services = await culvertJson<ServiceView[]>(['services', '--state', at('host')]);
        return services.some((one) => (one.hosted?.terminators ?? 0) > 0);
      }, 30_000);
      device = await startCulvert(
        ['run', '--mode', 'proxy', '--proxy-listen', '127.0.0.1:0', '--state', at('device')],
        { env },
      );
      proxy = String(device.ready['proxy']);
      const { url } = await culvertJson<ConsoleView>(['console', '--state', at('device')]);
      opened = await openPage(browser, url);
      page = opened.page;
    }, 180_000);

    afterAll(async () => {
      await opened?.[Symbol.asyncDispose]();
      await device?.[Symbol.asyncDispose]();
      await host?.[Symbol.asyncDispose]();
      for (const socket of sockets) socket.destroy();
      target?.close();
      await rm(home, { recursive: true, force: true });
    }, 60_000);

    test('enrols by dropping a token, and sees the services', async () => {
      await page.getByRole('heading', { name: 'Welcome to Culvert' }).waitFor();
      const data = await page.evaluateHandle((text) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([text], 'mira.jwt', { type: 'application/jwt' }));
        return transfer;
      }, token);
      await page.locator('body').dispatchEvent('drop', { dataTransfer: data });
      await page.getByRole('button', { name: 'Enrol', exact: true }).click();
      await page.getByRole('heading', { name: 'You are in' }).waitFor({ timeout: 60_000 });
      await page.getByRole('button', { name: 'See services' }).click();
      await row(page, 'open-water').getByText('Available').waitFor({ timeout: 30_000 });
      // Known before anybody has dialled it.
      await row(page, 'dry-bed').getByText('Nobody hosts it now').waitFor({ timeout: 30_000 });
    }, 120_000);

    test('sees a session while its first bytes flow, and closes it: the application’s socket is reset', async () => {
      await go(page, 'Sessions');
      await page.getByText('Still water').waitFor();
      const socket = await dialSocks(proxy, 'open-water.dark', 7);
      expect(await echo(socket, 'hello')).toBe('hello');
      // It is told of, not found when somebody looks again: nothing was pressed, and the session goes on.
      await row(page, 'open-water').getByText('Open', { exact: true }).waitFor();
      expect(await echo(socket, 'still')).toBe('still');
      const over = ended(socket);
      await row(page, 'open-water').getByRole('button', { name: /close/i }).click();
      expect(await over).toMatchObject({ reset: true });
      await row(page, 'open-water').getByText('consumer_close').waitFor();
    }, 60_000);

    test('explains a service nobody hosts, and a name nobody knows', async () => {
      await go(page, 'Services');
      await row(page, 'dry-bed').click();
      await page.getByRole('button', { name: 'Why?', exact: true }).click();
      const steps = page.getByRole('list', { name: 'From name to terminator' });
      await steps.getByRole('listitem').filter({ hasText: 'Fails' }).getByText('Terminator').waitFor();
      await page.getByRole('button', { name: 'Close details' }).click();
      await page.getByRole('button', { name: /Why can’t I reach/ }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByRole('textbox', { name: 'Destination' }).fill('unknown.dark:80');
      await dialog.getByRole('button', { name: 'Find out' }).click();
      await dialog.getByRole('listitem').filter({ hasText: 'Fails' }).first().waitFor();
      await page.keyboard.press('Escape');
    }, 60_000);

    test('sets up a second factor', async () => {
      await go(page, 'Identities');
      await row(page, 'mira').click();
      await page.getByRole('button', { name: 'Set up', exact: true }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByRole('img', { name: /QR code/ }).waitFor({ timeout: 30_000 });
      const secret =
        (await dialog.getByText('Or type the secret:').innerText()).split(':')[1]?.replaceAll(' ', '') ?? '';
      const totp = URI.parse(`otpauth://totp/mira?secret=${secret.trim()}`) as TOTP;
      await dialog.getByRole('textbox', { name: 'Code' }).fill(totp.generate());
      await dialog.getByRole('button', { name: 'Confirm' }).click();
      await dialog
        .getByRole('list', { name: 'Recovery codes' })
        .getByRole('listitem')
        .first()
        .waitFor({ timeout: 30_000 });
      await dialog.getByRole('button', { name: 'I have kept them' }).click();
      await page.getByRole('complementary').getByText('Set up', { exact: true }).waitFor();
    }, 90_000);

    test('keeps a provider’s key that nobody reads again, and erases it after asking', async () => {
      await go(page, 'Settings');
      const card = page.getByRole('region', { name: 'Providers’ keys' });
      await card.getByRole('button', { name: 'Add a key' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByRole('textbox', { name: 'Name' }).fill('no good name');
      await dialog.getByText(/^Letters, digits/).waitFor();
      await dialog.getByRole('textbox', { name: 'Name' }).fill('plant-llm');
      await dialog.getByLabel('Key', { exact: true }).fill('sk-never-shown-again');
      await dialog.getByRole('button', { name: 'Keep', exact: true }).click();
      await card.getByRole('listitem').filter({ hasText: 'plant-llm' }).getByText('No service uses it').waitFor();
      expect(await page.content()).not.toContain('sk-never-shown-again');
      expect(await culvertJson(['secret', 'list', '--state', at('device')])).toMatchObject([{ name: 'plant-llm' }]);
      await card.getByRole('button', { name: 'Remove plant-llm' }).click();
      await dialog.getByRole('button', { name: 'Remove', exact: true }).click();
      await card.getByRole('listitem').waitFor({ state: 'detached' });
      expect(await culvertJson(['secret', 'list', '--state', at('device')])).toEqual([]);
    }, 60_000);

    test('looks at everything it needs, and changes a setting that is shown before it is written', async () => {
      await go(page, 'Diagnostics');
      const checks = page.getByRole('list', { name: 'Check-up' });
      await checks
        .getByRole('listitem')
        .filter({ hasText: 'Journal' })
        .getByText(/intact/)
        .waitFor({ timeout: 30_000 });
      await go(page, 'Settings');
      await page.getByRole('textbox', { name: 'Proxy listens on' }).fill('127.0.0.1:0');
      await page.getByRole('button', { name: 'Check the change' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByRole('insertion').getByText('listen: 127.0.0.1:0').waitFor();
      await dialog.getByRole('button', { name: 'Write it' }).click();
      await page.getByText('culvert.yaml is changed.').waitFor();
      expect(await readFile(at('device/culvert.yaml'), 'utf8')).toBe('proxy:\n  listen: 127.0.0.1:0\n');
    }, 60_000);

    test('sees the reason when access is revoked at the controller', async () => {
      await go(page, 'Sessions');
      const socket = await dialSocks(proxy, 'open-water.dark', 7);
      expect(await echo(socket, 'still here')).toBe('still here');
      await row(page, 'open-water').filter({ hasText: 'Open' }).first().waitFor();
      const over = ended(socket);
      await network().admin.deleteServicePolicy(openDialPolicy);
      // Neither the application nor the person does anything more: what is in flight ends by itself.
      expect(await over).toMatchObject({ reset: true });
      await row(page, 'Access revoked').getByText('policy_revoked').waitFor();
      await expect(dialSocks(proxy, 'open-water.dark', 7)).rejects.toThrow(SocksRefusal);
    }, 60_000);

    test('finds it in the audit, verifies that, and exports it', async () => {
      await go(page, 'Audit');
      await page.getByRole('searchbox').fill('open-water');
      await row(page, 'open-water').first().waitFor();
      await page.getByRole('button', { name: 'Verify now' }).click();
      await page.getByText(/^Intact/).waitFor();
      await page.getByRole('button', { name: 'Export' }).click();
      const downloading = page.waitForEvent('download');
      await page.getByRole('dialog').getByRole('button', { name: 'Save file' }).click();
      const lines = (await readFile(await (await downloading).path(), 'utf8')).trim().split('\n');
      const records = lines.map((line) => JSON.parse(line) as { seq: number; reason?: string });
      expect(records.some(({ reason }) => reason === 'policy_revoked')).toBe(true);
      expect(records.every(({ seq }) => Number.isInteger(seq))).toBe(true);
    }, 60_000);

    test('saw no error of the page on the way', () => {
      expect(opened.errors).toEqual([]);
    });
  });
});
