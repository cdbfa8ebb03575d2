/** How an identity's state is put in words. */
import type { IdentityView } from '../../../main/api/views.ts';
import type { Tone } from '../../parts/Pieces.tsx';

const tones: Readonly<Record<IdentityView['state'], Tone>> = {
  starting: 'off',
  ready: 'ok',
  degraded: 'warn',
  unauthenticated: 'bad',
  'mfa-required': 'warn',
  'login-required': 'warn',
  locked: 'warn',
  disabled: 'off',
  broken: 'bad',
};

/** How good or bad an identity's state is. */
export function identityTone(identity: Pick<IdentityView, 'state'>): Tone {
  return tones[identity.state];
}

const dayMs = 86_400_000;

/** `soon` under two weeks, when a renewal that should have happened by itself has not. */
export function expiryTone(certExpiresAt: string, nowMs: number): Tone {
  const left = Date.parse(certExpiresAt) - nowMs;
  if (left <= 0) return 'bad';
  return left < 14 * dayMs ? 'warn' : 'plain';
}
