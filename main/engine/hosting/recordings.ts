/** Recordings of what is hosted here, in the state directory, sealed as this engine seals keys. */
import { join } from 'node:path';
import type { IdentityStore, KeyUnlock } from '../../identity/identities.ts';
import { recordingKey } from '../../recording/recording-key.ts';
import { openRecordings, type Recordings, type RecordingsDeps } from '../../recording/recordings.ts';
import { chooseSecretKeystore } from '../enrolment/new-identity.ts';

/** Where recordings lie, and what seals them. */
export interface HostRecordingsParts extends Omit<RecordingsDeps, 'directory' | 'key'> {
  readonly stateDirectory: string;
  readonly store: IdentityStore;
  readonly unlock: KeyUnlock;
}

/** Nothing is made before a contract asks for a recording. */
export function openHostRecordings(parts: HostRecordingsParts): Recordings {
  const { stateDirectory, store, unlock, clock } = parts;
  const directory = join(stateDirectory, 'recordings');
  const key = recordingKey(directory, {
    now: () => clock.now(),
    unlock,
    keystore: () => chooseSecretKeystore(store),
  });
  return openRecordings({ ...parts, directory, key });
}
