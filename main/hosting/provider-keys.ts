/** Whose calls to a hosted service carry which provider's key. Pure: names in, a grant out; the keys themselves are somewhere else. */
import { compileGlob } from '../base/glob.ts';
import type { HostedRequest } from './hosting.ts';

/** One line of the settings. The first that names service and caller holds. */
export interface KeyRule {
  /** Glob over the service's name. */
  readonly service: string;
  /** Globs over the calling identity's name at the controller; `*` is whoever the service's dial policy lets in. */
  readonly callers: readonly string[];
  /** Whether a name that no router vouches for counts. OpenZiti asserts the dialer's name from 2.0 on. */
  readonly unasserted: 'refuse' | 'accept';
  /** Name of the secret. */
  readonly secret: string;
  /** Lower case. */
  readonly header: string;
  /** Stands before the key in the header. */
  readonly prefix: string;
  /** The provider behind the target: TLS is spoken with it, and requests name it as their host. */
  readonly provider?: { readonly serverName: string; readonly caFile?: string };
}

/** Which key a caller's requests carry, if any. */
export type KeyGrant =
  /** No rule names this service: it has nothing to do with keys. */
  | { readonly kind: 'no-rule' }
  | { readonly kind: 'key'; readonly rule: KeyRule }
  /** The service's calls carry keys, and this caller has none. */
  | { readonly kind: 'none'; readonly rule: KeyRule; readonly why: string };

/** Ready to be asked for every hosted dial. */
export function keyRules(
  rules: readonly KeyRule[],
): (request: Pick<HostedRequest, 'serviceName' | 'caller'>) => KeyGrant {
  const compiled = rules.map((rule) => ({
    rule,
    service: compileGlob(rule.service),
    callers: rule.callers.map((pattern) => compileGlob(pattern)),
  }));
  return ({ serviceName, caller }) => {
    const own = compiled.filter(({ service }) => service.matches(serviceName));
    const [first] = own;
    if (first === undefined) return { kind: 'no-rule' };
    let unasserted: KeyRule | undefined;
    for (const { rule, callers } of own) {
      if (rule.callers.includes('*')) return { kind: 'key', rule };
      const { name } = caller;
      if (name === undefined || !callers.some((glob) => glob.matches(name))) continue;
      if (caller.asserted || rule.unasserted === 'accept') return { kind: 'key', rule };
      unasserted ??= rule;
    }
    if (unasserted === undefined) {
      return { kind: 'none', rule: first.rule, why: 'the calling identity has no key for this provider' };
    }
    const why = 'no router vouches for the name of the calling identity, and keys are bound to it';
    return { kind: 'none', rule: unasserted, why };
  };
}
