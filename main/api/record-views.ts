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

/** How many records there were in each of so many equal parts of a span. */
export interface AuditHistogramView {
  readonly since: string;
  readonly until: string;
  readonly total: number;
  readonly buckets: readonly { readonly allow: number; readonly deny: number; readonly other: number }[];
}

/** A piece of an export: lines, each with its end, and after the last of them what they were. */
export type AuditExportItem =
  | { readonly kind: 'lines'; readonly text: string; readonly records: number }
  | { readonly kind: 'manifest'; readonly manifest: AuditManifestView };

/** What an export is of, and what verifying the journal said after it. */
export interface AuditManifestView {
  readonly format: string;
  readonly records: number;
  /** Of all lines with their ends, lower hex. */
  readonly sha256: string;
  readonly query: Readonly<Record<string, unknown>>;
  readonly exportedAt: string;
  readonly journal: AuditVerifyView;
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

/** What one identity of one device holds, and how much of it was used. */
export interface FleetReachView {
  readonly device: string;
  readonly identity: string;
  /** Services it may dial now, and host. */
  readonly dial: readonly string[];
  readonly bind: readonly string[];
  /** By agent, or by program where it is none. */
  readonly used: readonly { readonly who: string; readonly services: readonly string[] }[];
  /** Held, and never dialled in what is kept. */
  readonly unused: readonly string[];
  /** Kinds of this device's record whose older ones were not looked at: there are too many. Absent: all were. */
  readonly leftOut?: readonly string[];
}

/** What happened on one device when access was taken. Times by the collector's clock. */
export interface FleetContainmentView {
  readonly device: string;
  readonly at: string;
  readonly what: 'revoked' | 'quarantined' | 'disabled';
  readonly subject: string;
  /** Sessions it was taken from: open at that moment, or ended by it just before it was written down. */
  readonly sessions: number;
  /** Those of them whose end no record tells of. */
  readonly stillOpen: number;
  /** From the first sign of it on the device to the last end of a session, milliseconds. */
  readonly lastAfterMs?: number;
  /** None is still open, and the last was gone within ten seconds. */
  readonly contained: boolean;
  /** Kinds of this device's record whose older ones were not looked at: there are too many. Absent: all were. */
  readonly leftOut?: readonly string[];
}

/** One session within an incident, as the device on one end saw it. */
export interface FleetSessionView {
  readonly session: string;
  readonly device: string;
  readonly service?: string;
  readonly identity?: string;
  readonly agent?: string;
  readonly app?: string;
  readonly openedAt?: string;
  readonly closedAt?: string;
  readonly closeReason?: string;
  readonly calls: number;
  readonly denied: number;
}

/** What is known of an incident: who and what had part in it, and all that happened, oldest first, by the collector's clock. */
export interface FleetIncidentView {
  readonly devices: readonly string[];
  readonly agents: readonly string[];
  readonly identities: readonly string[];
  readonly services: readonly string[];
  readonly tools: readonly string[];
  readonly sessions: readonly FleetSessionView[];
  /** Sessions that matched and were not followed: there are too many. */
  readonly sessionsLeftOut?: number;
  readonly timeline: readonly FleetRecordView[];
}

/** What an agent did, and what it could have done. */
export interface FleetAgentView {
  readonly agent: string;
  readonly devices: readonly string[];
  readonly sessions: number;
  /** Tools, requests and writes, most called first. */
  readonly did: readonly {
    readonly service: string;
    readonly tool: string;
    readonly calls: number;
    readonly denied: number;
  }[];
  /** Connections it was refused. */
  readonly refused: number;
  readonly could: readonly {
    readonly device: string;
    readonly identity: string;
    readonly services: readonly string[];
    readonly used: readonly string[];
    readonly unused: readonly string[];
  }[];
  /** Kinds of record whose older ones were not looked at, by device: there are too many. Absent: all were. */
  readonly leftOut?: readonly { readonly device: string; readonly kinds: readonly string[] }[];
}

/** What a device hosts without a port, and where its engine lets programs in. */
export interface FleetDarkView {
  readonly device: string;
  readonly hosts: readonly string[];
  readonly mode?: string;
  readonly listens: readonly string[];
  /** Those of them that another machine could reach. */
  readonly open: readonly string[];
  /** Kinds of this device's record whose older ones were not looked at: there are too many. Absent: all were. */
  readonly leftOut?: readonly string[];
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
