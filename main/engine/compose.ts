/**
 * The engine, put together: the only file that sees all rooms. It reads in the order of the corridor; control runs across it, from the
 * identities into intercept and hosting, and from the rooms' events into the clients' state.
 */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DisposalStack } from '../base/lifecycle.ts';
import { createLedger } from '../guard/ledger.ts';
import { openIdentityStore } from '../identity/identity-store.ts';
import { createIntercept } from '../intercept/intercept.ts';
import type { InterceptProblem } from '../intercept/match.ts';
import { openPolicy } from '../policy/policy.ts';
import { createSessions } from '../session/create-sessions.ts';
import { bindAgents } from './agent-bindings.ts';
import { createAlerts } from './alerts.ts';
import { openClientState } from './client-state.ts';
import { createDesk } from './desk.ts';
import { openDetection } from './detection.ts';
import { Dialing } from './dialing.ts';
import type { Engine, EngineOptions } from './engine-options.ts';
import { listSignersOf } from './enrolment-deps.ts';
import { openEntries, type Entries } from './entries/open-entries.ts';
import { factsFor, RecentUse } from './facts.ts';
import { findPrograms } from './find-programs.ts';
import { guardsFor } from './guards.ts';
import { watchLife } from './life.ts';
import { mcpEntry } from './mcp-entry.ts';
import { serveMetrics } from './metrics.ts';
import { openCorridor } from './open-corridor.ts';
import { openDoors } from './open-door.ts';
import { openGround, type Ground } from './open-ground.ts';
import { openHosting } from './open-hosting.ts';
import { openNetworks } from './open-networks.ts';
import { openRecord } from './open-record.ts';
import type { Projector } from './projector.ts';
import { openQuarantine } from './quarantine.ts';
import { reachabilityOf } from './reachability.ts';
import { RemoteNames } from './remote-names.ts';
import { ExternalLogin } from './sign-in/external-login.ts';
import { hostJournalDirectory } from './state-directory.ts';
import type { StateHub } from './state-hub.ts';

/**
 * Start an engine; resolves once it is ready. Throws `engine.config_invalid`, `engine.already_running`, `engine.state_unusable`,
 * `net.address_in_use` and the like, leaving nothing behind. Disposing stops it in reverse order.
 */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const stack = new DisposalStack();
  try {
    return await assemble(options, await openGround(options, stack), stack);
  } catch (error) {
    await stack[Symbol.asyncDispose]();
    throw error;
  }
}

async function assemble(options: EngineOptions, ground: Ground, stack: DisposalStack): Promise<Engine> {
  const { stateDirectory, version, config, clock, log } = ground;

  // Written before anything happens.
  const { audit, auditIndex } = await openRecord(ground, stack);
  const store = await openIdentityStore({ stateDirectory, log, holdsDirectory: true });
  const quarantine = stack.use(openQuarantine({ stateDirectory, clock, audit, log }));
  const base = { ...ground, audit, store, quarantine };

  // Steps 1 to 4 are the entries', opened last: nothing may come in before all else stands.
  const late: Late = {};
  const refresh = (): void => late.projector?.refresh();

  // Step 5: whose flow is it.
  const apps = findPrograms({ agents: config.agents, clock, log });

  // Step 6: which service of which identity.
  const intercept = createIntercept();
  const problems = new Map<string, readonly InterceptProblem[]>();

  // Step 7: may it.
  const policyDirectory = config.policy?.directory ?? join(stateDirectory, 'policy.d');
  const policy = await openPolicy({ dir: policyDirectory, device: hostname(), log });
  const agents = bindAgents(config, policy);

  // Steps 9 and 11: dial, pump, limit, guard, count.
  const recentDials = new RecentUse(clock);
  const recentCalls = new RecentUse(clock);
  const workgroupsOf = (identity: string, serviceId: string): readonly string[] =>
    identities
      .follow(identity)
      ?.services()
      .find((service) => service.id === serviceId)?.roleAttributes ?? [];
  const nameOf = (identity: string): string => identities.nameOf(identity);
  const guard = guardsFor({
    policy,
    ledger: createLedger(),
    facts: (app) => facts(app),
    recentCalls,
    idOf: (identity) => identities.follow(identity)?.id ?? identity,
    workgroupsOf,
  });
  const sessions = stack.use(createSessions({ clock, audit, log, guard }));

  // The other direction: what is hosted here.
  const { hosting, secrets } = openHosting({ ...base, policy, sessions, workgroupsOf, nameOf }, stack);

  // Step 12: the networks, an identity each.
  const alerts = createAlerts({ ...base, tell: (alert) => late.hub?.change({ kind: 'alert-raised', value: alert }) });
  const { identities, reactions, readiness, woke, screenUnlocked } = openNetworks(
    {
      ...base,
      intercept,
      hosting,
      sessions,
      problems,
      refresh,
      onRenamed(identity, to) {
        agents.rename(identity, to);
        late.externalLogin?.rename(identity, to);
      },
      onLoginRequired: (identity) => late.externalLogin?.renew(identity),
      onIntercepted: () => late.entries?.apply(),
      onWays: () => late.entries?.waysChanged(),
      onSession: (session) => late.projector?.session(session),
      onCall: (session) => recentCalls.note(session.app),
      raise: (alert) => alerts.raise(alert),
    },
    stack,
  );
  const detection = stack.use(openDetection({ ...base, raise: (alert) => alerts.raise(alert) }));

  // Steps 4 to 10 as one function, for every entry.
  const facts = factsFor({ clock, identities, sessions, quarantine, recentDials });
  const dialing = new Dialing({ clock, identities, quarantine, recentDials, refresh });
  const rooms = { ...base, apps, intercept, policy, facts, sessions, hosting, identities, dialing, detection };
  const admit = openCorridor({ ...rooms, direct: () => late.entries?.direct() });

  // Every way in; flows are refused until an identity has services.
  const remoteNames = stack.use(
    new RemoteNames({ clock, dial: (service, appData, signal) => dialing.dialByName(service, appData, signal) }),
  );
  const entries = stack.use(
    await openEntries({
      asked: options.mode ?? config.mode ?? 'auto',
      proxyListen: options.proxyListen,
      forwards: options.forwards ?? [],
      config,
      admit,
      isReachable: reachabilityOf({ clock, intercept, identities }),
      resolveRemote: remoteNames.resolve,
      journalDir: hostJournalDirectory(stateDirectory),
      clock,
      log,
      table: () => intercept.table(),
      direct: { infrastructure: () => identities.places(), targets: () => hosting.targetHosts() },
      refresh,
    }),
  );
  const { mode, modeWhy } = entries;

  // What clients see.
  const state = openClientState(
    {
      ...rooms,
      problems,
      agents,
      deserted: dialing.deserted,
      dns: () => entries.dns(),
      mode: () => ({ mode, why: modeWhy }),
      entries: () => entries.status(),
      forwards: () => entries.forwards,
    },
    stack,
  );
  const { projector } = state;
  stack.use(sessions.subscribe(reactions.session));
  stack.use(sessions.subscribe(detection.session));
  stack.use(quarantine.events.subscribe(reactions.quarantined));
  stack.use(
    hosting.subscribe(() => {
      projector.refresh();
      entries.waysChanged();
    }),
  );
  const externalLogin = stack.use(new ExternalLogin({ identities, clock, log, listSigners: listSignersOf }));
  Object.assign(late, { entries, projector, hub: state.hub, externalLogin } satisfies Required<Late>);
  await serveMetrics(config.exporters ?? [], { sessions, log, status: () => state.views.status() }, stack);

  // The doors.
  let stop: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => (stop = resolve));
  const mcpEndpoint = mcpEntry({ admit, clock, log, isKnown: (service) => dialing.isKnown(service) }, stack);
  await openDoors(
    {
      ...ground,
      socketPath: options.socketPath,
      consoleDoor: options.consoleDoor,
      services: () => state.views.services(),
      desk: (openConsole) =>
        createDesk({
          ...rooms,
          policyDirectory,
          agents,
          auditIndex,
          secrets,
          state,
          alerts,
          readiness,
          dns: () => entries.dns(),
          externalLogin,
          mcpEndpoint,
          openConsole,
          screenUnlocked,
          stop,
        }),
    },
    stack,
  );

  // Everything stands: the identities go to work, and are told when the host wakes or moves.
  await identities.start();
  await readiness.settle();
  projector.refresh();
  readiness.open();
  stack.use(watchLife({ clock, log, entries, identities, woke }));
  log.info('engine.ready', { mode, version, proxy: entries.listen });
  return {
    ready: {
      mode,
      modeReason: modeWhy.sentence,
      socket: options.socketPath,
      state: stateDirectory,
      ...(entries.listen === undefined ? {} : { proxy: entries.listen }),
      ...(entries.status().tun === undefined ? {} : { tun: entries.status().tun }),
      forwards: entries.forwards,
    },
    stopped,
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

/** Parts that stand last, but that earlier ones speak to once there is something to say. */
interface Late {
  entries?: Entries;
  projector?: Projector;
  hub?: StateHub;
  externalLogin?: ExternalLogin;
}
