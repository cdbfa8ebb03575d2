/** Views of the record: what it holds, whether it was altered, and what is collected of other devices. */
import type { ReasonCode } from '../base/reason-codes.ts';

/** One record as it stands in the journal; further fields depend on `kind`. */
export interface AuditRecordView {
  readonly seq: number;
  readonly at: string;
  readonly kind: string;
  readonly [field: string]: unknown;
}

/** What `culvert audit verify` finds: whether the journal is what was written, and where it is not. */
export interface AuditVerifyView {
  readonly ok: boolean;
  /** Records read that hold. */
  readonly count: number;
  readonly head?: string;
  /** `code` is what `reason` says, for other languages. */
  readonly firstBad?: {
    readonly seq: number;
    readonly file: string;
    readonly reason: string;
    readonly code?: ReasonCode;
  };
  /** Records that the journal itself says were lost. */
  readonly gaps: number;
  readonly checkpoints: number;
  /** Keys that sign the journal, oldest epoch first. */
  readonly signers: readonly AuditSignerView[];
  /** What stands before this record was left unsigned: by an older version, or before any identity was there. */
  readonly unsignedBefore?: number;
  readonly witness?: WitnessVerdictView;
}

/** One key that signs, or signed, the journal. */
export interface AuditSignerView {
  /** Lower-hex SHA-256 of the key's SPKI. */
  readonly key: string;
  /** 1 for the first; each that is lost is followed by another. */
  readonly epoch: number;
  readonly madeAt: string;
  readonly keystore: string;
  /** Identities that vouch for it. */
  readonly certifiedBy: readonly string[];
  readonly checkpoints: number;
  /** The newest record it signed for. */
  readonly signedUpTo?: number;
}

/** What a witness saw of this journal, held against what is there. */
export interface WitnessVerdictView {
  readonly name: string;
  readonly service: string;
  /** Checkpoints it countersigned that this journal still has. */
  readonly agreed: number;
  /** The longest journal it saw, and how many of those records are lost. */
  readonly seen: number;
  readonly lost: number;
  /** Records from the first to the second may have been changed since. */
  readonly changed?: readonly [number, number];
  /** The answer itself, to be saved and asked again with `--witness FILE`. */
  readonly answer: Readonly<Record<string, unknown>>;
}

/** A device whose record is kept by this collector. */
export interface FleetDeviceView {
  readonly name: string;
  /** Its journal's name, after the first key that signed it. */
  readonly origin: string;
  /** Who says that this is its name. */
  readonly asserted: 'router' | 'signature' | 'nobody';
  readonly state: 'connected' | 'away' | 'silent';
  readonly records: number;
  readonly head: string;
  /** More than one: it forked its journal, or came back with less. */
  readonly branches: number;
  /** Of its signing key. */
  readonly epoch: number;
  readonly firstSeenAt: string;
  readonly lastSeenAt: string;
  /** Its clock less the collector's. */
  readonly clockOffsetMs: number;
}

/** A record as its device wrote it, and where it came from. */
export interface FleetRecordView extends AuditRecordView {
  readonly device: string;
  readonly origin: string;
  readonly branch: number;
  readonly receivedAt: string;
}

/** Something a collecting engine found out about a device. */
export interface FleetAlertView {
  readonly id: number;
  readonly at: string;
  readonly device: string;
  readonly origin: string;
  readonly kind: 'silent' | 'back' | 'less' | 'forked' | 'tampered' | 'new-key';
  readonly text: string;
}

/** An order of the desk, and what each device made of it. */
export interface FleetOrderView {
  readonly id: string;
  readonly at: string;
  readonly action: 'quarantine' | 'release';
  readonly subject: string;
  readonly cause: string;
  readonly devices: readonly {
    readonly device: string;
    readonly state: 'acknowledged' | 'waiting';
    readonly outcome?: string;
    /** From the order to the device's acknowledgement. */
    readonly afterMs?: number;
  }[];
}
