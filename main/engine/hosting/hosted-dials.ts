/** The corridor's other direction: a dial that reached a service hosted here → local rules → audit → session. */
import { unknownApp, type App } from '../../apps/app.ts';
import type { AuditWriter } from '../../audit/record.ts';
import { sleep, type Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { toTunnelerError, TunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Reason } from '../../base/reason.ts';
import type { ByteStream } from '../../base/stream.ts';
import { guardKindOf } from '../../guard/create-guard.ts';
import type { Guard } from '../../guard/guard.ts';
import type { AdmitHosted, HostedRequest } from '../../hosting/hosting.ts';
import {
  askField,
  breakGlassField,
  dialGuardField,
  engagementField,
  helloField,
  mfaAgeField,
  type EngagementWords,
} from '../../peer/words.ts';
import type { Party } from '../../agora/engagement.ts';
import type { EngagementContract } from '../../base/engagement.ts';
import type { ContractInForce } from '../../policy/contract-book.ts';
import type { GrantHolder } from '../../policy/grants.ts';
import type { Emergency, GrantedTimes } from '../../policy/granted-times.ts';
import { hostedRefusal } from '../../policy/host-terms.ts';
import { hostQuestion } from '../../policy/local/questions.ts';
import type { Policy } from '../../policy/policy.ts';
import { quarantineRefusal, type Quarantine } from '../../policy/quarantine.ts';
import type { Sessions } from '../../session/sessions.ts';
import { KnownChains } from '../identities/certificate-chain.ts';
import { meet, routersWord, type HostedCaller } from './callers.ts';
import type { ProviderKeys } from './provider-keys.ts';
import { RefusedCircuits } from './refused-circuits.ts';
import { formatHostPort } from '../../base/ip.ts';

/** What decides on a hosted dial, and where it goes. */
export interface HostedDialsDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly policy: Pick<Policy, 'ask' | 'contractOf'>;
  readonly quarantine: Pick<Quarantine, 'causeOf'>;
  readonly audit: AuditWriter;
  readonly sessions: Pick<Sessions, 'open' | 'openCount'>;
  /** Keys that requests to a service hosted here carry. */
  readonly keys: Pick<ProviderKeys, 'for'>;
  /** What an identity is called now; a request knows it by the name of when it came in. */
  readonly nameOf: (identity: string) => string;
  readonly workgroupsOf: (identity: string, serviceId: string) => readonly string[];
  /** Time that belongs to a caller and not to a session. */
  readonly times: Pick<GrantedTimes, 'begin' | 'refusal'>;
  /** Between agents: what both ends agreed on, and what the other asks of it. */
  readonly engagements: {
    agree(party: Party, contract: EngagementContract, suggested: string | undefined): EngagementWords;
    /** Answer what is asked outside of any session; the stream is its own from here on. */
    serve(party: Party, contract: EngagementContract, remote: ByteStream): void;
  };
  /** PEM of the certificates that an identity's network issues others with. */
  readonly trustedPem: (identity: string) => string | undefined;
}

/** What it takes beside that to know who calls. */
type MeetingDeps = HostedDialsDeps & { readonly chains: KnownChains };

/** A place of a contract's `maxSessions` is waited for this often and this long: its last session may be ending just now. */
const placeTurnMs = 25;
const placeTurns = 16;
/** Of what a caller says about its emergency. */
const maxReasonLength = 1_024;

/** Asked for every hosted dial. */
export function admitHostedDials(given: HostedDialsDeps): AdmitHosted {
  const deps = { ...given, chains: new KnownChains() };
  const refusedBefore = new RefusedCircuits();
  return async (asked) => {
    const request = { ...asked, identity: deps.nameOf(asked.identity) };
    const known = routersWord(request);
    const refused =
      refusalOf(request, known, deps) ??
      (await contractRefusal(request, deps)) ??
      (known === undefined || isQuestion(request) ? undefined : timeRefusal(request, known, deps));
    const keyed = refused === undefined ? await deps.keys.for(request) : undefined;
    const refusal = refused ?? (keyed?.kind === 'refused' ? keyed.reason : undefined);
    const guarded = keyed?.kind === 'guarded' ? keyed : undefined;
    const reason = refusal ?? allowed(request);
    try {
      const record = { kind: 'verdict', ...fields(request, known), ...decisionFields(reason, refusal) } as const;
      if (refusal === undefined || !refusedBefore.has(record)) deps.audit.record(record);
      if (refusal !== undefined) refusedBefore.add(record);
    } catch (error) {
      deps.log.error('hosting.not_recorded', { error });
      return { kind: 'refuse', reason: { code: 'audit.write_failed', sentence: 'the journal cannot be written' } };
    }
    if (refusal !== undefined) return { kind: 'refuse', reason: refusal };
    if (isQuestion(request)) {
      return {
        kind: 'answer',
        answer(remote) {
          answerQuestion(request, remote, deps).catch((error: unknown) => {
            deps.log.warn('hosting.question_refused', { service: request.serviceName, error: toTunnelerError(error) });
          });
        },
      };
    }
    return {
      kind: 'accept',
      ...defined({ tls: guarded?.tls }),
      join(local, remote) {
        join(request, { local, remote, reason, guard: guarded?.guard }, deps).catch((error: unknown) => {
          deps.log.warn('hosting.session_refused', { service: request.serviceName, error: toTunnelerError(error) });
        });
      },
      failed(why) {
        deps.audit.recordOrLog({
          kind: 'dial.failed',
          ...fields(request, known),
          code: why.code,
          reason: why.sentence,
        });
      },
    };
  };
}

interface Joining {
  readonly local: ByteStream;
  readonly remote: ByteStream;
  readonly reason: Reason;
  readonly guard: Guard | undefined;
}

/** Both ends stand: learn who calls, judge that, and open the session. Rejects with both ends reset. */
async function join(request: HostedRequest, joining: Joining, deps: MeetingDeps): Promise<void> {
  const { local, reason, guard } = joining;
  const inForce = contractOf(request, deps);
  const contract = inForce.kind === 'set' ? inForce.contract : undefined;
  const kind = contract === undefined ? undefined : guardKindOf(contract);
  let { remote } = joining;
  try {
    const trustedPem = (): string | undefined => deps.trustedPem(request.identity);
    const met = await meet(request, remote, { clock: deps.clock, chains: deps.chains, trustedPem });
    remote = met.remote;
    const { caller } = met;
    const refusal =
      caller.asserted === 'router'
        ? undefined
        : (refusalOf(request, caller, deps) ?? timeRefusal(request, caller, deps));
    if (refusal !== undefined) {
      deps.audit.record({ kind: 'verdict', ...fields(request, caller), ...decisionFields(refusal, refusal) });
      throw new TunnelerError('policy.refused', refusal.sentence);
    }
    const { appData } = request;
    const party = partyOf(request, caller, deps);
    const engagement =
      contract?.a2a === undefined ? undefined : deps.engagements.agree(party, contract, appData[engagementField]);
    const grants = contract === undefined ? [] : deps.times.begin(holderOf(request, caller), contract);
    const left = Math.min(...grants.map((grant) => grant.leftMs() ?? Infinity));
    met.greet({
      ...defined({ guard: kind, engagement, ftp: request.ftp }),
      ...(left === Infinity ? {} : { leftSeconds: Math.ceil(left / 1000) }),
    });
    deps.sessions.open(
      {
        service: request.serviceName,
        serviceId: request.serviceId,
        identity: deps.nameOf(request.identity),
        direction: 'host',
        entry: 'hosted',
        app: toldApp(appData),
        protocol: request.protocol,
        source: caller.shown,
        destination: targetOf(request),
        encrypted: request.encrypted,
        router: request.routerName,
        decision: reason,
        contract,
        caller: { account: caller.account, name: caller.name, asserted: caller.asserted, asks: caller.asks },
      },
      remote,
      local,
      {
        ...defined({ guard }),
        grants,
        ...(appData[helloField] === undefined ? {} : { farEnd: { guarded: appData[dialGuardField] !== undefined } }),
      },
    );
  } catch (error) {
    const failure = toTunnelerError(error);
    local.reset(failure);
    remote.reset(failure);
    throw failure;
  }
}

/** A dial that asks of an engagement: learn who asks, judge that, and answer. Rejects with the stream reset. */
async function answerQuestion(request: HostedRequest, stream: ByteStream, deps: MeetingDeps): Promise<void> {
  const inForce = contractOf(request, deps);
  const contract = inForce.kind === 'set' ? inForce.contract : undefined;
  let remote = stream;
  try {
    const trustedPem = (): string | undefined => deps.trustedPem(request.identity);
    const met = await meet(request, remote, { clock: deps.clock, chains: deps.chains, trustedPem });
    remote = met.remote;
    const { caller } = met;
    const refusal = caller.asserted === 'router' ? undefined : refusalOf(request, caller, deps);
    if (refusal !== undefined) {
      deps.audit.record({ kind: 'verdict', ...fields(request, caller), ...decisionFields(refusal, refusal) });
      throw new TunnelerError('policy.refused', refusal.sentence);
    }
    if (contract?.a2a === undefined || caller.asserted === 'nobody') {
      throw new TunnelerError('policy.refused', 'there is nothing to be agreed on, or nobody knows with whom');
    }
    met.greet(defined({ guard: guardKindOf(contract) }));
    deps.engagements.serve(partyOf(request, caller, deps), contract, remote);
  } catch (error) {
    const failure = toTunnelerError(error);
    remote.reset(failure);
    throw failure;
  }
}

/** The program a dialler says it dials for. Nobody proves it, so it decides nothing here. */
function toldApp(appData: HostedRequest['appData']): App {
  const { culvert_agent: agent, culvert_app: path, culvert_user: user } = appData;
  return {
    ...unknownApp,
    ...defined({ agent, path, user }),
  };
}

function contractOf(request: HostedRequest, deps: HostedDialsDeps): ContractInForce {
  return deps.policy.contractOf({ name: request.serviceName, configs: request.configs });
}

function holderOf(request: HostedRequest, caller: HostedCaller): GrantHolder {
  const { serviceId, serviceName } = request;
  return { end: 'host', account: caller.account, identity: caller.shown, serviceId, service: serviceName };
}

/** It asks of an engagement, and is no session. */
function isQuestion({ appData }: HostedRequest): boolean {
  return appData[askField] !== undefined;
}

function partyOf(request: HostedRequest, caller: HostedCaller, deps: HostedDialsDeps): Party {
  const { serviceId, serviceName: service } = request;
  const identity = deps.nameOf(request.identity);
  return { end: 'host', account: caller.account, identity, counterparty: caller.shown, serviceId, service };
}

/** What the contract grants this caller is over, or waits for somebody's approval, who is asked then. */
function timeRefusal(request: HostedRequest, caller: HostedCaller, deps: HostedDialsDeps): Reason | undefined {
  const inForce = contractOf(request, deps);
  if (inForce.kind !== 'set') return undefined;
  const agent = request.appData['culvert_agent'];
  return deps.times.refusal(holderOf(request, caller), inForce.contract, agent, emergencyOf(request, caller));
}

/** Only of who is known: anybody may claim an emergency. */
function emergencyOf({ appData }: HostedRequest, { account, name, asserted }: HostedCaller): Emergency | undefined {
  const reason = appData[breakGlassField]?.slice(0, maxReasonLength).trim() ?? '';
  return asserted === 'nobody' || reason === '' ? undefined : { names: [name, account], reason };
}

/** What the contract says; where all its sessions are taken, a moment is given to one that is just ending. */
async function contractRefusal(request: HostedRequest, deps: HostedDialsDeps): Promise<Reason | undefined> {
  const { clock, sessions } = deps;
  const { appData } = request;
  const mfaAge = appData[mfaAgeField];
  const ask = (): Reason | undefined =>
    hostedRefusal(contractOf(request, deps), {
      service: request.serviceName,
      nowMs: clock.now(),
      // A question takes no session's place, and no program asks it.
      openSessions: isQuestion(request) ? 0 : sessions.openCount(request.serviceId, 'host'),
      tellsProgram:
        isQuestion(request) || appData['culvert_agent'] !== undefined || appData['culvert_app'] !== undefined,
      mfaAgeSeconds: mfaAge === undefined || !/^\d{1,12}$/.test(mfaAge) ? undefined : Number(mfaAge),
    });
  let refusal = ask();
  for (let turn = 0; refusal?.rule === 'contract:maxSessions' && turn < placeTurns; turn += 1) {
    await sleep(clock, placeTurnMs);
    refusal = ask();
  }
  return refusal;
}

function allowed(request: HostedRequest): Reason {
  return {
    code: 'hosting.accepted',
    sentence: `${callerName(request)} may reach ${request.serviceName}, hosted here as ${request.identity}`,
    rule: 'controller',
  };
}

function decisionFields(reason: Reason, refusal: Reason | undefined): Readonly<Record<string, unknown>> {
  return {
    decision: refusal === undefined ? 'allow' : 'deny',
    code: reason.code,
    reason: reason.sentence,
    rule: reason.rule ?? null,
    end: 'host',
  };
}

/** Local rules and quarantine. `caller` as far as somebody vouches for it. */
function refusalOf(
  request: HostedRequest,
  caller: HostedCaller | undefined,
  deps: HostedDialsDeps,
): Reason | undefined {
  const subjects = [`identity:${request.identity}`, `service:${request.serviceName}`, ...callerSubjects(caller)];
  const held = quarantineRefusal(subjects, (subject) => deps.quarantine.causeOf(subject));
  if (held !== undefined) return held;
  const question = hostQuestion({
    identity: request.identity,
    service: { name: request.serviceName, workgroups: deps.workgroupsOf(request.identity, request.serviceId) },
    caller: caller?.name ?? callerName(request),
    protocol: request.protocol,
    target: request.target,
    nowMs: deps.clock.now(),
    openSessions: deps.sessions.openCount(request.serviceId, 'host'),
  });
  const answer = deps.policy.ask(question);
  return answer.kind === 'deny' ? answer.reason : undefined;
}

function fields(request: HostedRequest, caller: HostedCaller | undefined): Readonly<Record<string, unknown>> {
  return {
    service: request.serviceName,
    identity: request.identity,
    direction: 'host',
    protocol: request.protocol,
    source: caller?.shown ?? callerName(request),
    callerAsserted: caller?.asserted ?? 'nobody',
    destination: targetOf(request),
    circuit: request.circuitId ?? null,
    router: request.routerName,
  };
}

/** Under which subjects of a quarantine a caller is held: only where somebody vouches for it. */
function callerSubjects(caller: HostedCaller | undefined): readonly string[] {
  if (caller === undefined || caller.asserted === 'nobody') return [];
  return [`identity:${caller.shown}`, `identity:${caller.account}`];
}

function callerName(request: HostedRequest): string {
  return request.caller.name ?? request.caller.id ?? 'unknown';
}

function targetOf({ target }: HostedRequest): string {
  return formatHostPort(target.host, target.port);
}
