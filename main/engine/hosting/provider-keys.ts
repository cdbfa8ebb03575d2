/** Providers' keys for what is hosted here: the settings' rules, the secrets they name, and a guard for each session that carries one. */
import { readFileSync } from 'node:fs';
import { defined } from '../../base/defined.ts';
import { TunnelerError, toTunnelerError } from '../../base/errors.ts';
import type { Reason } from '../../base/reason.ts';
import type { KeptSecrets } from '../../guard/data/kept-secrets.ts';
import type { Guard } from '../../guard/guard.ts';
import { createInjector } from '../../guard/http/inject.ts';
import type { HostedRequest, TargetTls } from '../../hosting/hosting.ts';
import { keyRules, type KeyRule } from '../../hosting/provider-keys.ts';
import type { KeyUnlock } from '../../identity/identities.ts';
import type { SecretStore } from '../../identity/secrets.ts';
import type { HostingConfig } from '../runtime/config.ts';

/** What a hosted dial gets: nothing to do with keys, a guard that puts one in, or a refusal. */
export type KeyedDial =
  | { readonly kind: 'plain' }
  | { readonly kind: 'guarded'; readonly guard: Guard; readonly tls?: TargetTls }
  | { readonly kind: 'refused'; readonly reason: Reason };

/** Keys for the dials of services that carry them. */
export interface ProviderKeys {
  for(request: HostedRequest): Promise<KeyedDial>;
  /** A secret was set or removed: it is read anew. Sessions that are open keep what they have. */
  changed(secret: string): void;
}

/** Throws `engine.config_invalid` where a CA file cannot be read. */
export function openProviderKeys(
  settings: HostingConfig | undefined,
  deps: {
    readonly secrets: Pick<SecretStore, 'open'>;
    readonly unlock: KeyUnlock;
    readonly keptSecrets: Pick<KeptSecrets, 'keep' | 'forget'>;
  },
): ProviderKeys {
  const rules = (settings?.keys ?? []).map(ruleOf);
  const grantOf = keyRules(rules);
  const cas = new Map(rules.map(({ provider }) => [provider?.caFile, readCa(provider?.caFile)]));
  /** Opened once: deriving a key from a passphrase takes its time. */
  const values = new Map<string, Promise<string>>();

  const valueOf = (secret: string): Promise<string> => {
    const known = values.get(secret);
    if (known !== undefined) return known;
    const opened = deps.secrets.open(secret, deps.unlock);
    values.set(secret, opened);
    opened.then(
      (value) => deps.keptSecrets.keep(secret, value),
      () => values.delete(secret),
    );
    return opened;
  };

  const tlsOf = ({ provider }: KeyRule): { tls?: TargetTls } => {
    if (provider === undefined) return {};
    const caPem = cas.get(provider.caFile);
    return { tls: { serverName: provider.serverName, ...defined({ caPem }) } };
  };

  return {
    async for(request) {
      const grant = grantOf(request);
      if (grant.kind === 'no-rule') return { kind: 'plain' };
      const rule = `hosting:key ${grant.rule.secret}`;
      if (grant.kind === 'none') {
        const { why } = grant;
        return { kind: 'guarded', guard: createInjector({ kind: 'none', why, rule }), ...tlsOf(grant.rule) };
      }
      const { secret, header, prefix, provider } = grant.rule;
      try {
        const value = prefix + (await valueOf(secret));
        const host = defined({ host: provider?.serverName });
        return {
          kind: 'guarded',
          guard: createInjector({ kind: 'key', header, value, ...host, rule }),
          ...tlsOf(grant.rule),
        };
      } catch (error) {
        // Without its key the provider would refuse in words that nobody here could explain.
        const { code, message } = toTunnelerError(error);
        return { kind: 'refused', reason: { code, sentence: `the key ${secret}: ${message}`, rule } };
      }
    },
    changed(secret) {
      values.delete(secret);
      deps.keptSecrets.forget(secret);
    },
  };
}

function ruleOf(line: NonNullable<HostingConfig['keys']>[number]): KeyRule {
  const header = (line.header ?? 'authorization').toLowerCase();
  const { provider } = line;
  return {
    service: line.service,
    callers: [line.callers].flat(),
    unasserted: line.unasserted ?? 'refuse',
    secret: line.secret,
    header,
    prefix: line.prefix ?? (header === 'authorization' ? 'Bearer ' : ''),
    ...(provider === undefined
      ? {}
      : {
          provider: {
            serverName: provider.serverName,
            ...defined({ caFile: provider.ca }),
          },
        }),
  };
}

function readCa(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const message = `hosting.keys: the CA file ${file} cannot be read: ${(error as Error).message}`;
    throw new TunnelerError('engine.config_invalid', message, { cause: error });
  }
}
