/** When sessions of a service may run. */
import * as v from 'valibot';
import { terms } from './terms.ts';

const dayNames = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
const timeOfDay = v.pipe(v.string(), v.regex(/^([01]\d|2[0-3]):[0-5]\d$|^24:00$/, 'expected HH:MM'));

/** Windows in which sessions may run; outside them new ones are refused and running ones closed. */
export const schedule = terms({
  /** IANA zone; default the host's. */
  timezone: v.optional(v.string()),
  windows: v.optional(
    v.array(terms({ days: v.optional(v.array(v.picklist(dayNames))), from: timeOfDay, to: timeOfDay })),
  ),
  /** ISO 8601 instants. */
  notBefore: v.optional(v.pipe(v.string(), v.isoTimestamp())),
  notAfter: v.optional(v.pipe(v.string(), v.isoTimestamp())),
});

/** The parsed `schedule` part of a contract. */
export type Schedule = Readonly<v.InferOutput<typeof schedule>>;
