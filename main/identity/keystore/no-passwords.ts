/** For key stores whose hardware makes keys and takes in nothing: neither is there a password to open. */
import { TunnelerError } from '../../base/errors.ts';
import type { Keystore } from '../identities.ts';

const refuse = (): Promise<never> =>
  Promise.reject(
    new TunnelerError('base.unsupported', 'hardware keeps keys, no passwords', {
      details: { next: '--keystore file or --keystore keychain' },
    }),
  );

export const noPasswords: Pick<Keystore, 'keepPassword' | 'openPassword'> = {
  keepPassword: refuse,
  openPassword: refuse,
};
