/** Taking in an identity file of OpenZiti's Go and C tunnelers: its key moves into a key store, what we do not know is kept. */
import { readFile } from 'node:fs/promises';
import { TunnelerError } from '../../base/errors.ts';
import { decodeForeignIdentityFile, type PemReference } from '../../identity/identity-file.ts';
import type { KeyUnlock } from '../../identity/identities.ts';
import {
  chooseKeystore,
  commonFields,
  keep,
  requireFree,
  type EnrolledRecord,
  type EnrollRequest,
  type NewIdentityDeps,
} from './new-identity.ts';

/** Import the file whose JSON stands in `request.source`. Throws `identity.corrupt`, `identity.exists`, `identity.write_failed`. */
export async function importIdentityFile(
  request: EnrollRequest,
  given: KeyUnlock,
  deps: NewIdentityDeps,
): Promise<EnrolledRecord> {
  const name = request.name ?? 'imported';
  const file = decodeForeignIdentityFile(name, request.source);
  await requireFree(deps.store, name);
  const { kind, tokenUri } = await chooseKeystore(request.keystore, deps.store);
  const unlock: KeyUnlock = tokenUri === undefined ? given : { ...given, tokenUri };
  const caPem = (await readPem(file.ca, 'id.ca', name)) ?? '';
  const certPem = await readPem(file.cert, 'id.cert', name);
  const keyPem = await readPem(file.key, 'id.key', name);
  const common = commonFields(request, name, kind, deps.uid);
  const keystore = deps.store.keystore(kind);
  const kept = keyPem === undefined ? undefined : await keystore.import(name, keyPem, unlock);
  try {
    return await keep(
      {
        ...common,
        ...(kept === undefined ? {} : { keyReference: kept.reference }),
        apis: file.apis,
        caPem,
        ...(certPem === undefined ? {} : { certPem }),
        foreign: file.foreign,
      },
      unlock,
      deps,
      'import',
    );
  } catch (error) {
    if (kept !== undefined) {
      await keystore
        .erase(kept.reference, unlock)
        .catch((left: unknown) => deps.log.warn('identity.key_left', { error: left }));
    }
    throw error;
  }
}

async function readPem(reference: PemReference | undefined, field: string, name: string): Promise<string | undefined> {
  switch (reference?.kind) {
    case undefined:
      return undefined;
    case 'pem':
      return reference.pem;
    case 'path':
      try {
        return await readFile(reference.path, 'utf8');
      } catch (error) {
        throw new TunnelerError('identity.corrupt', `${field} of "${name}" names a file that cannot be read`, {
          cause: error,
          details: { path: reference.path },
        });
      }
    case 'uri':
      throw new TunnelerError('base.unsupported', `${field} of "${name}" stands in hardware: enrol it here instead`, {
        details: { next: 'culvert enroll --keystore pkcs11:… with a new token' },
      });
  }
}
