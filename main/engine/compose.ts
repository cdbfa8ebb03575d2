/**
 * The engine, put together: the only file that sees all rooms. It reads in the order of the corridor; control runs across it, from the
 * identities into intercept and hosting, and from the rooms' events into the clients' state.
 */
import { hostname } from 'node:os';
import { loadNative } from 'node-tun';
import { join } from 'node:path';
import { createAppFinder, recogniseAgents } from '../apps/open-app-finder.ts';
import { findBehind, ownProgram } from '../apps/program-behind.ts';
import { agentRules } from '../apps/recognise.ts';
import { systemClock } from '../base/clock.ts';
import { DisposalStack } from '../base/lifecycle.ts';
import type { LogLevel } from '../base/log.ts';
import { createLedger } from '../guard/ledger.ts';
import { createHosting } from '../hosting/create-hosting.ts';
import { openHardwareTransport } from '../identity/hardware-transport.ts';
import { openIdentityStore } from '../identity/identity-store.ts';
import { openSecretStore } from '../identity/secrets.ts';
import { createIntercept } from '../intercept/intercept.ts';
import type { InterceptProblem } from '../intercept/match.ts';
import { openPolicy } from '../policy/policy.ts';
import { createSessions } from '../session/create-sessions.ts';
import { openZitiContext } from '../ziti/ziti.ts';
import { createAlerts } from './alerts.ts';
import { collectLessOften } from './collector.ts';
import { readConfig, type EngineConfig } from './config.ts';
import { createCorridor } from './corridor.ts';
import { listSignersOf } from './enrolment-deps.ts';
import { openDetection } from './detection.ts';
import { Dialing } from './dialing.ts';
import { openClientState } from './client-state.ts';
import { createDesk } from './desk.ts';
import type { Engine, EngineOptions } from './engine-options.ts';
import { openEntries, type Entries } from './entries/open-entries.ts';
import { factsFor, RecentUse } from './facts.ts';
import { guardsFor } from './guards.ts';
import { hashWhereAsked } from './hash-where-asked.ts';
import { admitHostedDials } from './hosted-dials.ts';
import { Identities } from './identities.ts';
import { lockInstance } from './instance-lock.ts';
import { openLog, type EngineLog } from './logger.ts';
import { watchLife } from './life.ts';
import { loopGuard } from './loop-guard.ts';
import { mcpEntry } from './mcp-entry.ts';
import { openMetrics } from './metrics.ts';
import { contextOpener } from './open-context.ts';
import { openDoors } from './open-door.ts';
import { openRecord } from './open-record.ts';
import { openProviderKeys } from './provider-keys.ts';
import { openQuarantine } from './quarantine.ts';
import type { Projector } from './projector.ts';
import type { StateHub } from './state-hub.ts';
import { reachabilityOf } from './reachability.ts';
import { postureGatherer } from './posture-facts.ts';
import { createReactions } from './reactions.ts';
import { RemoteNames } from './remote-names.ts';
import { openReadiness } from './readiness.ts';
import { secretsDesk } from './secrets.ts';
import { ExternalLogin } from './sign-in/external-login.ts';
import { hostJournalDirectory, openStateDirectory } from './state-directory.ts';

/**
 * Start an engine; resolves once it is ready. Throws `engine.config_invalid`, `engine.already_running`, `engine.state_unusable`,
 * `net.address_in_use` and the like, leaving nothing behind. Disposing stops it in reverse order.
 */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const stack = new DisposalStack();
  stack.use(collectLessOften(options.clock ?? systemClock));
  try {
    await openStateDirectory(options.stateDirectory);
    const configFile = options.configFile ?? join(options.stateDirectory, 'culvert.yaml');
    const config = await readConfig(configFile, options.configFile !== undefined);
    const logFile = options.logFile ?? config.log?.file;
    const log = openLog({
      level: (options.logLevel as LogLevel | undefined) ?? config.log?.level ?? 'info',
      ...(logFile === undefined ? {} : { file: logFile }),
      ...(options.logDescriptor === undefined ? {} : { stderr: options.logDescriptor }),
    });
    stack.defer(() => log.flush());
    stack.use(await lockInstance(options.stateDirectory, options.socketPath));
    return await assemble(options, config, configFile, log, stack);
  } catch (error) {
    await stack[Symbol.asyncDispose]();
    throw error;
  }
}

async function assemble(
  options: EngineOptions,
  config: EngineConfig,
  configFile: string,
  log: EngineLog,
  stack: DisposalStack,
): Promise<Engine> {
  const { stateDirectory, version } = options;
  const clock = options.clock ?? systemClock;
  const startedAt = new Date(clock.now()).toISOString();
  const unlock = options.passphrase === undefined ? {} : { passphrase: options.passphrase };

  // Written before anything happens.
  const { audit, auditIndex } = await openRecord({ stateDirectory, version, config, clock, log }, stack);
  const store = await openIdentityStore({ stateDirectory, log, holdsDirectory: true });
  const quarantine = stack.use(openQuarantine({ stateDirectory, clock, audit, log }));

  // Steps 1 to 4 are the entries', opened last: nothing may come in before all else stands.
  const late: Late = {};
  const refresh = (): void => late.projector?.refresh();

  // Step 5: whose flow is it.
  const rules = agentRules(config.agents);
  const native = loadNative();
  const apps = recogniseAgents(
    findBehind(createAppFinder({ log, clock, ...(native.ok ? { native: native.native } : {}) }), ownProgram()),
    () => rules,
  );

  // Step 6: which service of which identity.
  const intercept = createIntercept();
  const problems = new Map<string, readonly InterceptProblem[]>();

  // Step 7: may it.
  const policyDirectory = config.policy?.directory ?? join(stateDirectory, 'policy.d');
  const policy = await openPolicy({ dir: policyDirectory, device: hostname(), log });
  policy.replaceIdentityRules({
    agents: Object.entries(config.agents ?? {}).map(([name, { identity }]) => ({
      name,
      ...(identity === undefined ? {} : { identity }),
    })),
    unbound: config.policy?.unbound ?? 'device',
    onUnknownApp: config.policy?.onUnknownApp ?? 'closed',
  });

  // Steps 9 and 11: dial, pump, limit, guard, count.
  const recentDials = new RecentUse(clock);
  const recentCalls = new RecentUse(clock);
  const workgroupsOf = (identity: string, serviceId: string): readonly string[] =>
    identities
      .find(identity)
      ?.services()
      .find((service) => service.id === serviceId)?.roleAttributes ?? [];
  const guard = guardsFor({ policy, ledger: createLedger(), facts: (app) => facts(app), recentCalls, workgroupsOf });
  const sessions = stack.use(createSessions({ clock, audit, log, guard }));

  // The other direction: what is hosted here, and the providers' keys that its requests carry.
  const secretStore = openSecretStore(stateDirectory, () => clock.now());
  const keys = openProviderKeys(config.hosting, { secrets: secretStore, unlock });
  const secrets = secretsDesk({ secrets: secretStore, store, audit, unlock, changed: keys.changed });
  const hosting = stack.use(
    createHosting({
      clock,
      log,
      admit: admitHostedDials({
        clock,
        log,
        policy,
        quarantine,
        audit,
        sessions,
        workgroupsOf,
        keys,
      }),
    }),
  );

  // Step 12: the networks, an identity each.
  const alerts = createAlerts({
    clock,
    audit,
    log,
    tell: (alert) => late.hub?.change({ kind: 'alert-raised', value: alert }),
  });
  const reactions = createReactions({
    clock,
    log,
    audit,
    intercept,
    hosting,
    sessions,
    quarantine,
    problems,
    onIntercepted: () => late.entries?.apply(),
    onWays: () => late.entries?.waysChanged(),
    onSession: (session) => late.projector?.session(session),
    refresh: () => {
      readiness.look();
      refresh();
    },
    onCall: (session) => recentCalls.note(session.app),
    raise: (alert) => alerts.raise(alert),
  });
  let wokenAt: number | undefined;
  const identities: Identities = stack.use(
    new Identities({
      store,
      audit,
      clock,
      log,
      unlock,
      listener: {
        ...reactions.runner,
        changed(runner) {
          if (runner.state() === 'login-required') late.externalLogin?.renew(runner.name);
          reactions.runner.changed(runner);
        },
      },
      openContext: contextOpener({
        store,
        clock,
        log,
        version,
        openZitiContext,
        openTransport: openHardwareTransport,
        gatherPosture: postureGatherer({ wokenAt: () => wokenAt }),
      }),
      cut: (identity, why) => sessions.closeWhere((session) => session.identity === identity, 'identity_disabled', why),
      onRemoved: (name) => reactions.removed(name),
    }),
  );
  const readiness = openReadiness({ clock, settled: () => identities.all().every((runner) => runner.settled()) });

  const detection = stack.use(
    openDetection({ stateDirectory, config, clock, log, quarantine, raise: (alert) => alerts.raise(alert) }),
  );

  // Steps 4 to 10 as one function, for every entry.
  const facts = factsFor({ clock, identities, sessions, quarantine, recentDials });
  const dialing = new Dialing({ clock, identities, quarantine, recentDials, refresh });
  const admit = createCorridor({
    clock,
    log,
    intercept,
    audit,
    sessions,
    findApp: (flow) => apps.find(flow),
    findLoop: loopGuard({
      pid: process.pid,
      hosted: () => new Set(hosting.states().map(({ serviceId }) => serviceId)),
      infrastructure: () => identities.places(),
      direct: () => late.entries?.direct(),
    }),
    hashed: hashWhereAsked({ apps, policy, quarantine }),
    decide: policy.decide,
    facts,
    dial: (match, flow, app, signal) => dialing.dial(match, flow, app, signal),
    confirm: (match) => dialing.confirm(match),
    underNewTerms: (match) => dialing.underNewTerms(match),
    stillCleared: (match, app) => dialing.stillCleared(match, app),
    unmatched: config.proxy?.unmatched ?? 'refuse',
    onDialed: (app, match, outcome) => {
      dialing.note(match, outcome);
      detection.dialed(app, match, outcome);
    },
  });

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
  late.entries = entries;
  const { mode, modeWhy } = entries;

  // What clients see.
  const state = openClientState(
    {
      clock,
      version,
      startedAt,
      identities,
      sessions,
      hosting,
      policy,
      quarantine,
      audit,
      problems,
      dns: () => entries.dns(),
      deserted: dialing.deserted,
      agents: config.agents ?? {},
      mode: () => ({ mode, why: modeWhy }),
      entries: () => entries.status(),
      forwards: () => entries.forwards,
    },
    stack,
  );
  const { projector } = state;
  Object.assign(late, { projector, hub: state.hub });
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
  late.externalLogin = externalLogin;

  for (const target of config.exporters ?? []) {
    if (target.type !== 'prometheus') continue;
    const metrics = stack.use(await openMetrics({ listen: target.listen, status: () => state.views.status() }));
    stack.use(sessions.subscribe(metrics.session));
    log.info('metrics.listening', { listen: metrics.listen });
  }

  // The doors.
  let stop: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => (stop = resolve));
  const mcpEndpoint = mcpEntry({ admit, clock, log, isKnown: (service) => dialing.isKnown(service) }, stack);
  await openDoors(
    {
      socketPath: options.socketPath,
      version,
      config,
      consoleDoor: options.consoleDoor,
      clock,
      log,
      services: () => state.views.services(),
      desk: (openConsole) =>
        createDesk({
          stateDirectory,
          config,
          configFile,
          policyDirectory,
          clock,
          log,
          unlock,
          audit,
          auditIndex,
          store,
          identities,
          sessions,
          quarantine,
          secrets,
          intercept,
          policy,
          facts,
          state,
          alerts,
          readiness,
          dns: () => entries.dns(),
          externalLogin,
          mcpEndpoint,
          openConsole,
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
  stack.use(watchLife({ clock, log, entries, identities, woke: (atMs) => (wokenAt = atMs) }));
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
