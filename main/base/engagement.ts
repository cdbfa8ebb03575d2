/**
 * The engagement contract of a service's sessions: config type `culvert.contract.v1`, from the controller or local files.
 *
 * Parsed strictly: an unknown field is refused with its name, for a contract half understood is no contract. Each part has its
 * file in `engagement/`; a field stands here only once something enforces it.
 */
import * as v from 'valibot';
import { approval } from './engagement/approval.ts';
import { apps } from './engagement/apps.ts';
import { data } from './engagement/data.ts';
import { floorRules } from './engagement/floor/rules.ts';
import { http } from './engagement/http.ts';
import { mcp } from './engagement/mcp.ts';
import { modbus } from './engagement/modbus.ts';
import { record } from './engagement/recording.ts';
import { schedule } from './engagement/schedule.ts';
import { positive, terms } from './engagement/terms.ts';
import { TunnelerError } from './errors.ts';

export type { ApprovalRules } from './engagement/approval.ts';
export type { DataRules } from './engagement/data.ts';
export type { HttpRules } from './engagement/http.ts';
export type { McpRule, McpRules } from './engagement/mcp.ts';
export type { Schedule } from './engagement/schedule.ts';

/** The config type's name at the controller. */
export const contractConfigType = 'culvert.contract.v1';

const engagement = terms({
  maxDurationSeconds: v.optional(positive),
  idleTimeoutSeconds: v.optional(positive),
  /** Time of an identity at this service, from its first session on, however often it reconnects. */
  grantSeconds: v.optional(positive),
  approval: v.optional(approval),
  /** Both directions together. */
  maxBytes: v.optional(positive),
  /** Sessions of this service open at one time. */
  maxSessions: v.optional(positive),
  apps: v.optional(apps),
  schedule: v.optional(schedule),
  requireMfaWithinSeconds: v.optional(positive),
  mcp: v.optional(mcp),
  http: v.optional(http),
  data: v.optional(data),
  modbus: v.optional(modbus),
  s7: v.optional(floorRules.s7),
  enip: v.optional(floorRules.enip),
  opcua: v.optional(floorRules.opcua),
  iec104: v.optional(floorRules.iec104),
  dnp3: v.optional(floorRules.dnp3),
  record: v.optional(record),
  /** Default `close`. */
  onViolation: v.optional(v.picklist(['close', 'quarantine', 'alert'])),
});

/** A contract that was parsed and found whole. */
export type EngagementContract = Readonly<v.InferOutput<typeof engagement>>;

/**
 * Parse a contract. `where` names its origin in errors ("service plc", "contracts/plc.yaml").
 * Throws `contract.invalid` whose details list each `{ path, message }`.
 */
export function parseEngagement(raw: unknown, where: string): EngagementContract {
  const result = v.safeParse(engagement, raw);
  if (result.success) return result.output;
  const issues = result.issues.flatMap(flatten).map((issue) => ({
    path: v.getDotPath(issue) ?? '',
    message: issue.type === 'strict_object' ? `unknown or missing field (${issue.message})` : issue.message,
  }));
  const first = issues[0];
  throw new TunnelerError(
    'contract.invalid',
    `contract of ${where}: ${first?.path === '' ? '' : `${first?.path}: `}${first?.message ?? 'not an object'}`,
    { details: { issues } },
  );
}

/** A union's own issue says little; the issues of its members name the field. */
function flatten(issue: v.BaseIssue<unknown>): v.BaseIssue<unknown>[] {
  return issue.type === 'union' && issue.issues !== undefined ? [issue, ...issue.issues] : [issue];
}
