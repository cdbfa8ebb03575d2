/**
 * One sink's way through the journal: the journal itself is the spool, a cursor says how far the sink has got. Back-pressure costs nothing
 * (records wait on disk), a collector that is away is tried again with growing, jittered pauses, and a restart goes on where it stopped.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { sleep, type Clock } from '../../base/clock.ts';
import { toTunnelerError, type TunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { readJsonIfThereSync } from '../../files/read-if-there.ts';
import { writeAtomically } from '../../files/write-atomically.ts';
import { auditDirectory } from '../audit.ts';
import { decodeLine, type ChainedRecord } from '../chain.ts';
import { listJournalFiles, readLines } from '../journal-files.ts';
import type { ExportSink } from './sink.ts';
import { untilAborted } from '../../base/abort.ts';

/** The journal, the sink, and where the cursor is kept. */
export interface ExporterDeps {
  readonly stateDirectory: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Tells of new records, so that an idle exporter need not poll. */
  readonly onRecord: (listener: () => void) => Disposable;
}

/** How far a sink has got, and what stands in its way. */
export interface ExporterState {
  readonly sink: string;
  /** Last record delivered. */
  readonly deliveredSeq: number;
  readonly error: TunnelerError | undefined;
}

/** One sink's way while it runs; disposing ends it and keeps the cursor. */
export interface Exporter extends AsyncDisposable {
  state(): ExporterState;
}

const batchRecords = 200;
const firstPauseMs = 500;
const maxPauseMs = 60_000;

/** Where a reader stands: after record `seq`, at byte `offset` of the file that begins with `file`. */
interface Cursor {
  readonly seq: number;
  readonly file: number;
  readonly offset: number;
}

/** Start exporting. Closing waits for the batch under way to end or fail. */
export function openExporter(deps: ExporterDeps, sink: ExportSink): Exporter {
  const cursorPath = join(
    deps.stateDirectory,
    `export-${createHash('sha256').update(sink.name).digest('hex').slice(0, 16)}.json`,
  );
  let cursor = readCursor(cursorPath);
  let error: TunnelerError | undefined;
  let wake: () => void = () => undefined;
  const abort = new AbortController();
  const subscription = deps.onRecord(() => wake());

  async function run(): Promise<void> {
    let pauseMs = firstPauseMs;
    while (!abort.signal.aborted) {
      const woken = new Promise<void>((resolve) => (wake = resolve));
      try {
        // Retention may take a file away while it is read: then it is looked again.
        const batch = await readBatch(auditDirectory(deps.stateDirectory), cursor);
        if (batch.records.length === 0) {
          await Promise.race([woken, untilAborted(abort.signal)]);
          continue;
        }
        await sink.deliver(batch.records, abort.signal);
        // Noted or not, it is delivered: on a full disk it must not go out again and again.
        await writeAtomically(cursorPath, JSON.stringify(batch.next)).finally(() => (cursor = batch.next));
        if (error !== undefined) deps.log.info('audit.export_resumed', { sink: sink.name, seq: cursor.seq });
        error = undefined;
        pauseMs = firstPauseMs;
      } catch (failure) {
        if (abort.signal.aborted) return;
        if (error === undefined) deps.log.warn('audit.export_paused', { sink: sink.name, seq: cursor.seq });
        error = toTunnelerError(failure, 'audit.export_failed');
        // Full jitter, so that a fleet does not come back all at once.
        await sleep(deps.clock, pauseMs * (0.5 + Math.random() / 2), abort.signal).catch(() => undefined);
        pauseMs = Math.min(pauseMs * 2, maxPauseMs);
      }
    }
  }

  const running = run().catch((failure: unknown) => {
    error = toTunnelerError(failure, 'audit.export_failed');
    deps.log.error('audit.export_stopped', { sink: sink.name, error: error.message });
  });
  return {
    state: () => ({ sink: sink.name, deliveredSeq: cursor.seq, error }),
    async [Symbol.asyncDispose]() {
      abort.abort();
      subscription[Symbol.dispose]();
      await running;
      await sink[Symbol.asyncDispose]();
    },
  };
}

async function readBatch(journal: string, from: Cursor): Promise<{ records: ChainedRecord[]; next: Cursor }> {
  const records: ChainedRecord[] = [];
  let next = from;
  for (const file of listJournalFiles(journal)) {
    if (file.firstSeq < from.file) continue;
    let offset = file.firstSeq === from.file ? from.offset : 0;
    for await (const { line, torn } of readLines(file.path, offset)) {
      if (torn) break;
      offset += Buffer.byteLength(line) + 1;
      const decoded = decodeLine(line);
      // A damaged line is verify's business; what is whole goes out.
      if ('record' in decoded && decoded.record.seq > next.seq) {
        records.push(decoded.record);
        next = { seq: decoded.record.seq, file: file.firstSeq, offset };
      }
      if (records.length >= batchRecords) return { records, next };
    }
  }
  return { records, next };
}

function readCursor(path: string): Cursor {
  try {
    const raw = (readJsonIfThereSync(path) ?? {}) as Partial<Cursor>;
    const { seq, file, offset } = raw;
    if (Number.isSafeInteger(seq) && Number.isSafeInteger(file) && Number.isSafeInteger(offset)) return raw as Cursor;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return { seq: 0, file: 0, offset: 0 };
}
