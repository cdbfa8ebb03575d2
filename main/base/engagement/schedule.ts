/** When sessions of a service may run. */
import * as v from 'valibot';
import { terms } from './terms.ts';

const dayNames = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
const timeOfDay = v.pipe(v.string(), v.regex(/^([01]\d|2[0-3]):[0-5]\d$|^24:00$/, 'expected HH:MM'));

/** Windows in which sessions may run; outside them new ones are refused and running ones closed. */
export const schedule = terms({
  /** IANA zone; default the host's. */
  timezone: v.optional(v.string()),
  /** Hours in which sessions may run. Default: any. */
  windows: v.optional(
    v.array(
      terms({
        /** Days it begins on. Default: every day. */
        days: v.optional(v.array(v.picklist(dayNames))),
        /** When it begins, as the clock on the wall shows it. */
        from: timeOfDay,
        /** When it ends; earlier than `from` means the next day. */
        to: timeOfDay,
      }),
    ),
  ),
  /** No session before this. */
  notBefore: v.optional(v.pipe(v.string(), v.isoTimestamp())),
  /** No session after this. */
  notAfter: v.optional(v.pipe(v.string(), v.isoTimestamp())),
});

/** The parsed `schedule` part of a contract. */
export type Schedule = Readonly<v.InferOutput<typeof schedule>>;
