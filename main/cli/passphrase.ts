/** The passphrase of `file` identities: a systemd credential, a descriptor, or a person at the terminal. */
import { isTunnelerError } from '../base/errors.ts';
import { usage, type Cli } from './cli.ts';

/** `--passphrase-fd N` and its like. */
export function parseDescriptor(
  text: string | undefined,
  option = '--passphrase-fd',
  platform: NodeJS.Platform = process.platform,
): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,6}$/.test(text)) throw usage(`${option}: expected a descriptor's number, got "${text}"`);
  const descriptor = Number(text);
  if (platform === 'win32' && descriptor > 2) {
    throw usage(
      `${option}: Windows hands over the descriptors 0 to 2 alone; pipe it to ${option} 0, or name a directory with a file culvert-passphrase in CREDENTIALS_DIRECTORY`,
    );
  }
  return descriptor;
}

/**
 * Do something that may need a passphrase: first with what credential or descriptor give, then, where that was none and there is a
 * terminal, with what a person types.
 */
export async function withPassphrase<T>(
  cli: Cli,
  descriptor: string | undefined,
  question: { readonly text: string; readonly twice: boolean },
  attempt: (passphrase: string | undefined) => Promise<T>,
): Promise<T> {
  const given = await cli.programs.readPassphrase(parseDescriptor(descriptor));
  try {
    return await attempt(given);
  } catch (error) {
    if (given !== undefined || !cli.terminal.inIsTty || !isTunnelerError(error, 'identity.passphrase_missing')) {
      throw error;
    }
  }
  const typed = await cli.terminal.askSecret(`${question.text}: `);
  if (question.twice && (await cli.terminal.askSecret(`${question.text}, again: `)) !== typed) {
    throw usage('the two passphrases differ');
  }
  return attempt(typed);
}

/** The password of an account: typed, or the first of standard input where that is no terminal. */
export async function typedPassword(cli: Cli): Promise<string> {
  if (cli.terminal.inIsTty) return cli.terminal.askSecret('Password: ');
  return (await cli.terminal.readInput()).trimEnd();
}
