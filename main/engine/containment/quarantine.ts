/** The quarantine kept on disk and in the audit: a restart must not free anyone. */
import { join } from 'node:path';
import * as v from 'valibot';
import type { AuditWriter } from '../../audit/record.ts';
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { QuarantineView } from '../../api/views.ts';
import { Quarantine, type QuarantineEntry } from '../../policy/quarantine.ts';
import { iso } from '../../base/iso.ts';
import { codeFromOutside } from '../../base/reason.ts';
import { readKept, writeKept } from '../runtime/kept-file.ts';

const entry = v.object({
  subject: v.string(),
  sinceMs: v.number(),
  cause: v.string(),
  // Another version of Culvert may have written it.
  said: v.exactOptional(
    v.pipe(
      v.object({ code: v.string(), details: v.exactOptional(v.record(v.string(), v.unknown())) }),
      v.transform(({ code, details }) => codeFromOutside(code, details)),
    ),
  ),
  by: v.picklist(['operator', 'contract', 'detector', 'breaker']),
  untilMs: v.exactOptional(v.number()),
});
const file = v.object({ version: v.literal(1), quarantined: v.array(entry) });
const words = { unknown: 'whom it holds', removing: 'frees everything quarantined' };

/** Where it is kept and recorded. */
export interface QuarantineDeps {
  readonly stateDirectory: string;
  readonly clock: Clock;
  readonly audit: AuditWriter;
  readonly log: Log;
}

/** Read what is quarantined. A damaged file throws `engine.state_unusable`: forgetting it would free whom it holds. */
export function openQuarantine(deps: QuarantineDeps): Quarantine {
  const path = join(deps.stateDirectory, 'quarantine.json');
  const quarantine = new Quarantine({
    clock: deps.clock,
    entries: readKept(path, file, words)?.quarantined ?? [],
    save(entries) {
      try {
        writeKept(path, { version: 1, quarantined: entries });
      } catch (error) {
        // It holds all the same, as long as this engine lives; cutting off must not fail because the disk does.
        deps.log.error('quarantine.not_written', { error });
      }
    },
  });
  quarantine.events.subscribe((event) => {
    const { subject, cause, by } = event.entry;
    if (event.kind === 'added') deps.audit.recordOrLog({ kind: 'quarantine.added', subject, cause, by });
    else deps.audit.recordOrLog({ kind: 'quarantine.released', subject, by: event.by });
  });
  return quarantine;
}

/** A subject in quarantine as clients see it. */
export function quarantineView(held: QuarantineEntry): QuarantineView {
  const { subject, sinceMs, cause, said, by } = held;
  return {
    subject,
    since: iso(sinceMs),
    cause,
    ...defined({ causeCode: said?.code }),
    ...defined({ causeDetails: said?.details }),
    by,
  };
}

/** Let a subject back. Throws `policy.quarantine_unknown` where it is not held. */
export function releaseFrom(quarantine: Quarantine, subject: string): void {
  if (quarantine.release(subject)) return;
  throw new TunnelerError('policy.quarantine_unknown', `${subject} is not quarantined`, {
    details: { next: 'culvert quarantine list shows what is' },
  });
}
