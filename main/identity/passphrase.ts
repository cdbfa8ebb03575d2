/** Where the passphrase of `file` keys comes from: a systemd credential, a file descriptor; a prompt is the command line's business. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TunnelerError } from '../base/errors.ts';
import { readIfThere } from '../files/read-if-there.ts';

/** Name of the systemd credential (`LoadCredential=culvert-passphrase:…`). */
export const credentialName = 'culvert-passphrase';

/** Where to look; the descriptor comes first. */
export interface PassphraseSources {
  /** `$CREDENTIALS_DIRECTORY`, set by systemd for a unit with credentials. */
  readonly credentialsDirectory: string | undefined;
  /** An inherited file descriptor to read to its end. */
  readonly fileDescriptor: number | undefined;
}

/** The first source that has one; undefined where none has. One trailing newline is not part of it. Throws `identity.passphrase_missing`. */
export async function readPassphrase(sources: PassphraseSources): Promise<string | undefined> {
  if (sources.fileDescriptor !== undefined) {
    try {
      return trimNewline(readFileSync(sources.fileDescriptor, 'utf8'));
    } catch (error) {
      throw new TunnelerError(
        'identity.passphrase_missing',
        `no passphrase can be read from file descriptor ${sources.fileDescriptor}`,
        { cause: error },
      );
    }
  }
  if (sources.credentialsDirectory === undefined) return undefined;
  try {
    const text = await readIfThere(join(sources.credentialsDirectory, credentialName));
    return text === undefined ? undefined : trimNewline(text);
  } catch (error) {
    throw new TunnelerError('identity.passphrase_missing', `the credential ${credentialName} cannot be read`, {
      cause: error,
    });
  }
}

function trimNewline(text: string): string {
  return text.replace(/\r?\n$/, '');
}
