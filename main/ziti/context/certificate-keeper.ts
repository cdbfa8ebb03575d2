/** Renews the identity's certificate in good time, when the controller asks, or when told to. */
import type { Clock } from '../../base/clock.ts';
import { TunnelerError, toTunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { leafOf } from '../enroll/certificates.ts';
import { renewCertificate, type Renewal } from '../enroll/renewal.ts';
import type { IdentityKey } from '../enroll/signing-request.ts';
import type { ZitiEvent } from '../model.ts';
import type { Authenticator, SignedIn } from './authenticator.ts';
import type { Credential, ZitiContextOptions } from './options.ts';

/** Due with the last quarter of its life, or its last thirty days, whichever is shorter. */
const lastDays = 30;
const lastPart = 1 / 4;
const lookEveryMs = 6 * 3_600_000;
const dayMs = 86_400_000;

export interface CertificateKeeperDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly options: ZitiContextOptions;
  readonly authenticator: Authenticator;
  signedIn(): SignedIn | undefined;
  commonName(): string;
  /** Sign in anew: an OIDC session is bound to the old certificate. */
  restart(): void;
  emit(event: ZitiEvent): void;
}

export class CertificateKeeper implements Disposable {
  readonly #deps: CertificateKeeperDeps;
  readonly #timer: Disposable;
  #credential: Credential;
  #renewing: Promise<Renewal> | undefined;
  /** The authenticator that was last asked for a renewal; the hint stands until the next sign-in. */
  #answeredSession: string | undefined;

  constructor(deps: CertificateKeeperDeps) {
    this.#deps = deps;
    this.#credential = deps.options.credential;
    this.#timer = deps.clock.every(lookEveryMs, () => this.consider());
  }

  /** Renew where it is due; failures are told as events and tried again later. */
  consider(): void {
    const signedIn = this.#deps.signedIn();
    if (signedIn === undefined || this.#deps.options.renewal === undefined || this.#renewing !== undefined) return;
    const { renewal, id } = signedIn.session;
    const asked = (renewal.extendRequested || renewal.keyRollRequested) && this.#answeredSession !== id;
    if (!asked && !(renewal.extendable && this.#isDue())) return;
    this.#answeredSession = id;
    this.renew(renewal.keyRollRequested).catch((error: unknown) => {
      const failure = toTunnelerError(error, 'identity.renewal_failed');
      this.#deps.log.warn('ziti.renewal_failed', { code: failure.code });
      this.#deps.emit({ kind: 'certificate-renewal-failed', error: failure });
    });
  }

  /** Renew now. Throws `identity.renewal_failed`; the certificate in force then stays. One at a time. */
  renew(rollKey: boolean): Promise<Renewal> {
    this.#renewing ??= this.#renew(rollKey).finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }

  async #renew(rollKey: boolean): Promise<Renewal> {
    const { options, authenticator, commonName } = this.#deps;
    const signedIn = this.#deps.signedIn();
    const credential = this.#credential;
    const keeper = options.renewal;
    if (credential.kind !== 'certificate' || keeper === undefined)
      throw impossible('this identity has no certificate to renew');
    if (signedIn === undefined) throw impossible('the identity is not signed in');
    const { session } = signedIn;
    const authenticatorId = session.renewal.authenticatorId;
    if (authenticatorId === undefined) throw impossible('the controller does not name the authenticator');
    const key: IdentityKey = rollKey && keeper.newKey !== undefined ? await keeper.newKey() : credential.key;
    const renewal = await renewCertificate({
      client: authenticator.ownClient(() => signedIn.session),
      authenticatorId,
      key,
      commonName: commonName(),
      steps: keeper,
    });
    this.#credential = { ...credential, certPem: renewal.certPem, key };
    await authenticator.useCredential(this.#credential);
    this.#deps.emit({ kind: 'certificate-renewed', expiresAt: renewal.expiresAt });
    this.#deps.restart();
    return renewal;
  }

  #isDue(): boolean {
    if (this.#credential.kind !== 'certificate') return false;
    const leaf = leafOf(this.#credential.certPem);
    const endsAt = Date.parse(leaf.validTo);
    const lifeMs = endsAt - Date.parse(leaf.validFrom);
    return endsAt - this.#deps.clock.now() < Math.min(lifeMs * lastPart, lastDays * dayMs);
  }
}

function impossible(sentence: string): TunnelerError {
  return new TunnelerError('identity.renewal_failed', sentence);
}
