/**
 * Keeps one identity signed in: signs in, lets the rest start up, refreshes in good time, notices the end, and begins again with
 * jittered back-off. Never gives up, never throws; where it stands is its state.
 */
import { sleep, type Clock } from '../../base/clock.ts';
import { TunnelerError, isTunnelerError, toTunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { Backoff, jittered } from '../controller/backoff.ts';
import type { ApiSession, PendingSignIn, SignIn } from '../controller/sign-in.ts';
import { isTotpQuery } from '../controller/sign-in.ts';
import type { ContextState } from '../model.ts';
import type { Authenticator, SignedIn } from './authenticator.ts';

/** A controller that said no is asked again at this pace, give or take a third. */
const refusedPaceMs = 45_000;
/** One that had said yes before, and says no for the first minutes, is asked at this pace: a disabled identity may be enabled again. */
const regainPaceMs = 2_000;
const regainForMs = 10 * 60_000;
const firstRetryMs = 1000;
const maxRetryMs = 60_000;
/** A pending sign-in lives ten minutes at the controller; a little less here. Source: ziti `controller/oidc_auth`. */
const pendingLifeMs = 9 * 60_000;
/** Checks asked for in quick succession are one. */
const checkSpacingMs = 200;

/** With what a session is made and kept, and who hears of it. */
export interface SessionKeeperDeps {
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** A new session: load what depends on it. Repeated until it succeeds. Throws `ziti.controller.*`. */
  start(signedIn: SignedIn, signal: AbortSignal): Promise<void>;
  /** The same session has a new token. */
  refreshed(signedIn: SignedIn): void;
  /** The session is over. */
  ended(signedIn: SignedIn): void;
  stateChanged(state: ContextState): void;
  /** The controller says no to this credential. True: there is another to try at once. */
  refused(): Promise<boolean>;
  /** Names of providers to sign in with. */
  signerNames(): Promise<readonly string[]>;
}

/** Begins at once and runs until disposed, which signs out. */
export class ApiSessionManager implements AsyncDisposable {
  readonly #deps: SessionKeeperDeps;
  readonly #abort = new AbortController();
  readonly #running: Promise<void>;
  #state: ContextState = { kind: 'starting' };
  #signedIn: SignedIn | undefined;
  #pending: PendingSignIn | undefined;
  #answer: ((step: SignIn) => void) | undefined;
  /** Ends the current wait early. */
  #poke: () => void = () => undefined;
  #checkWanted = false;
  #hurried = false;
  #restartWanted = false;
  #checking = false;
  #wasSignedIn = false;
  #refusedSinceMs: number | undefined;

  constructor(deps: SessionKeeperDeps) {
    this.#deps = deps;
    this.#running = this.#run(this.#abort.signal);
  }

  state(): ContextState {
    return this.#state;
  }

  /** Usable session; undefined while there is none. */
  signedIn(): SignedIn | undefined {
    return this.#signedIn;
  }

  /** The sign-in that waits for one more proof. */
  pending(): PendingSignIn | undefined {
    return this.#pending;
  }

  /** Hand in the step that an answer to {@link pending} led to. */
  advance(step: SignIn): void {
    this.#answer?.(step);
  }

  /** No doubt is being looked into: what {@link state} says holds. */
  settled(): boolean {
    return !this.#checkWanted && !this.#checking && (this.#signedIn !== undefined || this.#state.kind !== 'ready');
  }

  /** Look soon whether the session still holds; also ends any back-off. */
  check(): void {
    this.#checkWanted = true;
    this.#poke();
  }

  /** The network changed: as {@link check}, and what fails from before it is tried again soon, not after its back-off. */
  hurry(): void {
    this.#hurried = true;
    this.check();
  }

  /** Sign in anew even where the session holds (new credential, new external token). */
  restart(): void {
    this.#restartWanted = true;
    this.#poke();
  }

  /** A call with this session succeeded, or failed so: keeps the state true and notices the session's end. */
  report(failure: unknown): void {
    if (this.#signedIn === undefined || this.#abort.signal.aborted) return;
    if (failure === undefined) {
      if (this.#state.kind === 'degraded') this.#become({ kind: 'ready' });
    } else if (isTunnelerError(failure, 'ziti.controller.session_expired')) this.check();
    else if (this.#state.kind === 'ready') {
      this.#become({ kind: 'degraded', error: toTunnelerError(failure) });
      // Where the controller is gone for good, another of its cluster may be there.
      if (isTunnelerError(failure, 'ziti.controller.unreachable')) this.check();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort(new TunnelerError('base.closed', 'the identity was closed'));
    this.#poke();
    await this.#running;
    const signedIn = this.#signedIn;
    this.#signedIn = undefined;
    if (signedIn !== undefined) {
      await this.#deps.authenticator.signOut(signedIn).catch((error: unknown) => {
        this.#deps.log.debug('ziti.sign_out_failed', { error });
      });
      await signedIn[Symbol.asyncDispose]();
    }
    this.#become({ kind: 'closed' });
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { random, log } = this.#deps;
    const backoff = new Backoff({ firstMs: firstRetryMs, maxMs: maxRetryMs, minMs: 100, random });
    while (!signal.aborted) {
      try {
        this.#restartWanted = false;
        const signedIn = await this.#signIn(signal);
        this.#signedIn = signedIn;
        this.#refusedSinceMs = undefined;
        this.#wasSignedIn = true;
        await this.#startUp(signedIn, signal);
        backoff.reset();
        this.#become({ kind: 'ready' });
        await this.#keep(signedIn, signal);
      } catch (error) {
        if (signal.aborted) break;
        const failure = toTunnelerError(error);
        log.warn('ziti.session_failed', { code: failure.code, reason: failure.message });
        await this.#drop();
        this.#checkWanted = false;
        // Asked to begin again, or the person took too long: neither is a failure.
        if (failure.code === 'base.cancelled' || failure.code === 'base.timeout') continue;
        if (failure.code === 'ziti.controller.session_expired' && backoff.failures === 0) {
          backoff.next();
          continue;
        }
        const standing = await this.#standing(failure);
        if (standing.kind === 'unauthenticated' && (await this.#deps.refused())) continue;
        this.#become(standing);
        if (this.#takeHurry()) backoff.reset();
        await this.#wait(this.#state.kind === 'degraded' ? backoff.next() : this.#refusedPauseMs());
      }
    }
  }

  /** What follows from the sign-in, repeated with back-off: one failing request must not leave an identity without services. */
  async #startUp(signedIn: SignedIn, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff({ firstMs: 500, maxMs: maxRetryMs, minMs: 50, random: this.#deps.random });
    for (;;) {
      try {
        return await this.#deps.start(signedIn, signal);
      } catch (error) {
        if (signal.aborted || this.#restartWanted || isTunnelerError(error, 'ziti.controller.session_expired'))
          throw error;
        const failure = toTunnelerError(error);
        this.#deps.log.warn('ziti.start_failed', { code: failure.code, reason: failure.message });
        this.#become({ kind: 'degraded', error: failure });
        this.#checkWanted = false;
        if (this.#takeHurry()) backoff.reset();
        await this.#wait(backoff.next());
        signal.throwIfAborted();
      }
    }
  }

  /** Returns or throws when a new sign-in is needed. */
  async #keep(signedIn: SignedIn, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#deps;
    const backoff = new Backoff({ firstMs: firstRetryMs, maxMs: maxRetryMs, minMs: 100, random });
    let endsAt = clock.monotonic() + signedIn.session.lifetimeMs;
    // Between a half and five sixths of life, so that clients spread out and a failure leaves time to try again.
    let refreshAt = clock.monotonic() + signedIn.session.lifetimeMs * (1 / 2 + random() / 3);
    while (!signal.aborted) {
      await this.#wait(Math.max(0, refreshAt - clock.monotonic()));
      if (signal.aborted) return;
      if (this.#restartWanted) {
        await this.#drop();
        return;
      }
      const due = clock.monotonic() >= refreshAt;
      if (!this.#checkWanted && !due) continue;
      this.#checkWanted = false;
      const tokenBefore = signedIn.session.token;
      this.#checking = true;
      try {
        const session = await this.#deps.authenticator[due ? 'refresh' : 'check'](signedIn, signal);
        signedIn.adopt(session);
        const renewed = session.token !== tokenBefore;
        if (renewed) this.#deps.refreshed(signedIn);
        this.report(undefined);
        backoff.reset();
        if (due || renewed || session.kind === 'legacy') {
          endsAt = clock.monotonic() + session.lifetimeMs;
          refreshAt = clock.monotonic() + session.lifetimeMs * (1 / 2 + random() / 3);
        }
        this.#checking = false;
        await sleep(clock, checkSpacingMs, signal);
      } catch (error) {
        this.#checking = false;
        if (isTunnelerError(error, 'ziti.controller.session_expired') || clock.monotonic() >= endsAt) throw error;
        if (this.#state.kind === 'ready') this.#become({ kind: 'degraded', error: toTunnelerError(error) });
        if (this.#takeHurry()) backoff.reset();
        refreshAt = Math.min(endsAt, clock.monotonic() + backoff.next());
      }
    }
  }

  async #signIn(signal: AbortSignal): Promise<SignedIn> {
    const outcome = await this.#deps.authenticator.signIn(signal);
    if (outcome.kind === 'signed-in') return outcome.signedIn;
    let step: SignIn = outcome.step;
    while (step.kind === 'pending') step = await this.#answered(step.pending, signal);
    return outcome.complete(step.session satisfies ApiSession);
  }

  /** Wait for a person's answer; after the pending sign-in's life, for a new one. */
  async #answered(pending: PendingSignIn, signal: AbortSignal): Promise<SignIn> {
    this.#pending = pending;
    const totp = pending.queries.find(isTotpQuery);
    if (totp !== undefined) this.#become({ kind: 'mfa-required', provider: totp.provider ?? 'ziti' });
    else this.#become({ kind: 'external-login-required', signers: await this.#deps.signerNames() });
    try {
      return await new Promise<SignIn>((resolve, reject) => {
        const timer = this.#deps.clock.after(pendingLifeMs, () => {
          reject(new TunnelerError('base.timeout', 'the sign-in was not completed in time'));
        });
        this.#poke = () => {
          if (!this.#restartWanted && !signal.aborted) return;
          timer[Symbol.dispose]();
          reject(new TunnelerError('base.cancelled', 'the sign-in begins again'));
        };
        this.#answer = (step) => {
          timer[Symbol.dispose]();
          resolve(step);
        };
      });
    } finally {
      this.#pending = undefined;
      this.#answer = undefined;
      this.#poke = () => undefined;
    }
  }

  async #drop(): Promise<void> {
    const signedIn = this.#signedIn;
    this.#signedIn = undefined;
    if (signedIn === undefined) return;
    this.#deps.ended(signedIn);
    await signedIn[Symbol.asyncDispose]();
  }

  async #standing(error: TunnelerError): Promise<ContextState> {
    if (error.code === 'ziti.controller.external_login_required') {
      return { kind: 'external-login-required', signers: await this.#deps.signerNames() };
    }
    return error.code === 'ziti.controller.unauthenticated' || error.code === 'identity.certificate_expired'
      ? { kind: 'unauthenticated', error }
      : { kind: 'degraded', error };
  }

  #refusedPauseMs(): number {
    const { clock, random } = this.#deps;
    const nowMs = clock.monotonic();
    this.#refusedSinceMs ??= nowMs;
    const mayBeBack = this.#wasSignedIn && nowMs - this.#refusedSinceMs < regainForMs;
    return mayBeBack ? jittered(regainPaceMs, 1 / 4, random) : jittered(refusedPaceMs, 1 / 3, random);
  }

  #takeHurry(): boolean {
    const hurried = this.#hurried;
    this.#hurried = false;
    return hurried;
  }

  #become(state: ContextState): void {
    const same = state.kind === this.#state.kind && (state.kind === 'ready' || state.kind === 'closed');
    this.#state = state;
    if (!same) this.#deps.stateChanged(state);
  }

  /** Sleep, until poked. */
  async #wait(delayMs: number): Promise<void> {
    if (this.#checkWanted || this.#restartWanted || this.#abort.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = this.#deps.clock.after(delayMs, resolve);
      this.#poke = () => {
        timer[Symbol.dispose]();
        resolve();
      };
    });
    this.#poke = () => undefined;
  }
}
