/** What every way of gaining an identity shares: a free name, a key store that works here, the record written and noted. */
import type { AuditWriter } from '../../audit/record.ts';
import { isTunnelerError, TunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { EngineClient } from '../../api/schema.ts';
import type { IdentityFile, IdentityStore, KeystoreKind, KeyUnlock } from '../../identity/identities.ts';
import type { SecretKeystore } from '../../identity/secrets.ts';
import { defaultKeystore, parseKeystoreChoice, type KeystoreChoice } from '../../identity/keystore-choice.ts';
import { isSuperuser, type UserId } from '../../base/user-id.ts';
import { ownUser } from '../../files/own-user.ts';

/** What the caller of `identity.enroll` asks for. */
export type EnrollRequest = Parameters<EngineClient['identity']['enroll']>[0];

/** The identity as it is on disk, and what opens its key until the engine stops. */
export interface EnrolledRecord {
  readonly record: IdentityFile;
  readonly unlock: KeyUnlock;
}

/** Where identities are kept and recorded. */
export interface NewIdentityDeps {
  readonly store: IdentityStore;
  readonly audit: AuditWriter;
  readonly log: Log;
  /** Who asks; absent: whoever runs this process. */
  readonly uid?: UserId;
}

/** Fields that every way of enrolling shares. An identity of scope `user` serves who asked for it, not who runs the engine. */
export function commonFields(
  request: Pick<EnrollRequest, 'scope' | 'jit'>,
  name: string,
  keystore: KeystoreKind,
  uid: UserId | undefined = ownUser(),
): Pick<IdentityFile, 'name' | 'enabled' | 'scope' | 'ownerUid' | 'keystore' | 'jit' | 'foreign'> {
  const scope = request.scope ?? (keystore === 'keychain' && !isSuperuser(ownUser()) ? 'user' : 'machine');
  return {
    name,
    enabled: true,
    scope,
    ...(scope === 'user' && uid !== undefined ? { ownerUid: uid } : {}),
    keystore,
    jit: request.jit ?? false,
    foreign: {},
  };
}

/** Throws `identity.exists` and `identity.name_invalid` before anything is spent. */
export async function requireFree(store: IdentityStore, name: string): Promise<void> {
  try {
    await store.get(name);
  } catch (error) {
    if (isTunnelerError(error, 'identity.unknown')) return;
    if (!isTunnelerError(error, 'identity.corrupt')) throw error;
  }
  throw new TunnelerError('identity.exists', `there is an identity "${name}" already`, {
    details: { next: 'choose another with --name, or remove the old one first' },
  });
}

/** The one asked for, which must work here; else the user's keychain where there is one, else `file`. */
export async function chooseKeystore(asked: string | undefined, store: IdentityStore): Promise<KeystoreChoice> {
  if (asked === undefined) return defaultKeystore(store, { mayUseKeychain: !isSuperuser(ownUser()) });
  const choice = parseKeystoreChoice(asked);
  const here = await store.keystore(choice.kind).available();
  if (here.ok) return choice;
  throw new TunnelerError(
    here.code === 'identity.keystore_locked' ? here.code : 'identity.keystore_unavailable',
    here.sentence,
    { details: here.next === undefined ? { keystore: choice.kind } : { keystore: choice.kind, next: here.next } },
  );
}

/** Where a secret that is no identity's key is kept: hardware takes in none. */
export async function chooseSecretKeystore(store: IdentityStore): Promise<SecretKeystore> {
  return (await chooseKeystore(undefined, store)).kind === 'keychain' ? 'keychain' : 'file';
}

/** Write the record and note it. */
export async function keep(
  record: IdentityFile,
  unlock: KeyUnlock,
  deps: NewIdentityDeps,
  method: string,
): Promise<EnrolledRecord> {
  await deps.store.add(record);
  deps.audit.record({
    kind: 'identity.enrolled',
    identity: record.name,
    keystore: record.keystore,
    scope: record.scope,
    controller: record.apis[0] ?? null,
    method,
  });
  deps.log.info('identity.enrolled', { identity: record.name, keystore: record.keystore });
  return { record, unlock };
}
