/** Signing in with a real OpenID provider: by browser and by device code, and again without a person. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { silentLog } from '../../main/base/log.ts';
import { systemClock } from '../../main/base/clock.ts';
import type { Identities } from '../../main/engine/identities/identities.ts';
import { ExternalLogin } from '../../main/engine/sign-in/external-login.ts';
import type { ExternalSigner } from '../../main/ziti/ziti.ts';
import { openOidcProvider, type OidcProvider } from '../support/openid-provider.ts';
import { until } from '../support/until.ts';

let provider: OidcProvider;
let issuer: string;
let given: string[];
let signer: ExternalSigner;
let laterMs = 0;

beforeAll(async () => {
  provider = await openOidcProvider({ issueRefreshToken: () => Promise.resolve(true) });
  ({ issuer } = provider);
});

afterAll(() => provider[Symbol.dispose]());

beforeEach(() => {
  given = [];
  signer = {
    id: 's1',
    name: 'company',
    authorizationUrl: issuer,
    configurationUrl: undefined,
    clientId: 'culvert',
    scopes: ['email'],
    audience: undefined,
    targetToken: 'id',
    enrollsToCertificate: false,
    enrollsToToken: false,
  };
});

function login(): ExternalLogin {
  const identities = {
    get: () => ({ record: () => ({ apis: ['https://127.0.0.1:1'], caPem: '' }) }),
    context: () => ({
      provideExternalToken: (token: string) => {
        given.push(token);
        return Promise.resolve();
      },
    }),
  } as unknown as Identities;
  return new ExternalLogin({
    identities,
    clock: { ...systemClock, monotonic: () => systemClock.monotonic() + laterMs },
    log: silentLog,
    listSigners: () => Promise.resolve([signer]),
  });
}

/** A browser as small as the provider's own pages need: cookies, redirects, the two forms. */
async function browse(
  start: string,
  fill: (html: string, url: string) => URLSearchParams | undefined,
): Promise<string> {
  const jar = new Map<string, string>();
  let url = start;
  let form: URLSearchParams | undefined;
  for (let step = 0; step < 20; step++) {
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form === undefined ? {} : { method: 'POST', body: form }),
    });
    form = undefined;
    for (const cookie of response.headers.getSetCookie()) {
      const [pair = ''] = cookie.split(';');
      jar.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
    }
    const location = response.headers.get('location');
    if (location !== null) {
      url = new URL(location, url).href;
      continue;
    }
    const html = await response.text();
    form = fill(html, url);
    if (form === undefined) return html;
    url = new URL(/action="([^"]*)"/.exec(html)?.[1] ?? url, url).href;
  }
  throw new Error('no end in sight');
}

function hidden(html: string): Record<string, string> {
  return Object.fromEntries(
    [...html.matchAll(/<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"/g)].map((found) => [
      found[1] ?? '',
      found[2] ?? '',
    ]),
  );
}

const signIn = (html: string): URLSearchParams | undefined =>
  html.includes('name="login"')
    ? new URLSearchParams({ ...hidden(html), login: 'alice', password: 'x' })
    : html.includes('<form') && !html.includes('signed in')
      ? new URLSearchParams(hidden(html))
      : undefined;

test('by browser: the code comes back, the token is handed in, and a refresh needs nobody', async () => {
  using external = login();
  const { url } = await external.begin('laptop', undefined, false);
  expect(new URL(url).searchParams.get('code_challenge_method')).toBe('S256');
  expect(await browse(url, signIn)).toContain('You are signed in');
  await until(() => given.length === 1);
  // Asked for again at once, it is the controller that does not like it; later, it is worn out.
  external.renew('laptop');
  laterMs += 60_000;
  external.renew('laptop');
  await until(() => given.length === 2);
  for (const token of given) {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { sub: string };
    expect(claims.sub).toBe('alice');
  }
});

test('by device code', async () => {
  using external = login();
  const { url, userCode } = await external.begin('box', 'company', true);
  expect(userCode).toMatch(/^[A-Z]{4}-[A-Z]{4}$/);
  await browse(url, signIn);
  await until(() => given.length === 1, 20_000);
});

test('a stranger at the callback gets nothing, and a second sign-in ends the first', async () => {
  using external = login();
  await external.begin('laptop', undefined, false);
  const stranger = await fetch('http://localhost:20314/auth/callback?code=stolen&state=guess');
  expect(stranger.status).toBe(404);
  expect(given).toEqual([]);
});

test('an unknown provider, and one that is away, are said as such', async () => {
  using external = login();
  await expect(external.begin('laptop', 'nobody', false)).rejects.toMatchObject({ code: 'base.invalid' });
  signer = { ...signer, authorizationUrl: 'https://127.0.0.1:1' };
  await expect(external.begin('laptop', undefined, false)).rejects.toMatchObject({
    code: 'ziti.controller.external_login_required',
  });
  signer = { ...signer, authorizationUrl: 'http://provider.example' };
  await expect(external.begin('laptop', undefined, false)).rejects.toThrow(/not https/);
});
