/** An identity as a file of OpenZiti's own tunnelers, to take elsewhere. Software keys only: hardware gives none away. */
import { TunnelerError } from '../../base/errors.ts';
import { encodeForeignIdentityFile } from '../../identity/identity-file.ts';
import { proofOf, type IdentityFile, type IdentityStore, type KeyUnlock } from '../../identity/identities.ts';

/** The identity at work, as far as its export looks at it. */
export interface ExportedIdentity {
  readonly name: string;
  /** Undefined where its file cannot be read. */
  record(): IdentityFile | undefined;
  /** What its key is opened with. */
  unlock(): KeyUnlock;
}

/** Throws `base.unsupported` for keys in hardware, `identity.*` where the key cannot be opened. */
export async function exportIdentity(runner: ExportedIdentity, store: Pick<IdentityStore, 'openKey'>): Promise<string> {
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
