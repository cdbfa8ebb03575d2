/**
 * The engine, put together: the only file that sees all rooms. It reads in the order of the corridor; control runs across it, from the
 * identities into intercept and hosting, and from the rooms' events into the clients' state.
 */
import { defined } from '../base/defined.ts';
import { TunnelerError } from '../base/errors.ts';
import { DisposalStack } from '../base/lifecycle.ts';
import { openIdentityStore } from '../identity/identity-store.ts';
import { createIntercept } from '../intercept/intercept.ts';
import { parseMapping } from '../intercept/mapping.ts';
import { openInventory } from '../inventory/inventory.ts';
import type { InterceptProblem } from '../intercept/match.ts';
import { createSessions } from '../session/create-sessions.ts';
import type { Sessions } from '../session/sessions.ts';
import { breakGlassAlarm } from './containment/approvals.ts';
import { createAlerts } from './containment/alerts.ts';
import { answerHere } from './containment/approvals.ts';
import { openClientState } from './state/client-state.ts';
import { openDetection } from './containment/detection.ts';
import type { Engine, EngineOptions } from './runtime/engine-options.ts';
import { listSignersOf } from './enrolment/enrolment-deps.ts';
import { chooseSecretKeystore } from './enrolment/new-identity.ts';
import type { ModelDoor } from './entries/model-door.ts';
import { openEntries, type Entries } from './entries/open-entries.ts';
import { createConsequences } from './containment/consequences.ts';
import { watchLife } from './control/net-monitor.ts';
import { recordTlsFailures } from './control/tls-failures.ts';
import { createServiceChanges } from './control/service-changes.ts';
import { openLocalEndpoints } from './entries/local-endpoints.ts';
import { watchServices } from './entries/service-watch.ts';
import { serveMetrics } from './state/metrics.ts';
import { openAdmission } from './admission/open-admission.ts';
import { openDecisionPoint } from './admission/open-decision-point.ts';
import { openListeners } from './calls/open-listener.ts';
import { openRuntime, type Runtime } from './runtime/open-runtime.ts';
import { askHost } from './agora/engagement-line.ts';
import { Engagements, type EngagementsDeps } from './agora/engagements.ts';
import { openEngaging } from './agora/engaging.ts';
import { openKeptEngagements } from './agora/kept-engagements.ts';
import { openAgora } from './agora/open-agora.ts';
import { answeredServices } from './hosting/answered-services.ts';
import { bindersOf } from './hosting/hosted-services.ts';
import { servedProcesses } from './hosting/served-processes.ts';
import { openHosting } from './hosting/open-hosting.ts';
import { openHostRecordings } from './hosting/recordings.ts';
import { openNetworks } from './identities/open-networks.ts';
import type { Readiness } from './identities/readiness.ts';
import { openCollecting } from './collect/open-collecting.ts';
import { openSending } from './record/open-sending.ts';
import { watchClock } from './record/clock-watch.ts';
import { deviceKeystores } from './record/device-keystores.ts';
import { JournalKey } from './record/journal-key.ts';
import { openRecord } from './runtime/open-audit.ts';
import type { Projector } from './state/projector.ts';
import { openQuarantine } from './containment/quarantine.ts';
import { reachability, Terminators } from './identities/terminators.ts';
import { RemoteNames } from './entries/remote-names.ts';
import { ExternalLogin } from './sign-in/external-login.ts';
import { hostJournalDirectory } from './runtime/state-directory.ts';
import type { StateHub } from './state/state-hub.ts';

/**
 * Start an engine; resolves once it is ready. Throws `engine.config_invalid`, `engine.already_running`, `engine.state_unusable`,
 * `net.address_in_use` and the like, leaving nothing behind. Disposing stops it in reverse order.
 */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const stack = new DisposalStack();
  try {
    return await assemble(options, await openRuntime(options, stack), stack);
  } catch (error) {
    await stack[Symbol.asyncDispose]();
    throw error;
  }
}

async function assemble(options: EngineOptions, ground: Runtime, stack: DisposalStack): Promise<Engine> {
  const { stateDirectory, version, config, clock, log } = ground;

  // Written before anything happens.
  const { audit, auditIndex } = await openRecord(ground, stack);
  const store = await openIdentityStore({
    stateDirectory,
    log,
    holdsDirectory: true,
    pkcs11Modules: config.pkcs11?.modules,
  });
  const keystores = deviceKeystores(stateDirectory, config.pkcs11?.modules);
  const journalKey = stack.use(new JournalKey({ ...ground, audit, keystores }));
  void journalKey.open(ground.unlock);
  stack.use(watchClock({ clock, audit, log }));
  const quarantine = stack.use(openQuarantine({ stateDirectory, clock, audit, log }));
  const base = { ...ground, audit, store, quarantine };

  // Steps 1 to 4 are the entries', opened last: nothing may come in before all else stands.
  const late: Late = {};
  const refresh = (): void => late.projector?.refresh();
  /** The same, and the start may be waiting for it. */
  const settle = (): void => {
    late.readiness?.look();
    refresh();
  };

  // Step 6: which service of which identity.
  const intercept = createIntercept((config.mapping ?? []).flatMap((one) => parseMapping(one) ?? []));
  const problems = new Map<string, readonly InterceptProblem[]>();

  // Steps 5, 7 and 8: whose flow is it, may it, under which guard.
  const decisions = await openDecisionPoint(
    {
      ...base,
      keystore: () => chooseSecretKeystore(store),
      socketPath: options.socketPath,
      identities: () => identities,
      sessions: () => sessions,
      proxy: () => ensureProxy(late),
      models: () => ensureModels(late),
      detection: () => detection,
      engagement: (...session) => engagements.of(...session),
    },
    stack,
  );
  const { apps, starts, policy, agents, times, pins, guard, workgroupsOf } = decisions;

  // Steps 9 and 11: pump, limit, guard, count.
  const nameOf = (identity: string): string => identities.nameOf(identity);
  const recordings = stack.use(
    openHostRecordings({
      ...base,
      retention: config.recordings,
      cut: (id, why) => void sessions.close(id, 'tunnel_failed', why),
    }),
  );
  const book = stack.use(openKeptEngagements(base));
  const engagements: Engagements = stack.use(
    new Engagements({
      ...base,
      book,
      approvals: decisions.approvals,
      sessions: () => sessions,
      accountOf: (identity) => identities.follow(identity)?.account() ?? identity,
      controllerName: (identity) => identities.follow(identity)?.record()?.controllerName ?? identity,
      ask: (...asked) => ask(...asked),
    }),
  );
  const sessions: Sessions = stack.use(
    createSessions({
      clock,
      audit,
      log,
      guard,
      tap: recordings.tap,
      shared: (...session) => engagements.of(...session),
    }),
  );

  // The other direction: what is hosted here.
  const answered = answeredServices();
  for (const [service, answerer] of Object.entries(options.answers ?? {})) {
    stack.use(answered.answer(service, answerer));
  }
  const trustedPem = (identity: string): string | undefined => identities.follow(identity)?.record()?.caPem;
  const { keptSecrets } = decisions;
  const hostedBy = { ...base, engagements, keptSecrets, policy, sessions, times, workgroupsOf, nameOf, trustedPem };
  const { hosting, secrets } = openHosting(hostedBy, stack);

  // Step 12: the networks, an identity each.
  const alerts = createAlerts({ ...base, tell: (alert) => late.hub?.change({ kind: 'alert-raised', value: alert }) });
  const changes = createServiceChanges({
    ...base,
    intercept,
    hosting,
    answered,
    sessions,
    problems,
    refresh: settle,
    onIntercepted: () => late.entries?.apply(),
    onRoutes: () => late.entries?.routesChanged(),
  });
  const { identities, readiness, woke, screenUnlocked } = openNetworks(
    {
      ...base,
      keyOpened: (record, key, unlock) => journalKey.identityOpened(record, key, unlock),
      answered,
      sessions,
      changes: recordTlsFailures(changes, audit),
      onRenamed(identity, to) {
        agents.rename(identity, to);
        late.externalLogin?.rename(identity, to);
      },
      onLoginRequired: (identity) => late.externalLogin?.renew(identity),
    },
    stack,
  );
  late.readiness = readiness;
  const consequences = createConsequences({
    ...base,
    sessions,
    refresh: settle,
    onSession: (session) => late.projector?.session(session),
    onCall: (session) => decisions.recentCalls.note(session.app),
    raise: (alert) => alerts.raise(alert),
  });
  const collector = await openCollecting(
    {
      ...base,
      options,
      keystores,
      answered,
      authorities: () => identities.all().flatMap((runner) => runner.record()?.caPem ?? []),
      raise: (alert) => alerts.raise(alert),
    },
    stack,
  );
  const detection = stack.use(openDetection({ ...base, raise: (alert) => alerts.raise(alert) }));

  // Steps 4 to 10 as one function, for every entry.
  const terminators = stack.use(new Terminators({ clock, identities, changed: refresh }));
  const rooms = {
    ...base,
    ...decisions,
    engagements,
    intercept,
    sessions,
    hosting,
    identities,
    terminators,
    detection,
  };
  const { admit, admitAs, dialing, visible } = openAdmission({ ...rooms, direct: () => late.entries?.direct() });

  const ask: EngagementsDeps['ask'] = (party, question) =>
    askHost({ clock, dial: (...dialled) => dialing.dialAs(...dialled) }, party, question);

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
      isReachable: reachability(intercept, terminators),
      resolveRemote: remoteNames.resolve,
      journalDir: hostJournalDirectory(stateDirectory),
      clock,
      log,
      table: () => intercept.table(),
      direct: { infrastructure: () => identities.places(), targets: () => hosting.targetHosts() },
      refresh,
    }),
  );
  const { mode, modeWhy, addresses } = entries;
  audit.record({ kind: 'engine.listening', mode, addresses });

  // What clients see.
  const state = openClientState(
    {
      ...rooms,
      problems,
      agents,
      dns: () => entries.dns(),
      mode: () => ({ mode, why: modeWhy }),
      entries: () => entries.status(),
      forwards: () => entries.forwards,
    },
    stack,
  );
  const { projector } = state;
  stack.use(decisions.approvals.events.subscribe(breakGlassAlarm((alert) => alerts.raise(alert))));
  stack.use(sessions.subscribe(consequences.session));
  stack.use(sessions.subscribe((event) => engagements.session(event)));
  stack.use(sessions.subscribe(detection.session));
  stack.use(quarantine.events.subscribe(consequences.quarantined));
  stack.use(
    hosting.subscribe(() => {
      projector.refresh();
      entries.routesChanged();
    }),
  );
  const askWitness = openSending(
    {
      ...base,
      journalKey,
      dial: (service, signal) => dialing.dialByName(service, new Uint8Array(), signal),
      certificates: () => identities.all().flatMap((runner) => runner.record()?.certPem ?? []),
      raise: (alert) => alerts.raise(alert),
    },
    stack,
  );
  const externalLogin = stack.use(new ExternalLogin({ identities, clock, log, listSigners: listSignersOf }));
  Object.assign(late, { entries, projector, hub: state.hub, externalLogin } satisfies Omit<
    Required<Late>,
    'readiness' | 'modelDoor'
  >);
  await starts.resume();
  await serveMetrics(config.exporters ?? [], { sessions, log, version, status: () => state.views.status() }, stack);

  // Where it is called.
  let stop: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => (stop = resolve));
  const endpoints = await openLocalEndpoints(
    {
      version,
      log,
      clock,
      audit,
      config,
      apps: starts.finding(apps),
      checkModelKey: decisions.checkModelKey,
      admit,
      admitAs,
      visible,
      isKnown: (service) => dialing.isKnown(service),
      onServices: watchServices(state.hub, clock),
      onTools: (listener) => pins.subscribe(listener),
      pinsOf: (service) => pins.of(service),
    },
    stack,
  );
  late.modelDoor = endpoints.modelDoor;
  const processes = servedProcesses({ answered, binders: (service) => bindersOf(service, identities) });
  await openListeners(
    {
      ...ground,
      agents,
      apps,
      socketPath: options.socketPath,
      directoryDecides: options.directoryDecides === true,
      consoleListener: options.consoleListener,
      services: () => state.views.services(),
      calls: {
        ...rooms,
        ...endpoints,
        services: () => state.views.services(),
        proxy: () => entries.listen,
        ensureProxy: () => ensureProxy(late),
        auditIndex,
        askWitness,
        collector,
        secrets,
        recordings,
        recordingReaders: config.recordings?.readers,
        inventory: openInventory({
          isOn: config.inventory === true,
          clock,
          hosted: () => hosting.states().map(({ serviceName, target }) => ({ service: serviceName, target })),
        }),
        servedProcesses: processes,
        agora: openAgora({ ...base, answered, processes, identities, policy }),
        engaging: openEngaging({
          ...rooms,
          ask,
          nameOf,
          kept: () => book.kept(),
          answerApproval(id, answer) {
            if (decisions.approvals.get(id) !== undefined) answerHere(decisions.approvals, identities, id, answer);
          },
        }),
        state,
        doctor: async () => {
          const { doctor } = await import('./offline/doctor.ts');
          return doctor(stateDirectory, { status: state.views.status() });
        },
        changeSettings: async (changes, apply, record) => {
          const { changeSettings } = await import('./offline/settings-file.ts');
          return changeSettings(ground.configFile, changes, apply, record);
        },
        alerts,
        readiness,
        dns: () => entries.dns(),
        externalLogin,
        screenUnlocked,
        stop,
      },
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
      ...defined({ proxy: entries.listen }),
      ...defined({ tun: entries.status().tun }),
      forwards: entries.forwards,
    },
    stopped,
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

/** The engine's own proxy, once there are entries. */
function ensureProxy(late: Late): Promise<string> {
  if (late.entries === undefined) throw new TunnelerError('engine.not_ready', 'the engine is just starting');
  return late.entries.ensureProxy();
}

/** The engine's own endpoint for models, once it could be called. */
function ensureModels(late: Late): Promise<string> {
  if (late.modelDoor === undefined) throw new TunnelerError('engine.not_ready', 'the engine is just starting');
  return late.modelDoor.ensure();
}

/** Parts that stand last, but that earlier ones speak to once there is something to say. */
interface Late {
  readiness?: Readiness;
  entries?: Entries;
  modelDoor?: ModelDoor;
  projector?: Projector;
  hub?: StateHub;
  externalLogin?: ExternalLogin;
}
