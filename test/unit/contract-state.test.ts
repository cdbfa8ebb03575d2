import { describe, expect, it } from 'vitest';
import { applyDelta, maxAlerts, reduce } from '../../main/api/state.ts';
import { sceneState } from '../support/window/scene.ts';

const state = sceneState(Date.UTC(2026, 0, 1));
const session = state.sessions['s-01']!;

describe('the reducer', () => {
  it('never writes to the state it was given, and shares what it did not touch', () => {
    const frozen = structuredClone(state);
    const next = reduce(state, [
      { kind: 'session-changed', key: 's-01', value: { ...session, bytesSent: 1 } },
      { kind: 'session-removed', key: 's-02' },
      { kind: 'session-changed', key: 's-99', value: session },
    ]);
    expect(state).toEqual(frozen);
    expect(next.sessions['s-01']?.bytesSent).toBe(1);
    expect(next.sessions).not.toHaveProperty('s-02');
    expect(next.sessions).toHaveProperty('s-99');
    expect(next.services).toBe(state.services);
    expect(next.sessions['s-03']).toBe(state.sessions['s-03']);
  });

  it('returns the same state where nothing changed', () => {
    expect(reduce(state, [])).toBe(state);
    expect(reduce(state, [{ kind: 'router-removed', key: 'nobody' }])).toBe(state);
  });

  it('treats every name as a name', () => {
    const identity = state.identities['mira-laptop']!;
    const next = reduce(state, [{ kind: 'identity-changed', key: '__proto__', value: identity }]);
    expect(Object.keys(next.identities)).toContain('__proto__');
    expect(Object.getPrototypeOf(next.identities)).toBe(Object.prototype);
    expect(reduce(state, [{ kind: 'agent-removed', key: 'toString' }])).toBe(state);
  });

  it('bounds the alerts', () => {
    const alert = state.alerts[0]!;
    const many = Array.from({ length: maxAlerts + 50 }, (_, index) => ({
      kind: 'alert-raised' as const,
      value: { ...alert, id: String(index) },
    }));
    const next = reduce(state, many);
    expect(next.alerts).toHaveLength(maxAlerts);
    expect(next.alerts.at(-1)?.id).toBe(String(maxAlerts + 49));
  });

  it('refuses a delta that does not follow', () => {
    expect(applyDelta({ seq: 4, state }, { seq: 6, changes: [] })).toBeUndefined();
    expect(applyDelta({ seq: 4, state }, { seq: 5, changes: [] })).toEqual({ seq: 5, state });
  });
});
