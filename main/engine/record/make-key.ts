/** A signing key of the device's own, made where an identity's key is kept. */
import { generateKeyPairSync } from 'node:crypto';
import type { IdentityFile, KeyUnlock, OpenKey } from '../../identity/identities.ts';
import { userKeychainAccount } from '../../identity/keystore/keychain-keystore.ts';
import type { Keystores } from '../../identity/keystores.ts';
import { formatTokenUri, parseTokenUri } from '../../identity/pkcs11/uri.ts';

/**
 * Ed25519 where keys are software, P-256 where hardware makes them. Throws as the key store does: `identity.keystore_*`,
 * `identity.passphrase_missing`, `identity.write_failed`.
 */
export async function makeSigningKey(
  name: string,
  beside: IdentityFile,
  keystores: Keystores,
  unlock: KeyUnlock,
): Promise<{ readonly reference: string; readonly key: OpenKey }> {
  const keystore = keystores.keystore(beside.keystore);
  switch (beside.keystore) {
    case 'tpm':
      return keystore.create(name, 'ES256', unlock);
    case 'pkcs11': {
      // The same token, another key on it.
      const token = { ...parseTokenUri(beside.keyReference ?? ''), id: undefined, label: undefined };
      return keystore.create(name, 'ES256', { ...unlock, tokenUri: formatTokenUri(token) });
    }
    case 'file':
    case 'keychain': {
      const { privateKey } = generateKeyPairSync('ed25519');
      const account = userKeychainAccount(beside.keyReference);
      const sealing = account === undefined ? unlock : { ...unlock, keychainAccount: account };
      return keystore.import(name, privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, sealing);
    }
  }
}
