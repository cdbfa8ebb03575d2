/**
 * Names under which the front door offers what services have. Stable: a name depends on its service and its own name alone, never on what
 * else there is.
 */

/** Longest name that every client takes; letters, digits, `_`, `.` and `-`. */
export const maxNameLength = 64;
const hashLength = 8;
const unusual = /[^A-Za-z0-9_.-]/g;

/** What names of a service's things begin with. */
export function readablePrefix(service: string): string {
  return `${service.replace(unusual, '_')}__`;
}

/**
 * `SERVICE__NAME`. Where that is too long, holds other characters, or could be read as another pair's, a part of `digest` (lower hex over
 * both names) stands at its end.
 */
export function offeredName(service: string, name: string, digest: (text: string) => string): string {
  const plain = `${service}__${name}`;
  // `a__b` + `c` and `a` + `b__c` would be one.
  const ambiguous = service.includes('__') || service.endsWith('_') || name.startsWith('_') || name === '';
  if (!ambiguous && plain.length <= maxNameLength && /^[A-Za-z0-9_.-]+$/.test(plain)) return plain;
  const mark = digest(JSON.stringify([service, name])).slice(0, hashLength);
  const readable = plain.replace(unusual, '_');
  return `${readable.slice(0, maxNameLength - hashLength - 1)}_${mark}`;
}
