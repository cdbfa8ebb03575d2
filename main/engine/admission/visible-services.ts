/** The dark services that a program may reach at this moment, each decided as a dial would be, with the contract it would be under. */
import type { App } from '../../apps/app.ts';
import type { EngagementContract } from '../../base/engagement.ts';
import type { FlowRequest } from '../../base/flow.ts';
import type { Identities } from '../identities/identities.ts';
import type { AdmissionDeps } from './admission.ts';

/** What decides on a dial, without dialling. */
export type VisibleServicesDeps = Pick<AdmissionDeps, 'intercept' | 'decide' | 'facts' | 'hashed'> & {
  readonly identities: Pick<Identities, 'all'>;
};

/** A service that would be dialled, and under which contract. */
export interface VisibleService {
  readonly service: string;
  readonly contract: EngagementContract;
}

/** Those that have a contract; `flow` is a flow of the program; by name, in order. */
export function visibleServices(
  deps: VisibleServicesDeps,
): (app: App, flow: Omit<FlowRequest, 'service'>) => Promise<readonly VisibleService[]> {
  return async (owner, flow) => {
    const dialable = deps.identities
      .all()
      .flatMap((runner) => runner.services())
      .filter(({ permissions }) => permissions.includes('Dial'))
      .map(({ name }) => name);
    const visible: VisibleService[] = [];
    for (const service of [...new Set(dialable)].sort()) {
      const asked = { ...flow, service };
      const found = deps.intercept.matchService(service, asked);
      if (found.kind === 'none') continue;
      const app = await deps.hashed(owner, found.matches);
      const verdict = deps.decide(asked, app, found.matches, deps.facts(app));
      if (verdict.kind === 'dial' && verdict.contract !== undefined)
        visible.push({ service, contract: verdict.contract });
    }
    return visible;
  };
}
