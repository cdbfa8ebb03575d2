/**
 * What local rules are asked: who, what, on what, under which circumstances. The shape mirrors `schema.ts`.
 *
 * The one who asks has up to four names at once: an agent is a program, of a user, on a device. The most exact known one is the
 * principal, the others are its parents.
 */
import { unknownApp, type App } from '../../apps/app.ts';
import { defined } from '../../base/defined.ts';
import type { FlowRequest } from '../../base/flow.ts';
import { readHostPort } from '../../base/ip.ts';
import type { Match } from '../../intercept/match.ts';
import type { ZitiService } from '../../ziti/model.ts';
import { postureOf, type PostureState } from '../posture.ts';
import type { CallAsked } from './call-context.ts';
import type { DecisionFacts, IdentityFacts } from '../verdict.ts';

/** What is asked leave for: the actions of the vocabulary. */
export type LocalAction = 'dial' | 'host' | 'callTool' | 'readResource' | 'writeRegister';

/** The service asked for, as rules see it. */
export interface AuthorizationResource {
  readonly name: string;
  readonly workgroups: readonly string[];
}

/** A tool, prompt, resource or register range of a service. */
export interface AskedTool {
  readonly name: string;
  readonly kind: 'tool' | 'resource' | 'register';
  readonly unit?: number | undefined;
  readonly table?: string | undefined;
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

/** The circumstances of a request; what is not known stands at its most suspicious value. */
export interface AuthorizationContext {
  readonly nowMs: number;
  readonly posture: 'passing' | 'failing' | 'unknown';
  /** Undefined: never verified. */
  readonly mfaVerifiedAtMs: number | undefined;
  readonly openSessions: number;
  readonly dialsLastMinute: number;
  readonly callsLastMinute: number;
  readonly protocol: string;
  readonly hostname: string;
  readonly port: number;
  readonly entry: string;
  /** `host`: who dials in. */
  readonly caller: string;
}

/** One question to local rules: principal, action, resource and context, in Cedar's words. */
export interface AuthorizationRequest {
  readonly action: LocalAction;
  readonly app: App;
  /** Local name of the identity that dials or hosts. */
  readonly identity: string;
  readonly service: AuthorizationResource;
  readonly tool?: AskedTool;
  /** Calls of MCP only. */
  readonly call?: CallAsked;
  readonly circumstances: AuthorizationContext;
}

/** What every request has that does not depend on what is asked. */
type Circumstances = Omit<AuthorizationContext, 'dialsLastMinute' | 'callsLastMinute' | 'caller'> &
  Partial<AuthorizationContext>;

const nothingBefore = { dialsLastMinute: 0, callsLastMinute: 0, caller: '' };

/** May this program dial the service a match names? */
export function dialQuestion(
  flow: FlowRequest,
  app: App,
  match: Match,
  known: { readonly identity: IdentityFacts; readonly facts: DecisionFacts; readonly posture: PostureState },
): AuthorizationRequest {
  const { identity, facts, posture } = known;
  return {
    action: 'dial',
    app,
    identity: match.identity,
    service: { name: match.service.name, workgroups: match.service.roleAttributes },
    circumstances: circumstances({
      nowMs: facts.nowMs,
      posture: shownPosture(posture),
      mfaVerifiedAtMs: identity.mfaVerifiedAtMs,
      openSessions: facts.openSessions(match.service.id),
      dialsLastMinute: facts.recentDials ?? 0,
      protocol: flow.protocol,
      hostname: flow.destination.hostname ?? flow.destination.address ?? '',
      port: flow.destination.port,
      entry: flow.entry,
    }),
  };
}

/** A dial that reached its host, as rules are asked of it. */
export interface HostedDialAsked {
  readonly identity: string;
  readonly service: AuthorizationResource;
  /** Who dials in, as the router names it. */
  readonly caller: string;
  readonly protocol: string;
  readonly target: { readonly host: string; readonly port: number };
  readonly nowMs: number;
  /** Of this service, hosted here. */
  readonly openSessions: number;
}

/** May what dials in be served here? What it tells of its program decides nothing: nobody proves that here. */
export function hostQuestion(dial: HostedDialAsked): AuthorizationRequest {
  const { identity, service, caller, protocol, target, nowMs, openSessions } = dial;
  return {
    action: 'host',
    app: unknownApp,
    identity,
    service,
    circumstances: circumstances({
      nowMs,
      posture: 'unknown',
      mfaVerifiedAtMs: undefined,
      openSessions,
      protocol,
      hostname: target.host,
      port: target.port,
      entry: 'hosted',
      caller,
    }),
  };
}

/** What of a session its questions are made of. */
export interface SessionAsked {
  readonly direction: 'dial' | 'host';
  readonly app: App;
  readonly identity: string;
  readonly service: string;
  readonly serviceId: string;
  readonly protocol: string;
  readonly source: string;
  /** Who dialled what is hosted here. */
  readonly caller?: { readonly name: string } | undefined;
  /** `host:port`. */
  readonly destination: string;
  readonly entry: string;
}

/** May a call inside a session go on? */
export function callQuestion(
  action: Omit<AskedTool, 'name' | 'kind'> & { readonly action: keyof typeof toolKinds; readonly target: string },
  session: SessionAsked,
  known: {
    /** For the program that {@link askingProgram} names. */
    readonly facts: DecisionFacts;
    readonly workgroups: readonly string[];
    readonly callsLastMinute: number;
    readonly call?: CallAsked;
  },
): AuthorizationRequest {
  const { facts, workgroups, callsLastMinute, call } = known;
  const { unit, table, from, to } = action;
  return {
    action: action.action,
    ...partiesOf(session, workgroups),
    tool: { name: action.target, kind: toolKinds[action.action], unit, table, from, to },
    ...defined({ call }),
    circumstances: circumstances({
      ...placeOf(session),
      nowMs: facts.nowMs,
      // It was judged when the session was admitted, and a failing posture since then has closed the session.
      posture: 'passing',
      mfaVerifiedAtMs: facts.identity(session.identity)?.mfaVerifiedAtMs,
      openSessions: facts.openSessions(session.serviceId),
      dialsLastMinute: facts.recentDials ?? 0,
      callsLastMinute,
      entry: 'session',
    }),
  };
}

/** Would an open session still be let in? How many there are and how often was judged when it was. */
export function sessionQuestion(
  session: SessionAsked,
  known: {
    readonly nowMs: number;
    /** Undefined where its identity knows it no more. */
    readonly service: ZitiService | undefined;
    readonly identity: Pick<IdentityFacts, 'authentication' | 'mfaVerifiedAtMs'> | undefined;
    /** Besides this one. */
    readonly openSessions: number;
  },
): AuthorizationRequest {
  const { nowMs, service, identity, openSessions } = known;
  const isJudged = service !== undefined && session.direction === 'dial';
  return {
    action: session.direction,
    ...partiesOf(session, service?.roleAttributes ?? []),
    circumstances: circumstances({
      ...placeOf(session),
      nowMs,
      posture: isJudged
        ? shownPosture(postureOf({ service, identity: session.identity }, identity?.authentication))
        : 'unknown',
      mfaVerifiedAtMs: identity?.mfaVerifiedAtMs,
      openSessions,
      entry: session.entry,
    }),
  };
}

/** Whose program rules are asked about: at the host nobody's, for a caller only tells it. */
export function askingProgram({ direction, app }: Pick<SessionAsked, 'direction' | 'app'>): App {
  return direction === 'host' ? unknownApp : app;
}

const toolKinds = { callTool: 'tool', readResource: 'resource', writeRegister: 'register' } as const;

function circumstances(known: Circumstances): AuthorizationContext {
  return { ...nothingBefore, ...known };
}

function partiesOf(
  session: SessionAsked,
  workgroups: readonly string[],
): Pick<AuthorizationRequest, 'app' | 'identity' | 'service'> {
  return { app: askingProgram(session), identity: session.identity, service: { name: session.service, workgroups } };
}

function placeOf(session: SessionAsked): Pick<AuthorizationContext, 'protocol' | 'hostname' | 'port' | 'caller'> {
  const { host, port } = readHostPort(session.destination) ?? { host: session.destination, port: 0 };
  const caller = session.direction === 'host' ? (session.caller?.name ?? session.source) : '';
  return { protocol: session.protocol, hostname: host, port, caller };
}

/** Rules take an old "failing" for a failing one: what is not sure stands at its most suspicious value. */
function shownPosture({ kind }: PostureState): 'passing' | 'failing' {
  return kind === 'passing' ? 'passing' : 'failing';
}
