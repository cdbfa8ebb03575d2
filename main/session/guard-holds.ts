/** What a guard makes wait: an end's bytes while it judges, and its end behind what it holds. Pure. */
import type { Guard } from '../guard/guard.ts';
import type { End } from './close-reason.ts';

/** The guard wants no more of this end for now. */
export function holdsBytes(guard: Guard | undefined, end: End): boolean {
  return end === 'consumer' ? guard?.waiting?.() === 'bytes' : guard?.holdsService?.() === true;
}

/** What the guard holds of this end goes before its end does. */
export function holdsEnd(guard: Guard | undefined, end: End): boolean {
  return end === 'consumer' ? guard?.waiting?.() !== undefined : holdsBytes(guard, end);
}
