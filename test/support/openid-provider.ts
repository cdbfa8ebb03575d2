/** A real OpenID provider on loopback, whose sign-in takes any name for its subject; a native client `culvert`, by browser or device code. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider from 'oidc-provider';

export interface OidcProvider extends Disposable {
  readonly issuer: string;
}

/** @param more settings of `oidc-provider` beside these. */
export async function openOidcProvider(more: ConstructorParameters<typeof Provider>[1] = {}): Promise<OidcProvider> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'culvert',
        token_endpoint_auth_method: 'none',
        application_type: 'native',
        redirect_uris: ['http://localhost:20314/auth/callback'],
        grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
        response_types: ['code'],
      },
    ],
    pkce: { required: () => true },
    scopes: ['openid', 'offline_access', 'email'],
    features: { devInteractions: { enabled: true }, deviceFlow: { enabled: true } },
    cookies: { keys: ['test'] },
    ...more,
  });
  server.on('request', provider.callback());
  return {
    issuer,
    [Symbol.dispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}
