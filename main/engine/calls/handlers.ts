/** The engine's answers to the API, a file a group: each call is handed to the one part that knows, its result put in a view. */
import type { EngineHandlers } from '../../api/schema.ts';
import type { ApprovalView } from '../../api/approval-view.ts';
import type { ConsoleView, DnsView } from '../../api/views.ts';
import type { Approvals } from '../../policy/approvals.ts';
import type { Quarantine } from '../../policy/quarantine.ts';
import type { Collector } from '../collect/collector.ts';
import type { BreakGlass } from '../admission/break-glass.ts';
import type { PinStore } from '../admission/tool-pins.ts';
import type { FrontDoor } from '../entries/front-door.ts';
import type { Engaging } from '../agora/engaging.ts';
import type { Offers } from '../agora/offers.ts';
import type { ServedProcesses } from '../hosting/served-processes.ts';
import type { SecretsBackend } from '../hosting/secrets.ts';
import type { Inventory } from '../../inventory/inventory.ts';
import type { Recordings } from '../../recording/recordings.ts';
import { agentCalls, type AgentCallsDeps } from './agent-calls.ts';
import { approvalView, questionsHere } from '../containment/approvals.ts';
import { auditCalls, type AuditCallsDeps } from './audit-calls.ts';
import { fleetCalls } from './fleet-calls.ts';
import { engineCalls, type EngineCallsDeps } from './engine-calls.ts';
import { identityCalls, type IdentityCallsDeps } from './identity-calls.ts';
import { explainer, policyCalls, type PolicyCallsDeps } from './policy-calls.ts';
import { llmCalls, type LlmCallsDeps } from './llm-calls.ts';
import { recordCalls } from './record-calls.ts';
import { quarantineCalls, sessionCalls } from './session-calls.ts';

/** What the calls are answered by. */
export interface HandlerDeps
  extends AgentCallsDeps, LlmCallsDeps, EngineCallsDeps, IdentityCallsDeps, PolicyCallsDeps, AuditCallsDeps {
  readonly quarantine: Quarantine;
  readonly approvals: Approvals;
  readonly breakGlass: BreakGlass;
  /** Addresses that answer this question. */
  readonly answerLink: (question: ApprovalView) => Promise<ConsoleView>;
  readonly secrets: SecretsBackend;
  readonly recordings: Recordings;
  /** Whom the settings name to read them. */
  readonly recordingReaders: readonly string[] | undefined;
  readonly inventory: Inventory;
  readonly servedProcesses: ServedProcesses;
  /** Agents offered by programs of this machine. */
  readonly agora: Offers;
  readonly engaging: Engaging;
  /** Where this engine keeps other devices' records. */
  readonly collector: Collector | undefined;
  readonly dns: () => DnsView;
  /** Where an MCP client finds a service; throws `engine.no_service` and the like. */
  readonly mcpEndpoint: (service: string) => Promise<{ url: string }>;
  readonly frontDoor: FrontDoor;
  readonly pins: Pick<PinStore, 'list' | 'accept'>;
}

/** A call missing here does not compile. */
export function createHandlers(deps: HandlerDeps): EngineHandlers {
  const { quarantine, secrets, state } = deps;
  const { hub, views } = state;
  const why = explainer(deps);
  const questions = questionsHere(deps.approvals, deps.identities);
  return {
    state: {
      snapshot: () => hub.snapshot(),
      changes: ({ after }, { signal }) => hub.changes(after, signal),
    },
    engine: engineCalls(deps),
    identity: identityCalls(deps),
    service: { list: () => views.services(), why },
    session: sessionCalls(deps),
    agent: agentCalls(deps),
    app: { list: () => views.agents() },
    quarantine: quarantineCalls(quarantine),
    approval: {
      list: () => deps.approvals.list().map(approvalView),
      answer: (answer) => questions.answer(answer),
      link: ({ id }) => deps.answerLink(approvalView(deps.approvals.answerable(id))),
      breakGlass({ service, reason }, { caller }) {
        deps.audit.record({ kind: 'approval.emergency', service, reason });
        return deps.breakGlass.declare(service, reason, caller.uid);
      },
    },
    policy: policyCalls(deps),
    secret: {
      list: () => secrets.list(),
      set: (request) => secrets.set(request),
      remove: ({ name }) => secrets.remove(name),
    },
    inventory: { list: () => deps.inventory.list() },
    record: recordCalls({ ...deps, readers: deps.recordingReaders }),
    hosting: {
      serve: (request, { signal }) => deps.servedProcesses.serve(request, signal),
      answer: (answer) => deps.servedProcesses.answer(answer),
    },
    agora: {
      offer: (request, { signal }) => deps.agora.offer(request, signal),
      offers: () => deps.agora.list(),
      withdraw: ({ service, identities }) => deps.agora.withdraw(service, identities),
      check: (request) => deps.agora.check(request),
      propose: (request) => deps.engaging.propose(request),
      accept: (request) => deps.engaging.accept(request),
      reject: (request) => deps.engaging.reject(request),
      close: (request) => deps.engaging.close(request),
      engagements: () => deps.engaging.list(),
    },
    mcp: {
      endpoint: ({ service }) => deps.mcpEndpoint(service),
      pins: ({ diff }) => deps.pins.list(diff).filter(({ state }) => !diff || state !== 'pinned'),
      acceptPins: ({ service, tools }) => ({ accepted: deps.pins.accept(service, tools) }),
      front: ({ maxTools }) => deps.frontDoor.lines(maxTools),
      listen: ({ host, port, maxTools }, { signal }) => deps.frontDoor.http({ host, port }, maxTools, signal),
    },
    llm: llmCalls(deps),
    audit: auditCalls(deps),
    fleet: fleetCalls(deps.collector),
    dns: { status: () => deps.dns() },
  };
}
