/** What a collector keeps of its devices, whichever database it is in. Rows are plain facts; who may write them is decided before. */
import type { ChainedRecord } from '../../audit/chain.ts';
import type { AuditQuery } from '../../audit/index-store.ts';
import type { SignersFile } from '../../audit/signers.ts';

/** How sure the collector is of a device's name. */
export type CallerWord = 'router' | 'signature' | 'nobody';

/** One journal of one device. A device that forks its chain or comes back with less goes on in another branch; what was kept stays. */
export interface FleetDevice {
  readonly id: number;
  readonly origin: string;
  /** 1 for the first; the last is the one that is written to. */
  readonly branch: number;
  readonly name: string;
  readonly asserted: CallerWord;
  readonly signers: SignersFile;
  /** The newest record kept, and its hash. */
  readonly count: number;
  readonly head: string;
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
  /** The device's clock less ours. */
  readonly clockOffsetMs: number;
}

/** A device that calls for the first time, or with another journal than before. */
export interface NewDevice {
  readonly origin: string;
  readonly branch: number;
  readonly name: string;
  readonly asserted: CallerWord;
  readonly signers: SignersFile;
  /** Where its journal begins: the record before the first that can come. */
  readonly count: number;
  readonly head: string;
  readonly nowMs: number;
}

/** A record as it came, and the line it came in. */
export interface FleetRecord {
  readonly record: ChainedRecord;
  readonly line: string;
}

/** One record that a search found. */
export interface FleetHit {
  readonly device: string;
  readonly origin: string;
  readonly branch: number;
  readonly receivedAt: string;
  readonly record: ChainedRecord;
}

/** What is searched for, in one device's record or in all; newest received first, times by the devices' own clocks. */
export interface FleetQuery extends Omit<AuditQuery, 'beforeSeq'> {
  readonly device?: string | undefined;
  /** One journal. */
  readonly origin?: string | undefined;
}

/** Something found out about a device. */
export interface FleetAlert {
  readonly id: number;
  readonly at: string;
  readonly device: string;
  readonly origin: string;
  readonly kind: FleetAlertKind;
  readonly text: string;
}
/** `less`: it came back with fewer records than were kept; `forked`: with others; `tampered`: a line or signature that does not hold. */
export type FleetAlertKind = 'silent' | 'back' | 'less' | 'forked' | 'tampered' | 'new-key';

/** A signed order to every device: to cut a subject off, or to let it back. */
export interface FleetOrder {
  readonly id: string;
  readonly at: string;
  readonly action: 'quarantine' | 'release';
  readonly subject: string;
  readonly cause: string;
  /** What was signed, and the collector's signature (base64). */
  readonly text: string;
  readonly signature: string;
}

/** A device's word that it carried an order out. */
export interface FleetAck {
  readonly order: string;
  readonly device: string;
  /** By the device's clock. */
  readonly at: string;
  readonly receivedAtMs: number;
  readonly outcome: string;
}

/** Fields of records that a search can ask for by name. */
export const searchColumns = ['kind', 'service', 'identity', 'agent', 'tool', 'session', 'decision'] as const;

/** What is kept of the fleet; disposing closes the database. */
export interface FleetStore extends AsyncDisposable {
  devices(): Promise<readonly FleetDevice[]>;
  addDevice(device: NewDevice): Promise<FleetDevice>;
  /** What was told of a device anew. */
  see(
    id: number,
    seen: Pick<FleetDevice, 'name' | 'asserted' | 'signers' | 'lastSeenMs' | 'clockOffsetMs'>,
  ): Promise<void>;
  /** Keep records that follow what is kept, all or none. Durable when it resolves. */
  append(id: number, records: readonly FleetRecord[], receivedAtMs: number): Promise<void>;
  /** Hash of a record that is kept. */
  hashAt(id: number, seq: number): Promise<string | undefined>;
  /** A branch's records after `seq` that are still kept, oldest first, so many at most. */
  read(id: number, seq: number, most: number): Promise<readonly ChainedRecord[]>;
  /** A checkpoint that was countersigned. Where records are not kept, `count` and `head` move on with it. */
  addNote(
    id: number,
    note: { readonly count: number; readonly head: string; readonly text: string; readonly atMs: number },
  ): Promise<void>;
  /** Countersigned checkpoints of a branch, oldest first. */
  notes(id: number): Promise<readonly string[]>;
  search(query: FleetQuery): Promise<readonly FleetHit[]>;
  addAlert(alert: Omit<FleetAlert, 'id'>): Promise<void>;
  /** Newest first. */
  alerts(limit: number): Promise<readonly FleetAlert[]>;
  addOrder(order: FleetOrder): Promise<void>;
  /** Oldest first. */
  orders(): Promise<readonly FleetOrder[]>;
  addAck(ack: FleetAck): Promise<void>;
  acks(): Promise<readonly FleetAck[]>;
  /** Let go of records received before this. */
  retire(beforeMs: number): Promise<void>;
}

/** What a person would type to find a record: its values, without the chain's own hashes. */
export function wordsOf(record: ChainedRecord): string {
  const { prev: _prev, hash: _hash, seq: _seq, at: _at, note: _note, ...rest } = record;
  return JSON.stringify(Object.values(rest));
}

/** The words of a query, as both databases search for them: each as the beginning of a word. */
export function queryWords(text: string | undefined): readonly string[] {
  return text?.match(/[\p{L}\p{N}]+/gu) ?? [];
}
