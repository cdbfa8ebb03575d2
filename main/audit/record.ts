/** What stands in the audit journal, and the door to write it. */

/** Kinds of record, past tense. `details` hold the facts; never keys, tokens or payloads. */
export type AuditKind =
  | 'engine.started'
  | 'engine.listening'
  | 'engine.stopped'
  | 'verdict'
  | 'dial.failed'
  | 'session.opened'
  | 'session.closed'
  | 'session.attended'
  | 'call'
  | 'violation'
  | 'identity.enrolled'
  | 'identity.changed'
  | 'identity.removed'
  | 'identity.renewed'
  | 'service.gained'
  | 'service.lost'
  | 'quarantine.added'
  | 'quarantine.released'
  | 'approval.pending'
  | 'approval.granted'
  | 'approval.denied'
  | 'approval.expired'
  | 'approval.emergency'
  | 'alert'
  | 'secret.set'
  | 'secret.removed'
  | 'model-key.made'
  | 'model-key.revoked'
  | 'model-key.refused'
  | 'model.chosen'
  | 'recording.closed'
  | 'recording.read'
  | 'recording.refused'
  | 'recording.removed'
  | 'settings.changed'
  | 'tool.pinned'
  | 'tool.changed'
  | 'tool.accepted'
  | 'policy.changed'
  | 'signer.made'
  | 'signer.certified'
  | 'desk.ordered'
  | 'agora.offered'
  | 'agora.withdrawn'
  | 'engagement.proposed'
  | 'engagement.accepting'
  | 'engagement.active'
  | 'engagement.closing'
  | 'engagement.closed'
  | 'clock.changed'
  | 'tls.failed'
  | 'gap'
  | 'checkpoint';

/** What is recorded; number, time and chain are the journal's own. */
export interface AuditEvent {
  readonly kind: AuditKind;
  /** Flat, JSON-safe: session, service, identity, agent, app, user, tool, decision, rule, digest, reason, bytes … */
  readonly [field: string]: unknown;
}

/** The journal's writing side. Made by `openAudit` in `audit/audit.ts`. */
export interface AuditWriter {
  /**
   * Append one record; it is chained and in the operating system's hands when this returns. Throws `audit.write_failed` where the disk
   * refuses and the journal is set to fail closed. Either way the loss is counted, and a `gap` record says so once there is room again.
   */
  record(event: AuditEvent): { readonly seq: number };
  /**
   * As {@link record}, for what has happened already and what nothing could be refused for: where the journal refuses, that goes to the log
   * (`audit.not_recorded`) and the caller goes on. Never throws.
   */
  recordOrLog(event: AuditEvent): void;
  /** Hash of the last record, lower hex, and how many there are. */
  head(): { readonly hash: string; readonly count: number };
}
