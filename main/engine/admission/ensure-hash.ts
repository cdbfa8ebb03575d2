/** An executable's hash is read before a flow is decided where something that decides looks at it, and only there: reading takes time. */
import type { App, AppFinder } from '../../apps/app.ts';
import type { Match } from '../../intercept/match.ts';
import type { Policy } from '../../policy/policy.ts';
import type { Quarantine } from '../../policy/quarantine.ts';

/** What may look at a hash, and who reads it. */
export interface HashDeps {
  readonly apps: Pick<AppFinder, 'identify'>;
  readonly policy: Pick<Policy, 'contractOf' | 'rules'>;
  readonly quarantine: Pick<Quarantine, 'list'>;
}

/** The app as a decision about these claims needs it. Never rejects: what cannot be read stays absent, and rules about it refuse. */
export function hashWhereAsked(deps: HashDeps): (app: App, matches: readonly Match[]) => Promise<App> {
  const { apps, policy, quarantine } = deps;
  const isAsked = (matches: readonly Match[]): boolean =>
    matches.some(({ service }) => contractAsks(policy.contractOf(service))) ||
    quarantine.list().some(({ subject }) => subject.startsWith('app:sha256:')) ||
    policy.rules().some(({ text }) => /\bhash\b/.test(text));
  return async (app, matches) =>
    app.hash !== undefined || app.pid === undefined || !isAsked(matches) ? app : apps.identify(app);
}

function contractAsks(inForce: ReturnType<Policy['contractOf']>): boolean {
  if (inForce.kind !== 'set') return false;
  const { allow = [], deny = [] } = inForce.contract.apps ?? {};
  return [...allow, ...deny].some((pattern) => pattern.startsWith('sha256:'));
}
