/** Renews the identity's certificate in good time, when the controller asks, or when told to. */
import type { Clock } from '../../base/clock.ts';
import { TunnelerError, toTunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { certificateExpiry, leafOf } from '../enroll/certificates.ts';
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

/** Whose certificate it is, with whom it is renewed, and who hears how that went. */
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

/**
 * A confirmation that was not answered: the controller knows the certificate in force or the staged one, and which it is the next sign-in
 * tells.
 */
interface Doubt {
  readonly inForce: Credential;
  readonly staged: Credential;
  readonly expiresAt: number;
  triesStaged: boolean;
}

/** One renewal at a time, each step durable before the next; what was cut short is settled by the next sign-in. */
export class CertificateKeeper implements Disposable {
  readonly #deps: CertificateKeeperDeps;
  readonly #timer: Disposable;
  #credential: Credential;
  #renewing: Promise<Renewal> | undefined;
  #doubt: Doubt | undefined;
  /** The authenticator that was last asked for a renewal; the hint stands until the next sign-in. */
  #answeredSession: string | undefined;

  constructor(deps: CertificateKeeperDeps) {
    this.#deps = deps;
    const { credential, staged } = deps.options;
    this.#credential = credential;
    if (staged?.kind === 'certificate') {
      const expiresAt = certificateExpiry(staged.certPem);
      this.#doubt = { inForce: credential, staged, expiresAt, triesStaged: false };
    }
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

  /** The controller refuses the certificate it is shown. True where the other one of a doubtful renewal is worth a try at once. */
  async refused(): Promise<boolean> {
    const doubt = this.#doubt;
    if (doubt === undefined) return false;
    doubt.triesStaged = !doubt.triesStaged;
    await this.#deps.authenticator.useCredential(doubt.triesStaged ? doubt.staged : doubt.inForce);
    return doubt.triesStaged;
  }

  /** The controller took the certificate it is shown: a doubtful renewal is settled. Throws what keeping that throws. */
  async accepted(): Promise<void> {
    const doubt = this.#doubt;
    if (doubt === undefined) return;
    const keeper = this.#deps.options.renewal;
    if (doubt.triesStaged) {
      await keeper?.committed();
      this.#credential = doubt.staged;
      this.#deps.emit({ kind: 'certificate-renewed', expiresAt: doubt.expiresAt });
    } else await keeper?.abandoned?.();
    this.#doubt = undefined;
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
    if (this.#doubt !== undefined) throw impossible('how the last renewal ended is not known yet');
    const key: IdentityKey = rollKey && keeper.newKey !== undefined ? await keeper.newKey() : credential.key;
    const renewed = ({ certPem }: Renewal): Credential => ({ ...credential, certPem, key });
    let staged: Renewal | undefined;
    try {
      const renewal = await renewCertificate({
        client: authenticator.ownClient(() => signedIn.session),
        authenticatorId,
        key,
        commonName: commonName(),
        steps: {
          staged: async (made) => {
            await keeper.staged(made);
            staged = made;
          },
          committed: () => keeper.committed(),
        },
      });
      this.#credential = renewed(renewal);
      await authenticator.useCredential(this.#credential);
      this.#deps.emit({ kind: 'certificate-renewed', expiresAt: renewal.expiresAt });
      this.#deps.restart();
      return renewal;
    } catch (error) {
      if (staged !== undefined) {
        const { expiresAt } = staged;
        this.#doubt = { inForce: credential, staged: renewed(staged), expiresAt, triesStaged: false };
        this.#deps.restart();
      }
      throw error;
    }
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
