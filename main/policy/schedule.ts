/**
 * When a contract's schedule lets sessions run. Pure; zones come from the platform's own `Intl` data.
 *
 * A window is given in local time of the zone, so a change to or from summer time moves it with the clock on the wall.
 */
import { defined } from '../base/defined.ts';
import type { Schedule } from '../base/engagement.ts';

type Window = NonNullable<Schedule['windows']>[number];

/** Whether a schedule is open at a moment. */
export type ScheduleState =
  | { readonly open: true; /** When it closes; undefined: not in sight. */ readonly closesAtMs: number | undefined }
  | { readonly open: false; readonly why: string };

const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
type Day = (typeof days)[number];
const minuteMs = 60_000;
const dayMinutes = 24 * 60;

type Span = readonly [from: number, to: number];

/** A moment as the zone's wall clock shows it; `minute` counts from midnight. */
export interface LocalTime {
  readonly day: Day;
  readonly minute: number;
  /** Into the current minute. */
  readonly restMs: number;
}

/** A schedule made ready: the zone's data is looked up once, not at each question. */
export interface CompiledSchedule {
  /** Is it open at `nowMs`, and until when? */
  at(nowMs: number): ScheduleState;
}

/** A time zone the platform does not know makes a schedule that is never open: nobody can say what was meant. */
export function compileSchedule(schedule: Schedule): CompiledSchedule {
  const notBeforeMs = schedule.notBefore === undefined ? -Infinity : Date.parse(schedule.notBefore);
  const notAfterMs = schedule.notAfter === undefined ? Infinity : Date.parse(schedule.notAfter);
  const format = schedule.windows === undefined ? undefined : zoneFormat(schedule.timezone);
  const weekSpans = spans(schedule.windows ?? []);
  return {
    at(nowMs) {
      if (nowMs < notBeforeMs) return { open: false, why: `before ${schedule.notBefore}` };
      if (nowMs >= notAfterMs) return { open: false, why: `after ${schedule.notAfter}` };
      const endMs = notAfterMs === Infinity ? undefined : notAfterMs;
      if (schedule.windows === undefined) return { open: true, closesAtMs: endMs };
      if (format === undefined) return { open: false, why: `time zone "${schedule.timezone}" is not known here` };
      const local = localTime(nowMs, format);
      const minutes = minutesOpen(weekSpans, local);
      if (minutes === 0) {
        return { open: false, why: `outside ${schedule.windows.map(describe).join(', ') || 'every window'}` };
      }
      if (minutes === undefined) return { open: true, closesAtMs: endMs };
      return { open: true, closesAtMs: Math.min(nowMs - local.restMs + minutes * minuteMs, notAfterMs) };
    },
  };
}

/** `mon–fri 08:00–17:00` in the contract's own words. */
export function describe(window: Window): string {
  return `${window.days?.join(' ') ?? 'daily'} ${window.from}–${window.to}`;
}

/** Minutes from the current minute's start until no window is open; 0: none is; undefined: a whole week is covered. */
function minutesOpen(weekSpans: readonly Span[], local: LocalTime): number | undefined {
  const start = days.indexOf(local.day) * dayMinutes + local.minute;
  const weekMinutes = 7 * dayMinutes;
  let end = start;
  for (let extended = true; extended;) {
    extended = false;
    for (const [from, to] of weekSpans) {
      for (const shift of [-weekMinutes, 0, weekMinutes, 2 * weekMinutes]) {
        if (from + shift <= end && to + shift > end) {
          end = to + shift;
          extended = true;
        }
      }
    }
    if (end - start >= weekMinutes) return undefined;
  }
  return end - start;
}

/** Windows as minutes of the week; one that ends before it begins runs past midnight. */
function spans(windows: readonly Window[]): readonly Span[] {
  return windows.flatMap((window) => {
    const from = minuteOf(window.from);
    const to = minuteOf(window.to);
    const length = to > from ? to - from : to - from + dayMinutes;
    return (window.days ?? days).map((day): Span => {
      const base = days.indexOf(day) * dayMinutes + from;
      return [base, base + length];
    });
  });
}

function minuteOf(text: string): number {
  const [hours, minutes] = text.split(':');
  return Number(hours) * 60 + Number(minutes);
}

/** Wall time of a zone as a weekday and a minute of the day. */
export function localTime(nowMs: number, format: Intl.DateTimeFormat): LocalTime {
  const parts = format.formatToParts(nowMs);
  const part = (type: string): string => parts.find((candidate) => candidate.type === type)?.value ?? '';
  const day = part('weekday').toLowerCase() as Day;
  return { day, minute: Number(part('hour')) * 60 + Number(part('minute')), restMs: nowMs % minuteMs };
}

/** The zone's clock, the host's where none is given; undefined where the platform does not know the zone. */
export function zoneFormat(zone: string | undefined): Intl.DateTimeFormat | undefined {
  try {
    return new Intl.DateTimeFormat('en-US', {
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
      ...defined({ timeZone: zone }),
    });
  } catch (error) {
    // Intl names an unknown zone by a RangeError; anything else is a fault of ours.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
