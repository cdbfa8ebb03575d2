/**
 * An identity record and its opened key → a context at work, whose renewals are kept on disk step by step: whatever is killed between two
 * steps, a certificate the controller takes is there.
 */
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { IdentityRecord, IdentityStore, KeyUnlock, OpenKey } from '../identity/identities.ts';
import type {
  ContextState,
  Credential,
  PostureCheck,
  PostureFacts,
  RenewalKeeper,
  ZitiContext,
  ZitiContextOptions,
} from '../ziti/ziti.ts';
import type { OpenContext } from './identity-runner.ts';

export interface ContextOpenerDeps {
  readonly store: IdentityStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly openZitiContext: (options: ZitiContextOptions, options2: { signal: AbortSignal }) => Promise<ZitiContext>;
  readonly gatherPosture: (checks: readonly PostureCheck[]) => Promise<PostureFacts>;
  /** HTTPS for keys that only sign; absent: the SDK's own. */
  readonly openTransport?: ZitiContextOptions['open'];
}

/** How long a staged certificate may take to show whether the controller knows it. */
const probeMs = 15_000;

/** The engine's way to bring identities to work. */
export function contextOpener(deps: ContextOpenerDeps): OpenContext {
  return async (record, key, { unlock, onRecord, signal }) => {
    const book = new RecordBook(record, deps, unlock, onRecord);
    if (record.staged === undefined) return follow(await openWith(book.record, key, book, deps, signal), book, signal);
    return resolveStaged(record, key, book, deps, signal);
  };
}

/**
 * A crash left a renewal half way. Where the controller takes the staged certificate, that one is it; where it refuses it, the old one
 * still is. Where it cannot be asked, both stay.
 */
async function resolveStaged(
  record: IdentityRecord,
  key: OpenKey | undefined,
  book: RecordBook,
  deps: ContextOpenerDeps,
  signal: AbortSignal,
): Promise<ZitiContext> {
  const promoted = promote(record);
  const stagedKey =
    promoted.keyReference === undefined || promoted.keyReference === record.keyReference
      ? key
      : await deps.store.openKey(promoted, book.unlock());
  const context = await openWith(promoted, stagedKey, book, deps, signal);
  const outcome = await firstAnswer(context, deps.clock, signal);
  if (outcome === 'taken') {
    deps.log.info('identity.renewal_resumed', { identity: record.name, certificate: 'staged' });
    await book.write(promoted);
    return follow(context, book, signal);
  }
  await context[Symbol.asyncDispose]();
  if (outcome === 'refused') {
    deps.log.info('identity.renewal_resumed', { identity: record.name, certificate: 'old' });
    await book.dropStaged();
  }
  return follow(await openWith(book.record, key, book, deps, signal), book, signal);
}

async function openWith(
  record: IdentityRecord,
  key: OpenKey | undefined,
  book: RecordBook,
  deps: ContextOpenerDeps,
  signal: AbortSignal,
): Promise<ZitiContext> {
  const options: ZitiContextOptions = {
    name: record.name,
    apis: record.apis,
    caPem: record.caPem,
    credential: credentialOf(record, key),
    clock: deps.clock,
    log: deps.log.child({ identity: record.name }),
    version: deps.version,
    ...(key === undefined ? {} : { renewal: book.keeper(key.kind === 'software') }),
    ...(key?.kind === 'hardware' && deps.openTransport !== undefined ? { open: deps.openTransport } : {}),
  };
  const context = await deps.openZitiContext(options, { signal });
  context.setPosture(deps.gatherPosture);
  return context;
}

function credentialOf(record: IdentityRecord, key: OpenKey | undefined): Credential {
  if (record.certPem === undefined || key === undefined) return { kind: 'external' };
  return { kind: 'certificate', certPem: record.certPem, key, justInTime: record.jit || key.kind === 'hardware' };
}

/** Keep what the context learns about itself. */
function follow(context: ZitiContext, book: RecordBook, signal: AbortSignal): ZitiContext {
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

function firstAnswer(
  context: ZitiContext,
  clock: Clock,
  signal: AbortSignal,
): Promise<'taken' | 'refused' | 'unknown'> {
  return new Promise((resolve) => {
    const settle = (state: ContextState): void => {
      if (state.kind === 'ready' || state.kind === 'mfa-required') finish('taken');
      else if (state.kind === 'unauthenticated') finish('refused');
    };
    const finish = (outcome: 'taken' | 'refused' | 'unknown'): void => {
      listening[Symbol.dispose]();
      timer[Symbol.dispose]();
      resolve(outcome);
    };
    const listening = context.events.subscribe((event) => {
      if (event.kind === 'state-changed') settle(event.state);
    });
    const timer = clock.after(probeMs, () => finish('unknown'));
    signal.addEventListener('abort', () => finish('unknown'), { once: true });
    settle(context.state());
  });
}

/** The record with its staged certificate as the one. */
function promote(record: IdentityRecord): IdentityRecord {
  const { staged, ...rest } = record;
  if (staged === undefined) return record;
  return {
    ...rest,
    certPem: staged.certPem,
    caPem: staged.caPem ?? record.caPem,
    ...(staged.keyReference === undefined ? {} : { keyReference: staged.keyReference }),
  };
}

/** One identity's record on disk: writes run one after another, each from the newest state. */
class RecordBook {
  record: IdentityRecord;
  readonly unlock: () => KeyUnlock;
  readonly #deps: ContextOpenerDeps;
  readonly #onRecord: (record: IdentityRecord) => void;
  #turn: Promise<void> = Promise.resolve();

  constructor(
    record: IdentityRecord,
    deps: ContextOpenerDeps,
    unlock: () => KeyUnlock,
    onRecord: (record: IdentityRecord) => void,
  ) {
    this.record = record;
    this.unlock = unlock;
    this.#deps = deps;
    this.#onRecord = onRecord;
  }

  /** Durable when it resolves; throws `identity.write_failed`. */
  write(change: IdentityRecord | ((before: IdentityRecord) => IdentityRecord)): Promise<void> {
    const next = this.#turn.then(async () => {
      const record = typeof change === 'function' ? change(this.record) : change;
      await this.#deps.store.update(record, this.unlock());
      this.record = record;
      this.#onRecord(record);
    });
    this.#turn = next.catch(() => undefined);
    return next;
  }

  /** Facts that are worth keeping but not worth failing for. */
  learn(facts: Partial<Pick<IdentityRecord, 'apis' | 'controllerName' | 'controllerId'>>): void {
    const before = this.record;
    if (Object.entries(facts).every(([name, value]) => sameText(before[name as keyof IdentityRecord], value))) return;
    this.write((record) => ({ ...record, ...facts })).catch((error: unknown) =>
      this.#deps.log.warn('identity.not_kept', { identity: before.name, error }),
    );
  }

  keeper(canRoll: boolean): RenewalKeeper {
    const { store, log } = this.#deps;
    let rolled: string | undefined;
    return {
      ...(canRoll
        ? {
            newKey: async () => {
              const made = await store.keystore(this.record.keystore).create(this.record.name, 'ES256', this.unlock());
              rolled = made.reference;
              return made.key;
            },
          }
        : {}),
      staged: (renewal) => {
        const keyReference = rolled;
        rolled = undefined;
        return this.write((record) => ({
          ...record,
          staged: {
            certPem: renewal.certPem,
            ...(renewal.caPem === undefined ? {} : { caPem: renewal.caPem }),
            ...(keyReference === undefined ? {} : { keyReference }),
          },
        }));
      },
      committed: async () => {
        await this.write(promote);
        log.info('identity.renewed', { identity: this.record.name });
      },
    };
  }

  async dropStaged(): Promise<void> {
    const { staged } = this.record;
    await this.write(({ staged: _dropped, ...record }) => record);
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
