/** The key stores of the device's own keys: apart from the identities', whose keys come and go with them. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { secretDirectoryMode } from '../../files/write-atomically.ts';
import { openKeystores, type Keystores } from '../../identity/keystores.ts';

/** Throws what the file system throws where the directory cannot be made. */
export function deviceKeystores(stateDirectory: string, pkcs11Modules?: readonly string[]): Keystores {
  const directory = join(stateDirectory, 'device-keys');
  mkdirSync(directory, { recursive: true, mode: secretDirectoryMode });
  return openKeystores(directory, pkcs11Modules);
}
