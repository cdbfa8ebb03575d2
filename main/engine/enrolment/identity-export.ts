/** An identity as a file of OpenZiti's own tunnelers, to take elsewhere. Software keys only: hardware gives none away. */
import { TunnelerError } from '../../base/errors.ts';
import { encodeForeignIdentityFile } from '../../identity/identity-file.ts';
import { proofOf, type IdentityStore } from '../../identity/identities.ts';
import type { IdentityRunner } from '../identities/identity-runner.ts';

/** Throws `base.unsupported` for keys in hardware, `identity.*` where the key cannot be opened. */
export async function exportIdentity(
  runner: Pick<IdentityRunner, 'name' | 'record' | 'unlock'>,
  store: Pick<IdentityStore, 'openKey'>,
): Promise<string> {
  const record = runner.record();
  if (record === undefined) {
    throw new TunnelerError('identity.corrupt', `${runner.name} cannot be read, so it cannot be exported`);
  }
  if (proofOf(record) !== 'certificate') {
    throw new TunnelerError('base.unsupported', `${runner.name} has no certificate that could be taken elsewhere`, {
      details: { next: 'sign in where it is needed' },
    });
  }
  const key = await store.openKey(record, runner.unlock());
  if (key.kind === 'software') return encodeForeignIdentityFile(record, key.privateKeyPem);
  throw new TunnelerError('base.unsupported', `the key of ${runner.name} cannot leave its hardware`, {
    details: { keystore: record.keystore, next: 'enrol another identity where it is needed' },
  });
}
