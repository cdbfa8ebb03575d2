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
import { toTunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { closeReasons } from '../../base/reason.ts';
import { SerialQueue } from '../../base/serial-queue.ts';
import { writeAtomically } from '../../files/write-atomically.ts';
import { readKept, writeKept } from '../runtime/kept-file.ts';

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

/** Throws `engine.state_unusable` for a damaged file. Disposing writes what was counted last. */
export function openKeptEngagements(deps: KeptEngagementsDeps): EngagementBook & AsyncDisposable {
  const { clock, audit, log } = deps;
  const path = join(deps.stateDirectory, 'engagements.json');
  const writes = new SerialQueue();
  let timer: Disposable | undefined;
  let saves = 0;

  /** In the background: counts change with every message, and none of them waits for the disk. */
  const write = (): void => {
    timer?.[Symbol.dispose]();
    timer = undefined;
    writes
      .run(async () => {
        const before = saves;
        const text = JSON.stringify({ version: 1, engagements: book.list() });
        // A transition that was kept meanwhile has these counts too, and no older state takes its place.
        await writeAtomically(path, text, { stillWanted: () => saves === before });
      })
      .catch((error: unknown) => {
        log.error('engagements.not_written', { code: toTunnelerError(error).code, error: String(error) });
      });
  };
  const book = new EngagementBook({
    clock,
    sinceBootMs: () => uptime() * 1000,
    digest: (text) => createHash('sha256').update(text).digest('hex'),
    kept: (readKept(path, file, words)?.engagements ?? []).map((one) => ({ ...one })),
    save(engagements) {
      saves += 1;
      writeKept(path, { version: 1, engagements });
    },
    counted: () => {
      timer ??= clock.after(writeAfterMs, write);
    },
    record: (one) => audit.record({ kind: kinds[one.state], ...fieldsOf(one) }),
    unkept: (error) => log.error('engagements.end_not_kept', { code: error.code, error: String(error) }),
  });
  return Object.assign(book, {
    async [Symbol.asyncDispose]() {
      book[Symbol.dispose]();
      if (timer !== undefined) write();
      await writes.idle();
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
