/** All identities at work, each isolated from the others: started, enabled, renewed, unlocked and removed by name while the engine runs. */
import { defined } from '../../base/defined.ts';
import { TunnelerError, type ErrorCode } from '../../base/errors.ts';
import type { Reason } from '../../base/reason.ts';
import { KeyedSerialQueue } from '../../base/serial-queue.ts';
import type { AuditWriter } from '../../audit/record.ts';
import type { IdentityState } from '../../api/views.ts';
import { proofOf, type IdentityEntry, type IdentityStore, type KeyUnlock } from '../../identity/identities.ts';
import { userKeychainAccount } from '../../identity/keystore/keychain-keystore.ts';
import type { ZitiContext } from '../../ziti/model.ts';
import type { EnrolledRecord } from '../enrolment/new-identity.ts';
import { IdentityRunner, type RunnerDeps } from './identity-runner.ts';

/** Where identities are kept, and what opens their keys. */
export interface IdentitiesDeps extends RunnerDeps {
  readonly store: IdentityStore;
  readonly audit: AuditWriter;
  /** What `run` was given to unlock keys with. */
  readonly unlock: KeyUnlock;
  /** Reset every session of an identity, before its network is told of anything. */
  readonly cut: (identity: string, why: Reason) => void;
  /** An identity is gone: forget its services and views. */
  readonly onRemoved: (name: string) => void;
  /** An identity goes by another name, in `find` already. */
  readonly onRenamed: (name: string, to: string) => void;
}

/** The runners by name; disposing stops them all. */
export class Identities implements AsyncDisposable {
  readonly #deps: IdentitiesDeps;
  readonly #runners = new Map<string, IdentityRunner>();
  /** Runners by names they had: a flow that is on its way knows its identity by the name of when it came in. */
  readonly #formerly = new Map<string, IdentityRunner>();
  /** Changes of one identity run one after another. */
  readonly #turns = new KeyedSerialQueue<string>();

  constructor(deps: IdentitiesDeps) {
    this.#deps = deps;
  }

  /** Begin with everything in the store; resolves when each was tried, not when each is ready. One failure stops no other. */
  async start(): Promise<void> {
    const entries = await this.#deps.store.list();
    await Promise.all(entries.map((entry) => this.#begin(entry, this.#deps.unlock)));
  }

  all(): readonly IdentityRunner[] {
    return [...this.#runners.values()];
  }

  find(name: string): IdentityRunner | undefined {
    return this.#runners.get(name);
  }

  /** Who goes by this name, or else who last went by it. */
  follow(name: string): IdentityRunner | undefined {
    return this.#runners.get(name) ?? this.#formerly.get(name);
  }

  /** What goes by this name, or last went by it, is called now. */
  nameOf(name: string): string {
    return this.follow(name)?.name ?? name;
  }

  /** Throws `identity.unknown`. */
  get(name: string): IdentityRunner {
    const runner = this.#runners.get(name);
    if (runner !== undefined) return runner;
    throw new TunnelerError('identity.unknown', `there is no identity "${name}" here`, {
      details: { next: 'culvert identity list shows those there are' },
    });
  }

  /** The context of an identity that works. Throws why it does not: `identity.*`, `ziti.controller.*`, `engine.not_ready`. */
  context(name: string): ZitiContext {
    const runner = this.get(name);
    const context = runner.context();
    if (context !== undefined) return context;
    throw notWorking(runner);
  }

  /** Addresses of all controllers and routers, as URLs or `host:port`. */
  places(): readonly string[] {
    return this.all().flatMap((runner) => [
      ...(runner.record()?.apis ?? []),
      ...runner.routers().map((router) => router.address),
    ]);
  }

  /** Connect anew where connections no longer hold: after sleep, or on another network. Never rejects. */
  async networkChanged(): Promise<void> {
    await Promise.all(this.all().map((runner) => runner.networkChanged()));
  }

  /** Put a freshly enrolled identity to work. */
  async add({ record, unlock }: EnrolledRecord): Promise<IdentityRunner> {
    return this.#begin({ kind: 'good', record }, unlock);
  }

  setEnabled(name: string, enabled: boolean): Promise<void> {
    return this.#inTurn(name, async (runner) => {
      const record = runner.record();
      if (record === undefined) throw notWorking(runner);
      if (record.enabled === enabled) return;
      await this.#deps.store.update({ ...record, enabled }, runner.unlock());
      if (!enabled) this.#deps.cut(name, cutBy('disabled', `${name} was disabled here`, name));
      await runner.setEnabled(enabled);
      this.#deps.audit.record({ kind: 'identity.changed', identity: name, enabled });
    });
  }

  remove(name: string): Promise<void> {
    return this.#inTurn(name, async (runner) => {
      this.#deps.cut(name, cutBy('removed', `${name} was removed here`, name));
      await runner[Symbol.asyncDispose]();
      await this.#deps.store.remove(name, runner.unlock());
      this.#runners.delete(name);
      for (const [former, one] of this.#formerly) if (one === runner) this.#formerly.delete(former);
      this.#deps.onRemoved(name);
      this.#deps.audit.record({ kind: 'identity.removed', identity: name });
    });
  }

  /** In place: sessions, bindings and the way to its network stand. Throws `identity.exists`, `identity.name_invalid`. */
  rename(name: string, to: string): Promise<void> {
    return this.#inTurn(name, async (runner) => {
      await runner.rename(to);
      this.#runners.delete(name);
      this.#runners.set(to, runner);
      this.#formerly.delete(to);
      this.#formerly.set(name, runner);
      this.#deps.onRenamed(name, to);
      this.#deps.audit.record({ kind: 'identity.changed', identity: to, before: name });
    });
  }

  /** Open sessions live on. Throws `identity.renewal_failed` and what keeps the identity from working. */
  renew(name: string, rollKey: boolean): Promise<IdentityRunner> {
    return this.#inTurn(name, async (runner) => {
      const { expiresAt } = await this.context(name).renewCertificate({ rollKey });
      this.#deps.audit.record({
        kind: 'identity.renewed',
        identity: name,
        rollKey,
        expiresAt: new Date(expiresAt).toISOString(),
      });
      return runner;
    });
  }

  /** Try again with what opens the key. Throws `identity.passphrase_wrong` and the like where that does not open it. */
  unlock(name: string, unlock: KeyUnlock): Promise<IdentityRunner> {
    return this.#inTurn(name, async (runner) => {
      const record = runner.record();
      if (record === undefined) throw notWorking(runner);
      const keychainAccount = userKeychainAccount(record.keyReference);
      const complete = keychainAccount === undefined ? unlock : { ...unlock, keychainAccount };
      await this.#deps.store.openProof(record, complete);
      if (runner.context() === undefined) await runner.start(complete);
      return runner;
    });
  }

  /** Keep a password in the place of the one before, and sign in with it. Throws `ziti.controller.unauthenticated` where it is refused. */
  passwordLogin(name: string, username: string | undefined, password: string): Promise<IdentityRunner> {
    return this.#inTurn(name, async (runner) => {
      const record = runner.record();
      if (record === undefined) throw notWorking(runner);
      const { store } = this.#deps;
      if (proofOf(record) !== 'password') {
        throw new TunnelerError('base.unsupported', `${name} does not sign in with a password`, {
          details: { identity: name, proof: proofOf(record) },
        });
      }
      const unlock = runner.unlock();
      const kept = await store.openProof(record, unlock);
      const known = kept?.kind === 'password' ? kept.username : '';
      const next = { kind: 'password', username: username ?? known, password } as const;
      const { reference } = await store.keystore(record.keystore).keepPassword(next, unlock);
      const changed = { ...record, keyReference: reference };
      await store.update(changed, unlock);
      await runner.stop(() => ({ state: 'starting' }));
      runner.replaceRecord(changed);
      await runner.start();
      this.#deps.audit.record({ kind: 'identity.changed', identity: name, password: true });
      return runner;
    });
  }

  lock(name: string): Promise<void> {
    return this.#inTurn(name, async (runner) => {
      if (runner.record() === undefined) throw notWorking(runner);
      this.#deps.cut(name, cutBy('locked', `${name} was locked here`, name));
      await runner.lock();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const runners = this.all();
    this.#runners.clear();
    const outcomes = await Promise.allSettled(runners.map((runner) => runner[Symbol.asyncDispose]()));
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected')
        this.#deps.log.warn('identity.close_failed', { error: outcome.reason as Error });
    }
  }

  async #begin(entry: IdentityEntry, unlock: KeyUnlock): Promise<IdentityRunner> {
    const runner = new IdentityRunner(entry, unlock, this.#deps);
    this.#formerly.delete(runner.name);
    this.#runners.set(runner.name, runner);
    this.#deps.listener.changed(runner);
    await runner.start();
    return runner;
  }

  #inTurn<T>(name: string, act: (runner: IdentityRunner) => Promise<T>): Promise<T> {
    return this.#turns.run(name, () => act(this.get(name)));
  }
}

type Cut = 'disabled' | 'removed' | 'locked';

function cutBy(how: Cut, sentence: string, identity: string): Reason {
  return { code: `session.identity_${how}`, sentence, details: { identity } };
}

const codeOf: Partial<Record<IdentityState, ErrorCode>> = {
  disabled: 'identity.disabled',
  locked: 'identity.locked',
  broken: 'identity.corrupt',
  unauthenticated: 'ziti.controller.unauthenticated',
  'mfa-required': 'ziti.controller.mfa_required',
  'login-required': 'ziti.controller.external_login_required',
};

function notWorking(runner: IdentityRunner): TunnelerError {
  const why = runner.trouble();
  return new TunnelerError(
    codeOf[runner.state()] ?? 'engine.not_ready',
    why?.sentence ?? `${runner.name} is not at work`,
    {
      details: { identity: runner.name, state: runner.state(), ...defined({ next: why?.next }) },
    },
  );
}
