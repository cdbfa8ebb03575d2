/** One identity's life in the engine: its key opened, its context at work, its standing in words. Its failure touches no other. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { toTunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Reason } from '../../base/reason.ts';
import type { IdentityState, IdentityView, RouterView } from '../../api/views.ts';
import { toErrorView } from '../../api/wire.ts';
import {
  proofOf,
  type IdentityEntry,
  type IdentityFile,
  type IdentityStore,
  type KeyUnlock,
  type OpenKey,
  type OpenPassword,
} from '../../identity/identities.ts';
import type { IdentityFacts } from '../../policy/verdict.ts';
import type { ContextState, ZitiContext, ZitiEvent, ZitiService } from '../../ziti/model.ts';
import {
  brokenBy,
  disabledStanding,
  failedStanding,
  lockedStanding,
  identityStatusOf,
  type IdentityStatus,
} from '../views/identity-status.ts';
import { certificateSigner, type CertificateSigner } from './certificate-signer.ts';
import { SerialQueue } from '../../base/serial-queue.ts';
import { identityView, type MfaStanding } from '../views/identity-view.ts';

/** Bring an opened identity to work. `onRecord` is told when what stands on disk changed (renewal, controllers). */
export type OpenContext = (
  record: IdentityFile,
  key: OpenKey | OpenPassword | undefined,
  options: {
    readonly unlock: () => KeyUnlock;
    /** What the identity is called now. */
    readonly name: () => string;
    /** Run a write of the record after those before it, its new name included. */
    readonly writes: SerialQueue;
    readonly onRecord: (record: IdentityFile) => void;
    readonly signal: AbortSignal;
  },
) => Promise<ZitiContext>;

/** What a runner tells the engine; `services` replaces what it told before. */
export interface RunnerListener {
  changed(runner: IdentityRunner): void;
  services(runner: IdentityRunner, before: readonly ZitiService[], after: readonly ZitiService[]): void;
  routers(runner: IdentityRunner): void;
}

/** What one identity's life needs of the engine. */
export interface RunnerDeps {
  readonly store: Pick<IdentityStore, 'openKey' | 'openProof' | 'rename'>;
  readonly openContext: OpenContext;
  /** An identity's key was opened, or it has none: whoever signs the record hears of it. Never rejects. */
  readonly keyOpened: (record: IdentityFile, key: OpenKey | undefined, unlock: KeyUnlock) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
  readonly listener: RunnerListener;
}

/** One identity at work, locked, disabled or failed; disposing closes its context. */
export class IdentityRunner implements AsyncDisposable {
  /** Stands for it while the engine runs, whatever it is called. */
  readonly id = randomUUID();
  readonly #deps: RunnerDeps;
  #name: string;
  readonly #writes = new SerialQueue();
  #record: IdentityFile | undefined;
  /** Where it stands, in words that name it. */
  #standing: (name: string) => IdentityStatus;
  #unlock: KeyUnlock;
  #context: ZitiContext | undefined;
  #listening: Disposable | undefined;
  #abort: AbortController | undefined;
  #services: readonly ZitiService[] = [];
  #servicesSeen = false;
  #mfa: MfaStanding | undefined;
  /** Opened once for each certificate: a key behind a passphrase takes its time. */
  #signer: { readonly of: string; readonly signer: CertificateSigner } | undefined;

  constructor(entry: IdentityEntry, unlock: KeyUnlock, deps: RunnerDeps) {
    this.#name = entry.kind === 'good' ? entry.record.name : entry.name;
    this.#deps = deps;
    this.#unlock = unlock;
    this.#record = entry.kind === 'good' ? entry.record : undefined;
    const first: IdentityStatus = entry.kind === 'good' ? { state: 'starting' } : brokenBy(entry.error);
    this.#standing = () => first;
  }

  get name(): string {
    return this.#name;
  }

  /** Go by another name, at work or not; what is written to its file meanwhile waits. Throws `identity.exists`, `identity.name_invalid`. */
  rename(to: string): Promise<void> {
    return this.#writes.run(async () => {
      await this.#deps.store.rename(this.#name, to);
      this.#name = to;
      if (this.#record !== undefined) this.#record = { ...this.#record, name: to };
    });
  }

  record(): IdentityFile | undefined {
    return this.#record;
  }

  /** What stands for it at its controller, whatever it is called here. */
  account(): string {
    return this.#record?.controllerId ?? this.name;
  }

  context(): ZitiContext | undefined {
    return this.#context;
  }

  services(): readonly ZitiService[] {
    return this.#services;
  }

  state(): IdentityState {
    return this.#standing(this.#name).state;
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
      this.#stand(disabledStanding);
      return;
    }
    const abort = new AbortController();
    this.#abort = abort;
    this.#stand(() => ({ state: 'starting' }));
    try {
      const key = await this.#deps.store.openProof(record, this.#unlock);
      const signed = this.#deps.keyOpened(record, key?.kind === 'password' ? undefined : key, this.#unlock);
      const context = await this.#deps.openContext(record, key, {
        unlock: () => this.#unlock,
        name: () => this.#name,
        writes: this.#writes,
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
      await signed;
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#abort = undefined;
      const failure = toTunnelerError(error, 'identity.corrupt');
      this.#deps.log.warn('identity.not_started', { identity: this.name, error: failure });
      this.#stand((name) => failedStanding(failure, name));
    }
  }

  /** Stop working; `standing` says why, to whatever its name is. Services are given up at once, before the network is told. */
  async stop(standing: (name: string) => IdentityStatus): Promise<void> {
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
    else await this.stop(disabledStanding);
  }

  /** Forget what opens the key, and stop. */
  async lock(): Promise<void> {
    this.#signer = undefined;
    this.#unlock.wrappingKey?.fill(0);
    this.#unlock = {};
    await this.stop(lockedStanding);
  }

  replaceRecord(record: IdentityFile): void {
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

  /** What this host knows of itself changed: tell those who judge it. Never rejects. */
  async refreshPosture(): Promise<void> {
    await this.#context?.refreshPosture();
  }

  /** What signs as this identity, with its certificate; undefined where it has none. Throws as {@link IdentityStore.openKey}. */
  async signer(): Promise<CertificateSigner | undefined> {
    const record = this.#record;
    if (record?.certPem === undefined || record.keyReference === undefined) return undefined;
    if (this.#signer?.of !== record.certPem) {
      const key = await this.#deps.store.openKey(record, this.#unlock);
      this.#signer = { of: record.certPem, signer: certificateSigner(record.certPem, key) };
    }
    return this.#signer.signer;
  }

  facts(): IdentityFacts | undefined {
    const record = this.#record;
    if (record === undefined) return undefined;
    return {
      scope: record.scope,
      ...defined({ ownerUid: record.ownerUid }),
      authentication: this.#context?.controller().authentication,
      trouble: this.trouble(),
      mfaVerifiedAtMs: this.#mfa?.lastVerifiedAt,
    };
  }

  /** Why it cannot dial now. `degraded` can: sessions and channels that stand go on. */
  trouble(): Reason | undefined {
    const { state, reason } = this.#standing(this.#name);
    if (state === 'ready' || state === 'degraded') return undefined;
    return reason ?? { code: 'engine.not_ready', sentence: `${this.name} is still signing in`, next: 'try again soon' };
  }

  routers(): readonly RouterView[] {
    return (this.#context?.routers() ?? []).map(({ error, ...router }) => ({
      ...router,
      identity: this.name,
      ...defined({ error: error && toErrorView(error) }),
    }));
  }

  view(): IdentityView {
    return identityView({
      name: this.name,
      record: this.#record,
      context: this.#context,
      standing: this.#standing(this.#name),
      services: this.#services,
      mfa: this.#mfa,
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    const state = this.state();
    return this.stop(() => ({ state }));
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
    const proof = this.#record === undefined ? 'certificate' : proofOf(this.#record);
    this.#stand((name) => identityStatusOf(state, name, proof));
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

  #stand(standing: (name: string) => IdentityStatus): void {
    this.#standing = standing;
    this.#deps.listener.changed(this);
  }
}
