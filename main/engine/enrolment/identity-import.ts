/** Taking in an identity file of OpenZiti's Go and C tunnelers: its key moves into a key store, what we do not know is kept. */
import { defined } from '../../base/defined.ts';
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
  const caPem = inlinePem(file.ca, 'id.ca', name) ?? '';
  const certPem = inlinePem(file.cert, 'id.cert', name);
  const keyPem = inlinePem(file.key, 'id.key', name);
  const common = commonFields(request, name, kind, deps.uid);
  const keystore = deps.store.keystore(kind);
  const kept = keyPem === undefined ? undefined : await keystore.import(name, keyPem, unlock);
  try {
    return await keep(
      {
        ...common,
        ...defined({ keyReference: kept?.reference }),
        apis: file.apis,
        caPem,
        ...defined({ certPem }),
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

function inlinePem(reference: PemReference | undefined, field: string, name: string): string | undefined {
  switch (reference?.kind) {
    case undefined:
      return undefined;
    case 'pem':
      return reference.pem;
    case 'path':
      // Read with the engine's rights it would hand over files that whoever asks may not read.
      throw new TunnelerError(
        'base.invalid',
        `${field} of "${name}" names a file, which whoever imports it has to read`,
        {
          details: { path: reference.path, next: 'culvert identity import FILE puts in what the file refers to' },
        },
      );
    case 'uri':
      throw new TunnelerError('base.unsupported', `${field} of "${name}" stands in hardware: enrol it here instead`, {
        details: { next: 'culvert enroll --keystore pkcs11:… with a new token' },
      });
  }
}
