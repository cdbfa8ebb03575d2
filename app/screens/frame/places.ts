/** Where one can go, in the order of the navigation. */
import type { IconName } from '../../parts/Icon.tsx';
import type { ScreenName } from '../route.ts';

export const places: readonly (readonly [ScreenName, IconName])[] = [
  ['sessions', 'sessions'],
  ['services', 'services'],
  ['map', 'map'],
  ['identities', 'identities'],
  ['agents', 'agents'],
  ['approvals', 'question'],
  ['models', 'models'],
  ['policy', 'policy'],
  ['audit', 'audit'],
  ['recordings', 'record'],
  ['fleet', 'fleet'],
  ['diagnostics', 'diagnostics'],
  ['settings', 'settings'],
];
