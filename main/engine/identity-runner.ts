/** One identity's life in the engine: its key opened, its context at work, its standing in words. Its failure touches no other. */
import { X509Certificate } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { toTunnelerError, type ErrorCode, type TunnelerError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Clearance } from '../base/reason.ts';
import type { IdentityState, IdentityView, RouterView } from '../contract/views.ts';
import { toErrorView } from '../contract/wire.ts';
import {
  proofOf,
  type IdentityEntry,
  type IdentityProof,
  type IdentityRecord,
  type IdentityStore,
  type KeyUnlock,
  type OpenKey,
  type OpenPassword,
} from '../identity/identities.ts';
import type { IdentityFacts } from '../policy/verdict.ts';
import type { ContextState, ZitiContext, ZitiEvent, ZitiService } from '../ziti/model.ts';
import { controllerOrigin } from './views.ts';

/** Bring an opened identity to work. `onRecord` is told when what stands on disk changed (renewal, controllers). */
export type OpenContext = (
  record: IdentityRecord,
  key: OpenKey | OpenPassword | undefined,
  options: {
    readonly unlock: () => KeyUnlock;
    readonly onRecord: (record: IdentityRecord) => void;
    readonly signal: AbortSignal;
  },
) => Promise<ZitiContext>;

/** What a runner tells the engine; `services` replaces what it told before. */
export interface RunnerListener {
  changed(runner: IdentityRunner): void;
  services(runner: IdentityRunner, before: readonly ZitiService[], after: readonly ZitiService[]): void;
  routers(runner: IdentityRunner): void;
}

export interface RunnerDeps {
  readonly store: Pick<IdentityStore, 'openProof'>;
  readonly openContext: OpenContext;
  readonly clock: Clock;
  readonly log: Log;
  readonly listener: RunnerListener;
}

interface Standing {
  readonly state: IdentityState;
  readonly reason?: Clearance;
  readonly loginProviders?: readonly string[];
}

/** Errors of opening a key that a person can mend by handing something over. */
const lockedCodes: ReadonlySet<ErrorCode> = new Set([
  'identity.passphrase_missing',
  'identity.passphrase_wrong',
  'identity.keystore_locked',
  'identity.keystore_unavailable',
  'identity.locked',
  'identity.token_removed',
  'identity.tpm_lockout',
]);

export class IdentityRunner implements AsyncDisposable {
  readonly name: string;
  readonly #deps: RunnerDeps;
  #record: IdentityRecord | undefined;
  #standing: Standing;
  #unlock: KeyUnlock;
  #context: ZitiContext | undefined;
  #listening: Disposable | undefined;
  #abort: AbortController | undefined;
  #services: readonly ZitiService[] = [];
  #servicesSeen = false;
  #mfa: { readonly enrolled: boolean; readonly verified: boolean; readonly lastVerifiedAt?: number } | undefined;

  constructor(entry: IdentityEntry, unlock: KeyUnlock, deps: RunnerDeps) {
    this.name = entry.kind === 'good' ? entry.record.name : entry.name;
    this.#deps = deps;
    this.#unlock = unlock;
    this.#record = entry.kind === 'good' ? entry.record : undefined;
    this.#standing = entry.kind === 'good' ? { state: 'starting' } : brokenBy(entry.error);
  }

  record(): IdentityRecord | undefined {
    return this.#record;
  }

  context(): ZitiContext | undefined {
    return this.#context;
  }

  services(): readonly ZitiService[] {
    return this.#services;
  }

  state(): IdentityState {
    return this.#standing.state;
  }

  /** It has said for the first time where it stands, services included. */
  settled(): boolean {
    return this.state() !== 'starting' && (this.state() !== 'ready' || this.#servicesSeen);
  }

  unlock(): KeyUnlock {
    return this.#unlock;
  }

  /** Open the key and go to work; never throws: where it cannot, its state says why. Idempotent while at work. */
  async start(unlock?: KeyUnlock): Promise<void> {
    if (unlock !== undefined) this.#unlock = unlock;
    const record = this.#record;
    if (record === undefined || this.#abort !== undefined) return;
    if (!record.enabled) {
      this.#stand({ state: 'disabled', reason: disabledReason(this.name) });
      return;
    }
    const abort = new AbortController();
    this.#abort = abort;
    this.#stand({ state: 'starting' });
    try {
      const key = await this.#deps.store.openProof(record, this.#unlock);
      const context = await this.#deps.openContext(record, key, {
        unlock: () => this.#unlock,
        onRecord: (changed) => this.replaceRecord(changed),
        signal: abort.signal,
      });
      if (abort.signal.aborted) {
        await context[Symbol.asyncDispose]();
        return;
      }
      this.#context = context;
      this.#listening = context.events.subscribe((event) => this.#hear(event));
      this.#take(context.state());
      if (context.services().length > 0) this.#takeServices(context.services());
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#abort = undefined;
      const failure = toTunnelerError(error, 'identity.corrupt');
      this.#deps.log.warn('identity.not_started', { identity: this.name, error: failure });
      this.#stand(lockedCodes.has(failure.code) ? lockedBy(failure, this.name) : brokenBy(failure));
    }
  }

  /** Stop working; `standing` says why. Services are given up at once, before the network is told. */
  async stop(standing: Standing): Promise<void> {
    this.#abort?.abort();
    this.#abort = undefined;
    const context = this.#context;
    this.#context = undefined;
    this.#listening?.[Symbol.dispose]();
    this.#listening = undefined;
    this.#takeServices([]);
    this.#servicesSeen = false;
    this.#mfa = undefined;
    this.#stand(standing);
    this.#deps.listener.routers(this);
    await context?.[Symbol.asyncDispose]();
  }

  async setEnabled(enabled: boolean): Promise<void> {
    if (this.#record !== undefined) this.#record = { ...this.#record, enabled };
    if (enabled) await this.start();
    else await this.stop({ state: 'disabled', reason: disabledReason(this.name) });
  }

  /** Forget what opens the key, and stop. */
  async lock(): Promise<void> {
    this.#unlock = {};
    await this.stop({
      state: 'locked',
      reason: {
        code: 'identity.locked',
        sentence: `${this.name} is locked`,
        next: `culvert identity unlock ${this.name}`,
      },
    });
  }

  replaceRecord(record: IdentityRecord): void {
    this.#record = record;
    this.#deps.listener.changed(this);
  }

  /** Ask the controller about MFA again; after enrolment, an answer, or a new state. */
  async refreshMfa(): Promise<void> {
    const context = this.#context;
    if (context === undefined) return;
    try {
      this.#mfa = await context.mfa.status();
    } catch (error) {
      this.#deps.log.debug('identity.mfa_unknown', { identity: this.name, error });
    }
    this.#deps.listener.changed(this);
  }

  /** The way to its network may be another, or back. Never rejects. */
  async networkChanged(): Promise<void> {
    try {
      await this.#context?.networkChanged();
    } catch (error) {
      this.#deps.log.info('identity.not_refreshed', { identity: this.name, error });
    }
  }

  facts(): IdentityFacts | undefined {
    const record = this.#record;
    if (record === undefined) return undefined;
    return {
      scope: record.scope,
      ...(record.ownerUid === undefined ? {} : { ownerUid: record.ownerUid }),
      authentication: this.#context?.controller().authentication,
      trouble: this.trouble(),
      mfaVerifiedAtMs: this.#mfa?.lastVerifiedAt,
    };
  }

  /** Why it cannot dial now. `degraded` can: sessions and channels that stand go on. */
  trouble(): Clearance | undefined {
    const { state, reason } = this.#standing;
    if (state === 'ready' || state === 'degraded') return undefined;
    return reason ?? { code: 'engine.not_ready', sentence: `${this.name} is still signing in`, next: 'try again soon' };
  }

  routers(): readonly RouterView[] {
    return (this.#context?.routers() ?? []).map(({ error, ...router }) => ({
      ...router,
      identity: this.name,
      ...(error === undefined ? {} : { error: toErrorView(error) }),
    }));
  }

  view(): IdentityView {
    const record = this.#record;
    const context = this.#context;
    const controller = context?.controller();
    const leaf = leafOf(record?.certPem);
    const known = context?.identity();
    const id = known?.id ?? record?.controllerId;
    const controllerName = known?.name ?? record?.controllerName;
    const { state, reason, loginProviders } = this.#standing;
    return {
      name: this.name,
      keystore: record === undefined || record.keyReference === undefined ? 'none' : record.keystore,
      scope: record?.scope ?? 'machine',
      ...(record?.ownerUid === undefined ? {} : { owner: String(record.ownerUid) }),
      state,
      ...(reason === undefined ? {} : { reason }),
      ...(record === undefined ? {} : { proof: proofOf(record) }),
      controller: controllerOrigin(controller?.url ?? record?.apis[0]),
      controllers: record?.apis ?? [],
      ...(controller?.version === undefined ? {} : { controllerVersion: controller.version }),
      ...(controller?.authentication === undefined ? {} : { authentication: controller.authentication }),
      ...(leaf === undefined ? {} : leaf),
      ...(id === undefined ? {} : { id }),
      ...(controllerName === undefined ? {} : { controllerName }),
      mfa: this.#mfaView(),
      ...(loginProviders === undefined ? {} : { loginProviders }),
      services: {
        dial: this.#services.filter((service) => service.permissions.includes('Dial')).length,
        bind: this.#services.filter((service) => service.permissions.includes('Bind')).length,
      },
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop({ state: this.state() });
  }

  #mfaView(): IdentityView['mfa'] {
    if (this.state() === 'mfa-required') return 'required';
    if (this.#mfa === undefined || !this.#mfa.enrolled) return 'none';
    return this.#mfa.verified || this.#mfa.lastVerifiedAt !== undefined ? 'enrolled' : 'pending';
  }

  #hear(event: ZitiEvent): void {
    switch (event.kind) {
      case 'state-changed':
        this.#take(event.state);
        break;
      case 'services-changed':
        this.#takeServices(event.services);
        break;
      case 'router-changed':
        this.#deps.listener.routers(this);
        break;
      case 'certificate-renewal-failed':
        this.#deps.log.warn('identity.renewal_failed', { identity: this.name, error: event.error });
        break;
      case 'certificate-renewed':
      case 'controllers-changed':
        this.#deps.listener.changed(this);
        break;
    }
  }

  #take(state: ContextState): void {
    if (state.kind === 'closed') return;
    this.#stand(standingOf(state, this.name, this.#record === undefined ? 'certificate' : proofOf(this.#record)));
    // The controller said no for good: what it granted before is gone with it.
    if (state.kind === 'unauthenticated') this.#takeServices([]);
    if (state.kind === 'ready' || state.kind === 'mfa-required') void this.refreshMfa();
  }

  #takeServices(services: readonly ZitiService[]): void {
    const before = this.#services;
    this.#services = services;
    this.#servicesSeen = true;
    if (before.length === 0 && services.length === 0) this.#deps.listener.changed(this);
    else this.#deps.listener.services(this, before, services);
  }

  #stand(standing: Standing): void {
    this.#standing = standing;
    this.#deps.listener.changed(this);
  }
}

function standingOf(state: Exclude<ContextState, { kind: 'closed' }>, name: string, proof: IdentityProof): Standing {
  switch (state.kind) {
    case 'starting':
    case 'ready':
      return { state: state.kind };
    case 'mfa-required':
      return {
        state: 'mfa-required',
        reason: {
          code: 'ziti.controller.mfa_required',
          sentence: `${name} must give a code before it may go on`,
          next: `culvert identity mfa verify ${name}`,
        },
      };
    case 'external-login-required':
      return {
        state: 'login-required',
        loginProviders: state.signers,
        reason: {
          code: 'ziti.controller.external_login_required',
          sentence: `${name} must sign in${state.signers.length === 0 ? '' : ` with ${state.signers.join(' or ')}`}`,
          next: `culvert identity login ${name}`,
        },
      };
    case 'degraded':
      return { state: 'degraded', reason: { ...reasonOf(state.error), next: 'it is being tried again by itself' } };
    case 'unauthenticated':
      if (proof !== 'certificate') {
        const next = `culvert identity login ${name}; where that is refused too, see at the controller`;
        return { state: 'login-required', reason: { ...reasonOf(state.error), next } };
      }
      if (state.error.code === 'identity.certificate_expired') {
        return { state: 'unauthenticated', reason: reasonOf(state.error) };
      }
      return {
        state: 'unauthenticated',
        reason: {
          ...reasonOf(state.error),
          next: 'see at the controller whether it was disabled or deleted; else enrol it anew',
        },
      };
  }
}

function disabledReason(name: string): Clearance {
  return { code: 'identity.disabled', sentence: `${name} is disabled`, next: `culvert identity enable ${name}` };
}

function lockedBy(error: TunnelerError, name: string): Standing {
  return { state: 'locked', reason: { next: `culvert identity unlock ${name}`, ...reasonOf(error) } };
}

function brokenBy(error: TunnelerError): Standing {
  return { state: 'broken', reason: reasonOf(error) };
}

function reasonOf(error: TunnelerError): Clearance {
  const next = error.details['next'];
  return { code: error.code, sentence: error.message, ...(typeof next === 'string' ? { next } : {}) };
}

/** Expiry and SHA-256 of a chain's leaf. */
function leafOf(certPem: string | undefined): { certExpiresAt: string; fingerprint: string } | undefined {
  if (certPem === undefined) return undefined;
  try {
    const leaf = new X509Certificate(certPem);
    return {
      certExpiresAt: new Date(leaf.validTo).toISOString(),
      fingerprint: leaf.fingerprint256.replaceAll(':', '').toLowerCase(),
    };
  } catch {
    // The context will say what is wrong with it; a view only leaves it out.
    return undefined;
  }
}
