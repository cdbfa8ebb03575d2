/** The engine's answers to the contract: each call handed to the one part that knows, its result put in a view. No logic of its own. */
import type { AuditIndex } from '../../audit/index-store.ts';
import type { Audit } from '../../audit/audit.ts';
import { verifyAudit } from '../../audit/verify.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { Reason } from '../../base/reason.ts';
import type { EngineHandlers } from '../../api/schema.ts';
import type {
  AgentView,
  AlertView,
  BundleView,
  ConsoleView,
  DnsView,
  LoginView,
  PolicyCheckView,
  PolicyView,
  RenameView,
  ServiceView,
  SettingsView,
  StatusView,
  WhyView,
} from '../../api/views.ts';
import type { KeyUnlock } from '../../identity/identities.ts';
import type { Sessions } from '../../session/sessions.ts';
import { tailAudit } from '../../audit/tail.ts';
import type { EnrolledRecord, EnrollRequest } from '../enrolment/new-identity.ts';
import type { Identities } from '../identities/identities.ts';
import type { EngineLog } from '../runtime/logger.ts';
import type { Quarantine } from '../../policy/quarantine.ts';
import { quarantineView, releaseFrom } from '../containment/quarantine.ts';
import type { SecretsBackend } from '../hosting/secrets.ts';
import type { StateHub } from '../state/state-hub.ts';
import { sessionView } from '../views/views.ts';

/** What the handlers hand calls to. */
export interface EngineBackend {
  readonly stateDirectory: string;
  readonly hub: StateHub;
  readonly log: EngineLog;
  readonly audit: Audit;
  readonly auditIndex: AuditIndex;
  readonly identities: Identities;
  readonly sessions: Sessions;
  readonly quarantine: Quarantine;
  readonly secrets: SecretsBackend;
  /** Resolves once the engine is ready; rejects with `engine.not_ready` where that takes too long. */
  ready(): Promise<void>;
  status(): StatusView;
  settings(): SettingsView;
  services(): readonly ServiceView[];
  agents(): readonly AgentView[];
  alerts(): readonly AlertView[];
  dns(): DnsView;
  policy(): PolicyView;
  why(destination: string, app: string | undefined): Promise<WhyView>;
  checkPolicy(): Promise<PolicyCheckView>;
  reloadPolicy(): Promise<PolicyCheckView>;
  /** `uid`: who asks, where that is known. */
  enroll(request: EnrollRequest, signal: AbortSignal, uid: number | undefined): Promise<EnrolledRecord>;
  rename(name: string, to: string): Promise<RenameView>;
  exportIdentity(name: string): Promise<string>;
  login(name: string, provider: string | undefined, device: boolean): Promise<LoginView>;
  mcpEndpoint(service: string): Promise<{ url: string }>;
  openConsole(): Promise<ConsoleView>;
  bundle(request: { redact: 'basic' | 'full'; preview: boolean }): Promise<BundleView & { data?: string }>;
  /** A person unlocked the screen; `uid` where that is known. */
  screenUnlocked(uid: number | undefined): void;
  /** Stop the engine, after the answer has gone out. */
  stop(): void;
  /** Sessions whose program, script or agent goes by this name. */
  isApp(session: Parameters<Parameters<Sessions['closeWhere']>[0]>[0], name: string): boolean;
}

const byHand: Reason = { code: 'session.by_hand', sentence: 'closed by hand' };

/** The handlers over a desk. A call missing here does not compile. */
export function createHandlers(desk: EngineBackend): EngineHandlers {
  const { identities, sessions, quarantine, hub, audit } = desk;
  return {
    state: {
      snapshot: () => hub.snapshot(),
      changes: ({ after }, { signal }) => hub.changes(after, signal),
    },
    engine: {
      status: async () => {
        await desk.ready();
        return desk.status();
      },
      settings: () => desk.settings(),
      setLogLevel({ level }) {
        desk.log.setLevel(level);
        audit.record({ kind: 'settings.changed', setting: 'log.level', value: level });
      },
      stop: () => desk.stop(),
      bundle: ({ redact, preview }) => desk.bundle({ redact, preview: preview ?? false }),
      screenUnlocked: (_request, { caller }) => desk.screenUnlocked(caller.uid),
      openConsole: () => desk.openConsole(),
    },
    identity: {
      list: () => identities.all().map((runner) => runner.view()),
      async enroll(request, { signal, caller }) {
        const runner = await identities.add(await desk.enroll(request, signal, caller.uid));
        return runner.view();
      },
      enable: ({ name }) => identities.setEnabled(name, true),
      disable: ({ name }) => identities.setEnabled(name, false),
      remove: ({ name }) => identities.remove(name),
      rename: ({ name, to }) => desk.rename(name, to),
      renew: async ({ name, rollKey }) => (await identities.renew(name, rollKey ?? false)).view(),
      unlock: async ({ name, passphrase, wrappingKey }) => {
        const unlock: KeyUnlock = {
          ...(passphrase === undefined ? {} : { passphrase }),
          ...(wrappingKey === undefined ? {} : { wrappingKey: Buffer.from(wrappingKey, 'base64') }),
        };
        return (await identities.unlock(name, unlock)).view();
      },
      lock: ({ name }) => identities.lock(name),
      export: async ({ name }) => {
        const json = await desk.exportIdentity(name);
        audit.record({ kind: 'identity.changed', identity: name, exported: true });
        return { json };
      },
      mfaEnroll: async ({ name }) => {
        const enrolment = await identities.context(name).mfa.enroll();
        await identities.get(name).refreshMfa();
        return enrolment;
      },
      mfaVerify: async ({ name, code }) => {
        await identities.context(name).mfa.verify(code);
        await identities.get(name).refreshMfa();
      },
      mfaRemove: async ({ name, code }) => {
        await identities.context(name).mfa.remove(code);
        await identities.get(name).refreshMfa();
      },
      mfaRecoveryCodes: async ({ name, code, regenerate }) => ({
        codes: await identities.context(name).mfa.recoveryCodes(code, regenerate === undefined ? {} : { regenerate }),
      }),
      passwordLogin: async ({ name, username, password }) =>
        (await identities.passwordLogin(name, username, password)).view(),
      login: ({ name, provider, device }) => desk.login(name, provider, device ?? false),
    },
    service: {
      list: () => desk.services(),
      why: ({ destination, app }) => desk.why(destination, app),
    },
    session: {
      list: () => sessions.list().map(sessionView),
      close({ ids }) {
        const closed = ids.filter((id) => sessions.close(id, 'consumer_close', byHand));
        if (closed.length === 0) throw unknownSession(ids);
        return { closed };
      },
      closeApp: ({ app }) => ({
        closed: sessions.closeWhere((session) => desk.isApp(session, app), 'consumer_close', byHand),
      }),
    },
    app: { list: () => desk.agents() },
    quarantine: {
      list: () => quarantine.list().map(quarantineView),
      add: ({ subject, cause }) => quarantineView(quarantine.add(subject, cause ?? 'by hand', 'operator')),
      release: ({ subject }) => releaseFrom(quarantine, subject),
    },
    policy: {
      show: () => desk.policy(),
      check: () => desk.checkPolicy(),
      reload: () => desk.reloadPolicy(),
      explain: ({ destination, app }) => desk.why(destination, app),
    },
    secret: {
      list: () => desk.secrets.list(),
      set: (request) => desk.secrets.set(request),
      remove: ({ name }) => desk.secrets.remove(name),
    },
    mcp: { endpoint: ({ service }) => desk.mcpEndpoint(service) },
    audit: {
      search: (query) => desk.auditIndex.search(query),
      tail: ({ after }, { signal }) => tailAudit(audit, desk.stateDirectory, after, signal),
      async verify() {
        const { ok, count, head, firstBad, gaps, checkpoints } = await verifyAudit(desk.stateDirectory);
        return {
          ok,
          count,
          gaps,
          checkpoints,
          ...(head === undefined ? {} : { head }),
          ...(firstBad === undefined ? {} : { firstBad }),
        };
      },
      alerts: () => desk.alerts(),
    },
    dns: { status: () => desk.dns() },
  };
}

/** What is said where none of these sessions is open. */
export function unknownSession(ids: readonly string[]): TunnelerError {
  return new TunnelerError('session.unknown', `no open session: ${ids.join(', ')}`, {
    details: { missing: ids, next: 'culvert sessions lists those there are' },
  });
}
