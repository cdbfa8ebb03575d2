/**
 * The recordings of a host's sessions: made where a contract asks for them, listed, read and exported. Only the hosting side records: it is the
 * owner's.
 */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import type { AuditWriter } from '../audit/record.ts';
import type { Clock } from '../base/clock.ts';
import type { EngagementContract } from '../base/engagement.ts';
import { toTunnelerError, TunnelerError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Reason } from '../base/reason.ts';
import { listIfThere } from '../files/read-if-there.ts';
import { secretDirectoryMode, writeAtomically } from '../files/write-atomically.ts';
import type { SessionFacts, SessionTap } from '../session/sessions.ts';
import { Recording, type Finished } from './recording.ts';
import type { RecordingKey } from './recording-key.ts';
import { entryKinds, readSealed, type Entry } from './sealed-file.ts';

/** Bytes kept of one session; then its recording says that it is cut. */
const maxSessionBytes = 64 * 1024 * 1024;
/** Kept of all sessions together, and how long, where nothing else is said. */
const defaultMaxBytes = 2 * 1024 * 1024 * 1024;
const defaultKeepMs = 90 * 24 * 3_600_000;
/** How often it is looked whose time is over, while no session ends. */
const pruneEveryMs = 3_600_000;

const facts = v.object({
  session: v.string(),
  service: v.string(),
  identity: v.string(),
  caller: v.string(),
  destination: v.string(),
  startedAt: v.string(),
  pcap: v.boolean(),
  endedAt: v.optional(v.string()),
  bytes: v.optional(v.number()),
  packets: v.optional(v.number()),
  calls: v.optional(v.number()),
  truncated: v.optional(v.boolean()),
  sha256: v.optional(v.string()),
});
/** What is known of a recording without opening it; without `endedAt` it goes on, or was cut off with the engine. */
export type RecordingFacts = v.InferOutput<typeof facts>;

/** Where recordings lie, and what is cut where one cannot be kept. */
export interface RecordingsDeps {
  /** Holds the recordings and their key; made when first used. */
  readonly directory: string;
  readonly key: RecordingKey;
  readonly audit: AuditWriter;
  readonly clock: Clock;
  readonly log: Log;
  /** What all may take; the oldest go first. Default 2 GiB. */
  readonly maxBytes?: number;
  /** How long after its beginning one is kept. Default 90 days. */
  readonly keepMs?: number;
  /** A session whose recording cannot be kept must not go on. */
  readonly cut: (session: string, why: Reason) => void;
}

/** Disposing waits for the recordings that are being closed. */
export interface Recordings extends AsyncDisposable {
  /** For `createSessions`. */
  tap(contract: EngagementContract, facts: SessionFacts, id: string): SessionTap | undefined;
  /** Newest first. */
  list(): Promise<readonly RecordingFacts[]>;
  /** The calls of a session, oldest first; `by` is who reads, for the record. Throws `recording.unknown`, `recording.unreadable`, `identity.*`. */
  calls(session: string, by: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** Its capture, as pcapng. Throws as `calls`, and `recording.no_packets` where none was asked for. */
  capture(session: string, by: string): Promise<Buffer>;
}

/** The recordings under a directory, those of earlier runs included. */
export function openRecordings(deps: RecordingsDeps): Recordings {
  const { directory, key, audit, clock, log, maxBytes = defaultMaxBytes, keepMs = defaultKeepMs } = deps;
  const open = new Set<string>();
  const closing = new Set<Promise<void>>();
  const fileOf = (session: string, ending: 'rec' | 'json'): string => join(directory, `${session}.${ending}`);
  const keep = (known: RecordingFacts): Promise<void> =>
    writeAtomically(fileOf(known.session, 'json'), `${JSON.stringify(known)}\n`);

  async function list(): Promise<readonly RecordingFacts[]> {
    const own = (await listIfThere(directory)).filter((name) => name.endsWith('.json'));
    const read = await Promise.all(own.map((name) => readFacts(join(directory, name))));
    return read.filter((one) => one !== undefined).sort((a, b) => b.startedAt.localeCompare(a.startedAt));
  }

  let pruned = Promise.resolve();
  /** One after another, and never in anybody's way. */
  function prune(): void {
    pruned = pruned
      .then(removeOld)
      .catch((error: unknown) => log.error('recording.not_removed', { error: String(error) }));
  }

  async function removeOld(): Promise<void> {
    let total = 0;
    for (const known of await list()) {
      total += known.bytes ?? 0;
      const isOld = clock.now() - Date.parse(known.startedAt) > keepMs;
      if (open.has(known.session) || (!isOld && total <= maxBytes)) continue;
      await Promise.all([rm(fileOf(known.session, 'rec'), { force: true }), rm(fileOf(known.session, 'json'))]);
      audit.record({
        kind: 'recording.removed',
        session: known.session,
        service: known.service,
        sha256: known.sha256 ?? null,
      });
    }
  }

  async function read(session: string, by: string): Promise<{ known: RecordingFacts; entries: readonly Entry[] }> {
    const known = (await list()).find((one) => one.session === session);
    if (known === undefined) {
      throw new TunnelerError('recording.unknown', `there is no recording of session ${session}`, {
        details: { next: 'culvert record list shows those there are' },
      });
    }
    const file = await readFile(fileOf(session, 'rec'));
    if (known.sha256 !== undefined && createHash('sha256').update(file).digest('hex') !== known.sha256) {
      throw new TunnelerError('recording.unreadable', 'the recording is not the file that was closed');
    }
    const keys = await key.open();
    const { entries, isWhole } = readSealed(file, session, keys);
    keys.secretKey.fill(0);
    if (known.endedAt !== undefined && !isWhole) {
      throw new TunnelerError('recording.unreadable', 'the recording lacks its end');
    }
    audit.record({ kind: 'recording.read', session, service: known.service, by });
    return { known, entries };
  }

  function finished(started: RecordingFacts, told: Finished): void {
    const { endedAtMs, ...figures } = told;
    const known = { ...started, ...figures, endedAt: new Date(endedAtMs).toISOString() };
    open.delete(started.session);
    audit.recordOrLog({ kind: 'recording.closed', session: started.session, service: started.service, ...figures });
    const kept = keep(known)
      .then(prune)
      .catch((error: unknown) => log.error('recording.not_kept', { error: String(error) }));
    closing.add(kept);
    void kept.then(() => closing.delete(kept));
  }

  prune();
  const timer = clock.every(pruneEveryMs, prune);
  return {
    tap(contract, own, id) {
      const { record } = contract;
      if (own.direction !== 'host' || (record?.pcap !== true && record?.values !== true)) return undefined;
      mkdirSync(directory, { recursive: true, mode: secretDirectoryMode });
      const started: RecordingFacts = {
        session: id,
        service: own.service,
        identity: own.identity,
        caller: own.source,
        destination: own.destination,
        startedAt: new Date(clock.now()).toISOString(),
        pcap: record.pcap === true,
      };
      open.add(id);
      let settle: () => void = () => undefined;
      const settled = new Promise<void>((resolve) => (settle = resolve));
      closing.add(settled);
      void settled.then(() => closing.delete(settled));
      const failed = (error: unknown): void => {
        open.delete(id);
        settle();
        const failure = toTunnelerError(error, 'recording.failed');
        log.error('recording.failed', { session: id, code: failure.code, error: failure.message });
        deps.cut(id, {
          code: 'session.not_recordable',
          sentence: `the contract asks for a recording, and it cannot be kept: ${failure.message}`,
        });
      };
      keep(started).catch(failed);
      return new Recording({
        id,
        path: fileOf(id, 'rec'),
        facts: own,
        pcap: started.pcap,
        publicKey: key.publicKey(),
        maxBytes: maxSessionBytes,
        clock,
        finished(told) {
          finished(started, told);
          settle();
        },
        failed,
      });
    },
    list,
    async calls(session, by) {
      const { entries } = await read(session, by);
      const calls = entries.filter(({ kind }) => kind === entryKinds.call);
      return calls.map(({ bytes }) => JSON.parse(Buffer.from(bytes).toString()) as Readonly<Record<string, unknown>>);
    },
    async capture(session, by) {
      const { known, entries } = await read(session, by);
      if (!known.pcap) {
        throw new TunnelerError('recording.no_packets', `session ${session} was recorded without packets`, {
          details: { next: 'record: {pcap: true} in the contract keeps them' },
        });
      }
      return Buffer.concat(entries.filter(({ kind }) => kind === entryKinds.packets).map(({ bytes }) => bytes));
    },
    async [Symbol.asyncDispose]() {
      timer[Symbol.dispose]();
      while (closing.size > 0) await Promise.all(closing);
      await pruned;
    },
  };
}

async function readFacts(path: string): Promise<RecordingFacts | undefined> {
  try {
    const parsed = v.safeParse(facts, JSON.parse(await readFile(path, 'utf8')));
    return parsed.success ? parsed.output : undefined;
  } catch {
    // Removed meanwhile, or no file of ours.
    return undefined;
  }
}
