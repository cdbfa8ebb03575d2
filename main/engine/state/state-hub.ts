/**
 * The engine's state as clients see it: one snapshot, then numbered deltas. Openings, closings and changes of standing go out at once;
 * counters are gathered and go out at about 10 Hz, more slowly where there are very many of them.
 *
 * Sessions are not folded here but read when a snapshot is asked for: to copy ten thousand for each that opens would take most of an opening.
 */
import type { Clock } from '../../base/clock.ts';
import { reduce, type EngineState, type StateChange, type StateDelta, type StateSnapshot } from '../../api/state.ts';
import { followDeltas } from './follow-deltas.ts';

/** Deltas kept for a client that joins with the number of a snapshot taken just before. */
const keptDeltas = 64;
const gatherMs = 100;
/** With thousands of sessions that count at once the gathering slows down, so that views cost a bounded share of the CPU. */
const gatherMsPerChange = 0.5;

/** The numbered state and its subscribers. */
export interface StateHub extends Disposable {
  /** The state as of the last delta; everything gathered is folded in first. */
  snapshot(): StateSnapshot;
  /** Tell now (all changes of one turn go as one delta). */
  change(...changes: readonly StateChange[]): void;
  /** Tell with the next gathering; a later change of the same key replaces an earlier one. */
  gather(...changes: readonly StateChange[]): void;
  /** Deltas after number `after`, until the signal aborts. */
  changes(after: number, signal: AbortSignal): AsyncIterable<StateDelta>;
  /** Somebody listens: only then is it worth while to look at counters. */
  observed(): boolean;
}

/** The state to begin with, and the clock that gathers. */
export interface StateHubDeps {
  readonly clock: Clock;
  readonly initial: Omit<EngineState, 'sessions'>;
  /** Those there are now, by id; at least what was told of them. */
  readonly sessions: () => EngineState['sessions'];
}

/** A hub at number 0. */
export function createStateHub(deps: StateHubDeps): StateHub {
  let state: EngineState = { ...deps.initial, sessions: {} };
  let seq = 0;
  let now: StateChange[] = [];
  let scheduled = false;
  let timer: Disposable | undefined;
  let closed = false;
  const gathered = new Map<string, StateChange>();
  const recent: StateDelta[] = [];
  const subscribers = new Set<(delta: StateDelta) => void>();

  const flush = (): void => {
    scheduled = false;
    const changes = [...gathered.values(), ...now];
    gathered.clear();
    timer?.[Symbol.dispose]();
    timer = undefined;
    now = [];
    if (changes.length === 0 || closed) return;
    state = reduce(
      state,
      changes.filter(({ kind }) => kind !== 'session-changed' && kind !== 'session-removed'),
    );
    seq += 1;
    const delta: StateDelta = { seq, changes };
    recent.push(delta);
    if (recent.length > keptDeltas) recent.shift();
    for (const tell of subscribers) tell(delta);
  };

  return {
    snapshot() {
      flush();
      return { seq, state: { ...state, sessions: deps.sessions() } };
    },
    change(...changes) {
      if (changes.length === 0) return;
      for (const change of changes) {
        const key = keyOf(change);
        if (key !== undefined) gathered.delete(key);
      }
      now.push(...changes);
      if (scheduled) return;
      scheduled = true;
      queueMicrotask(flush);
    },
    gather(...changes) {
      for (const change of changes) gathered.set(keyOf(change) ?? `#${gathered.size}`, change);
      if (gathered.size === 0) return;
      timer ??= deps.clock.after(Math.max(gatherMs, gathered.size * gatherMsPerChange), flush);
    },
    changes: (after, signal) =>
      followDeltas(
        recent.filter((delta) => delta.seq > after),
        signal,
        subscribers,
      ),
    observed: () => subscribers.size > 0,
    [Symbol.dispose]() {
      closed = true;
      timer?.[Symbol.dispose]();
      gathered.clear();
      now = [];
    },
  };
}

/** What a later change of the same thing replaces; removals and alerts always go out. */
function keyOf(change: StateChange): string | undefined {
  switch (change.kind) {
    case 'alert-raised':
      return undefined;
    case 'status-changed':
    case 'dns-changed':
    case 'policy-changed':
      return change.kind;
    default:
      return `${change.kind.slice(0, change.kind.lastIndexOf('-'))}/${change.key}`;
  }
}
