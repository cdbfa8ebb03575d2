/** Steps 4 to 10 as one function, for every entry: admission over the rooms of this engine. The room's door. */
import type { App } from '../../apps/app.ts';
import type { Admit } from '../../base/flow.ts';
import type { Hosting } from '../../hosting/hosting.ts';
import { notServed } from '../../policy/served-user.ts';
import type { Detection } from '../containment/detection.ts';
import type { Identities } from '../identities/identities.ts';
import type { IdentityRunner } from '../identities/identity-runner.ts';
import type { Terminators } from '../identities/terminators.ts';
import type { EngineConfig } from '../runtime/config.ts';
import { servedUid } from '../runtime/served-user.ts';
import { createAdmission, type AdmissionDeps } from './admission.ts';
import { Dialing } from './dialing.ts';
import { loopGuard, type LoopGuardDeps } from './loop-guard.ts';
import type { DecisionPoint } from './open-decision-point.ts';
import { lentIdentities, unknownReach } from './unknown-reach.ts';
import { visibleServices } from './visible-services.ts';

/** The rooms that admission walks through. */
export interface AdmissionParts
  extends
    Pick<AdmissionDeps, 'clock' | 'log' | 'intercept' | 'audit' | 'sessions' | 'engagements'>,
    Pick<
      DecisionPoint,
      'apps' | 'starts' | 'policy' | 'facts' | 'hashed' | 'times' | 'recentDials' | 'breakGlass' | 'hostRefusals'
    > {
  readonly config: EngineConfig;
  readonly hosting: Pick<Hosting, 'states'>;
  readonly identities: Identities;
  readonly detection: Pick<Detection, 'dialed'>;
  readonly direct: LoopGuardDeps['direct'];
  readonly terminators: Pick<Terminators, 'note'>;
}

/** Admission for entries, and what else of the engine dials. */
export interface OpenedAdmission {
  readonly admit: Admit;
  /** As the program that is given, whoever's socket the flow names. */
  readonly admitAs: (app: App) => Admit;
  readonly dialing: Dialing;
  /** See {@link visibleServices}. */
  readonly visible: ReturnType<typeof visibleServices>;
}

/** Nothing is admitted before an entry asks. */
export function openAdmission(parts: AdmissionParts): OpenedAdmission {
  const { apps, policy, hosting, identities, detection, starts } = parts;
  const dialing = new Dialing(parts);
  const served = { uid: servedUid(), onUnknownApp: parts.config.policy?.onUnknownApp ?? 'closed' };
  const lending = { policy, facts: parts.facts, servesOne: served.uid !== undefined };
  // What was disabled by hand is meant to claim nothing.
  const enabled = (): readonly IdentityRunner[] => identities.all().filter((runner) => runner.state() !== 'disabled');
  const shared: Omit<AdmissionDeps, 'findApp'> = {
    ...parts,
    mayLeave: (app, flow) => starts.mayLeave(app, flow),
    notServed: (app) => notServed(app, served),
    findLoop: loopGuard({
      pid: process.pid,
      hosted: () => new Set(hosting.states().map(({ serviceId }) => serviceId)),
      infrastructure: () => identities.places(),
      direct: parts.direct,
    }),
    decide: policy.decide,
    dial: (match, flow, app, held, signal) => dialing.dial(match, flow, app, held, signal),
    accountOf: (match) => identities.follow(match.identity)?.account() ?? match.identity,
    nameOf: (match) => identities.nameOf(match.identity),
    confirm: (match) => dialing.confirm(match),
    current: (match) => dialing.current(match),
    unknownReach: (found, app) => unknownReach(found, lentIdentities(app, enabled(), lending)),
    unmatched: parts.config.proxy?.unmatched ?? 'refuse',
    onDialed(app, match, outcome) {
      dialing.note(match, outcome);
      detection.dialed(app, match, outcome);
    },
  };
  return {
    admit: createAdmission({ ...shared, findApp: (flow) => starts.owner(flow, apps) }),
    admitAs: (app) =>
      createAdmission({ ...shared, findApp: (flow) => starts.owner(flow, { find: () => Promise.resolve(app) }) }),
    dialing,
    visible: visibleServices({ ...parts, decide: policy.decide }),
  };
}
