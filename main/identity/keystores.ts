/** All key stores over one directory: what lies on the disk of a key lies there. */
import { TunnelerError } from '../base/errors.ts';
import type { Keystore, KeystoreKind } from './identities.ts';
import { fileKeystore } from './keystore/file-keystore.ts';
import { keychainKeystore } from './keystore/keychain-keystore.ts';
import { pkcs11Keystore } from './keystore/pkcs11-keystore.ts';
import { tpmKeystore } from './keystore/tpm-keystore.ts';
import { tpmAddresses } from './tpm/transport.ts';

/** The key stores by kind. */
export interface Keystores {
  /** Throws `identity.keystore_unknown`. */
  keystore(kind: KeystoreKind): Keystore;
}

/** `pkcs11Modules`: those that the settings name. Nothing is opened or made until it is used. */
export function openKeystores(directory: string, pkcs11Modules: readonly string[] | undefined): Keystores {
  const files = fileKeystore(directory);
  const tpm = tpmKeystore(directory, () => tpmAddresses(process.env));
  const all = [files, keychainKeystore(files), tpm, pkcs11Keystore(pkcs11Modules)];
  const keystores = new Map<KeystoreKind, Keystore>(all.map((keystore) => [keystore.kind, keystore]));
  return {
    keystore(kind) {
      const keystore = keystores.get(kind);
      if (keystore !== undefined) return keystore;
      throw new TunnelerError('identity.keystore_unknown', `this build has no key store "${kind}" on this host`, {
        details: { known: [...keystores.keys()] },
      });
    },
  };
}
