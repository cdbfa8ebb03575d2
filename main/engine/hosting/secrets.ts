/** Secrets as the verbs see them: set, listed and removed, by a running engine or on its state directory alone; every change recorded. */
import { openAudit } from '../../audit/audit.ts';
import type { AuditWriter } from '../../audit/record.ts';
import { systemClock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import { DisposalStack } from '../../base/lifecycle.ts';
import { silentLog } from '../../base/log.ts';
import type { SecretView } from '../../api/views.ts';
import { defaultSocketPath } from '../../ipc/socket-path.ts';
import type { IdentityStore, KeyUnlock } from '../../identity/identities.ts';
import { openIdentityStore } from '../../identity/identity-store.ts';
import { openSecretStore, type SecretKeystore, type SecretStore } from '../../identity/secrets.ts';
import { lockInstance } from '../runtime/instance-lock.ts';
import { chooseKeystore } from '../enrolment/new-identity.ts';
import { openStateDirectory } from '../runtime/state-directory.ts';

/** A secret to keep; one of the same name is replaced. */
export interface SetSecretRequest {
  readonly name: string;
  readonly value: string;
  /** `keychain` or `file`; default: the user's keychain where there is one, else `file`. */
  readonly keystore?: string | undefined;
}

/** The secrets, without their values. */
export interface SecretsBackend {
  list(): Promise<readonly SecretView[]>;
  set(request: SetSecretRequest): Promise<SecretView>;
  remove(name: string): Promise<void>;
}

/** Where secrets are kept and recorded. */
export interface SecretsDeps {
  readonly secrets: SecretStore;
  readonly store: IdentityStore;
  readonly audit: AuditWriter;
  readonly unlock: KeyUnlock;
  /** Told after each change. */
  readonly changed: (name: string) => void;
}

/** Secrets of a state directory, with an engine or without. */
export function secretsDesk({ secrets, store, audit, unlock, changed }: SecretsDeps): SecretsBackend {
  return {
    list: () => secrets.list(),
    async set({ name, value, keystore }) {
      const { kind } = await chooseKeystore(keystore, store);
      const made = await secrets.set(name, value, sealing(kind), unlock);
      changed(name);
      audit.record({ kind: 'secret.set', secret: name, keystore: made.keystore });
      return made;
    },
    async remove(name) {
      await secrets.remove(name);
      changed(name);
      audit.record({ kind: 'secret.removed', secret: name });
    },
  };
}

/** On a state directory whose engine is not running. Throws `engine.already_running` where one holds it. */
export function offlineSecrets(stateDirectory: string, passphrase: string | undefined): SecretsBackend {
  const secrets = openSecretStore(stateDirectory, () => systemClock.now());
  const change = async <T>(act: (desk: SecretsBackend) => Promise<T>): Promise<T> => {
    await openStateDirectory(stateDirectory, { byRoot: true });
    const stack = new DisposalStack();
    try {
      stack.use(await lockInstance(stateDirectory, defaultSocketPath(stateDirectory)));
      const audit = stack.use(openAudit({ stateDirectory, clock: systemClock, log: silentLog }));
      const store = await openIdentityStore({ stateDirectory, log: silentLog });
      const unlock = defined({ passphrase });
      return await act(secretsDesk({ secrets, store, audit, unlock, changed: () => undefined }));
    } finally {
      await stack[Symbol.asyncDispose]();
    }
  };
  return {
    list: () => secrets.list(),
    set: (request) => change((desk) => desk.set(request)),
    remove: (name) => change((desk) => desk.remove(name)),
  };
}

/** Hardware makes keys of its own and takes in no others. */
function sealing(keystore: string): SecretKeystore {
  if (keystore === 'keychain' || keystore === 'file') return keystore;
  throw new TunnelerError('base.unsupported', `a secret cannot be kept in ${keystore}: it makes its own keys only`, {
    details: { next: '--keystore file or --keystore keychain' },
  });
}
