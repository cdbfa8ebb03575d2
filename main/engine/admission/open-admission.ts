/** Steps 4 to 10 as one function, for every entry: the corridor over the rooms of this engine. */
import type { AppFinder } from '../../apps/app.ts';
import type { Admit } from '../../base/flow.ts';
import type { Hosting } from '../../hosting/hosting.ts';
import type { Policy } from '../../policy/policy.ts';
import type { Quarantine } from '../../policy/quarantine.ts';
import { notServed } from '../../policy/served-user.ts';
import type { EngineConfig } from '../runtime/config.ts';
import { createAdmission, type AdmissionDeps } from './admission.ts';
import type { AgentStarts } from '../agents/agent-starts.ts';
import type { Detection } from '../containment/detection.ts';
import type { Dialing } from './dialing.ts';
import { hashWhereAsked } from './ensure-hash.ts';
import type { Identities } from '../identities/identities.ts';
import { servedUid } from '../runtime/served-user.ts';
import { loopGuard, type LoopGuardDeps } from './loop-guard.ts';

export interface AdmissionParts extends Pick<
  AdmissionDeps,
  'clock' | 'log' | 'intercept' | 'audit' | 'sessions' | 'facts' | 'times'
> {
  readonly config: EngineConfig;
  readonly apps: AppFinder;
  readonly starts: Pick<AgentStarts, 'owner' | 'mayLeave'>;
  readonly policy: Policy;
  readonly quarantine: Quarantine;
  readonly hosting: Pick<Hosting, 'states'>;
  readonly identities: Pick<Identities, 'follow' | 'nameOf' | 'places'>;
  readonly dialing: Dialing;
  readonly detection: Pick<Detection, 'dialed'>;
  readonly direct: LoopGuardDeps['direct'];
}

export function openAdmission(parts: AdmissionParts): Admit {
  const { apps, policy, quarantine, hosting, identities, dialing, detection } = parts;
  const served = { uid: servedUid(), onUnknownApp: parts.config.policy?.onUnknownApp ?? 'closed' };
  return createAdmission({
    ...parts,
    findApp: (flow) => parts.starts.owner(flow, apps),
    mayLeave: (app, flow) => parts.starts.mayLeave(app, flow),
    notServed: (app) => notServed(app, served),
    findLoop: loopGuard({
      pid: process.pid,
      hosted: () => new Set(hosting.states().map(({ serviceId }) => serviceId)),
      infrastructure: () => identities.places(),
      direct: parts.direct,
    }),
    hashed: hashWhereAsked({ apps, policy, quarantine }),
    decide: policy.decide,
    dial: (match, flow, app, guard, signal) => dialing.dial(match, flow, app, guard, signal),
    accountOf: (match) => identities.follow(match.identity)?.account() ?? match.identity,
    nameOf: (match) => identities.nameOf(match.identity),
    confirm: (match) => dialing.confirm(match),
    current: (match) => dialing.current(match),
    unmatched: parts.config.proxy?.unmatched ?? 'refuse',
    onDialed(app, match, outcome) {
      dialing.note(match, outcome);
      detection.dialed(app, match, outcome);
    },
  });
}
