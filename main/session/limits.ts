/**
 * The limits of time on one session: duration, idleness, schedule. Pure: times in, what is due or how long to wait out.
 *
 * A duration is measured on both clocks and the longer counts: the monotonic one stands still while a laptop sleeps, the wall clock
 * may be turned back.
 */
import type { EngagementContract } from '../base/engagement.ts';
import type { Reason, CloseReason } from '../base/reason.ts';
import { compileSchedule, type CompiledSchedule } from '../policy/schedule.ts';
import type { SessionGrant } from './sessions.ts';

/** An association without words for its end: a UDP session lasts this long in silence. Source: the peers' tunnelers use 5 min or less. */
export const udpIdleTimeoutSeconds = 60;

/** Timers that depend on the wall clock look again at least this often, so that sleep and clock changes are noticed. */
const lookAgainMs = 10_000;
/** The longest a platform timer can wait. Source: HTML standard and Node, signed 32-bit milliseconds. */
const longestTimerMs = 2_147_483_647;

/** A contract made ready for many sessions: frozen, its schedule compiled. */
export interface CompiledContract {
  readonly contract: EngagementContract;
  readonly schedule: CompiledSchedule | undefined;
}

/** Take a contract's snapshot: later changes of `contract` change nothing here. */
export function termsOf(contract: EngagementContract): CompiledContract {
  const frozen = deepFreeze(structuredClone(contract));
  return { contract: frozen, schedule: frozen.schedule === undefined ? undefined : compileSchedule(frozen.schedule) };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}

/** When a session began, by both clocks, and when it last did something. */
export interface TimesOfSession {
  readonly startedAtMs: number;
  readonly startedMonotonicMs: number;
  readonly lastActivityMonotonicMs: number;
}

/** A limit is reached, or is in `waitMs` at the earliest, or there is none. */
export type LimitState =
  | { readonly kind: 'due'; readonly reason: CloseReason; readonly why: Reason }
  | { readonly kind: 'wait'; readonly waitMs: number }
  | { readonly kind: 'none' };

/** Seconds of silence after which a session of this kind ends; undefined: never. */
export function idleSecondsOf(contract: EngagementContract | undefined, protocol: 'tcp' | 'udp'): number | undefined {
  return contract?.idleTimeoutSeconds ?? (protocol === 'udp' ? udpIdleTimeoutSeconds : undefined);
}

/**
 * Milliseconds still granted by duration, schedule and grants; undefined where none limits. Not negative.
 *
 * What a schedule left when the session began is measured on the monotonic clock as well: turned back, the wall clock stretches nothing.
 */
export function grantedMs(
  terms: CompiledContract | undefined,
  times: Pick<TimesOfSession, 'startedAtMs' | 'startedMonotonicMs'>,
  nowMs: number,
  monotonicMs: number,
  grants: readonly SessionGrant[] = [],
): number | undefined {
  const ranMs = monotonicMs - times.startedMonotonicMs;
  const left: number[] = grants.flatMap((grant) => grant.leftMs() ?? []);
  const seconds = terms?.contract.maxDurationSeconds;
  if (seconds !== undefined) left.push(seconds * 1000 - Math.max(nowMs - times.startedAtMs, ranMs));
  if (terms?.schedule !== undefined) {
    left.push((closesAt(terms.schedule, nowMs) ?? Infinity) - nowMs);
    left.push((closesAt(terms.schedule, times.startedAtMs) ?? Infinity) - times.startedAtMs - ranMs);
  }
  const least = Math.min(...left);
  return least === Infinity ? undefined : Math.max(0, least);
}

function closesAt(schedule: CompiledSchedule, atMs: number): number | undefined {
  const state = schedule.at(atMs);
  return state.open ? state.closesAtMs : atMs;
}

/** What time says of a session now; of grants, what it will say in `aheadMs`. */
export function limitStateOf(
  terms: CompiledContract | undefined,
  protocol: 'tcp' | 'udp',
  times: TimesOfSession,
  nowMs: number,
  monotonicMs: number,
  grants: readonly SessionGrant[] = [],
  aheadMs = 0,
): LimitState {
  const spent = grants.find((grant) => (grant.leftMs() ?? Infinity) <= aheadMs);
  if (spent !== undefined) return { kind: 'due', reason: 'max_duration_exceeded', why: spent.why };
  const granted = grantedMs(terms, times, nowMs, monotonicMs, grants);
  if (granted === 0) {
    const seconds = terms?.contract.maxDurationSeconds;
    const ranMs = Math.max(nowMs - times.startedAtMs, monotonicMs - times.startedMonotonicMs);
    const why: Reason =
      seconds !== undefined && ranMs >= seconds * 1000
        ? { code: 'session.duration_over', sentence: `the contract's ${seconds} s are over`, details: { seconds } }
        : { code: 'session.schedule_over', sentence: "the contract's schedule ended" };
    return { kind: 'due', reason: 'max_duration_exceeded', why };
  }
  const idleSeconds = idleSecondsOf(terms?.contract, protocol);
  let waitMs = granted === undefined ? Infinity : Math.min(granted, lookAgainMs);
  if (idleSeconds !== undefined) {
    const leftMs = idleSeconds * 1000 - (monotonicMs - times.lastActivityMonotonicMs);
    if (leftMs <= 0) {
      const sentence = `no byte for ${idleSeconds} s`;
      const why: Reason = { code: 'session.idle', sentence, details: { seconds: idleSeconds } };
      return { kind: 'due', reason: 'idle_timeout', why };
    }
    waitMs = Math.min(waitMs, leftMs);
  }
  if (waitMs === Infinity) return { kind: 'none' };
  return { kind: 'wait', waitMs: Math.min(longestTimerMs, Math.max(1, Math.ceil(waitMs))) };
}
