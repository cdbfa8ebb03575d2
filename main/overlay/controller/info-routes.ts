/** What anyone may ask: versions, trust anchors, network tokens, signers; and controllers for who is authenticated. */
import type { Routes } from './http.ts';
import { data, page } from './http.ts';
import { requirePartialCaller, type ControllerContext } from './context.ts';
import { fingerprintOfPem } from '../pki.ts';
import { iso, signerView } from './views.ts';

/** Mount below each of `bases` (and `/version` at the top). */
export function addInfoRoutes(routes: Routes, bases: readonly string[], context: ControllerContext): void {
  for (const base of ['', ...bases]) {
    routes.add('GET', `${base}/version`, () => data(versionView(context)));
    routes.add('GET', `${base}/.well-known/est/cacerts`, () => ({
      text: context.pki.cacertsBody(),
      contentType: 'application/pkcs7-mime',
      headers: { 'content-transfer-encoding': 'base64' },
    }));
  }
  for (const base of bases) {
    routes.add('GET', `${base}/protocols`, () => data({ https: { address: new URL(context.url()).host } }));
    routes.add('GET', `${base}/network-jwts`, () => data([{ name: 'default', token: networkToken(context) }]));
    routes.add('GET', `${base}/external-jwt-signers`, (request) =>
      page(
        context.network.signers.filter((signer) => signer.enabled).map((signer) => signerView(context, signer)),
        request.query,
      ),
    );
    routes.add('GET', `${base}/enumerated-capabilities`, () =>
      data(['OIDC_AUTH', 'OIDC_AUTH_WITH_CSR', 'HA_CONTROLLER']),
    );
    routes.add('GET', `${base}/controllers`, (request) => {
      requirePartialCaller(context, request);
      // Release 1.7 answers an empty list where there is no cluster.
      return page(context.authentication === 'legacy' ? [] : [controllerView(context)], request.query);
    });
  }
}

function versionView(context: ControllerContext): object {
  const api = (path: string) => ({ v1: { path, apiBaseUrls: [`${context.url()}${path}`] } });
  const offersOidc = context.authentication !== 'legacy';
  return {
    version: context.version,
    revision: 'culvert-overlay',
    buildDate: '2026-01-01T00:00:00Z',
    runtimeVersion: process.version,
    capabilities: offersOidc ? ['OIDC_AUTH', 'OIDC_AUTH_WITH_CSR'] : [],
    apiVersions: {
      edge: api('/edge/client/v1'),
      'edge-client': api('/edge/client/v1'),
      'edge-management': api('/edge/management/v1'),
      ...(offersOidc ? { 'edge-oidc': api('/oidc') } : {}),
    },
  };
}

function networkToken(context: ControllerContext): string {
  const issuer = `${context.url()}/`;
  return context.signer.sign({ iss: issuer, sub: issuer, aud: ['openziti-enroller'], em: 'network', ctrls: null });
}

/** The one controller, as its clients see it. */
export function controllerView(context: ControllerContext) {
  const certPem = context.pki.record.controller.cert;
  const started = iso(context.network.lastChangeAt);
  const api = (path: string) => [{ url: `${context.url()}${path}`, version: 'v1' }];
  return {
    id: 'overlay-controller',
    createdAt: started,
    updatedAt: started,
    _links: { self: { href: './controllers/overlay-controller' } },
    name: 'overlay-controller',
    isOnline: true,
    isLeader: true,
    certPem,
    fingerprint: fingerprintOfPem(certPem),
    ctrlAddress: '',
    lastJoinedAt: started,
    apiAddresses: { 'edge-client': api('/edge/client/v1'), 'edge-oidc': api('/oidc') },
  };
}
