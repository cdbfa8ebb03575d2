/**
 * Learns what is usual for each program and service, and tells what is not: a new service, an unusual hour, volume, rate, a new tool, a
 * burst of errors. Pure: facts and times in, findings out; what was learnt is handed out to be kept.
 *
 * Direction: open. Until a program is known long enough, and after a kept baseline was lost, it learns and is silent: a detector must not
 * cut off what it knows nothing of. What it finds is an alert, or a quarantine where so set.
 */
import { pairSubject, type DetectorCode, type Finding, type WatchedEvent } from './finding.ts';
import { learnBytes, learnMinute, maxTools, newProfile, readProfile, spreadBytes, type Profile } from './profile.ts';

/** What is done about the unusual, and from when on a pair is known. */
export interface BaselineSettings {
  readonly action: 'alert' | 'quarantine';
  /** A program and service are known after this long. */
  readonly learnSeconds: number;
}

/** Alert only, after a week of learning. */
export const defaultBaselines: BaselineSettings = { action: 'alert', learnSeconds: 7 * 24 * 3600 };

type Unusual = DetectorCode extends infer Code ? (Code extends `baseline.${infer Name}` ? Name : never) : never;

/** What is kept between runs; JSON-safe. */
export interface BaselineState {
  readonly version: 1;
  readonly profiles: readonly (readonly [key: string, profile: Profile])[];
}

/** Implementation limits and thresholds, each named where it is used. */
const maxProfiles = 4_096;
const enoughDials = 20;
const enoughSessions = 10;
const smallBytes = 10 * 1024 * 1024;
const smallRate = 30;
const burstFailures = 10;
/** The same finding is not told again within this time. */
const quietMs = 10 * 60_000;

/** The profiles of all pairs of program and service, bounded. */
export class Baselines {
  readonly #settings: BaselineSettings;
  readonly #profiles = new Map<string, Profile>();
  readonly #toldMs = new Map<string, number>();
  /** Failures of the last minute, by pair. */
  readonly #failures = new Map<string, number[]>();
  /** Profiles of the kept state that could not be read; they are learnt anew. */
  readonly lost: number;

  constructor(settings: BaselineSettings, kept?: unknown) {
    this.#settings = settings;
    const profiles = (kept as { profiles?: unknown } | undefined)?.profiles;
    let lost = kept === undefined || Array.isArray(profiles) ? 0 : 1;
    for (const entry of Array.isArray(profiles) ? (profiles as readonly unknown[]) : []) {
      const [key, raw] = Array.isArray(entry) ? (entry as readonly unknown[]) : [];
      const profile = readProfile(raw);
      if (typeof key === 'string' && profile !== undefined) this.#profiles.set(key, profile);
      else lost += 1;
    }
    this.lost = lost;
  }

  /** What was learnt, to be kept. */
  keep(): BaselineState {
    return { version: 1, profiles: [...this.#profiles] };
  }

  observe(event: WatchedEvent, nowMs: number): readonly Finding[] {
    // Nobody's habits cannot be learnt.
    if (event.program === undefined) return [];
    const program = this.#profileOf(event.program, nowMs);
    const key = `${event.program}\n${event.service}`;
    const isNew = !this.#profiles.has(key);
    const pair = this.#profileOf(key, nowMs);
    const found = [
      ...(isNew ? this.#newService(event, program, nowMs) : []),
      ...(event.kind === 'dial' ? this.#dial(event, key, pair, nowMs) : []),
      ...(event.kind === 'closed' ? this.#closed(event, pair, nowMs) : []),
      ...(event.kind === 'call' ? this.#call(event, key, pair, nowMs) : []),
    ];
    program.lastSeenMs = nowMs;
    pair.lastSeenMs = nowMs;
    return found.filter((finding) => this.#isNews(finding, key, nowMs));
  }

  #newService(event: WatchedEvent, program: Profile, nowMs: number): readonly Finding[] {
    if (!this.#isKnown(program, nowMs)) return [];
    return [this.#finding(event, 'new-service', `${event.program} uses ${event.service} for the first time`)];
  }

  #dial(event: WatchedEvent & { kind: 'dial' }, key: string, pair: Profile, nowMs: number): readonly Finding[] {
    const hour = new Date(nowMs).getUTCHours();
    const near = [hour + 23, hour, hour + 1].reduce((sum, at) => sum + (pair.hours[at % 24] ?? 0), 0);
    const known = this.#isKnown(pair, nowMs) && pair.dials >= enoughDials;
    const found: Finding[] = [];
    if (known && near === 0) {
      found.push(
        this.#finding(
          event,
          'hour',
          `${event.program} uses ${event.service} around ${hour}:00 UTC, as never before in ${pair.dials} dials`,
        ),
      );
    }
    pair.dials += 1;
    pair.hours[hour] = (pair.hours[hour] ?? 0) + 1;
    if (event.outcome !== 'opened') found.push(...this.#failed(event, key, pair, nowMs));
    return [...found, ...this.#rate(event, pair, nowMs)];
  }

  #closed(event: WatchedEvent & { kind: 'closed' }, pair: Profile, nowMs: number): readonly Finding[] {
    const usual = pair.meanBytes + 6 * spreadBytes(pair);
    const known = this.#isKnown(pair, nowMs) && pair.sessions >= enoughSessions;
    const unusual = known && event.bytes > Math.max(smallBytes, usual, 10 * pair.meanBytes);
    const text = `${event.program} moved ${event.bytes} bytes in one session of ${event.service}; ${Math.round(pair.meanBytes)} is usual`;
    learnBytes(pair, event.bytes);
    return unusual ? [this.#finding(event, 'volume', text)] : [];
  }

  #call(event: WatchedEvent & { kind: 'call' }, key: string, pair: Profile, nowMs: number): readonly Finding[] {
    const found: Finding[] = [];
    if (!pair.tools.includes(event.tool) && pair.tools.length < maxTools) {
      if (this.#isKnown(pair, nowMs) && pair.tools.length > 0) {
        found.push(
          this.#finding(
            event,
            'new-tool',
            `${event.program} calls ${event.tool} on ${event.service} for the first time`,
          ),
        );
      }
      pair.tools.push(event.tool);
    }
    if (event.outcome !== 'ok') found.push(...this.#failed(event, key, pair, nowMs));
    return [...found, ...this.#rate(event, pair, nowMs)];
  }

  #rate(event: WatchedEvent, pair: Profile, nowMs: number): readonly Finding[] {
    const now = learnMinute(pair, nowMs);
    const most = pair.mostInMinute;
    if (!this.#isKnown(pair, nowMs) || now !== Math.max(smallRate, 5 * most) + 1) return [];
    const text = `${event.program} asked ${event.service} ${now} times in a minute; ${most} was the most before`;
    return [this.#finding(event, 'rate', text)];
  }

  #failed(event: WatchedEvent, key: string, pair: Profile, nowMs: number): readonly Finding[] {
    const recent = (this.#failures.get(key) ?? []).filter((at) => at > nowMs - 60_000);
    recent.push(nowMs);
    this.#failures.set(key, recent);
    pair.failures += 1;
    const usualADay = pair.failures / Math.max(1, (nowMs - pair.firstSeenMs) / 86_400_000);
    if (!this.#isKnown(pair, nowMs) || recent.length < Math.max(burstFailures, usualADay)) return [];
    const text = `${recent.length} of ${event.program}'s attempts on ${event.service} failed within a minute; ${Math.round(usualADay)} a day are usual`;
    return [this.#finding(event, 'errors', text)];
  }

  #isKnown(profile: Profile, nowMs: number): boolean {
    return nowMs - profile.firstSeenMs >= this.#settings.learnSeconds * 1000;
  }

  #isNews(finding: Finding, key: string, nowMs: number): boolean {
    const told = `${finding.detector}\n${key}`;
    const before = this.#toldMs.get(told);
    if (before !== undefined && nowMs - before < quietMs) return false;
    this.#toldMs.delete(told);
    this.#toldMs.set(told, nowMs);
    dropOldest(this.#toldMs, maxProfiles);
    return true;
  }

  #finding(event: WatchedEvent, name: Unusual, text: string): Finding {
    return {
      detector: `baseline.${name}`,
      severity: 'warning',
      text,
      subject: pairSubject(event.program, event.service),
      action: this.#settings.action,
    };
  }

  #profileOf(key: string, nowMs: number): Profile {
    const profile = this.#profiles.get(key) ?? newProfile(nowMs);
    this.#profiles.delete(key);
    this.#profiles.set(key, profile);
    dropOldest(this.#profiles, maxProfiles);
    dropOldest(this.#failures, maxProfiles);
    return profile;
  }
}

function dropOldest(map: Map<string, unknown>, most: number): void {
  if (map.size <= most) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
