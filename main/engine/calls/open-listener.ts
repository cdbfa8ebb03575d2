/** Where the engine is called: its socket, and behind the same dispatcher the window in a browser. */
import type { AppFinder } from '../../apps/app.ts';
import type { ProgramFinder } from '../../apps/open-app-finder.ts';
import type { Clock } from '../../base/clock.ts';
import type { DisposalStack } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import { createDispatcher } from '../../api/dispatch.ts';
import { schema } from '../../api/schema.ts';
import type { ServiceView } from '../../api/views.ts';
import { rulesOf, type AgentBindings } from '../admission/agent-bindings.ts';
import type { EngineConfig } from '../runtime/config.ts';
import { noteEngine } from '../runtime/lineage-record.ts';
import { agentsAbove, callerAttribution, type Identify } from '../../apps/caller-attribution.ts';
import { questionsHere } from '../containment/approvals.ts';
import { lazyConsole } from './console-listener.ts';
import { consoleVisitor } from './console-visitor.ts';
import type { ConsoleListener } from '../runtime/engine-options.ts';
import { createHandlers, type HandlerDeps } from './handlers.ts';
import { groupIdOf, isMember, userName } from './local-users.ts';
import { ownCalls } from './own-calls.ts';
import { peerCredentials } from './peer-credentials.ts';
import { pipeServing } from './pipe-listener.ts';
import { openSocketServer } from './socket-server.ts';
import { userIdentities } from './user-identities.ts';
import type { UserId } from '../../base/user-id.ts';
import { ownUser } from '../../files/own-user.ts';

/** Where it listens, and who may come in. */
export interface ListenerDeps {
  readonly socketPath: string;
  readonly stateDirectory: string;
  readonly version: string;
  readonly config: EngineConfig;
  readonly configFile: string;
  readonly agents: AgentBindings;
  readonly apps: AppFinder & Pick<ProgramFinder, 'ancestry'>;
  /** Where the system cannot be asked who calls, whoever may enter the state directory is the engine's person. */
  readonly directoryDecides: boolean;
  readonly consoleListener: ConsoleListener | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** What this device hosts now: among it may be the console itself. */
  readonly services: () => readonly ServiceView[];
  /** What answers the calls; only the way to open the console is known here. */
  readonly calls: Omit<HandlerDeps, 'openConsole' | 'answerLink'>;
}

/** Open them; a console the settings ask for is open when this resolves. Throws `engine.state_unusable`, `engine.config_invalid`. */
export async function openListeners(deps: ListenerDeps, stack: DisposalStack): Promise<void> {
  const { version, config, clock, log } = deps;
  const { identities } = deps.calls;
  const handlers = createHandlers({
    ...deps.calls,
    openConsole: (uids) => console.addresses(uids),
    answerLink: (question) => console.answerAddresses(question),
  });
  const rules = rulesOf(() => deps.agents.all());
  const reader = deps.apps.ancestry;
  const identify: Identify = (app) => deps.apps.identify(app);
  const above = await agentsAbove(process.pid, rules(), identify, reader);
  const within = await noteEngine(deps.stateDirectory, above, deps.configFile);
  const attribution = callerAttribution({ rules, reader, within, identify });
  const ownerUidOf = (name: string): UserId | undefined => identities.find(name)?.record()?.ownerUid;
  const identity = stack.use(
    userIdentities(handlers.identity, {
      clock,
      log,
      recordOf: (name) => identities.find(name)?.record(),
      lock: (name) => identities.lock(name),
      ownUid: ownUser(),
    }),
  );
  const dispatcher = createDispatcher(
    schema,
    ownCalls(
      { ...handlers, identity: identity.handlers },
      { identitiesOfAgent: (agent) => identitiesOf(agent, deps, identities), ownerUidOf, userName },
    ),
    {
      version,
      onDefect: (call, error) => log.error('engine.defect', { call, error }),
    },
  );
  const visitorOf = consoleVisitor({ apps: deps.apps, attribution, log });
  const questions = questionsHere(deps.calls.approvals, identities);
  const parts = { dispatcher, clock, log, services: deps.services, visitorOf, questions };
  const console = lazyConsole(deps, config, parts, stack);
  const groupId = config.socket?.group === undefined ? undefined : groupIdOf(config.socket.group);
  stack.use(
    await openSocketServer({
      path: deps.socketPath,
      dispatcher,
      log,
      peerCredentials: peerCredentials(),
      pipes: pipeServing(),
      attribution,
      groupId,
      isMember,
      membersObserve: config.socket?.observe === 'all',
      directoryDecides: deps.directoryDecides,
      ownDirectory: deps.stateDirectory,
    }),
  );
  if (config.console?.enabled === true) await console.open();
}

/** What a bound agent dials as; for an unbound one what the device lends, where it lends to such. */
function identitiesOf(
  agent: string,
  { agents, config }: Pick<ListenerDeps, 'agents' | 'config'>,
  identities: HandlerDeps['identities'],
): readonly string[] {
  const bound = agents.all();
  const own = bound[agent]?.identity;
  if (own !== undefined) return [own];
  if (config.policy?.unbound !== 'device') return [];
  const agentOwned = new Set(Object.values(bound).map(({ identity }) => identity));
  return identities
    .all()
    .filter((runner) => runner.record()?.scope !== 'user' && !agentOwned.has(runner.name))
    .map((runner) => runner.name);
}
