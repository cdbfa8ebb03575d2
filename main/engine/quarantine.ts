/** What is cut off: programs, agents, identities, services and single sessions. Kept on disk, for a restart must not free anyone. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import type { AuditWriter } from '../audit/record.ts';
import type { Clock } from '../base/clock.ts';
import { Emitter } from '../base/emitter.ts';
import { TunnelerError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { QuarantineView } from '../contract/views.ts';

const row = v.object({
  subject: v.string(),
  since: v.string(),
  cause: v.string(),
  by: v.picklist(['operator', 'contract', 'detector', 'breaker']),
});
const file = v.object({ version: v.literal(1), quarantined: v.array(row) });

export type QuarantineEvent =
  { readonly kind: 'added'; readonly view: QuarantineView } | { readonly kind: 'released'; readonly subject: string };

export interface Quarantine {
  /** Cut off; an already quarantined subject keeps its first cause. Listeners (sockets!) hear of it before the disk does. */
  add(subject: string, cause: string, by: QuarantineView['by']): Promise<QuarantineView>;
  /** Throws `policy.quarantine_unknown`. */
  release(subject: string): Promise<void>;
  list(): readonly QuarantineView[];
  /** The cause, where the subject is quarantined. */
  causeOf(subject: string): string | undefined;
  subscribe(listener: (event: QuarantineEvent) => void): Disposable;
}

export interface QuarantineDeps {
  readonly stateDirectory: string;
  readonly clock: Clock;
  readonly audit: AuditWriter;
  readonly log: Log;
}

/** Read what is quarantined. A damaged file throws `engine.state_unusable`: forgetting it would free whom it holds. */
export async function openQuarantine(deps: QuarantineDeps): Promise<Quarantine> {
  const path = join(deps.stateDirectory, 'quarantine.json');
  const held = new Map((await read(path)).map((view) => [view.subject, view]));
  const events = new Emitter<QuarantineEvent>((error) => deps.log.error('quarantine.listener_failed', { error }));
  let writing: Promise<void> = Promise.resolve();

  const write = (): Promise<void> => {
    writing = writing
      .then(async () => {
        const draft = `${path}.tmp`;
        await writeFile(draft, JSON.stringify({ version: 1, quarantined: [...held.values()] }), { mode: 0o600 });
        await rename(draft, path);
      })
      .catch((error: unknown) => deps.log.error('quarantine.not_written', { error }));
    return writing;
  };

  return {
    async add(subject, cause, by) {
      const before = held.get(subject);
      if (before !== undefined) return before;
      const view: QuarantineView = { subject, cause, by, since: new Date(deps.clock.now()).toISOString() };
      held.set(subject, view);
      events.emit({ kind: 'added', view });
      note(deps, { kind: 'quarantine.added', subject, cause, by });
      await write();
      return view;
    },
    async release(subject) {
      if (!held.delete(subject)) {
        throw new TunnelerError('policy.quarantine_unknown', `${subject} is not quarantined`, {
          details: { next: 'culvert quarantine list shows what is' },
        });
      }
      events.emit({ kind: 'released', subject });
      note(deps, { kind: 'quarantine.released', subject });
      await write();
    },
    list: () => [...held.values()],
    causeOf: (subject) => held.get(subject)?.cause,
    subscribe: (listener) => events.subscribe(listener),
  };
}

/** Cutting off must not fail because the journal does; it is the one fact told even where it cannot be recorded. */
function note(deps: QuarantineDeps, event: Parameters<AuditWriter['record']>[0]): void {
  try {
    deps.audit.record(event);
  } catch (error) {
    deps.log.error('quarantine.not_recorded', { error });
  }
}

async function read(path: string): Promise<readonly QuarantineView[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw damaged(path, error);
  }
  try {
    return v.parse(file, JSON.parse(text)).quarantined;
  } catch (error) {
    throw damaged(path, error);
  }
}

function damaged(path: string, cause: unknown): TunnelerError {
  return new TunnelerError('engine.state_unusable', `${path} cannot be read, so whom it holds is not known`, {
    cause,
    details: { file: path, next: 'mend or remove it; removing it frees everything quarantined' },
  });
}
