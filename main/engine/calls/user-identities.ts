/**
 * A user's identity on an engine that several users reach: only its user (or root) may act on it, and what opens its key is dropped when its
 * user logs out.
 */
import type { Clock } from '../../base/clock.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Caller, HandlerContext } from '../../api/call.ts';
import type { EngineHandlers } from '../../api/schema.ts';
import type { IdentityFile } from '../../identity/identities.ts';
import { followLogin, type LoginEnded } from '../monitor/logout-watch.ts';
import type { UserId } from '../../base/user-id.ts';

/** What tells whose an identity is, and when its user is gone. */
export interface UserIdentitiesDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** The record of an identity; undefined where there is none of that name. */
  readonly recordOf: (name: string) => IdentityFile | undefined;
  /** Drop what opens its key and stop it. */
  readonly lock: (name: string) => Promise<void>;
  /** The engine's user; a user's own engine needs nobody's login. */
  readonly ownUid: UserId | undefined;
}

/** How soon after a logout the key is dropped. */
const lookPeriodMs = 1000;

/** The handlers of `identity.…`, each asked for whom it acts. Disposing ends the watch. */
export function userIdentities(
  handlers: EngineHandlers['identity'],
  deps: UserIdentitiesDeps,
): { readonly handlers: EngineHandlers['identity'] } & Disposable {
  const logins = new Map<string, LoginEnded>();
  const watch = deps.clock.every(lookPeriodMs, () => {
    for (const [name, ended] of logins) {
      if (!ended()) continue;
      logins.delete(name);
      deps.log.info('identity.user_logged_out', { identity: name });
      deps.lock(name).catch((error: unknown) => deps.log.warn('identity.not_locked', { identity: name, error }));
    }
  });

  const owned =
    <R extends { readonly name: string }, T>(handler: (request: R, context: HandlerContext) => T) =>
    (request: R, context: HandlerContext): T => {
      requireUser(deps.recordOf(request.name), context.caller, deps.ownUid);
      return handler(request, context);
    };

  const follow = (name: string, { pid }: Caller): void => {
    const record = deps.recordOf(name);
    if (record?.scope !== 'user' || record.ownerUid === undefined || record.ownerUid === deps.ownUid) return;
    const ended = followLogin(record.ownerUid, pid);
    if (ended === undefined) deps.log.warn('identity.login_unknown', { identity: name });
    else logins.set(name, ended);
  };

  return {
    handlers: {
      list: handlers.list,
      async enroll(request, context) {
        const view = await handlers.enroll(request, context);
        if (request.wrappingKey !== undefined) follow(view.name, context.caller);
        return view;
      },
      enable: owned(handlers.enable),
      disable: owned(handlers.disable),
      remove: owned(handlers.remove),
      rename: owned(async (request, context) => {
        const view = await handlers.rename(request, context);
        const ended = logins.get(request.name);
        logins.delete(request.name);
        if (ended !== undefined) logins.set(request.to, ended);
        return view;
      }),
      renew: owned(handlers.renew),
      unlock: owned(async (request, context) => {
        const view = await handlers.unlock(request, context);
        follow(request.name, context.caller);
        return view;
      }),
      lock: owned(handlers.lock),
      export: owned(handlers.export),
      mfaEnroll: owned(handlers.mfaEnroll),
      mfaVerify: owned(handlers.mfaVerify),
      mfaRemove: owned(handlers.mfaRemove),
      mfaRecoveryCodes: owned(handlers.mfaRecoveryCodes),
      passwordLogin: owned(handlers.passwordLogin),
      login: owned(handlers.login),
    },
    [Symbol.dispose]: () => watch[Symbol.dispose](),
  };
}

/** Throws `engine.forbidden` where the caller is another user than the identity's, and not root. */
function requireUser(record: IdentityFile | undefined, caller: Caller, ownUid: UserId | undefined): void {
  if (caller.standing?.kind === 'member' && record !== undefined && record.ownerUid !== caller.standing.uid) {
    throw new TunnelerError('engine.forbidden', `${record.name} is not your identity`, {
      details: { identity: record.name, next: "ask the engine's own user, or root" },
    });
  }
  if (record?.scope !== 'user' || record.ownerUid === undefined) return;
  // A window in a browser does not say whose it is: it has what the engine's own user has.
  const uid = caller.uid ?? (caller.via === 'console' ? ownUid : record.ownerUid);
  if (uid === record.ownerUid || (uid === 0 && caller.via === 'socket')) return;
  throw new TunnelerError('engine.forbidden', `${record.name} is another user's identity`, {
    details: { identity: record.name, next: 'ask its user, or root' },
  });
}
