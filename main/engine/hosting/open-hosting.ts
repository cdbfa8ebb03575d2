/** The other direction: what is hosted here, and the providers' keys that its requests carry. */
import type { DisposalStack } from '../../base/lifecycle.ts';
import { createHosting } from '../../hosting/create-hosting.ts';
import type { KeptSecrets } from '../../guard/data/kept-secrets.ts';
import type { Hosting } from '../../hosting/hosting.ts';
import type { IdentityStore, KeyUnlock } from '../../identity/identities.ts';
import { openSecretStore } from '../../identity/secrets.ts';
import type { EngineConfig } from '../runtime/config.ts';
import { admitHostedDials, type HostedDialsDeps } from './hosted-dials.ts';
import { openProviderKeys } from './provider-keys.ts';
import { secretsDesk, type SecretsBackend } from './secrets.ts';

/** What hosting is made of. */
export interface HostingParts extends Omit<HostedDialsDeps, 'keys'> {
  readonly stateDirectory: string;
  readonly config: EngineConfig;
  readonly store: IdentityStore;
  readonly unlock: KeyUnlock;
  /** Told of the keys that are put into requests here. */
  readonly keptSecrets: KeptSecrets;
}

/** Nothing is hosted until an identity brings something; the stack unbinds it all. */
export function openHosting(
  parts: HostingParts,
  stack: DisposalStack,
): { readonly hosting: Hosting; readonly secrets: SecretsBackend } {
  const { stateDirectory, config, store, audit, clock, log, unlock, keptSecrets } = parts;
  const secretStore = openSecretStore(stateDirectory, () => clock.now());
  const keys = openProviderKeys(config.hosting, { secrets: secretStore, unlock, keptSecrets });
  const hosting = stack.use(createHosting({ clock, log, admit: admitHostedDials({ ...parts, keys }) }));
  return { hosting, secrets: secretsDesk({ secrets: secretStore, store, audit, unlock, changed: keys.changed }) };
}
