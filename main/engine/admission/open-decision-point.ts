/**
 * Who asks, and may it: programs and agents as they are known here, policy with the settings' bindings, what was granted, and the guard a
 * session is held to. It decides and does nothing; admission, hosting, `why` and the API ask it.
 */
import { hostname } from 'node:os';
import type { App, AppFinder } from '../../apps/app.ts';
import type { ProgramFinder } from '../../apps/open-app-finder.ts';
import type { AuditWriter } from '../../audit/record.ts';
import type { DisposalStack } from '../../base/lifecycle.ts';
import type { Approvals } from '../../policy/approvals.ts';
import { BreakGlass } from './break-glass.ts';
import { grantedTimes, type GrantedTimes } from '../../policy/granted-times.ts';
import { openPolicy, type Policy } from '../../policy/policy.ts';
import type { Quarantine } from '../../policy/quarantine.ts';
import type { DecisionFacts } from '../../policy/verdict.ts';
import type { SessionsDeps } from '../../session/create-sessions.ts';
import type { Sessions } from '../../session/sessions.ts';
import type { KeyVerdict } from '../../guard/http/model-key.ts';
import type { SecretKeystore } from '../../identity/secrets.ts';
import { AgentStarts } from '../agents/agent-starts.ts';
import { ModelKeyBook } from '../agents/model-keys.ts';
import { openApprovals } from '../containment/approvals.ts';
import { openGrants } from '../containment/kept-grants.ts';
import type { Identities } from '../identities/identities.ts';
import { policyDirectory } from '../runtime/config.ts';
import type { Runtime } from '../runtime/open-runtime.ts';
import { openAgentEndpoints } from './agent-endpoints.ts';
import { bindAgents, rulesOf, type AgentBindings } from './agent-bindings.ts';
import { hashWhereAsked } from './ensure-hash.ts';
import { factsFor, RecentUse } from './facts.ts';
import { HostRefusals } from './host-refusals.ts';
import { guardsFor, type GuardsDeps } from './guards.ts';
import { keptLineageFile } from '../runtime/lineage-record.ts';
import { openKeptLedger } from './kept-ledger.ts';
import { openAppFinder } from './open-app-finder.ts';
import { pricesFor } from './prices.ts';
import { openPins } from './pins-file.ts';
import { CallHistories } from '../../guard/data/history.ts';
import { KeptSecrets } from '../../guard/data/kept-secrets.ts';
import type { Detection } from '../containment/detection.ts';
import type { PinStore } from './tool-pins.ts';

/** What decisions are made of. */
export interface DecisionPointParts extends Pick<Runtime, 'stateDirectory' | 'config' | 'clock' | 'log' | 'unlock'> {
  readonly audit: AuditWriter;
  readonly quarantine: Quarantine;
  readonly socketPath: string;
  /** Both are made after this, for they need its guard and its policy; nothing is asked of them before. */
  readonly identities: () => Pick<Identities, 'follow'>;
  readonly sessions: () => Pick<Sessions, 'openCount' | 'closeWhere'>;
  /** `host:port` of a proxy of this engine, opened where there is none yet. */
  readonly proxy: () => Promise<string>;
  /** The same of its endpoint for models. */
  readonly models: () => Promise<string>;
  /** Where a secret of the device is kept the first time. */
  readonly keystore: () => Promise<SecretKeystore>;
  /** Between agents: the engagement of a session. */
  readonly engagement: GuardsDeps['engagement'];
  /** Opened after this as well. */
  readonly detection: () => Pick<Detection, 'riskOf'>;
}

/** Everything that a decision asks, ready to be asked. */
export interface DecisionPoint {
  readonly apps: AppFinder & Pick<ProgramFinder, 'ancestry'>;
  readonly starts: AgentStarts;
  readonly modelKeys: ModelKeyBook;
  /** What a key of Culvert's own is worth in the hands of this program; `account` absent: as whatever identity it is bound to. */
  readonly checkModelKey: (key: string, app: App, account?: string) => KeyVerdict;
  readonly policy: Policy;
  readonly policyDirectory: string;
  readonly agents: AgentBindings;
  readonly approvals: Approvals;
  readonly times: GrantedTimes;
  readonly breakGlass: BreakGlass;
  readonly hostRefusals: HostRefusals;
  readonly pins: PinStore;
  readonly facts: (app: App) => DecisionFacts;
  /** See {@link hashWhereAsked}. */
  readonly hashed: ReturnType<typeof hashWhereAsked>;
  /** For `createSessions`. */
  readonly guard: SessionsDeps['guard'];
  /** Values that guards look for. */
  readonly keptSecrets: KeptSecrets;
  readonly recentDials: RecentUse;
  readonly recentCalls: RecentUse;
  /** Role attributes of a service, as an identity was told them. */
  readonly workgroupsOf: (identity: string, serviceId: string) => readonly string[];
}

/** Throws `engine.state_unusable` where what was granted or used cannot be read. */
export async function openDecisionPoint(parts: DecisionPointParts, stack: DisposalStack): Promise<DecisionPoint> {
  const { stateDirectory, config, clock, log, audit, quarantine } = parts;
  const identities = { follow: (name: string) => parts.identities().follow(name) };
  const sessions: Pick<Sessions, 'openCount' | 'closeWhere'> = {
    openCount: (serviceId) => parts.sessions().openCount(serviceId),
    closeWhere: (...what) => parts.sessions().closeWhere(...what),
  };

  const rules = policyDirectory(stateDirectory, config);
  const policy = await openPolicy({ dir: rules, device: hostname(), log });
  const agents = bindAgents(config, policy);
  const starts = stack.use(new AgentStarts({ ...parts, agents: () => agents.all() }));
  const apps = openAppFinder({
    rules: rulesOf(() => agents.all()),
    ...{ clock, log, stack, runs: starts.runs },
    keptFile: keptLineageFile(stateDirectory),
  });

  const grants = openGrants(parts);
  const approvals = stack.use(openApprovals({ ...parts, grants, sessions }));
  const times = grantedTimes(grants, approvals);
  const recentDials = new RecentUse(clock);
  const recentCalls = new RecentUse(clock);
  const facts = factsFor({ clock, identities, sessions, quarantine, recentDials, times });
  const workgroupsOf = (identity: string, serviceId: string): readonly string[] => {
    const services = identities.follow(identity)?.services() ?? [];
    return services.find((service) => service.id === serviceId)?.roleAttributes ?? [];
  };
  const pins = openPins({ stateDirectory, audit, log });
  const keptSecrets = new KeptSecrets();
  const accountOf = (agent: string | undefined): string => {
    const identity = agent === undefined ? undefined : agents.all()[agent]?.identity;
    return identity === undefined ? '' : (identities.follow(identity)?.account() ?? identity);
  };
  const modelKeys = new ModelKeyBook({ ...parts, keptSecrets, accountOf });
  const checkModelKey = (key: string, app: App, account?: string): KeyVerdict => {
    // A program that is recognised and bound to nothing is as any other.
    const agent = app.agent === undefined || agents.all()[app.agent] === undefined ? undefined : app.agent;
    return modelKeys.check(key, { agent, account: account ?? accountOf(agent) });
  };
  const guard = guardsFor({
    histories: new CallHistories(() => clock.monotonic()),
    keptSecrets,
    riskOf: (app) => parts.detection().riskOf(app),
    approvals,
    pins,
    endpoints: openAgentEndpoints({ stateDirectory, log }),
    checkModelKey,
    engagement: parts.engagement,
    policy,
    ledger: stack.use(openKeptLedger(parts)),
    prices: pricesFor(config.llm),
    facts,
    recentCalls,
    idOf: (identity) => identities.follow(identity)?.account() ?? identity,
    workgroupsOf,
  });
  return {
    apps,
    starts,
    modelKeys,
    checkModelKey,
    policy,
    policyDirectory: rules,
    agents,
    approvals,
    times,
    breakGlass: new BreakGlass(clock),
    hostRefusals: new HostRefusals(clock),
    pins,
    facts,
    hashed: hashWhereAsked({ apps, policy, quarantine }),
    guard,
    keptSecrets,
    recentDials,
    recentCalls,
    workgroupsOf,
  };
}
