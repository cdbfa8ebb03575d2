/** What is said where a session is asked for that is not open. */
import { TunnelerError } from '../../base/errors.ts';

/** None of these sessions is open. */
export function unknownSession(ids: readonly string[]): TunnelerError {
  return new TunnelerError('session.unknown', `no open session: ${ids.join(', ')}`, {
    details: { missing: ids, next: 'culvert sessions lists those there are' },
  });
}
