import { describe, expect, it } from 'vitest';
import { howItIsRun } from '../../main/cli/assess/controls-how-it-is-run.ts';
import { peopleAndThings } from '../../main/cli/assess/controls-people-and-things.ts';
import { whatIsSaid } from '../../main/cli/assess/controls-what-is-said.ts';
import type { Evidence } from '../../main/cli/assess/evidence.ts';
import { assess, type Control } from '../../main/cli/assess/score.ts';

const controls = [...peopleAndThings, ...whatIsSaid, ...howItIsRun];

const nothing: Evidence = {
  identities: [],
  services: [],
  agents: [],
  policy: { contracts: [], localRules: [], errors: [], posture: [] },
  settings: { config: {}, logLevel: 'info' },
  verified: { ok: true, count: 0, gaps: 0, checkpoints: 0, signers: [] },
  fleet: undefined,
  containment: undefined,
  records: new Map(),
};

describe('the assessment', () => {
  it('has forty-two controls over seven pillars, each with a name of its own and what it stands for elsewhere', () => {
    expect(controls).toHaveLength(42);
    expect(new Set(controls.map(({ id }) => id)).size).toBe(42);
    expect(new Set(controls.map(({ pillar }) => pillar)).size).toBe(7);
    for (const { id, maps, notByProduct, remedy } of controls) {
      expect(maps, id).not.toEqual([]);
      if (notByProduct === undefined) expect(remedy, id).not.toBe('');
    }
  });

  it('gives nothing for nothing, and says where no product can answer', () => {
    for (const control of controls) {
      const { maturity, evidence } = assess(control, nothing);
      expect(evidence, control.id).toBeUndefined();
      expect(maturity ?? 0, control.id).toBeLessThanOrEqual(3);
      expect(maturity === null, control.id).toBe(control.notByProduct !== undefined);
    }
  });

  it('climbs with what is set up, what the record shows, and what holds everywhere', () => {
    const control: Control = {
      id: 'XX-1',
      pillar: 'data',
      title: 'a control',
      maps: ['NIST T1'],
      configured: ({ policy }) => policy.localRules.length > 0,
      shownBy: ['refused'],
      whole: ({ identities }) => identities.length > 0,
      remedy: 'do it',
      effort: 'hours',
      weight: 3,
    };
    expect(assess(control, nothing)).toMatchObject({ maturity: 0, remedy: 'do it', priority: 'high' });
    expect(assess({ ...control, builtIn: true }, nothing)).toMatchObject({ maturity: 2 });
    const localRules = [{ id: 'r', file: 'f', effect: 'forbid' as const, text: '' }];
    const ruled = { ...nothing, policy: { ...nothing.policy, localRules } };
    expect(assess(control, ruled)).toMatchObject({ maturity: 3 });
    const record = { seq: 7, at: '2026-01-01T00:00:00.000Z', kind: 'verdict', device: 'edge-box' };
    const shown: Evidence = { ...ruled, records: new Map([['refused', record]]) };
    expect(assess(control, shown)).toMatchObject({ maturity: 4, evidence: record, priority: 'low' });
    const identity = { name: 'x' } as Evidence['identities'][number];
    const whole = assess(control, { ...shown, identities: [identity] });
    expect(whole).toMatchObject({ maturity: 5, evidence: { seq: 7 } });
    expect(whole).not.toHaveProperty('remedy');
  });

  it('gives no full marks for access taken away where a session outlived it', () => {
    const control = controls.find(({ id }) => id === 'GO-3');
    if (control === undefined) throw new Error('there is such a control');
    const identity = { name: 'x', state: 'ready' } as Evidence['identities'][number];
    const record = { seq: 7, at: '2026-01-01T00:00:00.000Z', kind: 'service.lost' };
    const shown: Evidence = { ...nothing, identities: [identity], records: new Map([['serviceLost', record]]) };
    const row = { device: 'd', at: record.at, what: 'revoked', subject: 's', sessions: 1 } as const;
    const held: Evidence = { ...shown, containment: [{ ...row, stillOpen: 0, lastAfterMs: 3, contained: true }] };
    const failed: Evidence = { ...shown, containment: [{ ...row, stillOpen: 1, contained: false }] };
    expect(assess(control, held)).toMatchObject({ maturity: 5 });
    expect(assess(control, failed)).toMatchObject({ maturity: 4 });
  });
});
