/** What is kept of a service's sessions, at the end that hosts it. */
import * as v from 'valibot';
import { terms } from './terms.ts';

/** The `record` part of a contract. */
export const record = terms({
  /** Also what reads of a device returned stands in the record of calls. */
  values: v.optional(v.boolean()),
  /** A capture of each session, as it reached the service. */
  pcap: v.optional(v.boolean()),
});
