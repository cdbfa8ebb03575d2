/** Whom an engine serves: a privileged one whoever is on the host, an ordinary user's that user alone. Pure. */
import type { App } from '../apps/app.ts';
import type { Reason } from '../base/reason.ts';
import { programName } from './program.ts';
import type { UserId } from '../base/user-id.ts';

/** Whose flows an engine serves. */
export interface ServedUser {
  /** The one user; undefined: everybody on the host. */
  readonly uid: UserId | undefined;
  /** Where nobody knows whose a flow is: refused, or served all the same. */
  readonly onUnknownApp: 'closed' | 'open';
}

/** Why this owner is not served; undefined where it is. */
export function notServed(app: App, { uid, onUnknownApp }: ServedUser): Reason | undefined {
  if (uid === undefined || app.uid === uid) return undefined;
  if (app.uid === undefined) {
    if (onUnknownApp === 'open') return undefined;
    return {
      code: 'policy.app.unknown',
      sentence: 'it is not known whose this connection is, and this engine serves one user alone',
      next: 'run it on this host as that user, or set policy.onUnknownApp: open',
      rule: 'settings:policy.onUnknownApp',
    };
  }
  return {
    code: 'policy.identity.not_yours',
    sentence: `this engine serves the user who runs it, not ${programName(app)} of ${app.user ?? `user ${app.uid}`}`,
    next: 'run an engine of your own, or ask for the installed service',
    rule: 'engine:user',
  };
}
