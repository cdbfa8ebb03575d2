/**
 * Key store `keychain`: a wrapping key in the user's keychain (macOS Keychain, Windows Credential Manager, Secret Service), the
 * identity's key in an envelope under it. Keychains limit sizes and forget slowly; 32 bytes fit them all.
 *
 * A privileged engine cannot read a user's keychain: then the unlocked `wrappingKey` comes from the user's own process.
 */
import { randomBytes } from 'node:crypto';
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
  const referencePattern = /^keychain:([0-9a-f]{32}):(file:.+)$/;

  async function withNewWrappingKey<T extends { reference: string }>(
    make: (unlock: KeyUnlock) => Promise<T>,
  ): Promise<T> {
    const keychain = await openKeychain();
    const account = randomBytes(16).toString('hex');
    const wrappingKey = randomBytes(wrappingKeyBytes);
    await guarded(() => keychain.set(account, wrappingKey));
    try {
      const made = await make({ wrappingKey });
      return { ...made, reference: `keychain:${account}:${made.reference}` };
    } catch (error) {
      await guarded(() => keychain.delete(account));
      throw error;
    }
  }

  function parseReference(reference: string): { account: string; envelope: string } {
    const match = referencePattern.exec(reference);
    if (match?.[1] === undefined || match[2] === undefined) {
      throw new TunnelerError('identity.corrupt', 'the identity names its key in a way nothing here understands');
    }
    return { account: match[1], envelope: match[2] };
  }

  /** The wrapping key that was handed over, else the keychain's. */
  async function unwrapping(reference: string, unlock: KeyUnlock): Promise<{ envelope: string; wrapping: KeyUnlock }> {
    const { account, envelope } = parseReference(reference);
    if (unlock.wrappingKey !== undefined) return { envelope, wrapping: unlock };
    return { envelope, wrapping: { wrappingKey: await readWrappingKey(account, openKeychain) } };
  }

  return {
    kind: 'keychain',
    async available() {
      try {
        const keychain = await openKeychain();
        const probe = `probe-${randomBytes(8).toString('hex')}`;
        await keychain.set(probe, Buffer.from('probe'));
        await keychain.delete(probe);
        return { ok: true };
      } catch (error) {
        const failure = unavailable(error);
        return { ok: false, code: failure.code, sentence: failure.message, next: String(failure.details['next']) };
      }
    },
    create: (name, algorithm) => withNewWrappingKey((unlock) => envelopes.create(name, algorithm, unlock)),
    import: (name, pem) => withNewWrappingKey((unlock) => envelopes.import(name, pem, unlock)),
    keepPassword: (password) => withNewWrappingKey((unlock) => envelopes.keepPassword(password, unlock)),
    async open(reference, unlock) {
      const { envelope, wrapping } = await unwrapping(reference, unlock);
      return envelopes.open(envelope, wrapping);
    },
    async openPassword(reference, unlock) {
      const { envelope, wrapping } = await unwrapping(reference, unlock);
      return envelopes.openPassword(envelope, wrapping);
    },
    async erase(reference, unlock) {
      const { account, envelope } = parseReference(reference);
      await envelopes.erase(envelope, unlock);
      const keychain = await openKeychain();
      await guarded(() => keychain.delete(account));
    },
  };
}

/** The wrapping key behind a `keychain:` reference, for the user's own process to hand to the engine. */
export async function readWrappingKeyOf(reference: string, openKeychain = systemKeychain): Promise<Uint8Array> {
  const account = /^keychain:([0-9a-f]{32}):/.exec(reference)?.[1];
  if (account === undefined) throw new TunnelerError('identity.keystore_unknown', 'this key is not in a keychain');
  return readWrappingKey(account, openKeychain);
}

async function readWrappingKey(account: string, openKeychain: () => Promise<Keychain>): Promise<Uint8Array> {
  const keychain = await openKeychain();
  const secret = await guarded(() => keychain.get(account));
  if (secret === undefined) {
    throw new TunnelerError(
      'identity.keystore_locked',
      'the keychain has no entry for this identity: it is another user’s, locked, or was cleared',
      {
        details: { next: 'sign in as the user who enrolled it and unlock the keychain, or enrol anew' },
      },
    );
  }
  return secret;
}

async function guarded<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw unavailable(error);
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
