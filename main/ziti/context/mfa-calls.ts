/** TOTP of one identity, whichever state it is in: asked for at sign-in, set up later, asked again by a posture check. */
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { TunnelerError, toTunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { isTotpQuery } from '../controller/sign-in.ts';
import type { MfaCalls } from '../model.ts';
import type { SignedIn } from './authenticator.ts';
import type { PostureKeeper } from './posture-keeper.ts';
import type { ApiSessionManager } from './api-session-manager.ts';

/** Where a code is asked for, and where an accepted one counts. */
export interface MfaDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly keeper: ApiSessionManager;
  readonly posture: PostureKeeper;
  /** Services may have become reachable. */
  verified(): void;
}

/** The MFA calls of one context: a code answers the sign-in that waits for it, else the enrolment, else the posture check. */
export class ContextMfa implements MfaCalls {
  readonly #deps: MfaDeps;
  #lastVerifiedAt: number | undefined;
  /** Only between a code's acceptance and the session that it leads to. */
  #signInCode: string | undefined;

  constructor(deps: MfaDeps) {
    this.#deps = deps;
  }

  async status(): Promise<{ enrolled: boolean; verified: boolean; lastVerifiedAt?: number }> {
    const last = defined({ lastVerifiedAt: this.#lastVerifiedAt });
    const asked = this.#deps.keeper.pending()?.queries.find(isTotpQuery);
    if (asked !== undefined) return { enrolled: asked.isTotpEnrolled !== false, verified: false, ...last };
    const enrolment = await this.#signedIn().client.mfa();
    const enrolled = enrolment?.isVerified === true;
    return { enrolled, verified: enrolled && this.#lastVerifiedAt !== undefined, ...last };
  }

  async enroll(): Promise<{ provisioningUrl: string; recoveryCodes: readonly string[] }> {
    const pending = this.#deps.keeper.pending();
    return pending === undefined ? this.#signedIn().client.enrollMfa() : pending.enrollTotp();
  }

  async verify(code: string): Promise<void> {
    const pending = this.#deps.keeper.pending();
    if (pending !== undefined) {
      this.#signInCode = code;
      const unenrolled = pending.queries.find(isTotpQuery)?.isTotpEnrolled === false;
      this.#deps.keeper.advance(await (unenrolled ? pending.verifyTotpEnrolment(code) : pending.answerTotp(code)));
    } else {
      const { client, session } = this.#signedIn();
      const enrolment = await client.mfa();
      if (enrolment === undefined) throw notEnrolled();
      if (enrolment.isVerified !== true) await client.verifyMfaEnrolment(code);
      else if (session.kind === 'legacy') await client.answerMfa(code);
      if (session.kind === 'oidc') this.#deps.posture.sendTotpToken(await client.totpToken(code));
    }
    this.#lastVerifiedAt = this.#deps.clock.now();
    this.#deps.verified();
  }

  /**
   * A new session began. Where its sign-in took a code, routers that judge posture have to be told of it too: a token for them is had
   * for the same code, while it lasts.
   */
  async started({ client, session }: SignedIn): Promise<void> {
    const code = this.#signInCode;
    this.#signInCode = undefined;
    if (code === undefined || session.kind !== 'oidc') return;
    try {
      this.#deps.posture.sendTotpToken(await client.totpToken(code));
    } catch (error) {
      // The sign-in itself stands; a service behind an MFA check asks for a fresh code.
      this.#deps.log.info('ziti.mfa_token_failed', { code: toTunnelerError(error).code });
    }
  }

  async remove(code: string): Promise<void> {
    await this.#signedIn().client.removeMfa(code);
    this.#lastVerifiedAt = undefined;
    this.#deps.verified();
  }

  recoveryCodes(code: string, options?: { readonly regenerate?: boolean }): Promise<readonly string[]> {
    return this.#signedIn().client.recoveryCodes(code, options?.regenerate === true);
  }

  #signedIn(): SignedIn {
    const signedIn = this.#deps.keeper.signedIn();
    if (signedIn !== undefined) return signedIn;
    const state = this.#deps.keeper.state();
    throw 'error' in state
      ? state.error
      : new TunnelerError('ziti.controller.unauthenticated', 'the identity is not signed in');
  }
}

function notEnrolled(): TunnelerError {
  return new TunnelerError('identity.mfa_not_enrolled', 'multi-factor authentication is not set up', {
    details: { next: 'start with culvert identity mfa enroll' },
  });
}
