import { describe, expect, it } from 'vitest';
import { keyRules, type KeyRule } from '../../main/hosting/provider-keys.ts';

const rule = (service: string, callers: string[], secret: string, more: Partial<KeyRule> = {}): KeyRule => ({
  service,
  callers,
  secret,
  unasserted: 'refuse',
  header: 'authorization',
  prefix: 'Bearer ',
  ...more,
});

const rules = [
  rule('chat', ['alice'], 'for-alice'),
  rule('chat', ['bob', 'team-*'], 'for-others', { unasserted: 'accept' }),
  rule('open-*', ['*'], 'for-all'),
];

describe('which key a caller has', () => {
  const grant = keyRules(rules);
  const ask = (serviceName: string, name: string | undefined, asserted = true): string => {
    const found = grant({ serviceName, caller: { name, id: undefined, asserted } });
    return found.kind === 'key' ? found.rule.secret : found.kind === 'none' ? found.why : found.kind;
  };

  it('is the first that names service and caller', () => {
    expect(ask('chat', 'alice')).toBe('for-alice');
    expect(ask('chat', 'team-red')).toBe('for-others');
    expect(ask('open-models', 'anybody')).toBe('for-all');
  });

  it('is none for who is not named, and no question for another service', () => {
    expect(ask('chat', 'mallory')).toBe('the calling identity has no key for this provider');
    expect(ask('chat', undefined)).toBe('the calling identity has no key for this provider');
    expect(ask('web', 'alice')).toBe('no-rule');
  });

  it('follows a name nobody vouches for only where told so; whoever may dial needs none', () => {
    expect(ask('chat', 'alice', false)).toMatch(/no router vouches/);
    expect(ask('chat', 'bob', false)).toBe('for-others');
    expect(ask('open-models', undefined, false)).toBe('for-all');
  });
});
