/**
 * The handlers as a caller meets them who is not the engine's own person: the same calls, each narrowed to what is the caller's own. Who may
 * make a call at all is settled before, in the dispatcher, by the call's entry in the schema.
 */
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { Caller, HandlerContext } from '../../api/call.ts';
import type { EngineHandlers } from '../../api/schema.ts';
import type { StateDelta } from '../../api/state.ts';
import {
  follow,
  isOwnService,
  isOwnSession,
  isOwnSubject,
  ownDelta,
  ownSnapshot,
  ownStatus,
  type OwnShare,
} from './own-share.ts';
import { unknownSession } from './unknown-session.ts';
import type { UserId } from '../../base/user-id.ts';

/** What tells whose an identity or a flow is. */
export interface OwnCallsDeps {
  /** Identities a bound agent dials as, and those an unbound one may. */
  readonly identitiesOfAgent: (agent: string) => readonly string[];
  readonly ownerUidOf: (identity: string) => UserId | undefined;
  /** As views name that user. */
  readonly userName: (uid: number) => string;
}

/** Every call that others than the engine's person may make, narrowed where one of them makes it. */
export function ownCalls(handlers: EngineHandlers, deps: OwnCallsDeps): EngineHandlers {
  const shareOf = ({ standing }: Caller): OwnShare | undefined => {
    if (standing === undefined || (standing.kind === 'member' && standing.observes)) return undefined;
    if (standing.kind === 'unknown') return { hasIdentity: () => false };
    if (standing.kind === 'member') {
      return {
        user: deps.userName(standing.uid),
        hasIdentity: (name) => deps.ownerUidOf(name) === standing.uid,
      };
    }
    const own = new Set(deps.identitiesOfAgent(standing.agent));
    return { agent: standing.agent, hasIdentity: (name) => own.has(name) };
  };
  /** Whose it must be where something is done to it: looking at others' is not acting on them. */
  const actsOn = ({ standing }: Caller): OwnShare | undefined =>
    standing?.kind === 'member'
      ? shareOf({ permission: 'operate', via: 'socket', standing: { ...standing, observes: false } })
      : undefined;

  const sessionsOf = async (context: HandlerContext) => [...(await handlers.session.list(undefined, context))];
  const ownSessionIds = async (share: OwnShare, context: HandlerContext): Promise<ReadonlySet<string>> =>
    new Set((await sessionsOf(context)).filter((row) => isOwnSession(share, row)).map(({ id }) => id));

  const onItself =
    <T>(why: (request: { destination: string; app?: string | undefined }, context: HandlerContext) => T) =>
    (request: { destination: string; app?: string | undefined }, context: HandlerContext): T => {
      const { standing } = context.caller;
      if (standing?.kind !== 'agent') return why(request, context);
      const { agent } = standing;
      if (request.app === undefined || request.app === agent) return why({ ...request, app: agent }, context);
      throw new TunnelerError('engine.not_permitted', `${agent} may ask about itself alone`, {
        details: { agent, next: `leave --app out, or say --app ${agent}` },
      });
    };

  return {
    ...handlers,
    state: {
      async snapshot(request, context) {
        const snapshot = await handlers.state.snapshot(request, context);
        const share = shareOf(context.caller);
        return share === undefined ? snapshot : ownSnapshot(share, snapshot);
      },
      changes(request, context) {
        const share = shareOf(context.caller);
        const changes = handlers.state.changes(request, context);
        return share === undefined ? changes : ownChanges(share, changes, context);
      },
    },
    engine: {
      ...handlers.engine,
      async status(request, context) {
        const status = await handlers.engine.status(request, context);
        const share = shareOf(context.caller);
        return share === undefined ? status : ownStatus(share, status, await sessionsOf(context));
      },
    },
    identity: {
      ...handlers.identity,
      async list(request, context) {
        const rows = await handlers.identity.list(request, context);
        const share = shareOf(context.caller);
        return share === undefined ? rows : rows.filter(({ name }) => share.hasIdentity(name));
      },
      async enroll(request, context) {
        if (actsOn(context.caller) === undefined) return handlers.identity.enroll(request, context);
        if (request.scope === 'machine') {
          throw new TunnelerError(
            'engine.forbidden',
            "an identity of the machine is enrolled by its engine's own user",
            {
              details: { next: 'enrol one of your own: --scope user' },
            },
          );
        }
        return handlers.identity.enroll({ ...request, scope: 'user' }, context);
      },
    },
    service: {
      async list(request, context) {
        const rows = await handlers.service.list(request, context);
        const share = shareOf(context.caller);
        return share === undefined ? rows : rows.filter((row) => isOwnService(share, row));
      },
      why: onItself(handlers.service.why),
    },
    session: {
      ...handlers.session,
      async list(request, context) {
        const rows = await handlers.session.list(request, context);
        const share = shareOf(context.caller);
        return share === undefined ? rows : rows.filter((row) => isOwnSession(share, row));
      },
      async close(request, context) {
        const share = actsOn(context.caller);
        if (share === undefined) return handlers.session.close(request, context);
        const own = await ownSessionIds(share, context);
        const ids = request.ids.filter((id) => own.has(id));
        // What is another's is answered like what is not there: its existence is not the caller's to know.
        if (ids.length === 0) throw unknownSession(request.ids);
        return handlers.session.close({ ids }, context);
      },
    },
    app: {
      async list(request, context) {
        const rows = await handlers.app.list(request, context);
        const share = shareOf(context.caller);
        return share === undefined ? rows : rows.filter(({ name }) => name === share.agent);
      },
    },
    quarantine: {
      ...handlers.quarantine,
      async list(request, context) {
        const rows = await handlers.quarantine.list(request, context);
        const share = shareOf(context.caller);
        if (share === undefined) return rows;
        const own = await ownSessionIds(share, context);
        return rows.filter(({ subject }) => isOwnSubject(share, subject, (id) => own.has(id)));
      },
      async add(request, context) {
        const share = actsOn(context.caller);
        if (share !== undefined) {
          const own = await ownSessionIds(share, context);
          if (!isOwnSubject(share, request.subject, (id) => own.has(id))) {
            throw new TunnelerError('engine.forbidden', `${request.subject} is not yours to cut off`, {
              details: { subject: request.subject, next: "ask the engine's own user, or root" },
            });
          }
        }
        return handlers.quarantine.add(request, context);
      },
    },
    agora: {
      ...handlers.agora,
      offer(request, context) {
        const share = shareOf(context.caller);
        return handlers.agora.offer(share === undefined ? request : ownOffer(request, context), context);
      },
      async offers(request, context) {
        const rows = await handlers.agora.offers(request, context);
        const share = shareOf(context.caller);
        return share === undefined ? rows : rows.filter(({ identities }) => identities.every(share.hasIdentity));
      },
      withdraw(request, context) {
        const { standing } = context.caller;
        if (standing?.kind !== 'agent') return handlers.agora.withdraw(request, context);
        // What is another's is answered like what is not there.
        const own = deps.identitiesOfAgent(standing.agent);
        const identities = (request.identities ?? own).filter((name) => own.includes(name));
        return handlers.agora.withdraw({ ...request, identities: [...identities] }, context);
      },
      check(request, context) {
        const { standing } = context.caller;
        if (standing?.kind !== 'agent') return handlers.agora.check(request, context);
        const own = deps.identitiesOfAgent(standing.agent);
        const identity = request.identity ?? (own.length === 1 ? own[0] : undefined);
        return handlers.agora.check({ ...request, ...defined({ identity }) }, context);
      },
    },
    policy: { ...handlers.policy, explain: onItself(handlers.policy.explain) },
  };

  /** An agent offers as an identity of its own, which it names where it has several. */
  function ownOffer<T extends { identity?: string | undefined }>(
    request: T,
    { caller: { standing } }: HandlerContext,
  ): T {
    const own = standing?.kind === 'agent' ? deps.identitiesOfAgent(standing.agent) : [];
    const identity = request.identity ?? (own.length === 1 ? own[0] : undefined);
    if (identity !== undefined && own.includes(identity)) return { ...request, identity };
    throw new TunnelerError('engine.not_permitted', 'an agent offers itself as an identity of its own', {
      details: { next: `say which: --identity ${own.join(' or ')}` },
    });
  }

  async function* ownChanges(
    share: OwnShare,
    changes: AsyncIterable<StateDelta>,
    context: HandlerContext,
  ): AsyncIterable<StateDelta> {
    let { state } = ownSnapshot(share, await handlers.state.snapshot(undefined, context));
    for await (const delta of changes) {
      const own = ownDelta(share, delta, state);
      state = follow(state, own);
      yield own;
    }
  }
}
