/** What clients see of the engine: the views, the numbered state, and what keeps it in step. */
import type { Clock } from '../../base/clock.ts';
import type { DisposalStack } from '../../base/lifecycle.ts';
import type { DnsView } from '../../api/views.ts';
import type { Approvals } from '../../policy/approvals.ts';
import type { Quarantine } from '../../policy/quarantine.ts';
import type { Sessions } from '../../session/sessions.ts';
import { createEngineViews, type EngineViews, type EngineViewsDeps } from './engine-views.ts';
import type { Identities } from '../identities/identities.ts';
import { createProjector, type Projector } from './projector.ts';
import { approvalView } from '../containment/approvals.ts';
import { quarantineView } from '../containment/quarantine.ts';
import { createStateHub, type StateHub } from './state-hub.ts';
import { sessionView } from '../views/views.ts';

/** The views, and their way to clients. */
export interface ClientState {
  readonly views: EngineViews;
  readonly hub: StateHub;
  readonly projector: Projector;
}

/** Views, hub and projector over the rooms. */
export function openClientState(
  deps: EngineViewsDeps & {
    readonly clock: Clock;
    readonly identities: Identities;
    readonly sessions: Sessions;
    readonly quarantine: Quarantine;
    readonly approvals: Pick<Approvals, 'list' | 'events'>;
    readonly dns: () => DnsView;
  },
  stack: DisposalStack,
): ClientState {
  const { clock } = deps;
  const views = createEngineViews(deps);
  const initial = {
    status: views.status(),
    identities: {},
    services: {},
    routers: {},
    agents: {},
    quarantine: {},
    approvals: {},
    alerts: [],
    dns: deps.dns(),
    policy: views.policy(),
  };
  const hub = stack.use(
    createStateHub({
      clock,
      initial,
      sessions: () => Object.fromEntries(deps.sessions.list().map((session) => [session.id, sessionView(session)])),
    }),
  );
  const projector = stack.use(
    createProjector({
      clock: deps.clock,
      hub,
      sources: {
        ...views,
        identities: () => deps.identities.all().map((runner) => runner.view()),
        quarantine: () => deps.quarantine.list().map(quarantineView),
        approvals: () => deps.approvals.list().map(approvalView),
        sessions: () => deps.sessions.list(),
        dns: deps.dns,
      },
    }),
  );
  stack.use(deps.approvals.events.subscribe(() => projector.refresh()));
  return { views, hub, projector };
}
