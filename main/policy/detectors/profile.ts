/** What is usual for one program on one service: counted, averaged, remembered. Plain data, JSON-safe, bounded. */

export interface Profile {
  firstSeenMs: number;
  lastSeenMs: number;
  dials: number;
  failures: number;
  /** Dials by hour of the day, in UTC: 24 counts. */
  hours: number[];
  /** Bytes of a session: how many sessions, their mean, and the sum of squared distances (Welford). */
  sessions: number;
  meanBytes: number;
  squaredBytes: number;
  /** Events of the current minute, and the most in any before. */
  minute: number;
  inMinute: number;
  mostInMinute: number;
  tools: string[];
}

/** Tools remembered of one profile; beyond, new ones are no longer told apart. */
export const maxTools = 500;

/** A profile that has seen nothing yet. */
export function newProfile(nowMs: number): Profile {
  return {
    firstSeenMs: nowMs,
    lastSeenMs: nowMs,
    dials: 0,
    failures: 0,
    hours: new Array<number>(24).fill(0),
    sessions: 0,
    meanBytes: 0,
    squaredBytes: 0,
    minute: 0,
    inMinute: 0,
    mostInMinute: 0,
    tools: [],
  };
}

/** Takes a session's bytes into mean and variance (Welford's method). */
export function learnBytes(profile: Profile, bytes: number): void {
  profile.sessions += 1;
  const before = bytes - profile.meanBytes;
  profile.meanBytes += before / profile.sessions;
  profile.squaredBytes += before * (bytes - profile.meanBytes);
}

/** The standard deviation of a session's bytes; 0 for fewer than two sessions. */
export function spreadBytes(profile: Profile): number {
  return profile.sessions < 2 ? 0 : Math.sqrt(profile.squaredBytes / (profile.sessions - 1));
}

/** Count one event; the events of its minute so far. */
export function learnMinute(profile: Profile, nowMs: number): number {
  const minute = Math.floor(nowMs / 60_000);
  if (minute !== profile.minute) {
    profile.mostInMinute = Math.max(profile.mostInMinute, profile.inMinute);
    profile.minute = minute;
    profile.inMinute = 0;
  }
  profile.inMinute += 1;
  return profile.inMinute;
}

/** A profile from kept JSON; undefined where it is none. */
export function readProfile(raw: unknown): Profile | undefined {
  if (typeof raw !== 'object' || raw === null) return undefined;
  const source = raw as Readonly<Record<string, unknown>>;
  const profile = newProfile(0);
  for (const [key, value] of Object.entries(profile)) {
    const kept = source[key];
    if (typeof value === 'number' && !(typeof kept === 'number' && Number.isFinite(kept))) return undefined;
    if (Array.isArray(value) && !Array.isArray(kept)) return undefined;
  }
  const { hours, tools } = source as { hours: unknown[]; tools: unknown[] };
  if (hours.length !== 24 || !hours.every((count) => typeof count === 'number')) return undefined;
  if (tools.length > maxTools || !tools.every((tool) => typeof tool === 'string')) return undefined;
  return {
    ...profile,
    ...(source as unknown as Profile),
    hours: [...hours],
    tools: [...tools],
  };
}
