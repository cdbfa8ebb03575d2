/** Where exported records go. Several sinks run side by side; each has its own place in the journal. */
import type { ChainedRecord } from '../chain.ts';

/** A record and whose it is, as every sink tells it. */
export interface ExportedRecord {
  readonly record: ChainedRecord;
  /** The name of the device that recorded it. */
  readonly device: string;
}

/** One destination; passes the conformance suite of sinks. */
export interface ExportSink extends AsyncDisposable {
  /** For the cursor's file and for people: `syslog:collector:6514`. */
  readonly name: string;
  /**
   * Deliver a batch, in order; resolves once the far side has it as surely as its protocol can tell. Rejects with
   * `audit.export_failed`; the same batch is then offered again later.
   */
  deliver(records: readonly ExportedRecord[], signal: AbortSignal): Promise<void>;
}
