/** Room facts → the DTOs clients see. Pure. */
import { defined } from '../../base/defined.ts';
import { iso } from '../../base/iso.ts';
import type { App } from '../../apps/app.ts';
import type { EngagementContract } from '../../base/engagement.ts';
import type { Reason } from '../../base/reason.ts';
import type { AppView, ContractView, PostureCheckView, SessionView } from '../../api/views.ts';
import { guardedProtocol } from '../../guard/create-guard.ts';
import type { GuardCall } from '../../guard/guard.ts';
import type { SessionSnapshot } from '../../session/sessions.ts';
import type { PostureCheck } from '../../ziti/model.ts';

/** The view of a program. */
export function appView(app: App): AppView {
  return {
    attribution: app.attribution,
    ...defined({
      path: app.path,
      script: app.script,
      pid: app.pid,
      user: app.user ?? (app.uid === undefined ? undefined : String(app.uid)),
      agent: app.agent,
      hash: app.hash,
      container: app.container,
    }),
  };
}

/** The view of a session. */
export function sessionView(session: SessionSnapshot): SessionView {
  return {
    id: session.id,
    service: session.service,
    identity: session.identity,
    direction: session.direction,
    app: appView(session.app),
    protocol: session.protocol,
    source: session.source,
    destination: session.destination,
    startedAt: iso(session.startedAtMs),
    ...defined({ endedAt: session.endedAtMs === undefined ? undefined : iso(session.endedAtMs) }),
    bytesSent: session.bytesSent,
    bytesReceived: session.bytesReceived,
    state: session.state,
    ...defined({
      closeReason: session.closeReason,
      closeDetail: session.closeWhy?.sentence,
      closeCode: session.closeWhy?.code,
      closeDetails: session.closeWhy?.details,
      router: session.router,
    }),
    encrypted: session.encrypted,
    guard: session.guard,
    guardedAt: session.guardedAt,
    ...defined({ callerAsserted: session.caller?.asserted }),
    ...(session.contract?.mcp === undefined ? {} : { mcp: { calls: session.calls, denied: session.denied } }),
    ...(session.contract?.enforce === 'observe' ? { observed: session.observed } : {}),
    ...(Object.keys(session.remaining).length === 0 ? {} : { remaining: session.remaining }),
    decision: session.decision,
    timeline: session.timeline.map((moment) => ({
      at: iso(moment.atMs),
      kind: moment.kind,
      text: moment.said.sentence,
      ...defined({ code: moment.said.code, details: moment.said.details, call: moment.call && callView(moment.call) }),
    })),
  };
}

function callView(call: GuardCall) {
  return {
    protocol: call.protocol,
    method: call.method,
    target: call.target,
    decision: call.decision,
    ...defined({
      rule: call.rule,
      observed: call.observed,
      durationMs: call.durationMs,
      digest: call.digest,
      arguments: call.arguments,
    }),
  };
}

/** The view of a contract in force. */
export function contractView(contract: EngagementContract, origin: string): ContractView {
  const guard = guardedProtocol(contract) ?? 'none';
  return { origin, guard, terms: contract, onViolation: contract.onViolation ?? 'close' };
}

const checkWords: Readonly<Record<PostureCheck['queryType'], Reason>> = {
  OS: {
    code: 'posture.os',
    sentence: "this device's operating system or its version is not among those allowed",
  },
  PROCESS: { code: 'posture.process', sentence: 'a program that must run does not, or is not the one expected' },
  PROCESS_MULTI: { code: 'posture.processes', sentence: 'programs that must run do not, or are not those expected' },
  DOMAIN: { code: 'posture.domain', sentence: 'this device is in no domain that is allowed' },
  MAC: { code: 'posture.mac', sentence: 'no network card of this device is among those allowed' },
  MFA: { code: 'posture.mfa', sentence: 'a recent code of the second factor is needed' },
};

/** The view of a posture check, with what it asks where it fails. */
export function postureView(check: PostureCheck): PostureCheckView {
  const paths = check.processes?.map((one) => one.path) ?? (check.process === undefined ? [] : [check.process.path]);
  return {
    id: check.id,
    ...defined({ name: check.name }),
    policyId: check.policyId,
    type: check.queryType,
    policyType: check.policyType,
    passing: check.isPassing,
    ...(check.isPassing ? {} : failing(checkWords[check.queryType], paths)),
    ...defined({ timeoutRemainingSeconds: check.timeoutRemainingSeconds }),
  };
}

function failing({ code, sentence }: Reason, paths: readonly string[]) {
  if (paths.length === 0) return { explanation: sentence, code };
  return { explanation: `${sentence}: ${paths.join(', ')}`, code, details: { paths } };
}

/** Where a controller is, without the path of its API, which is the same for all. */
export function controllerOrigin(api: string | undefined): string {
  return api === undefined || !URL.canParse(api) ? (api ?? '') : new URL(api).origin;
}
