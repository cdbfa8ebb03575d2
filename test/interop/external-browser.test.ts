/** Signing in with an external provider as a person does: a real controller, a real OpenID provider, a real browser, and the command line. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { IdentityView, LoginView } from '../../main/api/views.ts';
import { browserMissing, launchBrowser, openPage } from '../support/browser.ts';
import { culvert, culvertJson, startCulvert, type RunningCulvert } from '../support/culvert.ts';
import { openOidcProvider, type OidcProvider } from '../support/openid-provider.ts';
import { openZitiMissing } from '../support/openziti-binary.ts';
import { mustSkip } from '../support/optional.ts';
import type { RealAdmin } from '../support/real-admin.ts';
import { openRealNetwork, realNetworkTimeoutMs, type RealNetwork } from '../support/real-network.ts';
import { until } from '../support/until.ts';
import { uniqueName } from '../support/ziti-world.ts';

describe.skipIf(mustSkip(openZitiMissing() ?? browserMissing()))('a person signs in externally (OpenZiti)', () => {
  let network: RealNetwork;
  let home: string;
  let state: string;
  let env: Record<string, string>;
  let provider: OidcProvider;
  let browser: Browser;
  let engine: RunningCulvert;
  let authPolicyId: string;

  beforeAll(async () => {
    network = await openRealNetwork();
    browser = await launchBrowser();
    home = await mkdtemp(join(tmpdir(), 'culvert-external-'));
    state = join(home, 'state');
    await writeFile(join(home, 'culvert-passphrase'), 'correct horse\n', { mode: 0o600 });
    env = { CREDENTIALS_DIRECTORY: home };
    provider = await openOidcProvider();
    const { issuer } = provider;
    const { api } = network.admin as RealAdmin;
    const signerId = await api.create('external-jwt-signers', {
      ...{ name: 'company', enabled: true, issuer, audience: 'culvert', clientId: 'culvert', targetToken: 'ID' },
      ...{ jwksEndpoint: `${issuer}/jwks`, externalAuthUrl: issuer, scopes: ['email'] },
      ...{ useExternalId: true, claimsProperty: 'sub' },
    });
    authPolicyId = await api.create('auth-policies', {
      name: 'by the company',
      primary: {
        cert: { allowed: false, allowExpiredCerts: false },
        extJwt: { allowed: true, allowedSigners: [signerId] },
        updb: {
          ...{ allowed: false, minPasswordLength: 5, maxAttempts: 5, lockoutDurationMinutes: 1 },
          ...{ requireSpecialChar: false, requireNumberChar: false, requireMixedCase: false },
        },
      },
      secondary: { requireTotp: false },
    });
    const token = join(home, 'network.jwt');
    const known = (await api.call('GET', '/edge/client/v1/network-jwts')) as { token: string }[];
    await writeFile(token, known[0]?.token ?? '');
    const enrol = (source: string, name: string, ...more: string[]): Promise<unknown> =>
      culvertJson(['enroll', source, '--name', name, '--keystore', 'file', '--state', state, ...more], { env });
    // Nobody vouches for it, and no fingerprint was compared: nothing is trusted.
    const blind = await culvert(['enroll', network.controllerUrl, '--name', 'blind', '--state', state, '--json'], {
      env,
    });
    const { error } = JSON.parse(blind.err) as { error: { code: string; details: { sha256: string } } };
    expect(error.code).toBe('ziti.controller.certificate');
    const wrong = error.details.sha256.replace(/^../, (byte) => (byte === '00' ? '01' : '00'));
    await expect(enrol(network.controllerUrl, 'blind', '--fingerprint', wrong)).rejects.toThrow('exit 1');
    await enrol(network.controllerUrl, 'by-address', '--fingerprint', error.details.sha256.toLowerCase());
    await enrol(token, 'by-token');
    engine = await startCulvert(['run', '--mode', 'host', '--state', state], { env });
  }, realNetworkTimeoutMs);

  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
    await browser?.close();
    provider?.[Symbol.dispose]();
    await network?.[Symbol.asyncDispose]();
    await rm(home, { recursive: true, force: true });
  }, 60_000);

  async function identity(name: string): Promise<IdentityView | undefined> {
    const rows = await culvertJson<IdentityView[]>(['identity', 'list', '--state', state]);
    return rows.find((row) => row.name === name);
  }

  function person(): Promise<string> {
    const externalId = uniqueName('mia');
    return network.admin
      .createIdentity(externalId, { externalId, authPolicyId, enrolment: 'none' })
      .then(() => externalId);
  }

  /** Go through the provider's pages until one says `done`. */
  async function signInAs(login: string, url: string, done: RegExp): Promise<void> {
    await using opened = await openPage(browser, url);
    const { page } = opened;
    for (let step = 0; step < 8 && !done.test((await page.textContent('body')) ?? ''); step += 1) {
      const field = page.locator('input[name=login]');
      if ((await field.count()) > 0) {
        await field.fill(login);
        await page.locator('input[name=password]').fill('any');
      }
      await Promise.all([page.waitForNavigation(), page.locator('button[type=submit]').first().click()]);
    }
    expect(await page.textContent('body')).toMatch(done);
  }

  test("with the controller's address and a browser: code with PKCE, back over loopback", async () => {
    await until(async () => (await identity('by-address'))?.state === 'login-required', 20_000);
    expect(await identity('by-address')).toMatchObject({
      proof: 'external',
      keystore: 'none',
      loginProviders: ['company'],
    });
    const mia = await person();
    const { url } = await culvertJson<LoginView>(['identity', 'login', 'by-address', '--state', state]);
    expect(url).toContain('code_challenge_method=S256');
    await signInAs(mia, url, /You are signed in/);
    await until(async () => (await identity('by-address'))?.state === 'ready', 20_000);
    expect(await identity('by-address')).toMatchObject({ controllerName: mia });
  }, 60_000);

  test("with the network's token and a code typed on another device", async () => {
    await until(async () => (await identity('by-token'))?.state === 'login-required', 20_000);
    const mia = await person();
    const login = await culvertJson<LoginView>(['identity', 'login', 'by-token', '--device', '--state', state]);
    expect(login.userCode).toMatch(/^[A-Z]{4}-[A-Z]{4}$/);
    await signInAs(mia, login.url, /Success/);
    await until(async () => (await identity('by-token'))?.state === 'ready', 30_000);
    expect(await identity('by-token')).toMatchObject({ controllerName: mia });
  }, 60_000);

  test('somebody the network does not know is refused by name, and may try again', async () => {
    const { url } = await culvertJson<LoginView>(['identity', 'login', 'by-address', '--state', state]);
    await signInAs('nobody', url, /You are signed in/);
    const refused = async (): Promise<boolean> => {
      const view = await identity('by-address');
      return view?.state === 'login-required' && view.reason?.code === 'ziti.controller.unauthenticated';
    };
    await until(refused, 20_000);
    expect((await identity('by-address'))?.reason?.next).toContain('culvert identity login by-address');
    expect((await identity('by-token'))?.state).toBe('ready');
  }, 60_000);
});
