/** A box without a screen: its console is a dark service, and whoever may dial that looks after it from another machine. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ConsoleView, ServiceView, SessionView } from '../../main/api/views.ts';
import { browserMissing, launchBrowser } from '../support/browser.ts';
import { culvert, culvertJson, startCulvert, type RunningCulvert } from '../support/culvert.ts';
import { describeGoverned } from '../support/networks.ts';
import { mustSkip } from '../support/optional.ts';
import { until } from '../support/until.ts';
import { freePort } from '../support/child.ts';

const root = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

describe.skipIf(mustSkip(browserMissing()))('a console that is a dark service', () => {
  let browser: Browser;

  beforeAll(async () => {
    if (!existsSync(root('dist/app/index.html')))
      await build({ configFile: root('app/vite.config.ts'), logLevel: 'error' });
    browser = await launchBrowser();
  }, 120_000);
  afterAll(() => browser?.close());

  describeGoverned('of a box elsewhere', (network) => {
    let home: string;
    let box: RunningCulvert;
    let laptop: RunningCulvert;
    let proxy: string;
    const at = (name: string): string => join(home, name);

    beforeAll(async () => {
      home = await mkdtemp(join(tmpdir(), 'culvert-box-'));
      await mkdir(at('credentials'));
      await writeFile(at('credentials/culvert-passphrase'), 'correct horse\n', { mode: 0o600 });
      const env = { CREDENTIALS_DIRECTORY: at('credentials') };
      const { admin } = network();
      const port = await freePort();
      const [keeper, edge] = [await admin.createIdentity('box-keeper'), await admin.createIdentity('edge-box')];
      const service = await admin.createService({
        name: 'edge-box-console',
        configs: {
          'intercept.v1': { protocols: ['tcp'], addresses: ['console.edge'], portRanges: [{ low: 80, high: 80 }] },
          'host.v1': { protocol: 'tcp', address: '127.0.0.1', port },
        },
      });
      await admin.createServicePolicy({ type: 'Dial', services: [service], identities: [keeper.id] });
      await admin.createServicePolicy({ type: 'Bind', services: [service], identities: [edge.id] });
      const enrol = async (name: string, jwt: string): Promise<void> => {
        await writeFile(at(`${name}.jwt`), jwt);
        const ran = await culvert(['enroll', at(`${name}.jwt`), '--keystore', 'file', '--state', at(name)], { env });
        expect(ran).toMatchObject({ code: 0 });
      };
      await enrol('box', edge.jwt);
      await enrol('laptop', keeper.jwt);
      await writeFile(at('box/culvert.yaml'), `console: { enabled: true, listen: "127.0.0.1:${port}" }\n`);
      box = await startCulvert(['run', '--mode', 'host', '--state', at('box')], { env });
      await until(async () => {
        const services = await culvertJson<ServiceView[]>(['services', '--state', at('box')]);
        return services.some((one) => (one.hosted?.terminators ?? 0) > 0);
      }, 30_000);
      laptop = await startCulvert(
        ['run', '--mode', 'proxy', '--proxy-listen', '127.0.0.1:0', '--state', at('laptop')],
        { env },
      );
      proxy = String(laptop.ready['proxy']);
    }, 120_000);

    afterAll(async () => {
      await laptop?.[Symbol.asyncDispose]();
      await box?.[Symbol.asyncDispose]();
      await rm(home, { recursive: true, force: true });
    }, 60_000);

    const addresses = (): Promise<ConsoleView> => culvertJson<ConsoleView>(['console', '--state', at('box')]);

    /** What the console answers to a request that came through the overlay. */
    function throughProxy(url: string, headers: Record<string, string> = {}): Promise<number> {
      const [host, port] = proxy.split(':');
      return new Promise((resolve, reject) => {
        const own = { host: new URL(url).host, ...headers };
        const asked = request({ host, port, path: url, headers: own, agent: false });
        asked.on('response', (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        });
        asked.on('error', reject);
        asked.end();
      });
    }

    test('prints its dark address beside the one on loopback, and opens there in another machine’s browser', async () => {
      const { url, dark } = await addresses();
      expect(new URL(url).hostname).toBe('127.0.0.1');
      expect(dark).toHaveLength(1);
      expect(dark?.[0]).toMatch(/^http:\/\/console\.edge\/\?token=[\w-]{40,}$/);

      const context = await browser.newContext({ proxy: { server: `socks5://${proxy}` } });
      try {
        const page = await context.newPage();
        const errors: string[] = [];
        page.on('pageerror', (error) => errors.push(error.message));
        await page.goto(dark?.[0] ?? '');
        // Its own session is what it hosts now: the window shows itself.
        await page
          .getByRole('row')
          .filter({ hasText: 'edge-box-console' })
          .filter({ hasText: 'Open' })
          .first()
          .waitFor({ timeout: 20_000 });
        expect(await page.evaluate(() => document.cookie)).toBe('');
        expect(errors).toEqual([]);
        const sessions = await culvertJson<SessionView[]>(['sessions', '--state', at('laptop')]);
        expect(sessions.some((one) => one.service === 'edge-box-console' && one.state === 'open')).toBe(true);
      } finally {
        await context.close();
      }
    }, 60_000);

    test('checks Host, Origin and token there as everywhere', async () => {
      const [first = '', again = ''] = [(await addresses()).dark?.[0], (await addresses()).dark?.[0]];
      expect(await throughProxy(first, { origin: 'http://evil.example' })).toBe(403);
      expect(await throughProxy(first)).toBe(200);
      expect(await throughProxy(first)).toBe(403);
      expect(await throughProxy(again.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')))).toBe(403);
      expect(await throughProxy('http://console.edge/')).toBe(401);
      // Somebody else's name for the same port, on the box itself.
      const local = new URL((await addresses()).url);
      const answer = await new Promise<number>((resolve, reject) => {
        const asked = request(local, { headers: { host: 'rebound.example' } }, (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        });
        asked.on('error', reject);
        asked.end();
      });
      expect(answer).toBe(403);
    }, 30_000);
  });
});
