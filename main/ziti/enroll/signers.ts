/** External providers that may vouch for identities of a network, and networks known by URL. */
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import { externalSignerListAnswer, networkTokenListAnswer, readData } from '../controller/answers.ts';
import type { OpenTransport } from '../controller/transport.ts';
import { clientApiPath } from '../controller/version.ts';
import { parseEnrolmentToken, verifyTokenSignature } from './token.ts';
import { trustByUrl, type TrustDeps } from './trust.ts';

/** Where and how to sign in externally. Source: edge-api client.yml `clientExternalJwtSignerDetail`. */
export interface ExternalSigner {
  readonly id: string;
  readonly name: string;
  readonly authorizationUrl: string | undefined;
  readonly configurationUrl: string | undefined;
  readonly clientId: string | undefined;
  readonly scopes: readonly string[];
  readonly audience: string | undefined;
  /** Which of the provider's tokens the controller wants. */
  readonly targetToken: 'access' | 'id';
  readonly enrollsToCertificate: boolean;
  readonly enrollsToToken: boolean;
}

/** Unauthenticated; needs the network's authorities only. Throws `ziti.controller.*`. */
export async function listSigners(
  origin: string,
  caPem: string,
  deps: { readonly open: OpenTransport; readonly signal?: AbortSignal },
): Promise<readonly ExternalSigner[]> {
  await using http = deps.open(origin, { caPem });
  const answer = await http.send({
    method: 'GET',
    path: `${clientApiPath}/external-jwt-signers?limit=500`,
    headers: { accept: 'application/json' },
    ...defined({ signal: deps.signal }),
  });
  return readData(answer, externalSignerListAnswer, 'listing external signers').map((signer) => ({
    id: signer.id,
    name: signer.name,
    authorizationUrl: signer.externalAuthUrl ?? undefined,
    configurationUrl: signer.openIdConfigurationUrl ?? undefined,
    clientId: signer.clientId ?? undefined,
    scopes: signer.scopes,
    audience: signer.audience ?? undefined,
    targetToken: signer.targetToken === 'ID' ? 'id' : 'access',
    enrollsToCertificate: signer.enrollToCertEnabled === true,
    enrollsToToken: signer.enrollToTokenEnabled === true,
  }));
}

/** A network looked at by its controller's URL. */
export interface NetworkView {
  readonly apis: readonly string[];
  readonly caPem: string;
  readonly signers: readonly ExternalSigner[];
}

/**
 * Look at a network by URL (`https://host:port`, path ignored). `accept` is asked where the system's authorities do not vouch for
 * its certificate. The network's own token must be signed by the certificate shown. Throws `ziti.controller.*`,
 * `ziti.enroll.token_foreign`.
 */
export async function inspectNetwork(
  url: string,
  deps: TrustDeps & { accept(leaf: { readonly sha256: string; readonly subject: string }): Promise<boolean> },
): Promise<NetworkView> {
  if (!URL.canParse(url) || new URL(url).protocol !== 'https:') {
    throw new TunnelerError('base.invalid', `network URL: expected https://host:port, got "${url}"`);
  }
  const { origin } = new URL(url);
  const trust = await trustByUrl(origin, deps);
  await using pinned = deps.open(origin, { caPem: trust.leaf.toString(), partialChain: true });
  const answer = await pinned.send({
    method: 'GET',
    path: `${clientApiPath}/network-jwts`,
    headers: { accept: 'application/json' },
    ...defined({ signal: deps.signal }),
  });
  for (const { token } of readData(answer, networkTokenListAnswer, 'reading the network token')) {
    if ((await verifyTokenSignature(parseEnrolmentToken(token), trust.leaf)) === 'good') continue;
    throw new TunnelerError(
      'ziti.enroll.token_foreign',
      `the token of the network at ${origin} was not issued by its controller`,
    );
  }
  const signers = await listSigners(origin, trust.caPem, deps);
  const named = trust.version.clientApis.filter((api) => URL.canParse(api));
  return { apis: [...new Set([`${origin}${clientApiPath}`, ...named])], caPem: trust.caPem, signers };
}
