/**
 * An engine for tests of window, console and command line, derived from the schema: it holds a state and folds changes with the contract's
 * own reducer, so what it shows is what the real engine could show. A handler a test does not give answers from that state.
 */
import { TunnelerError } from '../../main/base/errors.ts';
import { followDeltas } from '../../main/engine/state/follow-deltas.ts';
import type { HandlerContext } from '../../main/api/call.ts';
import { createDispatcher, type Dispatcher } from '../../main/api/dispatch.ts';
import { schema, type EngineHandlers } from '../../main/api/schema.ts';
import { reduce, type EngineState, type StateChange, type StateDelta } from '../../main/api/state.ts';

/** An engine state with nothing in it; `over` replaces whole parts. */
export function emptyState(over: Partial<EngineState> = {}): EngineState {
  return {
    status: {
      mode: 'proxy',
      modeReason: 'a fake engine',
      version: '0.0.0-fake',
      pid: 1,
      startedAt: '2026-01-01T00:00:00.000Z',
      identities: [],
      routers: [],
      services: { dial: 0, bind: 0 },
      sessions: { open: 0, total: 0 },
      dns: { backend: 'none', state: 'off' },
      audit: { head: '0'.repeat(64), count: 0 },
      routes: [],
      warnings: [],
    },
    identities: {},
    services: {},
    sessions: {},
    routers: {},
    agents: {},
    quarantine: {},
    approvals: {},
    alerts: [],
    dns: { backend: 'none', state: 'off', names: [], upstreams: [] },
    policy: { contracts: [], localRules: [], errors: [], posture: [] },
    ...over,
  };
}

/** Handlers a test gives itself, a group and a name at a time. */
export type HandlerOverrides = { readonly [G in keyof EngineHandlers]?: Partial<EngineHandlers[G]> };

export interface FakeEngine {
  readonly dispatcher: Dispatcher;
  readonly handlers: EngineHandlers;
  state(): EngineState;
  /** Apply changes and tell every subscriber, as one numbered delta. */
  push(...changes: StateChange[]): void;
  /** Leave out a number, as a lagging engine would: clients must ask for a new snapshot. */
  skip(): void;
  /** Calls received, `group.name` with its request. */
  readonly calls: { readonly name: string; readonly request: unknown }[];
}

export function createFakeEngine(initial: EngineState = emptyState(), overrides: HandlerOverrides = {}): FakeEngine {
  let state = initial;
  let seq = 0;
  const subscribers = new Set<(delta: StateDelta) => void>();
  const calls: { name: string; request: unknown }[] = [];

  const push = (...changes: StateChange[]): void => {
    state = reduce(state, changes);
    seq += 1;
    for (const tell of [...subscribers]) tell({ seq, changes });
  };

  const answers: HandlerOverrides = {
    state: {
      snapshot: () => ({ seq, state }),
      changes: (_request, context) => followDeltas([], context.signal, subscribers),
    },
    engine: {
      status: () => state.status,
      settings: () => ({ config: {}, logLevel: 'info' }),
      setLogLevel: () => undefined,
      stop: () => undefined,
    },
    identity: {
      list: () => Object.values(state.identities),
      enable: ({ name }) => patchIdentity(name, 'ready'),
      disable: ({ name }) => patchIdentity(name, 'disabled'),
      remove: ({ name }) => push({ kind: 'identity-removed', key: name }),
    },
    service: { list: () => Object.values(state.services) },
    session: {
      list: () => Object.values(state.sessions),
      close: ({ ids }) => {
        const closed = ids.filter((id) => state.sessions[id]?.state === 'open');
        for (const id of closed) {
          const session = state.sessions[id];
          if (session !== undefined) {
            push({
              kind: 'session-changed',
              key: id,
              value: { ...session, state: 'closed', closeReason: 'consumer_close' },
            });
          }
        }
        return { closed };
      },
    },
    app: { list: () => Object.values(state.agents) },
    quarantine: {
      list: () => Object.values(state.quarantine),
      add: ({ subject, cause }) => {
        const value = {
          subject,
          cause: cause ?? 'by hand',
          since: '2026-01-01T00:00:00.000Z',
          by: 'operator',
        } as const;
        push({ kind: 'quarantine-changed', key: subject, value });
        return value;
      },
      release: ({ subject }) => push({ kind: 'quarantine-removed', key: subject }),
    },
    policy: { show: () => state.policy, reload: () => ({ ok: true, files: 0, rules: 0, errors: [] }) },
    audit: { search: () => [], alerts: () => state.alerts },
    dns: { status: () => state.dns },
  };

  function patchIdentity(name: string, to: 'ready' | 'disabled'): void {
    const identity = state.identities[name];
    if (identity === undefined) throw new TunnelerError('identity.unknown', `there is no identity "${name}"`);
    push({ kind: 'identity-changed', key: name, value: { ...identity, state: to } });
  }

  const handlers = Object.fromEntries(
    Object.entries(schema).map(([group, entries]) => [
      group,
      Object.fromEntries(
        Object.keys(entries).map((name) => {
          const given = pick(overrides, group, name) ?? pick(answers, group, name);
          return [
            name,
            (request: unknown, context: HandlerContext): unknown => {
              calls.push({ name: `${group}.${name}`, request });
              if (given === undefined)
                throw new TunnelerError('base.unsupported', `the fake engine has no ${group}.${name}`);
              return given(request, context);
            },
          ];
        }),
      ),
    ]),
  ) as unknown as EngineHandlers;

  return {
    dispatcher: createDispatcher(schema, handlers, { version: '0.0.0-fake' }),
    handlers,
    state: () => state,
    push,
    skip: () => {
      seq += 1;
    },
    calls,
  };
}

function pick(
  table: HandlerOverrides,
  group: string,
  name: string,
): ((request: unknown, context: HandlerContext) => unknown) | undefined {
  const entries = (table as Record<string, Record<string, unknown> | undefined>)[group];
  return entries?.[name] as ((request: unknown, context: HandlerContext) => unknown) | undefined;
}
