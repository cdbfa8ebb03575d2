/** Audit records as OCSF events (schema 1.5.0, schema.ocsf.io), the form security teams' stores take in. */
import type { ChainedRecord } from '../chain.ts';
import type { ExportedRecord } from './sink.ts';

/** Class and activity ids as the OCSF schema numbers them. */
const classes = {
  networkActivity: { uid: 4001, category: 4 },
  apiActivity: { uid: 6003, category: 6 },
  detectionFinding: { uid: 2004, category: 2 },
  entityManagement: { uid: 3004, category: 3 },
  applicationLifecycle: { uid: 6002, category: 6 },
} as const;

type ClassName = keyof typeof classes;

interface Mapping {
  readonly class: ClassName;
  readonly activity: number;
}

/** OCSF severity: 1 informational, 2 low, 3 medium, 4 high. */
const severities: Readonly<Record<string, number>> = { violation: 4, alert: 3, gap: 4, 'quarantine.added': 3 };

function mappingOf(record: ChainedRecord): Mapping {
  switch (record.kind) {
    case 'verdict':
      // Network Activity: 1 open, 5 refuse.
      return { class: 'networkActivity', activity: record['decision'] === 'allow' ? 1 : 5 };
    case 'session.opened':
      return { class: 'networkActivity', activity: 1 };
    case 'session.closed':
      return { class: 'networkActivity', activity: record['reason'] === 'consumer_close' ? 2 : 3 };
    case 'call':
      return { class: 'apiActivity', activity: 99 };
    case 'violation':
    case 'alert':
    case 'quarantine.added':
    case 'gap':
      return { class: 'detectionFinding', activity: 1 };
    case 'quarantine.released':
      return { class: 'detectionFinding', activity: 3 };
    case 'engine.started':
    case 'engine.listening':
      return { class: 'applicationLifecycle', activity: 3 };
    case 'engine.stopped':
      return { class: 'applicationLifecycle', activity: 4 };
    default:
      // Entity Management: 1 create, 3 update, 4 delete.
      return {
        class: 'entityManagement',
        activity: record.kind.endsWith('removed') ? 4 : record.kind.endsWith('enrolled') ? 1 : 3,
      };
  }
}

/** One OCSF event. Everything of the record that has no place of its own stands in `unmapped`. */
export function toOcsf(
  record: ChainedRecord,
  device: { readonly hostname: string; readonly version: string },
): Record<string, unknown> {
  const mapping = mappingOf(record);
  const { uid, category } = classes[mapping.class];
  const {
    seq,
    at,
    kind,
    prev,
    hash,
    service,
    identity,
    app,
    agent,
    session,
    tool,
    decision,
    reason,
    rule,
    user,
    ...rest
  } = record;
  const denied = decision === 'deny' || decision === 'refuse';
  return dropUndefined({
    time: Date.parse(at),
    class_uid: uid,
    category_uid: category,
    activity_id: mapping.activity,
    type_uid: uid * 100 + mapping.activity,
    severity_id: severities[kind] ?? (denied ? 2 : 1),
    status_id: decision === undefined ? undefined : denied ? 2 : 1,
    disposition_id: decision === undefined ? undefined : denied ? 2 : 1,
    message: sentenceOf(record),
    metadata: {
      version: '1.5.0',
      uid: `${device.hostname}:${seq}`,
      sequence: seq,
      product: { name: 'Culvert', vendor_name: 'Culvert', version: device.version },
      log_name: 'audit',
      event_code: kind,
    },
    device: { hostname: device.hostname, type_id: 0 },
    actor: dropUndefined({
      app_name: agent ?? app,
      user: identity === undefined && user === undefined ? undefined : dropUndefined({ name: identity, account: user }),
      session: session === undefined ? undefined : { uid: session },
    }),
    dst_endpoint: service === undefined ? undefined : { svc_name: service },
    api: tool === undefined ? undefined : { operation: tool, service: { name: service } },
    policy: rule === undefined ? undefined : { name: rule },
    status_detail: reason,
    unmapped: { ...rest, prev, hash },
  });
}

/** The event of a record on its way to a sink. */
export function ocsfOf({ record, device }: ExportedRecord, version: string): Record<string, unknown> {
  return toOcsf(record, { hostname: device, version });
}

/** A line a person can read, made of the record's own words. */
export function sentenceOf(record: ChainedRecord): string {
  const parts = ['agent', 'app', 'identity', 'service', 'tool', 'decision', 'rule', 'reason']
    .filter((field) => typeof record[field] === 'string' && record[field] !== '')
    .map((field) => `${field}=${String(record[field])}`);
  return [record.kind, ...parts].join(' ');
}

function dropUndefined(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
