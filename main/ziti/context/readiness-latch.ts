/** Where dials wait until their identity is at work: signed in, with everything loaded that depends on it. */
import { TunnelerError } from '../../base/errors.ts';
import type { ContextState } from '../model.ts';
import type { SignedIn } from './authenticator.ts';

/** Shut at first; opened by a session that has everything loaded, shut again when that is over. */
export class ReadinessLatch {
  readonly #state: () => ContextState;
  readonly #waiting = new Set<() => void>();
  #signedIn: SignedIn | undefined;

  constructor(state: () => ContextState) {
    this.#state = state;
  }

  /** Undefined while shut. */
  signedIn(): SignedIn | undefined {
    return this.#signedIn;
  }

  open(signedIn: SignedIn): void {
    this.#signedIn = signedIn;
    this.look();
  }

  shut(): void {
    this.#signedIn = undefined;
  }

  /** The state changed: those whose waiting became hopeless are told. */
  look(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  /** Throws why there is nothing to wait for, or what stood in the way when `signal` aborts. */
  async wait(signal: AbortSignal): Promise<SignedIn> {
    for (;;) {
      if (this.#signedIn !== undefined) return this.#signedIn;
      const obstacle = hopeless(this.#state());
      if (obstacle !== undefined) throw obstacle;
      if (signal.aborted) throw this.#inTheWay();
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.#waiting.delete(done);
          signal.removeEventListener('abort', done);
          resolve();
        };
        this.#waiting.add(done);
        signal.addEventListener('abort', done, { once: true });
      });
    }
  }

  #inTheWay(): TunnelerError {
    const state = this.#state();
    return state.kind === 'degraded'
      ? state.error
      : new TunnelerError('base.cancelled', 'the identity is still signing in');
  }
}

/** What only a person or an administrator can end. */
function hopeless(state: ContextState): TunnelerError | undefined {
  switch (state.kind) {
    case 'unauthenticated':
      return state.error;
    case 'closed':
      return new TunnelerError('base.closed', 'the identity was closed');
    case 'mfa-required':
      return new TunnelerError('ziti.controller.mfa_required', 'a code is needed first', {
        details: { next: 'use culvert identity mfa verify' },
      });
    case 'external-login-required':
      return new TunnelerError('ziti.controller.external_login_required', 'sign in with the provider first', {
        details: { signers: state.signers, next: 'use culvert identity login' },
      });
    case 'starting':
    case 'ready':
    case 'degraded':
      return undefined;
  }
}
