/** The desk behind the handlers: calls that need several rooms at once, answered here and nowhere else. */
import { unknownApp, type App } from '../../apps/app.ts';
import { agentRules, withAgent } from '../../apps/recognise.ts';
import type { Clock } from '../../base/clock.ts';
import type { ConsoleView, DnsView } from '../../api/views.ts';
import type { IdentityStore, KeyUnlock } from '../../identity/identities.ts';
import type { Intercept } from '../../intercept/match.ts';
import { checkPolicies } from '../../policy/local/policy-files.ts';
import type { Policy } from '../../policy/policy.ts';
import type { DecisionFacts } from '../../policy/verdict.ts';
import type { AgentBindings } from '../admission/agent-bindings.ts';
import type { Alerts } from '../containment/alerts.ts';
import { bundleOfEngine } from '../bundle/bundle.ts';
import type { ClientState } from '../state/client-state.ts';
import type { EngineConfig } from '../runtime/config.ts';
import { policyCheckView } from '../state/engine-views.ts';
import { enrolmentDeps } from '../enrolment/enrolment-deps.ts';
import { enrollIdentity } from '../enrolment/enrolment.ts';
import type { EngineBackend } from './handlers.ts';
import { exportIdentity } from '../enrolment/identity-export.ts';
import { isSubject } from '../containment/consequences.ts';
import type { Readiness } from '../identities/readiness.ts';
import { reconsiderSessions } from '../control/rule-changes.ts';
import type { ExternalLogin } from '../sign-in/external-login.ts';
import { explainWhy } from '../admission/why.ts';

/** What the desk is put together from, beside what handlers use as it is. */
export interface DeskParts extends Pick<
  EngineBackend,
  'stateDirectory' | 'log' | 'audit' | 'auditIndex' | 'identities' | 'sessions' | 'quarantine' | 'secrets'
> {
  readonly config: EngineConfig;
  readonly agents: AgentBindings;
  readonly configFile: string;
  readonly policyDirectory: string;
  readonly clock: Clock;
  readonly unlock: KeyUnlock;
  readonly store: IdentityStore;
  readonly intercept: Intercept;
  readonly policy: Policy;
  readonly facts: (app: App) => DecisionFacts;
  readonly state: ClientState;
  readonly alerts: Alerts;
  readonly readiness: Readiness;
  readonly dns: () => DnsView;
  readonly openConsole: () => Promise<ConsoleView>;
  readonly mcpEndpoint: EngineBackend['mcpEndpoint'];
  readonly externalLogin: ExternalLogin;
  readonly screenUnlocked: (uid: number | undefined) => void;
  readonly stop: () => void;
}

/** An answer must be out before the engine goes. */
const stopDelayMs = 50;

export function createDesk(parts: DeskParts): EngineBackend {
  const { stateDirectory, log, audit, identities, policy, store, state, config, clock } = parts;
  const enrolment = enrolmentDeps({ stateDirectory, store, audit, clock, log, unlock: parts.unlock });
  return {
    stateDirectory,
    log,
    audit,
    auditIndex: parts.auditIndex,
    identities,
    sessions: parts.sessions,
    quarantine: parts.quarantine,
    secrets: parts.secrets,
    hub: state.hub,
    ready: () => parts.readiness.wait(),
    status: () => state.views.status(),
    settings: () => ({ config, file: parts.configFile, logLevel: log.level() }),
    services: () => state.views.services(),
    agents: () => state.views.agents(),
    alerts: () => parts.alerts.list(),
    dns: parts.dns,
    policy: () => state.views.policy(),
    why: (destination, app) =>
      explainWhy(destination, app, {
        intercept: parts.intercept,
        policy,
        facts: parts.facts,
        identities,
        appNamed: (name) => appNamed(name, config),
      }),
    checkPolicy: () => checkPolicies(parts.policyDirectory),
    async reloadPolicy() {
      const view = policyCheckView(await policy.reload());
      // First the sockets, as with what a controller takes away.
      reconsiderSessions({ clock, policy, identities, sessions: parts.sessions });
      audit.record({ kind: 'policy.changed', ok: view.ok, files: view.files, rules: view.rules });
      state.projector.refresh();
      return view;
    },
    enroll: (request, signal, uid) =>
      enrollIdentity(request, uid === undefined ? enrolment : { ...enrolment, uid }, signal),
    async rename(name, to) {
      await identities.rename(name, to);
      const agents = Object.entries(parts.agents.all()).filter(([, { identity }]) => identity === to);
      const dangling = policy.rules().filter(({ text }) => text.includes(JSON.stringify(name)));
      return {
        name: to,
        agents: agents.map(([agent]) => agent),
        rules: dangling.map(({ id, file }) => ({ id, file })),
      };
    },
    exportIdentity: (name) => exportIdentity(identities.get(name), store),
    login: (name, provider, device) => parts.externalLogin.begin(name, provider, device),
    mcpEndpoint: parts.mcpEndpoint,
    openConsole: parts.openConsole,
    screenUnlocked: parts.screenUnlocked,
    async bundle({ redact, preview }) {
      const { entries, zip } = await bundleOfEngine(redact, {
        stateDirectory,
        version: state.views.status().version,
        clock,
        state: () => state.hub.snapshot().state,
        settings: () => ({ config, file: parts.configFile, logLevel: log.level() }),
        recentLog: () => log.recent(),
      });
      return preview ? { entries } : { entries, data: Buffer.from(zip).toString('base64') };
    },
    stop: () => void clock.after(stopDelayMs, parts.stop),
    isApp: (session, name) => isSubject(session, `app:${name}`),
  };
}

/** A program a person names: an agent of the settings by its name, else a path, else a bare name that may be either. */
function appNamed(name: string, config: EngineConfig): App {
  const known = { ...unknownApp, attribution: 'exact' as const };
  if (config.agents?.[name] !== undefined) return { ...known, agent: name };
  if (!/[/\\]/.test(name)) return { ...known, path: name, agent: name };
  // A path may be a bound agent's; a script's path stands where its interpreter's would.
  return withAgent({ ...known, path: name }, agentRules(config.agents));
}
