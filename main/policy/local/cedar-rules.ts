/**
 * Local rules in Cedar, parsed once and asked per decision.
 *
 * Meaning: what the controller grants is permitted from the start, and a `forbid` takes away. As soon as a `permit` speaks of an action,
 * that action is permitted only where some `permit` says so. Either way the rules only narrow. A rule that fails while it is evaluated
 * refuses (fails closed): skipping it would let through what it may have been there to forbid.
 */
import type * as CedarModule from '@cedar-policy/cedar-wasm/nodejs';
import type { EntityJson, EntityUidJson, Policy, PolicyJson, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs';
import type { Reason } from '../../base/reason.ts';
import { localTime, zoneFormat } from '../schedule.ts';
import { programName } from '../program.ts';
import { callContextReadBy, callContext } from './call-context.ts';
import type { LocalAction, AuthorizationRequest } from './questions.ts';
import type { LocalAnswer, LocalRules } from './rules.ts';
import { localActions } from './schema.ts';

/** The module, loaded only where there are rules: its code is several megabytes. */
export type Cedar = typeof CedarModule;

/** One rule of a file. */
export interface LocalRule {
  /** Its `@id`, else `file:line`. */
  readonly id: string;
  readonly file: string;
  readonly line: number;
  readonly effect: 'permit' | 'forbid';
  readonly text: string;
  readonly policy: PolicyJson;
}

/** A never-verified MFA is this old: older than any limit a rule would set. */
const neverSeconds = 1_000_000_000_000;
const grantPrefix = 'controller-grant:';

/** What rules know of this device beside the question. */
export interface CedarRulesOptions {
  /** Host name, as rules name this device. */
  readonly device: string;
  /** IANA zone of `hour` and `weekday`; default the host's. */
  readonly timezone?: string;
  /** Names the parsed set within the module; another one for each set that lives at the same time. */
  readonly setId: string;
}

/** For rules that `readPolicyFiles` found no problem with; throws for others. */
export function cedarRules(cedar: Cedar, rules: readonly LocalRule[], options: CedarRulesOptions): LocalRules {
  const byId = new Map(rules.map((rule) => [rule.id, rule]));
  const parsed = cedar.preparsePolicySet(options.setId, { staticPolicies: policySetOf(rules) });
  if (parsed.type === 'failure') throw new Error(parsed.errors[0]?.message ?? 'policy set refused');
  const read = callContextReadBy(rules.map(({ policy }) => policy.conditions));
  const format = zoneFormat(options.timezone) ?? zoneFormat(undefined);

  return {
    ask(question) {
      const { principal, entities } = entitiesOf(question, options.device);
      const call = isCall(question.action) ? callContext(question.call, read) : noCall;
      if (call === undefined) return { kind: 'deny', reason: unjudged(question) };
      const answer = cedar.statefulIsAuthorized({
        principal,
        action: { type: 'Action', id: question.action },
        resource: resourceOf(question),
        context: { ...contextOf(question, format), ...call.context },
        preparsedPolicySetId: options.setId,
        entities: [...entities, ...call.entities],
      });
      if (answer.type === 'failure')
        return broken(question, answer.errors.map((error) => error.message).join('; '), []);
      const { decision, diagnostics } = answer.response;
      const failed = diagnostics.errors;
      if (failed.length > 0) {
        const why = failed.map((error) => error.error.message).join('; ');
        return broken(
          question,
          why,
          failed.map((error) => error.policyId),
        );
      }
      const decisive = diagnostics.reason.filter((id) => !id.startsWith(grantPrefix));
      if (decision === 'allow') return { kind: 'allow', rules: decisive.map((id) => `local:${id}`) };
      return {
        kind: 'deny',
        reason: denial(
          question,
          decisive.flatMap((id) => byId.get(id) ?? []),
        ),
      };
    },
  };
}

const noCall: NonNullable<ReturnType<typeof callContext>> = { context: {}, entities: [] };

function isCall(action: LocalAction): boolean {
  return action === 'callTool' || action === 'readResource' || action === 'writeRegister';
}

function unjudged({ app, tool, service }: AuthorizationRequest): Reason {
  return {
    code: 'policy.local.unjudged',
    sentence: `${programName(app)} may not call ${tool?.name ?? service.name}: its arguments are too many or too long for local rules that look at them`,
    next: 'let rules look at the tool and the classes of data instead, where such calls are meant to pass',
    rule: 'local',
  };
}

/** The rules as one set, with the controller's grant beside them for every action no `permit` speaks of. */
export function policySetOf(rules: readonly LocalRule[]): Record<string, Policy> {
  const policies: Record<string, Policy> = Object.fromEntries(rules.map((rule) => [rule.id, rule.policy]));
  const permitted = new Set(rules.filter((rule) => rule.effect === 'permit').flatMap(actionsOf));
  for (const action of localActions) {
    if (permitted.has(action)) continue;
    policies[grantPrefix + action] = `permit(principal, action == Action::"${action}", resource);`;
  }
  return policies;
}

/** Actions a rule can speak of. */
function actionsOf(rule: LocalRule): readonly LocalAction[] {
  const scope = rule.policy.action;
  if (scope.op === 'All') return localActions;
  const named = 'entity' in scope ? [scope.entity] : 'entities' in scope ? scope.entities : [];
  const ids = new Set(named.map((entity) => uidOf(entity).id));
  return localActions.filter((action) => ids.has(action));
}

function uidOf(entity: EntityUidJson): TypeAndId {
  return '__entity' in entity ? entity.__entity : entity;
}

function denial(question: AuthorizationRequest, forbids: readonly LocalRule[]): Reason {
  const what = `${programName(question.app)} may not ${verbs[question.action]} ${question.tool?.name ?? question.service.name}`;
  const [first] = forbids;
  if (first === undefined) {
    return {
      code: 'policy.local.not_permitted',
      sentence: `${what}: local rules permit ${question.action} to others, not to this`,
      next: 'add a permit to policy.d for it, where it should pass',
      rule: 'local:default',
    };
  }
  const says = first.policy.annotations?.reason;
  const next = first.policy.annotations?.next;
  return {
    code: 'policy.local.forbidden',
    sentence: `${what}: ${typeof says === 'string' && says !== '' ? says : `forbidden by ${first.id}`}`,
    ...(typeof next === 'string' && next !== '' ? { next } : {}),
    rule: forbids.map((rule) => `local:${rule.id}`).join(' + '),
  };
}

const verbs: Readonly<Record<LocalAction, string>> = {
  dial: 'dial',
  host: 'host',
  callTool: 'call',
  readResource: 'read',
  writeRegister: 'write',
};

function broken(question: AuthorizationRequest, why: string, rules: readonly string[]): LocalAnswer {
  return {
    kind: 'deny',
    reason: {
      code: 'policy.local.failed',
      sentence: `a local rule could not be evaluated for ${question.service.name}, so it is refused: ${why}`,
      next: 'correct the rule, see: culvert policy check',
      rule: rules.map((id) => `local:${id}`).join(' + ') || 'local',
    },
  };
}

function entitiesOf(
  question: AuthorizationRequest,
  device: string,
): { readonly principal: TypeAndId; readonly entities: EntityJson[] } {
  const { app, service, tool } = question;
  const identity: TypeAndId = { type: 'Identity', id: question.identity };
  const names: TypeAndId[] = [{ type: 'Device', id: device }, identity];
  if (question.action !== 'host') {
    if (app.user !== undefined) names.unshift({ type: 'User', id: app.user });
    if (app.path !== undefined) names.unshift({ type: 'Program', id: app.path });
    if (app.agent !== undefined) names.unshift({ type: 'Agent', id: app.agent });
  }
  const [principal = identity, ...parents] = names;
  const attrs = {
    name: principal.id,
    agent: app.agent ?? '',
    path: app.path ?? '',
    script: app.script ?? '',
    hash: app.hash ?? '',
    user: app.user ?? '',
    uid: app.uid ?? -1,
    container: app.container ?? '',
    cgroup: app.cgroup ?? '',
    attribution: app.attribution,
    identity: question.identity,
  };
  // An interpreter's script is the program a person means as well.
  if (app.script !== undefined && question.action !== 'host') parents.push({ type: 'Program', id: app.script });
  const groups = service.workgroups.map((id): TypeAndId => ({ type: 'Workgroup', id }));
  const asked = { service: service.name, workgroups: [...service.workgroups] };
  const serviceUid: TypeAndId = { type: 'Service', id: service.name };
  const entities: EntityJson[] = [
    { uid: principal, attrs, parents },
    { uid: serviceUid, attrs: { ...asked, name: service.name, kind: 'service' }, parents: groups },
  ];
  if (tool !== undefined) {
    const uid: TypeAndId = { type: 'Tool', id: tool.name };
    entities.push({ uid, attrs: { ...asked, name: tool.name, kind: tool.kind }, parents: [serviceUid, ...groups] });
  }
  return { principal, entities };
}

function resourceOf(question: AuthorizationRequest): TypeAndId {
  if (question.tool !== undefined) return { type: 'Tool', id: question.tool.name };
  return { type: 'Service', id: question.service.name };
}

function contextOf(
  question: AuthorizationRequest,
  format: Intl.DateTimeFormat | undefined,
): Record<string, string | number | boolean> {
  const known = question.circumstances;
  const local = format === undefined ? { day: 'mon', minute: 0 } : localTime(known.nowMs, format);
  const verifiedAtMs = known.mfaVerifiedAtMs;
  return {
    nowSeconds: Math.floor(known.nowMs / 1000),
    hour: Math.floor(local.minute / 60),
    minute: local.minute % 60,
    minuteOfDay: local.minute,
    weekday: local.day,
    posture: known.posture,
    mfaVerified: verifiedAtMs !== undefined,
    mfaAgeSeconds:
      verifiedAtMs === undefined ? neverSeconds : Math.max(0, Math.floor((known.nowMs - verifiedAtMs) / 1000)),
    sessions: known.openSessions,
    dialsLastMinute: known.dialsLastMinute,
    callsLastMinute: known.callsLastMinute,
    protocol: known.protocol,
    hostname: known.hostname,
    port: known.port,
    entry: known.entry,
    caller: known.caller,
    unit: question.tool?.unit ?? -1,
    table: question.tool?.table ?? '',
    from: question.tool?.from ?? -1,
    to: question.tool?.to ?? -1,
  };
}
