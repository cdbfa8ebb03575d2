/**
 * An identity record and its opened key → a context at work, whose renewals are kept on disk step by step: whatever is killed between two
 * steps, a certificate the controller takes is there.
 */
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import type { Log } from '../../base/log.ts';
import type { IdentityFile, IdentityStore, KeyUnlock, OpenKey, OpenPassword } from '../../identity/identities.ts';
import type {
  Credential,
  PostureCheck,
  PostureFacts,
  RenewalKeeper,
  ZitiContext,
  ZitiContextOptions,
} from '../../ziti/ziti.ts';
import type { OpenContext } from './identity-runner.ts';
import type { UserId } from '../../base/user-id.ts';

/** What every context is opened with. */
export interface ContextOpenerDeps {
  readonly store: IdentityStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly openZitiContext: (options: ZitiContextOptions, options2: { signal: AbortSignal }) => Promise<ZitiContext>;
  /** `owner`: the user whose identity it is, where it is not the machine's. */
  readonly gatherPosture: (checks: readonly PostureCheck[], owner: UserId | undefined) => Promise<PostureFacts>;
  /** A new key took the place of the old one. Never rejects. */
  readonly keyOpened: (record: IdentityFile, key: OpenKey, unlock: KeyUnlock) => Promise<void>;
  /** HTTPS for keys that only sign; absent: the SDK's own. */
  readonly openTransport?: ZitiContextOptions['open'];
}

/** The engine's way to bring identities to work. */
export function contextOpener(deps: ContextOpenerDeps): OpenContext {
  return async (record, key, { signal, ...owner }) => {
    const { unlock } = owner;
    const book = new IdentityFileWriter(record, deps, owner);
    const staged = await stagedCredential(record, key, deps, unlock());
    return follow(await openWith(record, key, staged, book, deps, signal), book, signal);
  };
}

/** A crash left a renewal half way: the controller knows one of the two certificates, and signing in tells which. */
async function stagedCredential(
  record: IdentityFile,
  key: OpenKey | OpenPassword | undefined,
  deps: ContextOpenerDeps,
  unlock: KeyUnlock,
): Promise<Credential | undefined> {
  if (record.staged === undefined) return undefined;
  const promoted = promote(record);
  try {
    const rolled = promoted.keyReference !== record.keyReference;
    return credentialOf(promoted, rolled ? await deps.store.openKey(promoted, unlock) : key);
  } catch (error) {
    deps.log.warn('identity.staged_unusable', { identity: record.name, error });
    return undefined;
  }
}

async function openWith(
  record: IdentityFile,
  key: OpenKey | OpenPassword | undefined,
  staged: Credential | undefined,
  book: IdentityFileWriter,
  deps: ContextOpenerDeps,
  signal: AbortSignal,
): Promise<ZitiContext> {
  const options: ZitiContextOptions = {
    name: record.name,
    apis: record.apis,
    caPem: record.caPem,
    credential: credentialOf(record, key),
    ...defined({ staged }),
    clock: deps.clock,
    log: deps.log.child({ identity: record.name }),
    version: deps.version,
    ...(key === undefined || key.kind === 'password' ? {} : { renewal: book.keeper(key.kind === 'software') }),
    ...(key?.kind === 'hardware' && deps.openTransport !== undefined ? { open: deps.openTransport } : {}),
  };
  const context = await deps.openZitiContext(options, { signal });
  context.setPosture((checks) => deps.gatherPosture(checks, record.ownerUid));
  return context;
}

function credentialOf(record: IdentityFile, key: OpenKey | OpenPassword | undefined): Credential {
  if (key?.kind === 'password') return key;
  if (record.certPem === undefined || key === undefined) return { kind: 'external' };
  return { kind: 'certificate', certPem: record.certPem, key, justInTime: record.jit || key.kind === 'hardware' };
}

/** Keep what the context learns about itself. */
function follow(context: ZitiContext, book: IdentityFileWriter, signal: AbortSignal): ZitiContext {
  const listening = context.events.subscribe((event) => {
    if (event.kind === 'controllers-changed') book.learn({ apis: event.apis });
    else if (event.kind === 'state-changed' && event.state.kind === 'ready') {
      const known = context.identity();
      if (known !== undefined) book.learn({ controllerName: known.name, controllerId: known.id });
    }
  });
  signal.addEventListener('abort', () => listening[Symbol.dispose](), { once: true });
  return context;
}

/** The record with its staged certificate as the one. */
function promote(record: IdentityFile): IdentityFile {
  const { staged, ...rest } = record;
  if (staged === undefined) return record;
  return {
    ...rest,
    certPem: staged.certPem,
    caPem: staged.caPem ?? record.caPem,
    ...defined({ keyReference: staged.keyReference }),
  };
}

/** Whose record it is: it may be renamed while it is at work. */
type RecordOwner = Omit<Parameters<OpenContext>[2], 'signal'>;

/** One identity's record on disk: writes run one after another, each from the newest state. */
class IdentityFileWriter {
  record: IdentityFile;
  readonly unlock: () => KeyUnlock;
  readonly #deps: ContextOpenerDeps;
  readonly #owner: RecordOwner;

  constructor(record: IdentityFile, deps: ContextOpenerDeps, owner: RecordOwner) {
    this.record = record;
    this.unlock = owner.unlock;
    this.#deps = deps;
    this.#owner = owner;
  }

  /** Durable when it resolves; throws `identity.write_failed`. */
  write(change: IdentityFile | ((before: IdentityFile) => IdentityFile)): Promise<void> {
    return this.#owner.writes.run(async () => {
      const changed = typeof change === 'function' ? change(this.record) : change;
      // Renamed meanwhile: the file goes by the new name.
      const record = { ...changed, name: this.#owner.name() };
      await this.#deps.store.update(record, this.unlock());
      this.record = record;
      this.#owner.onRecord(record);
    });
  }

  /** Facts that are worth keeping but not worth failing for. */
  learn(facts: Partial<Pick<IdentityFile, 'apis' | 'controllerName' | 'controllerId'>>): void {
    const before = this.record;
    if (Object.entries(facts).every(([name, value]) => sameText(before[name as keyof IdentityFile], value))) return;
    this.write((record) => ({ ...record, ...facts })).catch((error: unknown) =>
      this.#deps.log.warn('identity.not_kept', { identity: before.name, error }),
    );
  }

  keeper(canRoll: boolean): RenewalKeeper {
    const { store, log } = this.#deps;
    let rolled: string | undefined;
    let rolledKey: OpenKey | undefined;
    return {
      ...(canRoll
        ? {
            newKey: async () => {
              const made = await store.keystore(this.record.keystore).create(this.record.name, 'ES256', this.unlock());
              rolled = made.reference;
              rolledKey = made.key;
              return made.key;
            },
          }
        : {}),
      staged: async (renewal) => {
        const keyReference = rolled;
        rolled = undefined;
        const before = this.record.staged;
        await this.write((record) => ({
          ...record,
          staged: {
            certPem: renewal.certPem,
            ...defined({ caPem: renewal.caPem, keyReference }),
          },
        }));
        await this.#eraseKeyOf(before);
      },
      committed: async () => {
        await this.write(promote);
        if (rolledKey !== undefined) await this.#deps.keyOpened(this.record, rolledKey, this.unlock());
        rolledKey = undefined;
        log.info('identity.renewed', { identity: this.record.name });
      },
      abandoned: () => this.dropStaged(),
    };
  }

  async dropStaged(): Promise<void> {
    const { staged } = this.record;
    await this.write(({ staged: _dropped, ...record }) => record);
    await this.#eraseKeyOf(staged);
  }

  async #eraseKeyOf(staged: IdentityFile['staged']): Promise<void> {
    if (staged?.keyReference === undefined || staged.keyReference === this.record.keyReference) return;
    await this.#deps.store
      .keystore(this.record.keystore)
      .erase(staged.keyReference, this.unlock())
      .catch((error: unknown) => this.#deps.log.warn('identity.key_left', { identity: this.record.name, error }));
  }
}

function sameText(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}
