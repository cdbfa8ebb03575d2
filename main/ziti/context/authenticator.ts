/**
 * Signing in and what it yields: a session, and a TLS credential for the API and for routers. Where the identity's own key cannot
 * or shall not be at work (hardware, just-in-time, no certificate at all), a throw-away key with a session certificate is.
 */
import { arch, hostname, platform, release, version as osVersion } from 'node:os';
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { TunnelerError, isTunnelerError } from '../../base/errors.ts';
import { clockIsOff, clockSkew } from '../controller/controller-clock.ts';
import { ControllerClient } from '../controller/controller-client.ts';
import { Endpoints } from '../controller/endpoints.ts';
import { openHttpsTransport } from '../controller/https-transport.ts';
import { readLegacySession, signInLegacy } from '../controller/legacy-sign-in.ts';
import { signInOidc } from '../controller/oidc-sign-in.ts';
import { refreshOidc, revokeOidc } from '../controller/oidc-token.ts';
import type { ApiSession, ClientInfo, LegacySession, PrimaryProof, SignIn } from '../controller/sign-in.ts';
import type { OpenTransport, TransportCredential } from '../controller/transport.ts';
import { chooseAuthentication, discoverVersion, type ControllerVersion } from '../controller/version.ts';
import { certificateExpiry } from '../enroll/certificates.ts';
import { createSigningRequest, newSoftwareKey } from '../enroll/signing-request.ts';
import type { Credential, ZitiContextOptions } from './options.ts';

/** TLS material for routers. */
export interface RouterTls {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** Signed in: everything further goes through here. Disposing closes its own connections, not the session. */
export class SignedIn implements AsyncDisposable {
  readonly controller: ControllerVersion;
  readonly endpoints: Endpoints;
  readonly client: ControllerClient;
  #session: ApiSession;
  #routerTls: RouterTls;

  constructor(session: ApiSession, controller: ControllerVersion, endpoints: Endpoints, tls: RouterTls, clock: Clock) {
    this.#session = session;
    this.#routerTls = tls;
    this.controller = controller;
    this.endpoints = endpoints;
    this.client = new ControllerClient({ endpoints, session: () => this.#session, clock });
  }

  get session(): ApiSession {
    return this.#session;
  }

  get routerTls(): RouterTls {
    return this.#routerTls;
  }

  /** A fresher session certificate for the same key: for channels opened from now on. */
  useRouterCertificate(certPem: string): void {
    this.#routerTls = { ...this.#routerTls, cert: certPem };
  }

  /** The same session with a fresher token or expiry. */
  adopt(session: ApiSession): void {
    this.#session = session;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.endpoints[Symbol.asyncDispose]();
  }
}

/** Signed in, or half: `complete` makes the whole of it once the last proof was given. */
export type SignInOutcome =
  | { readonly kind: 'signed-in'; readonly signedIn: SignedIn }
  | {
      readonly kind: 'pending';
      readonly step: SignIn & { kind: 'pending' };
      complete(session: ApiSession): Promise<SignedIn>;
    };

/** They last 12 hours by default (ziti `controller/model/api_session_certificate_manager.go`); renewed well before. */
const sessionCertificateReserveMs = 2 * 3_600_000;
/** A controller of the same cluster that is well answers a question without a session in far less. */
const probeTimeoutMs = 3000;

/** Finds the controller that answers, proves the identity to it, and renews what the session hangs on; throws `ziti.controller.*`. */
export class Authenticator implements AsyncDisposable {
  readonly #options: ZitiContextOptions;
  readonly #open: OpenTransport;
  #credential: Credential;
  #externalToken: string | undefined;
  #login: Endpoints | undefined;
  #apis: readonly string[];

  constructor(options: ZitiContextOptions) {
    this.#options = options;
    this.#open = options.open ?? openHttpsTransport;
    this.#credential = options.credential;
    this.#apis = options.apis;
    if (options.credential.kind === 'external') this.#externalToken = options.credential.token;
  }

  /** Controllers learnt since; used from the next sign-in on. */
  learnControllers(apis: readonly string[]): void {
    this.#apis = [...new Set([...this.#apis, ...apis])];
    this.#login?.add(apis);
  }

  /** The network changed: a sign-in under way fails now, the next one connects anew. */
  renewConnections(): void {
    this.#login?.renew();
  }

  /** For the next sign-in, as first or second proof. */
  useExternalToken(token: string): void {
    this.#externalToken = token;
  }

  /** The renewed certificate, from the next sign-in or {@link recredential} on. */
  async useCredential(credential: Credential): Promise<void> {
    this.#credential = credential;
    const old = this.#login;
    this.#login = undefined;
    await old?.[Symbol.asyncDispose]();
  }

  /** Calls over TLS with the identity's own certificate (renewal compares it), under a given session. */
  ownClient(session: () => ApiSession): ControllerClient {
    return new ControllerClient({ endpoints: this.#loginEndpoints(), session, clock: this.#options.clock });
  }

  /** Where only a throw-away key may face routers. */
  #worksWithSessionCertificate(): boolean {
    const credential = this.#credential;
    return credential.kind !== 'certificate' || credential.justInTime === true || credential.key.kind === 'hardware';
  }

  /** One sign-in. Throws `ziti.controller.*`; `.external_login_required` where a token is needed first. */
  async signIn(signal: AbortSignal): Promise<SignInOutcome> {
    const endpoints = this.#loginEndpoints();
    const proof = await this.#proof(endpoints);
    const work = this.#worksWithSessionCertificate() ? await throwAwayKey() : undefined;
    const { step, controller } = await endpoints
      .run(async (http) => {
        const controller = await discoverVersion(http, signal);
        return { controller, step: await this.#present(http, controller, proof, work?.csrPem, signal) };
      })
      .catch(async (error: unknown) => {
        throw await this.#timely(this.#blamed(error), endpoints);
      });
    const complete = (session: ApiSession): Promise<SignedIn> => this.#complete(session, controller, work);
    if (step.kind === 'pending') return { kind: 'pending', step, complete };
    return { kind: 'signed-in', signedIn: await complete(step.session) };
  }

  /** The same session, fresh. Throws `ziti.controller.session_expired` where a new sign-in is needed. */
  async refresh(current: SignedIn, signal: AbortSignal): Promise<ApiSession> {
    await this.#freshenCertificate(current, signal);
    const { session, controller, endpoints } = current;
    if (session.kind === 'legacy') {
      const read = await this.#readLegacy(endpoints, session, signal);
      if (read.pendingQueries.length > 0) {
        throw new TunnelerError('ziti.controller.session_expired', 'the controller asks for a further proof');
      }
      return { ...read.session, identityName: read.session.identityName ?? session.identityName };
    }
    const oidcPath = controller.oidcPath ?? '/oidc';
    return endpoints.run((http) => refreshOidc(http, { oidcPath, session, signal }));
  }

  /** A legacy session lives and dies with its controller: where that one is gone and another is there, it is over. */
  async #readLegacy(
    endpoints: Endpoints,
    session: LegacySession,
    signal: AbortSignal,
  ): ReturnType<typeof readLegacySession> {
    try {
      return await readLegacySession(endpoints.transport(), session, signal);
    } catch (error) {
      if (!isTunnelerError(error, 'ziti.controller.unreachable')) throw error;
      if (!(await endpoints.othersAnswer((http) => discoverVersion(http, signal, probeTimeoutMs)))) throw error;
      throw new TunnelerError(
        'ziti.controller.session_expired',
        'the controller of this session is gone, another answers',
        {
          cause: error,
        },
      );
    }
  }

  /** Session certificates may end long before their session; what routers are shown must not. */
  async #freshenCertificate(current: SignedIn, signal: AbortSignal): Promise<void> {
    if (!this.#worksWithSessionCertificate()) return;
    const { cert, key } = current.routerTls;
    if (certificateExpiry(cert) - this.#options.clock.now() > sessionCertificateReserveMs) return;
    const csrPem = await createSigningRequest({ kind: 'software', privateKeyPem: key }, 'culvert session');
    current.useRouterCertificate((await current.client.createSessionCertificate(csrPem, signal)).certPem);
  }

  /**
   * Does the session still hold? A legacy one is told by reading it, which also extends it. An OIDC token by using it, for the
   * controller refreshes tokens of a disabled identity all the same. Throws as {@link refresh}.
   */
  async check(current: SignedIn, signal: AbortSignal): Promise<ApiSession> {
    if (current.session.kind === 'legacy') return this.refresh(current, signal);
    try {
      await current.client.lastServiceChange({ signal });
      return current.session;
    } catch (error) {
      if (!isTunnelerError(error, 'ziti.controller.session_expired')) throw error;
    }
    current.adopt(await this.refresh(current, signal));
    await current.client.lastServiceChange({ signal });
    return current.session;
  }

  /** Tell the controller that the session is over. Throws where it cannot be told. */
  async signOut(current: SignedIn): Promise<void> {
    const { session, controller, client, endpoints } = current;
    if (session.kind === 'legacy') await client.logOut();
    else await revokeOidc(endpoints.transport(), controller.oidcPath ?? '/oidc', session);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#login?.[Symbol.asyncDispose]();
    this.#login = undefined;
  }

  async #proof(endpoints: Endpoints): Promise<PrimaryProof> {
    const credential = this.#credential;
    if (credential.kind === 'certificate') return { kind: 'cert' };
    if (credential.kind === 'password') {
      return { kind: 'password', username: credential.username, password: credential.password };
    }
    if (this.#externalToken !== undefined) return { kind: 'ext-jwt', token: this.#externalToken };
    throw new TunnelerError('ziti.controller.external_login_required', 'sign in with an external provider first', {
      details: { controller: endpoints.current, next: 'use culvert identity login' },
    });
  }

  /** A refusal says nothing of its cause; an expired certificate is cause enough. */
  #blamed(error: unknown): unknown {
    const credential = this.#credential;
    if (credential.kind !== 'certificate' || !isTunnelerError(error, 'ziti.controller.unauthenticated')) return error;
    const expiredAt = certificateExpiry(credential.certPem);
    if (expiredAt > this.#options.clock.now()) return error;
    const day = new Date(expiredAt).toISOString().slice(0, 10);
    return new TunnelerError(
      'identity.certificate_expired',
      `the certificate expired on ${day}, by this device's clock`,
      {
        cause: error,
        details: { expiredAt, next: "check this device's clock; if it is right, enrol again with a new token" },
      },
    );
  }

  /** What time alone explains is the clock's fault where the controller's own says another time. */
  async #timely(error: unknown, endpoints: Endpoints): Promise<unknown> {
    const ofTime =
      isTunnelerError(error, 'identity.certificate_expired') ||
      (isTunnelerError(error, 'ziti.controller.certificate') && /expired/i.test(String(error.details['reason'])));
    if (!ofTime) return error;
    const origin = String(error.details['origin'] ?? endpoints.current);
    const deps = { open: this.#open, clock: this.#options.clock };
    return (await clockIsOff(origin, deps)) ? clockSkew(origin, error) : error;
  }

  #present(
    http: Parameters<typeof signInOidc>[0],
    controller: ControllerVersion,
    proof: PrimaryProof,
    csrPem: string | undefined,
    signal: AbortSignal,
  ): Promise<SignIn> {
    const wanted = this.#options.authentication ?? 'auto';
    const way = wanted === 'auto' ? chooseAuthentication(controller) : wanted;
    const secondary = proof.kind === 'ext-jwt' ? undefined : this.#externalToken;
    const common = {
      proof,
      configTypes: this.#options.configTypes ?? ['all'],
      info: clientInfo(this.#options.version),
      signal,
      ...defined({ secondaryToken: secondary }),
    };
    if (way === 'legacy') return signInLegacy(http, common);
    const withCsr = csrPem !== undefined && controller.capabilities.includes('OIDC_AUTH_WITH_CSR');
    const oidcPath = controller.oidcPath ?? '/oidc';
    return signInOidc(http, { ...common, oidcPath, ...(withCsr ? { csrPem } : {}) });
  }

  async #complete(
    session: ApiSession,
    controller: ControllerVersion,
    work: ThrowAwayKey | undefined,
  ): Promise<SignedIn> {
    const { caPem } = this.#options;
    const credential = this.#credential;
    if (work === undefined && credential.kind === 'certificate' && credential.key.kind === 'software') {
      const own = { certPem: credential.certPem, keyPem: credential.key.privateKeyPem };
      return this.#signedIn(session, controller, { caPem, ...own });
    }
    if (work === undefined) throw new TunnelerError('base.internal', 'no key to work with');
    let certPem = session.kind === 'oidc' ? session.sessionCertPem : undefined;
    certPem ??= (await this.ownClient(() => session).createSessionCertificate(work.csrPem)).certPem;
    return this.#signedIn(session, controller, { caPem, certPem, keyPem: work.privateKeyPem });
  }

  #signedIn(
    session: ApiSession,
    controller: ControllerVersion,
    credential: TransportCredential & { readonly certPem: string; readonly keyPem: string },
  ): SignedIn {
    const tls = { cert: credential.certPem, key: credential.keyPem, ca: credential.caPem };
    return new SignedIn(session, controller, this.#newEndpoints(credential), tls, this.#options.clock);
  }

  #loginEndpoints(): Endpoints {
    const credential = this.#credential;
    const { caPem } = this.#options;
    if (this.#login !== undefined) return this.#login;
    if (credential.kind !== 'certificate') this.#login = this.#newEndpoints({ caPem });
    else if (credential.key.kind === 'software') {
      this.#login = this.#newEndpoints({ caPem, certPem: credential.certPem, keyPem: credential.key.privateKeyPem });
    } else {
      this.#login = this.#newEndpoints({ caPem, certPem: credential.certPem, signer: credential.key });
    }
    return this.#login;
  }

  #newEndpoints(credential: TransportCredential): Endpoints {
    const { random } = this.#options;
    // A session begins where the sign-in was, so the preferred controller is the one that last worked.
    const last = this.#login?.current;
    const apis = last === undefined ? this.#apis : [last, ...this.#apis];
    return new Endpoints({ apis, credential, open: this.#open, ...defined({ random }) });
  }
}

interface ThrowAwayKey {
  readonly privateKeyPem: string;
  readonly csrPem: string;
}

async function throwAwayKey(): Promise<ThrowAwayKey> {
  const key = await newSoftwareKey('ES256');
  return { privateKeyPem: key.privateKeyPem, csrPem: await createSigningRequest(key, 'culvert session') };
}

function clientInfo(version: string): ClientInfo {
  return {
    version,
    environment: { arch: arch(), os: platform(), osRelease: release(), osVersion: osVersion(), hostname: hostname() },
  };
}
