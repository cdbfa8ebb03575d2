/** What a controller offers, and the choice between the two ways of authentication. */
import { defined } from '../../base/defined.ts';
import { readData, versionAnswer } from './answers.ts';
import type { HttpTransport } from './transport.ts';

/** A controller as it describes itself, before anybody signs in. */
export interface ControllerVersion {
  readonly version: string;
  readonly capabilities: readonly string[];
  /** API base URLs of every controller that this one names for clients. */
  readonly clientApis: readonly string[];
  /** Path of the OpenID provider, where it has one. */
  readonly oidcPath: string | undefined;
}

/** Default path of the client API. Source: edge-api client.yml basePath. */
export const clientApiPath = '/edge/client/v1';

/** Unauthenticated. Throws as {@link HttpTransport} does, and `ziti.controller.malformed` where no controller answers. */
export async function discoverVersion(
  http: HttpTransport,
  signal?: AbortSignal,
  timeoutMs?: number,
): Promise<ControllerVersion> {
  const answer = await http.send({
    method: 'GET',
    path: `${clientApiPath}/version`,
    headers: { accept: 'application/json' },
    ...defined({ signal, timeoutMs }),
  });
  const data = readData(answer, versionAnswer, 'reading the controller version');
  const oidc = data.apiVersions['edge-oidc']?.['v1'];
  return {
    version: data.version,
    capabilities: data.capabilities,
    clientApis: data.apiVersions['edge-client']?.['v1']?.apiBaseUrls ?? [],
    oidcPath: oidc === undefined ? undefined : (oidc.path ?? '/oidc'),
  };
}

/**
 * OIDC only where the release enforces revocation on OIDC sessions: those that also offer OIDC_AUTH_WITH_CSR (2.x). With
 * older ones that merely offer OIDC_AUTH a deleted policy or disabled identity would keep working, and a token update can
 * take a router down.
 */
export function chooseAuthentication(version: ControllerVersion): 'oidc' | 'legacy' {
  const oidc = version.oidcPath !== undefined && version.capabilities.includes('OIDC_AUTH_WITH_CSR');
  return oidc ? 'oidc' : 'legacy';
}

/** Of a release such as `v2.1.0-pre2`; development builds, which name none, are taken for old. */
export function isAtLeast(version: string, major: number, minor: number): boolean {
  const [, ownMajor, ownMinor] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  if (ownMajor === undefined) return false;
  return Number(ownMajor) > major || (Number(ownMajor) === major && Number(ownMinor) >= minor);
}
