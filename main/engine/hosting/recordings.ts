/** Recordings of what is hosted here, in the state directory, sealed as this engine seals keys. */
import { join } from 'node:path';
import { defined } from '../../base/defined.ts';
import type { IdentityStore, KeyUnlock } from '../../identity/identities.ts';
import { recordingKey } from '../../recording/recording-key.ts';
import { openRecordings, type Recordings, type RecordingsDeps } from '../../recording/recordings.ts';
import type { RecordingsConfig } from '../runtime/config.ts';
import { chooseSecretKeystore } from '../enrolment/new-identity.ts';

/** Where recordings lie, and what seals them. */
export interface HostRecordingsParts extends Omit<RecordingsDeps, 'directory' | 'key' | 'keepMs' | 'maxBytes'> {
  readonly stateDirectory: string;
  readonly store: IdentityStore;
  readonly unlock: KeyUnlock;
  readonly retention: Pick<RecordingsConfig, 'keepDays' | 'maxBytes'> | undefined;
}

const dayMs = 24 * 3_600_000;

/** Nothing is made before a contract asks for a recording. */
export function openHostRecordings(parts: HostRecordingsParts): Recordings {
  const { stateDirectory, store, unlock, clock, retention } = parts;
  const directory = join(stateDirectory, 'recordings');
  const key = recordingKey(directory, {
    now: () => clock.now(),
    unlock,
    keystore: () => chooseSecretKeystore(store),
  });
  const { keepDays, maxBytes } = retention ?? {};
  const keepMs = keepDays === undefined ? undefined : keepDays * dayMs;
  return openRecordings({ ...parts, directory, key, ...defined({ keepMs, maxBytes }) });
}
