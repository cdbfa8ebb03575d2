/** What `--keystore` may say, and what is taken without it. */
import { TunnelerError } from '../base/errors.ts';
import type { IdentityStore, KeystoreKind } from './identities.ts';
import { parseTokenUri } from './pkcs11/uri.ts';

/** A key store that was asked for, or taken. */
export interface KeystoreChoice {
  readonly kind: KeystoreKind;
  /** For `pkcs11`: which token. */
  readonly tokenUri?: string;
}

/** Parse `keychain`, `tpm`, `pkcs11`, `file` or a `pkcs11:` URI. Throws `identity.keystore_unknown` or `base.invalid`. */
export function parseKeystoreChoice(text: string): KeystoreChoice {
  if (text.startsWith('pkcs11:')) {
    parseTokenUri(text);
    return { kind: 'pkcs11', tokenUri: text };
  }
  if (text === 'pkcs11') {
    throw new TunnelerError('base.invalid', 'which token? Give a PKCS#11 URI', {
      details: { next: '--keystore "pkcs11:token=NAME?module-path=PATH&pin-value=PIN"' },
    });
  }
  if (text === 'keychain' || text === 'tpm' || text === 'file') return { kind: text };
  throw new TunnelerError('identity.keystore_unknown', `there is no key store "${text}"`, {
    details: { known: ['keychain', 'tpm', 'pkcs11:…', 'file'] },
  });
}

/**
 * What is taken where nothing was said: the user's keychain where one answers, else `file`. A privileged engine has no user's keychain:
 * it passes `mayUseKeychain: false`.
 */
export async function defaultKeystore(
  store: IdentityStore,
  options: { readonly mayUseKeychain: boolean },
): Promise<KeystoreChoice> {
  if (!options.mayUseKeychain) return { kind: 'file' };
  return (await store.keystore('keychain').available()).ok ? { kind: 'keychain' } : { kind: 'file' };
}
