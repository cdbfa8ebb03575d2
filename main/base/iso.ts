/** Times as records and views have them. */

/** ISO 8601 in UTC with milliseconds, of milliseconds since 1970. */
export function iso(atMs: number): string {
  return new Date(atMs).toISOString();
}
