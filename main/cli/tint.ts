/** Which standing is shown in which colour, the same in every table. */
import type { Tint } from './terminal.ts';

const good = new Set(['ready', 'connected', 'available', 'hosting', 'open', 'active', 'allow', 'pass', 'permit']);
const bad = new Set([
  'broken',
  'unauthenticated',
  'disconnected',
  'failed',
  'quarantined',
  'deny',
  'fail',
  'contract-invalid',
  'config-invalid',
  'hosting-failed',
]);
const quiet = new Set(['closed', 'disabled', 'off', 'skipped', 'unknown']);

/** Green for what works, red for what does not, dim for what is over, yellow for what waits for someone. */
export function stateTint(state: string): Tint {
  if (good.has(state)) return 'green';
  if (bad.has(state)) return 'red';
  return quiet.has(state) ? 'dim' : 'yellow';
}
