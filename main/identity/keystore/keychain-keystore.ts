/**
 * Key store `keychain`: a wrapping key in the user's keychain (macOS Keychain, Windows Credential Manager, Secret Service), the
 * identity's key in an envelope under it. Keychains limit sizes and forget slowly; 32 bytes fit them all.
 *
 * A privileged engine cannot read a user's keychain: then the unlocked `wrappingKey` comes from the user's own process, which also made it
 * and keeps it under `keychainAccount`. Such a reference begins with `keychain:user:`; the user's keychain is never asked for it here.
 */
import { randomBytes } from 'node:crypto';
import { systemClock } from '../../base/clock.ts';
import { TunnelerError } from '../../base/errors.ts';
import { wrappingKeyBytes } from '../envelope.ts';
import type { KeyUnlock, Keystore } from '../identities.ts';

/** The few calls we make of the platform's keychain; `@napi-rs/keyring` in life. */
export interface Keychain {
  /** Undefined where no such entry is. Rejects where the keychain is locked or missing. */
  get(account: string): Promise<Uint8Array | undefined>;
  set(account: string, secret: Uint8Array): Promise<void>;
  delete(account: string): Promise<void>;
}

const serviceName = 'culvert';
const referencePattern = /^keychain:(user:)?([0-9a-f]{32}):(file:.+)$/;
/** A desktop asks its user to unlock a keychain; an engine does not wait for that for ever. */
const answerTimeoutMs = 20_000;

/** The platform's keychain, loaded when first used: its native library may be missing on a headless box. */
export async function systemKeychain(): Promise<Keychain> {
  const { AsyncEntry } = await import('@napi-rs/keyring').catch((error: unknown) => {
    throw unavailable(error);
  });
  // Linux also offers the kernel's keyutils, which forgets at reboot: only Secret Service is a keychain here.
  const entry = (account: string) =>
    new AsyncEntry(
      serviceName,
      account,
      process.platform === 'linux' ? { linux: { store: 'secret-service' } } : undefined,
    );
  return {
    async get(account) {
      const secret = await entry(account).getSecret();
      return secret === null || secret === undefined ? undefined : Uint8Array.from(secret);
    },
    set: (account, secret) => entry(account).setSecret(secret),
    async delete(account) {
      await entry(account).deleteCredential();
    },
  };
}

/** @param envelopes keeps the sealed keys (the `file` store's directory). */
export function keychainKeystore(
  envelopes: Keystore,
  openKeychain: () => Promise<Keychain> = systemKeychain,
): Keystore {
  const own = userKeychain(openKeychain);

  async function withWrappingKey<T extends { reference: string }>(
    handed: KeyUnlock,
    make: (unlock: KeyUnlock) => Promise<T>,
  ): Promise<T> {
    const { wrappingKey: given, keychainAccount } = handed;
    if (given !== undefined && keychainAccount !== undefined) {
      const made = await make({ wrappingKey: given });
      return { ...made, reference: `keychain:user:${keychainAccount}:${made.reference}` };
    }
    const { account, wrappingKey } = await own.make();
    try {
      const made = await make({ wrappingKey });
      return { ...made, reference: `keychain:${account}:${made.reference}` };
    } catch (error) {
      await own.forget(account);
      throw error;
    }
  }

  /** The wrapping key that was handed over, else the keychain's. */
  async function unwrapping(reference: string, unlock: KeyUnlock): Promise<{ envelope: string; wrapping: KeyUnlock }> {
    const { account, envelope, ofUser } = parseReference(reference);
    if (unlock.wrappingKey !== undefined) return { envelope, wrapping: unlock };
    if (ofUser) {
      throw new TunnelerError(
        'identity.keystore_locked',
        'what opens the key is in the keychain of the user it serves',
        {
          details: { next: 'as that user: culvert identity unlock' },
        },
      );
    }
    return { envelope, wrapping: { wrappingKey: await own.read(account) } };
  }

  return {
    kind: 'keychain',
    async available() {
      try {
        const keychain = await openKeychain();
        const probe = `probe-${randomBytes(8).toString('hex')}`;
        await guarded(() => keychain.set(probe, Buffer.from('probe')));
        await guarded(() => keychain.delete(probe));
        return { ok: true };
      } catch (error) {
        const failure = unavailable(error);
        return { ok: false, code: failure.code, sentence: failure.message, next: String(failure.details['next']) };
      }
    },
    create: (name, algorithm, handed) => withWrappingKey(handed, (unlock) => envelopes.create(name, algorithm, unlock)),
    import: (name, pem, handed) => withWrappingKey(handed, (unlock) => envelopes.import(name, pem, unlock)),
    keepPassword: (password, handed) => withWrappingKey(handed, (unlock) => envelopes.keepPassword(password, unlock)),
    async open(reference, unlock) {
      const { envelope, wrapping } = await unwrapping(reference, unlock);
      return envelopes.open(envelope, wrapping);
    },
    async openPassword(reference, unlock) {
      const { envelope, wrapping } = await unwrapping(reference, unlock);
      return envelopes.openPassword(envelope, wrapping);
    },
    async erase(reference, unlock) {
      const { account, envelope, ofUser } = parseReference(reference);
      await envelopes.erase(envelope, unlock);
      // Their own process forgets theirs; and a rolled key lies under the same one.
      if (!ofUser) await own.forget(account);
    },
  };
}

/** Where the user's keychain keeps the wrapping key, for a key that only its user can open; undefined for any other reference. */
export function userKeychainAccount(reference: string | undefined): string | undefined {
  const [, ofUser, account] = referencePattern.exec(reference ?? '') ?? [];
  return ofUser === undefined ? undefined : account;
}

function parseReference(reference: string): { account: string; envelope: string; ofUser: boolean } {
  const [, ofUser, account, envelope] = referencePattern.exec(reference) ?? [];
  if (account === undefined || envelope === undefined) {
    throw new TunnelerError('identity.corrupt', 'the identity names its key in a way nothing here understands');
  }
  return { account, envelope, ofUser: ofUser !== undefined };
}

/** Wrapping keys in the keychain of whoever runs this process: the engine's own, or those a user hands to a privileged engine. */
export interface UserKeychain {
  /** Make and keep one. Throws `identity.keystore_locked`, `identity.keystore_unavailable`. */
  make(): Promise<{ readonly account: string; readonly wrappingKey: Uint8Array }>;
  /** Throws as {@link make}, and where there is none. */
  read(account: string): Promise<Uint8Array>;
  forget(account: string): Promise<void>;
}

/** The keychain of whoever runs this process; opened when first needed. */
export function userKeychain(openKeychain: () => Promise<Keychain> = systemKeychain): UserKeychain {
  return {
    async make() {
      const account = randomBytes(16).toString('hex');
      const wrappingKey = randomBytes(wrappingKeyBytes);
      const keychain = await openKeychain();
      await guarded(() => keychain.set(account, wrappingKey));
      return { account, wrappingKey };
    },
    read: (account) => readWrappingKey(account, openKeychain),
    async forget(account) {
      const keychain = await openKeychain();
      await guarded(() => keychain.delete(account));
    },
  };
}

async function readWrappingKey(account: string, openKeychain: () => Promise<Keychain>): Promise<Uint8Array> {
  const keychain = await openKeychain();
  const secret = await guarded(() => keychain.get(account));
  if (secret === undefined) {
    throw new TunnelerError(
      'identity.keystore_locked',
      "the keychain has no entry for this identity: it is another user's, locked, or was cleared",
      {
        details: { next: 'sign in as the user who enrolled it and unlock the keychain, or enrol anew' },
      },
    );
  }
  return secret;
}

async function guarded<T>(run: () => Promise<T>): Promise<T> {
  let timer: Disposable | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = systemClock.after(answerTimeoutMs, () => reject(new Error('nobody answered its unlock prompt')));
  });
  try {
    return await Promise.race([run(), late]);
  } catch (error) {
    throw unavailable(error);
  } finally {
    timer?.[Symbol.dispose]();
  }
}

/** Which of the two it is, the libraries only say in words. */
function unavailable(error: unknown): TunnelerError {
  if (error instanceof TunnelerError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const locked = /lock|prompt|dismiss|denied|interaction/i.test(text);
  return locked
    ? new TunnelerError('identity.keystore_locked', `the keychain is locked (${text})`, {
        cause: error,
        details: { next: 'unlock the keychain (sign in to the desktop session) and try again' },
      })
    : new TunnelerError('identity.keystore_unavailable', `there is no keychain that answers here (${text})`, {
        cause: error,
        details: { next: 'use --keystore file, or start a Secret Service such as gnome-keyring in this session' },
      });
}
