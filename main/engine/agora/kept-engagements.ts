/** Engagements kept on disk: neither a restart nor another boot gives anybody the time, the bytes or the word anew. */
import { createHash } from 'node:crypto';
import { uptime } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { EngagementBook } from '../../agora/engagement-book.ts';
import { agoraWords, type Engagement } from '../../agora/engagement.ts';
import type { AuditKind, AuditWriter } from '../../audit/record.ts';
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { engagementSchema } from '../../base/engagement.ts';
import { engagementStates } from '../../base/engagement-states.ts';
import type { Log } from '../../base/log.ts';
import { closeReasons } from '../../base/reason.ts';
import { LaterFile } from '../../files/later-file.ts';
import { readKept } from '../runtime/kept-file.ts';

/** Counts that change within this time are written together. */
const writeAfterMs = 250;

const text = v.string();
const number = v.pipe(v.number(), v.finite());
const ends = [...closeReasons, 'rejected', 'contract_changed'] as const;
const engagement = v.object({
  id: text,
  end: v.picklist(['dial', 'host']),
  account: text,
  identity: text,
  counterparty: v.optional(text),
  serviceId: text,
  service: text,
  contract: engagementSchema,
  contractHash: text,
  contractHashThere: v.optional(text),
  state: v.picklist(engagementStates),
  proposedAtMs: number,
  startedAtMs: v.optional(number),
  startedSinceBootMs: v.optional(number),
  approvedMs: v.optional(number),
  approval: v.optional(text),
  lastAtMs: number,
  closedAtMs: v.optional(number),
  ended: v.optional(v.picklist(ends)),
  endedDetail: v.optional(text),
  claimed: v.optional(v.picklist(ends)),
  usedBefore: v.optional(v.object({ bytes: number, ms: number })),
  ranMs: v.optional(number),
  reason: text,
  messages: number,
  bytes: number,
});
const file = v.object({ version: v.literal(1), engagements: v.array(engagement) });
const words = {
  unknown: 'who is engaged with whom',
  removing: 'ends every engagement, and forgets what was used of them',
};

/** Where they are kept and recorded. */
export interface KeptEngagementsDeps {
  readonly stateDirectory: string;
  readonly clock: Clock;
  readonly audit: Pick<AuditWriter, 'record'>;
  readonly log: Log;
}

/** Engagements on the disk. Disposing writes what was counted last. */
export interface KeptEngagements extends EngagementBook, AsyncDisposable {
  /** Resolves once all that was agreed on, said and ended so far is on the disk. Throws what came in the way. */
  kept(): Promise<void>;
}

/**
 * Throws `engine.state_unusable` for a damaged file. Nothing waits for the disk: a transition counts at once, and is written in the background. Where
 * that fails nothing new begins before it stands.
 */
export function openKeptEngagements(deps: KeptEngagementsDeps): KeptEngagements {
  const { clock, audit, log } = deps;
  const path = join(deps.stateDirectory, 'engagements.json');
  let timer: Disposable | undefined;
  const later = new LaterFile({
    path,
    clock,
    content: () => JSON.stringify({ version: 1, engagements: book.list() }),
    onUnkept: (error) => log.error('engagements.not_written', { code: error.code, error: String(error) }),
  });
  const write = (): void => {
    timer?.[Symbol.dispose]();
    timer = undefined;
    later.change();
  };
  const book = new EngagementBook({
    clock,
    sinceBootMs: () => uptime() * 1000,
    digest: (text) => createHash('sha256').update(text).digest('hex'),
    kept: (readKept(path, file, words)?.engagements ?? []).map((one) => ({ ...one })),
    save() {
      write();
      if (later.unkept !== undefined) throw later.unkept;
    },
    counted: () => {
      timer ??= clock.after(writeAfterMs, write);
    },
    record: (one) => audit.record({ kind: kinds[one.state], ...fieldsOf(one) }),
    unkept: (error) => log.error('engagements.end_not_kept', { code: error.code, error: String(error) }),
  });
  return Object.assign(book, {
    kept: () => later.kept(),
    async [Symbol.asyncDispose]() {
      book[Symbol.dispose]();
      if (timer !== undefined) write();
      await later[Symbol.asyncDispose]();
    },
  });
}

const kinds: Readonly<Record<Engagement['state'], AuditKind>> = {
  proposed: 'engagement.proposed',
  accepting: 'engagement.accepting',
  active: 'engagement.active',
  closing: 'engagement.closing',
  closed: 'engagement.closed',
};

function fieldsOf(one: Engagement): Readonly<Record<string, unknown>> {
  const { id, service, identity, counterparty, contractHash, contractHashThere, reason, ended, end } = one;
  const isOver = one.state === 'closed';
  return {
    engagement: id,
    service,
    identity,
    counterparty: counterparty ?? null,
    end,
    contractHash,
    reason,
    ...(one.state === 'proposed' ? { contract: one.contract } : {}),
    ...defined({ contractHashThere, approval: one.approval, ended, claimed: one.claimed }),
    ...(ended === undefined ? {} : agoraWords(ended, one.endedDetail)),
    ...(isOver ? { messages: one.messages, bytes: one.bytes } : {}),
  };
}
