/** An identity token counts only for the sign-in it was made for. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { Provider } from '../../main/engine/sign-in/provider.ts';
import { listening } from '../support/listening.ts';

let server: Server;
afterEach(() => new Promise<void>((resolve) => server.close(() => resolve())));

const unsigned = (claims: object): string =>
  `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.`;

/** A provider that gives whoever asks the token that `claimsFor` makes. */
async function provider(claimsFor: () => string): Promise<Provider> {
  server = createServer((request, response) => {
    const { port } = server.address() as AddressInfo;
    const at = `http://127.0.0.1:${port}`;
    const found = request.url?.endsWith('openid-configuration')
      ? { issuer: at, authorization_endpoint: `${at}/authorize`, token_endpoint: `${at}/token` }
      : { id_token: claimsFor(), access_token: 'access', token_type: 'Bearer' };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(found));
  });
  const port = await listening(server);
  return Provider.discover(
    {
      ...{ id: 's', name: 'company', scopes: [], targetToken: 'id', clientId: 'culvert', audience: undefined },
      ...{ configurationUrl: `http://127.0.0.1:${port}`, authorizationUrl: undefined },
    } as unknown as Parameters<typeof Provider.discover>[0],
    new AbortController().signal,
  );
}

it.each([
  ['of another sign-in', () => unsigned({ sub: 'mia', nonce: 'another' })],
  ['of none', () => unsigned({ sub: 'mia' })],
  ['that nobody can read', () => 'opaque'],
])('refuses a token %s', async (_what, token) => {
  const company = await provider(token);
  const request = company.beginCode('http://127.0.0.1:1/callback');
  expect(new URL(request.url).searchParams.get('nonce')).toBe(request.nonce);
  await expect(company.finishCode(request, 'code', new AbortController().signal)).rejects.toThrow('nonce');
});

it('takes the token of this sign-in', async () => {
  let nonce = '';
  const company = await provider(() => unsigned({ sub: 'mia', nonce }));
  const request = company.beginCode('http://127.0.0.1:1/callback');
  ({ nonce } = request);
  expect((await company.finishCode(request, 'code', new AbortController().signal)).token).toContain('.');
});
