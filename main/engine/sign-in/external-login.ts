/** Signing identities in with external providers: begun here, finished by a person in a browser, kept alive by refresh while we run. */
import { sleep, type Clock } from '../../base/clock.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { LoginView } from '../../api/views.ts';
import type { ExternalSigner } from '../../ziti/ziti.ts';
import type { Identities } from '../identities/identities.ts';
import { Provider, type DeviceStart, type ProviderTokens } from './provider.ts';
import { listenForRedirect } from './redirect-listener.ts';

/** How long a person may take. */
const patienceMs = 10 * 60_000;
const minPollMs = 1000;
const slowDownMs = 5000;
const freshMs = 30_000;

/** Whose sign-ins, and how a browser comes back. */
export interface ExternalLoginDeps {
  readonly identities: Identities;
  readonly clock: Clock;
  readonly log: Log;
  /** The network's providers; its controller needs no login to name them. Throws `ziti.controller.*`. */
  readonly listSigners: (origin: string, caPem: string, signal: AbortSignal) => Promise<readonly ExternalSigner[]>;
}

/** One under way; its identity may be renamed meanwhile. */
interface SignIn {
  name: string;
  readonly abort: AbortController;
}

/** The sign-ins under way and the refreshes after them; disposing ends both. */
export class ExternalLogin implements Disposable {
  readonly #deps: ExternalLoginDeps;
  /** One sign-in an identity: a new one ends the one before. */
  readonly #running = new Map<string, SignIn>();
  /** What gets the next token without a person, in memory only. */
  readonly #kept = new Map<
    string,
    { readonly provider: Provider; readonly refreshToken: string; readonly atMs: number }
  >();

  constructor(deps: ExternalLoginDeps) {
    this.#deps = deps;
  }

  /** Begin; resolves with where to go. Its end shows in the identity's state. Throws `ziti.controller.*`, `base.*`. */
  async begin(name: string, wanted: string | undefined, device: boolean): Promise<LoginView> {
    this.#running.get(name)?.abort.abort();
    const { signIn, abort } = this.#started(name);
    const signer = await this.#signerOf(name, wanted, abort.signal);
    const provider = await Provider.discover(signer, abort.signal);
    if (device) {
      const start = await provider.beginDevice(abort.signal);
      this.#finish(signIn, provider, this.#awaitDevice(provider, start, abort.signal));
      return { url: start.verification_uri_complete ?? start.verification_uri, userCode: start.user_code };
    }
    const listener = await listenForRedirect();
    const request = provider.beginCode(listener.redirectUri);
    const tokens = this.#within(listener.code(request.state), abort.signal)
      .then((code) => provider.finishCode(request, code, abort.signal))
      .finally(() => listener[Symbol.asyncDispose]());
    this.#finish(signIn, provider, tokens);
    return { url: request.url };
  }

  /** An identity asks for a token again: where one can be had without a person, it is handed in. */
  renew(name: string): void {
    const kept = this.#kept.get(name);
    if (kept === undefined || this.#running.has(name)) return;
    // A controller that refuses a token so fresh will not take the next one either.
    if (this.#deps.clock.monotonic() - kept.atMs < freshMs) return;
    this.#kept.delete(name);
    const { signIn, abort } = this.#started(name);
    this.#finish(signIn, kept.provider, kept.provider.refresh(kept.refreshToken, abort.signal));
  }

  /** An identity goes by another name: what was begun for it, and what it keeps, is for that one. */
  rename(name: string, to: string): void {
    const signIn = this.#running.get(name);
    const kept = this.#kept.get(name);
    this.#running.delete(name);
    this.#kept.delete(name);
    if (kept !== undefined) this.#kept.set(to, kept);
    if (signIn === undefined) return;
    signIn.name = to;
    this.#running.set(to, signIn);
  }

  [Symbol.dispose](): void {
    for (const { abort } of this.#running.values()) abort.abort();
    this.#kept.clear();
  }

  #started(name: string): { readonly signIn: SignIn; readonly abort: AbortController } {
    const abort = new AbortController();
    const signIn = { name, abort };
    this.#running.set(name, signIn);
    return { signIn, abort };
  }

  #finish(signIn: SignIn, provider: Provider, tokens: Promise<ProviderTokens>): void {
    const { identities, log } = this.#deps;
    tokens
      .then(async ({ token, refreshToken }) => {
        await identities.context(signIn.name).provideExternalToken(token);
        if (refreshToken !== undefined)
          this.#kept.set(signIn.name, { provider, refreshToken, atMs: this.#deps.clock.monotonic() });
        log.info('identity.signed_in', { identity: signIn.name });
      })
      .catch((error: unknown) => {
        if (!signIn.abort.signal.aborted) log.warn('identity.sign_in_failed', { identity: signIn.name, error });
      })
      .finally(() => {
        if (this.#running.get(signIn.name) === signIn) this.#running.delete(signIn.name);
      });
  }

  async #signerOf(name: string, wanted: string | undefined, signal: AbortSignal): Promise<ExternalSigner> {
    const record = this.#deps.identities.get(name).record();
    const api = record?.apis[0];
    if (record === undefined || api === undefined) {
      throw new TunnelerError('identity.corrupt', `${name} names no controller`);
    }
    const signers = await this.#deps.listSigners(new URL(api).origin, record.caPem, signal);
    const found = wanted === undefined ? signers : signers.filter((signer) => signer.name === wanted);
    const [only] = found;
    if (only !== undefined && found.length === 1) return only;
    const names = signers.map((signer) => signer.name);
    throw new TunnelerError(
      'base.invalid',
      names.length === 0
        ? `the network of ${name} has no external provider`
        : `provider: expected one of ${names.join(', ')}, got ${wanted ?? 'none'}`,
      { details: { providers: names, next: 'culvert identity login NAME --provider PROVIDER' } },
    );
  }

  async #awaitDevice(provider: Provider, start: DeviceStart, signal: AbortSignal): Promise<ProviderTokens> {
    const { clock } = this.#deps;
    const endsAt = clock.monotonic() + Math.min(start.expires_in * 1000, patienceMs);
    let pauseMs = Math.max(minPollMs, start.interval * 1000);
    while (clock.monotonic() < endsAt) {
      await sleep(clock, pauseMs, signal);
      const outcome = await provider.pollDevice(start, signal);
      if (outcome === 'slow') pauseMs += slowDownMs;
      else if (outcome !== 'pending') return outcome;
    }
    throw new TunnelerError('base.timeout', 'nobody signed in before the code ran out');
  }

  #within<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = this.#deps.clock.after(patienceMs, () =>
        reject(new TunnelerError('base.timeout', 'nobody came back from the provider in time')),
      );
      const onAbort = (): void => reject(new TunnelerError('base.cancelled', 'another sign-in was begun'));
      signal.addEventListener('abort', onAbort, { once: true });
      promise.then(resolve, reject).finally(() => {
        timer[Symbol.dispose]();
        signal.removeEventListener('abort', onAbort);
      });
    });
  }
}
