/**
 * The one corridor that every flow walks: owner → service → verdict → audit → dial → session.
 *
 * Entries (TUN, proxy, forwards, MCP) know nothing of it but `Admit`. Each refusal has a reason, stands in the audit, and is answered in the
 * entry's own terms; nothing is dialled that was not first decided and recorded.
 */
import { isDeepStrictEqual } from 'node:util';
import type { App } from '../../apps/app.ts';
import type { AuditEvent, AuditWriter } from '../../audit/record.ts';
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { isTunnelerError, toTunnelerError, TunnelerError } from '../../base/errors.ts';
import type { Admission, Admit, FlowRequest, RefusalAnswer } from '../../base/flow.ts';
import { formatHostPort } from '../../base/ip.ts';
import type { Log } from '../../base/log.ts';
import type { Reason } from '../../base/reason.ts';
import type { ByteStream } from '../../base/stream.ts';
import { guardKindOf } from '../../guard/create-guard.ts';
import type { Intercept, Match } from '../../intercept/match.ts';
import { approvesSessions } from '../../policy/approvals.ts';
import type { GrantedTimes } from '../../policy/granted-times.ts';
import type { GrantHolder } from '../../policy/grants.ts';
import type { DecideFlow, DecisionFacts, Verdict } from '../../policy/verdict.ts';
import type { Sessions } from '../../session/sessions.ts';
import type { EngagementWords } from '../../peer/words.ts';
import { connectTcp } from '../../sockets/connect-tcp.ts';
import { tcpStream } from '../../sockets/tcp-stream.ts';
import { ActiveFtp, mayBeFtp, type CarryData } from './active-ftp.ts';
import { explainDialFailure } from './dial-failure.ts';
import type { DialledStream, HeldBy } from './dialing.ts';
import type { HostRefusals } from './host-refusals.ts';
import type { FindLoop } from './loop-guard.ts';
import { destinationText, flowFields, matchFields, reasonFields, verdictRecord } from './verdict-record.ts';

/** Each step's room, as admission uses it. */
export interface AdmissionDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly intercept: Pick<Intercept, 'match' | 'matchService'>;
  readonly audit: AuditWriter;
  readonly sessions: Pick<Sessions, 'met' | 'open' | 'reserve'>;
  /** Who owns the flow's socket, with the agent it is. Never rejects. */
  readonly findApp: (flow: FlowRequest) => Promise<App>;
  /** A reason where the owner is nobody this engine serves. */
  readonly notServed: (app: App) => Reason | undefined;
  /** A reason where the flow is our own connection come back to us. */
  readonly findLoop: FindLoop;
  /** The same app with its hash, where something that decides about these claims looks at it. Never rejects. */
  readonly hashed: (app: App, matches: readonly Match[]) => Promise<App>;
  readonly decide: DecideFlow;
  readonly facts: (app: App) => DecisionFacts;
  /** Dial as the match's identity, under a guard where one holds it. Throws `ziti.*`, `identity.*`. */
  readonly dial: (
    match: Match,
    flow: FlowRequest,
    app: App,
    held: HeldBy,
    signal: AbortSignal,
  ) => Promise<DialledStream>;
  /** Make sure that what is known of the match's service is what the controller says at this moment. Bounded in time, never rejects. */
  readonly confirm: (match: Match) => Promise<void>;
  /** What the match's identity is called by now. */
  readonly nameOf: (match: Match) => string;
  /** What stands for the match's identity at its controller. */
  readonly accountOf: (match: Match) => string;
  /** Time that belongs to an identity and a service, not to a session. */
  readonly times: Pick<GrantedTimes, 'begin' | 'renew'>;
  /** What only the host could judge, and how it did. */
  readonly hostRefusals: Pick<HostRefusals, 'note'>;
  /** Between agents: under which name both ends keep what they agreed on. */
  readonly engagements: {
    idFor(holder: GrantHolder): string;
    met(holder: GrantHolder, words: EngagementWords): void;
  };
  /** The match with its service as the controller told it last: without permissions where the identity has it no more. */
  readonly current: (match: Match) => Match;
  /** What is found of no service, where an identity of this program has not learnt what it may reach. */
  readonly unknownReach: (found: Reason, app: App) => Reason | undefined;
  /** What no service claims: refused, or left to the entry to connect directly. */
  readonly unmatched: 'refuse' | 'direct';
  /** A program that has no other way out may go there directly. */
  readonly mayLeave: (app: App, flow: FlowRequest) => boolean;
  /** Told of each finished admission, for breakers and detectors. */
  readonly onDialed: (app: App, match: Match, outcome: 'open' | 'failed') => void;
}

type Dial = Verdict & { readonly kind: 'dial' };
type Refused = Admission & { readonly kind: 'refused' };

/** Make the one function that every entry calls. */
export function createAdmission(deps: AdmissionDeps): Admit {
  return async (flow, { signal }) => {
    const owner = await deps.findApp(flow);
    const stranger = deps.notServed(owner);
    if (stranger !== undefined) return denied(deps, flowFields(flow, owner), stranger, 'prohibited');
    const found =
      flow.service === undefined ? deps.intercept.match(flow) : deps.intercept.matchService(flow.service, flow);
    if (found.kind === 'none') return unclaimed(deps, flow, owner, found.reason);
    const loop = deps.findLoop(flow, owner, found.matches);
    if (loop !== undefined) return denied(deps, flowFields(flow, owner), loop);

    const app = await deps.hashed(owner, found.matches);
    const verdict = deps.decide(flow, app, found.matches, deps.facts(app));
    const refusal = record(deps, verdictRecord(flow, app, verdict));
    if (refusal !== undefined) return refusal;
    if (verdict.kind === 'refuse') return { kind: 'refused', reason: verdict.reason, answer: verdict.answer };
    if (verdict.kind === 'pass') return { kind: 'pass', reason: verdict.reason };
    return dial(deps, flow, app, verdict, signal);
  };
}

function unclaimed(deps: AdmissionDeps, flow: FlowRequest, app: App, reason: Reason): Admission {
  if (deps.unmatched === 'direct' && flow.service === undefined && flow.entry !== 'tun') {
    return { kind: 'pass', reason };
  }
  if (flow.service === undefined && flow.entry !== 'tun' && deps.mayLeave(app, flow)) {
    const event = { ...flowFields(flow, app), kind: 'verdict', decision: 'pass', ...reasonFields(reason) } as const;
    return record(deps, event) ?? { kind: 'pass', reason };
  }
  const unknown = deps.unknownReach(reason, app);
  if (unknown !== undefined) return denied(deps, flowFields(flow, app), unknown, 'host-unreachable');
  return denied(deps, flowFields(flow, app), reason);
}

/** Refused here, and recorded as that; `fields` are the flow's, with its service where one claims it. */
function denied(
  deps: AdmissionDeps,
  fields: ReturnType<typeof flowFields>,
  reason: Reason,
  answer: RefusalAnswer = 'reset',
): Refused {
  const unrecorded = record(deps, { ...fields, kind: 'verdict', decision: 'deny', ...reasonFields(reason) });
  return unrecorded ?? { kind: 'refused', reason, answer };
}

async function dial(
  deps: AdmissionDeps,
  flow: FlowRequest,
  app: App,
  decided: Dial,
  signal: AbortSignal,
): Promise<Admission> {
  const { match } = decided;
  let place = deps.sessions.reserve(match.service.id);
  let remote: DialledStream;
  const guard = decided.contract === undefined ? undefined : guardKindOf(decided.contract);
  const meets = decided.contract?.a2a !== undefined;
  const engagement = meets ? deps.engagements.idFor(holderOf(deps, match)) : undefined;
  try {
    // Both at once: asking the controller costs no time that the dial does not take anyhow.
    [remote] = await Promise.all([
      deps.dial(match, flow, app, defined({ guard, engagement }), signal),
      deps.confirm(match),
    ]);
  } catch (error) {
    place[Symbol.dispose]();
    return failed(deps, flow, app, decided, error, signal);
  }
  const letGo = (): void => {
    place[Symbol.dispose]();
    remote.stream.reset();
  };
  let known: App;
  let verdict: Dial;
  try {
    known = await deps.hashed(app, [deps.current(match)]);
    // Its own place must not count against it; nobody else may take it meanwhile.
    place[Symbol.dispose]();
    const again = revalidate(deps, flow, known, decided);
    place = deps.sessions.reserve(match.service.id);
    if (again.kind === 'refused') {
      letGo();
      return again;
    }
    verdict = again;
    const refused = await withoutHostsWord(deps, flow, known, verdict, remote);
    if (refused !== undefined) {
      letGo();
      return refused;
    }
  } catch (error) {
    // None of them should; what was dialled is let go all the same.
    letGo();
    return failed(deps, flow, app, decided, error, signal);
  }
  let joined = false;
  const release = (): boolean => {
    if (joined) return false;
    joined = true;
    place[Symbol.dispose]();
    return true;
  };
  return {
    kind: 'dialled',
    join(local) {
      if (!release()) return;
      const last = stillGranted(deps, flow, known, verdict);
      if (last.kind === 'refused') {
        const error = new TunnelerError('policy.refused', last.reason.sentence);
        local.reset(error);
        remote.stream.reset(error);
        return;
      }
      open(deps, flow, known, last, local, remote);
    },
    abandon() {
      if (release()) remote.stream.reset();
    },
  };
}

/**
 * Decided once more, by what is known now: the dial took its time, and access, contract, posture or a local rule may be another since. It is
 * recorded where it is not what was recorded before.
 */
function revalidate(deps: AdmissionDeps, flow: FlowRequest, app: App, before: Dial): Dial | Refused {
  const facts = deps.facts(app);
  // The dial that is under way is no earlier one.
  const earlierDials = Math.max(0, (facts.recentDials ?? 0) - 1);
  const verdict = deps.decide(flow, app, [deps.current(before.match)], { ...facts, recentDials: earlierDials });
  if (verdict.kind === 'dial' && isDeepStrictEqual(verdict.contract, before.contract)) return verdict;
  const unrecorded = record(deps, verdictRecord(flow, app, verdict));
  if (unrecorded !== undefined) return unrecorded;
  if (verdict.kind === 'dial') return verdict;
  return { kind: 'refused', reason: verdict.reason, answer: verdict.kind === 'refuse' ? verdict.answer : 'reset' };
}

/** At the joining: what only the host may let in meanwhile is refused, for its word was asked for other terms. */
function stillGranted(deps: AdmissionDeps, flow: FlowRequest, app: App, before: Dial): Dial | Refused {
  const last = revalidate(deps, flow, app, before);
  if (last.kind === 'refused' || last.unlessHostGrants === undefined) return last;
  if (before.unlessHostGrants !== undefined && isDeepStrictEqual(last.contract, before.contract)) return last;
  const { match, unlessHostGrants: reason } = last;
  return denied(deps, matchFields(flow, app, match), reason, 'prohibited');
}

/** Join both ends to a session. Never throws: where none can be opened, both ends are reset. */
function open(
  deps: AdmissionDeps,
  flow: FlowRequest,
  app: App,
  { match, contract, reason }: Dial,
  local: ByteStream,
  remote: DialledStream,
): void {
  const ftp = mayBeFtp(flow) ? new ActiveFtp(remote.stream, flow, carryData(deps, app)) : undefined;
  try {
    const grants = contract === undefined ? [] : deps.times.begin(holderOf(deps, match), contract);
    const id = deps.sessions.open(
      {
        service: match.service.name,
        serviceId: match.service.id,
        identity: deps.nameOf(match),
        direction: 'dial',
        entry: flow.entry,
        app,
        protocol: flow.protocol,
        source: formatHostPort(flow.source.address, flow.source.port),
        destination: destinationText(flow.destination),
        encrypted: remote.encrypted,
        router: remote.routerName,
        decision: reason,
        contract,
      },
      local,
      ftp?.stream ?? remote.stream,
      { grants },
    );
    remote.onGreeting((words) => {
      if (words === undefined) return;
      const { guard, leftSeconds, engagement } = words;
      if (words.ftp !== undefined) ftp?.begin(words.ftp);
      if (contract?.a2a !== undefined && engagement !== undefined)
        deps.engagements.met(holderOf(deps, match), engagement);
      deps.sessions.met(id, { guarded: guard !== undefined, ...defined({ leftSeconds }) });
    });
    deps.hostRefusals.note(deps.accountOf(match), match.service.id, undefined);
    deps.onDialed(app, match, 'open');
  } catch (error) {
    // The entry has no way left to say more to the application.
    deps.log.warn('corridor.session_refused', { service: match.service.name, error });
  }
}

/** An application that waits on its own machine answers at once. */
const applicationMs = 5_000;

/** Data connections of an FTP session: admitted as the program that has the session, and each a session of its own. */
function carryData(deps: AdmissionDeps, app: App): CarryData {
  const admit = createAdmission({ ...deps, findApp: () => Promise.resolve(app) });
  return async (data, signal) => {
    let admission: Admission | undefined;
    try {
      admission = await admit(data, { signal });
      if (admission.kind !== 'dialled') return admission.reason.sentence;
      const { address: host, port } = data.source;
      const socket = await connectTcp({ host, port, timeoutMs: applicationMs, clock: deps.clock, signal });
      admission.join(tcpStream(socket));
      return undefined;
    } catch (thrown) {
      if (admission?.kind === 'dialled') admission.abandon();
      const error = toTunnelerError(thrown);
      deps.log.info('corridor.ftp_data_failed', { error });
      return error.message;
    }
  };
}

/** The host's first words may take its own check of a signature. */
const hostsWordMs = 6_000;

/** Refuse what only the host may let in, unless it says that it does; and take over what it grants. */
async function withoutHostsWord(
  deps: AdmissionDeps,
  flow: FlowRequest,
  app: App,
  verdict: Dial,
  remote: DialledStream,
): Promise<Refused | undefined> {
  const { match, contract, unlessHostGrants: reason } = verdict;
  if (reason === undefined || contract === undefined) return undefined;
  const words = await remote.greeting(hostsWordMs);
  const leftMs = (words?.leftSeconds ?? 0) * 1000;
  if (leftMs > 0) {
    if (!approvesSessions(contract)) deps.times.renew(holderOf(deps, match), contract, leftMs);
    return undefined;
  }
  deps.hostRefusals.note(deps.accountOf(match), match.service.id, reason);
  return denied(deps, matchFields(flow, app, match), reason, 'prohibited');
}

function holderOf(deps: AdmissionDeps, match: Match): GrantHolder {
  const identity = deps.nameOf(match);
  const { id: serviceId, name: service } = match.service;
  return { end: 'dial', account: deps.accountOf(match), identity, serviceId, service };
}

function failed(
  deps: AdmissionDeps,
  flow: FlowRequest,
  app: App,
  { match, contract }: Dial,
  thrown: unknown,
  signal: AbortSignal,
): Admission {
  const error = toTunnelerError(thrown, 'ziti.dial.failed');
  const { reason, answer } = explainDialFailure(error, match, contract);
  if (error.code === 'ziti.dial.refused') deps.hostRefusals.note(deps.accountOf(match), match.service.id, reason);
  if (!signal.aborted) {
    deps.log.info('corridor.dial_failed', { service: match.service.name, identity: match.identity, error });
    deps.onDialed(app, match, 'failed');
  }
  const refusal = record(deps, { ...matchFields(flow, app, match), kind: 'dial.failed', ...reasonFields(reason) });
  return refusal ?? { kind: 'refused', reason, answer };
}

/** Write a record; where the journal refuses and fails closed, the refusal that stands instead of any admission. */
function record(deps: AdmissionDeps, event: AuditEvent): Refused | undefined {
  try {
    deps.audit.record(event);
    return undefined;
  } catch (error) {
    if (!isTunnelerError(error)) throw error;
    deps.log.error('corridor.not_recorded', { error });
    return {
      kind: 'refused',
      reason: {
        code: error.code,
        sentence: 'the audit journal cannot be written, so nothing is admitted',
        next: 'free some space or mend the state directory',
      },
      answer: 'prohibited' satisfies RefusalAnswer,
    };
  }
}
