/**
 * One sink's way through a record that is kept: that itself is the spool, a cursor says how far the sink has got. Back-pressure costs nothing
 * (records wait on disk), a collector that is away is tried again with growing, jittered pauses, and a restart goes on where it stopped.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { sleep, type Clock } from '../../base/clock.ts';
import { toTunnelerError, type TunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { readJsonIfThereSync } from '../../files/read-if-there.ts';
import { writeAtomically } from '../../files/write-atomically.ts';
import type { ExportedRecord, ExportSink } from './sink.ts';
import { untilAborted } from '../../base/abort.ts';

/** A record that is kept, as an exporter reads it. */
export interface ExportSource {
  /** Tells its cursors from those of others; absent: the engine's own journal. */
  readonly name?: string;
  /** What stands after a cursor that `read` gave before; anything else is the beginning. No records: there is nothing more yet. */
  read(cursor: unknown): Promise<{
    readonly records: readonly ExportedRecord[];
    readonly next: unknown;
    /** How far that is, for people. */
    readonly seq: number;
  }>;
}

/** What is exported, and where the cursor is kept. */
export interface ExporterDeps {
  readonly stateDirectory: string;
  readonly source: ExportSource;
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

const firstPauseMs = 500;
const maxPauseMs = 60_000;

/** Start exporting. Closing waits for the batch under way to end or fail. */
export function openExporter(deps: ExporterDeps, sink: ExportSink): Exporter {
  const cursorPath = join(
    deps.stateDirectory,
    `export-${createHash('sha256').update(placeOf(deps.source, sink)).digest('hex').slice(0, 16)}.json`,
  );
  let cursor = readCursor(cursorPath);
  let deliveredSeq = seqOf(cursor);
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
        const batch = await deps.source.read(cursor);
        if (batch.records.length === 0) {
          await Promise.race([woken, untilAborted(abort.signal)]);
          continue;
        }
        await sink.deliver(batch.records, abort.signal);
        // Noted or not, it is delivered: on a full disk it must not go out again and again.
        await writeAtomically(cursorPath, JSON.stringify(batch.next)).finally(() => {
          cursor = batch.next;
          deliveredSeq = batch.seq;
        });
        if (error !== undefined) deps.log.info('audit.export_resumed', { sink: sink.name, seq: deliveredSeq });
        error = undefined;
        pauseMs = firstPauseMs;
      } catch (failure) {
        if (abort.signal.aborted) return;
        if (error === undefined) deps.log.warn('audit.export_paused', { sink: sink.name, seq: deliveredSeq });
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
    state: () => ({ sink: sink.name, deliveredSeq, error }),
    async [Symbol.asyncDispose]() {
      abort.abort();
      subscription[Symbol.dispose]();
      await running;
      await sink[Symbol.asyncDispose]();
    },
  };
}

/** One that cannot be read is none: what was delivered before comes once more. */
function readCursor(path: string): unknown {
  try {
    return readJsonIfThereSync(path);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}

function placeOf({ name }: ExportSource, sink: ExportSink): string {
  return name === undefined ? sink.name : `${name} ${sink.name}`;
}

function seqOf(cursor: unknown): number {
  const { seq } = (cursor ?? {}) as { readonly seq?: unknown };
  return typeof seq === 'number' ? seq : 0;
}
