/**
 * What local rules are asked: who, what, on what, under which circumstances. The shape mirrors `schema.ts`.
 *
 * The one who asks has up to four names at once: an agent is a program, of a user, on a device. The most exact known one is the
 * principal, the others are its parents.
 */
import type { App } from '../../apps/app.ts';
import type { FlowRequest } from '../../base/flow.ts';
import type { Match } from '../../intercept/match.ts';
import type { PostureState } from '../posture.ts';
import type { DecisionFacts, IdentityFacts } from '../verdict.ts';

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

export interface AuthorizationRequest {
  readonly action: LocalAction;
  readonly app: App;
  /** Local name of the identity that dials or hosts. */
  readonly identity: string;
  readonly service: AuthorizationResource;
  readonly tool?: AskedTool;
  readonly circumstances: AuthorizationContext;
}

export function dialQuestion(
  flow: FlowRequest,
  app: App,
  match: Match,
  known: { readonly identity: IdentityFacts; readonly facts: DecisionFacts; readonly posture: PostureState },
): AuthorizationRequest {
  return {
    action: 'dial',
    app,
    identity: match.identity,
    service: { name: match.service.name, workgroups: match.service.roleAttributes },
    circumstances: {
      nowMs: known.facts.nowMs,
      posture: known.posture.kind === 'passing' ? 'passing' : 'failing',
      mfaVerifiedAtMs: known.identity.mfaVerifiedAtMs,
      openSessions: known.facts.openSessions(match.service.id),
      dialsLastMinute: known.facts.recentDials ?? 0,
      callsLastMinute: 0,
      protocol: flow.protocol,
      hostname: flow.destination.hostname ?? flow.destination.address ?? '',
      port: flow.destination.port,
      entry: flow.entry,
      caller: '',
    },
  };
}
