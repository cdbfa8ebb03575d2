/**
 * The engagement contract of a service's sessions: config type `culvert.contract.v1`, from the controller or local files.
 *
 * Parsed strictly: an unknown field is refused with its name, for a contract half understood is no contract. Each part has its
 * file in `engagement/`; a field stands here only once something enforces it.
 */
import * as v from 'valibot';
import { a2a } from './engagement/a2a.ts';
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

export type { A2aRules } from './engagement/a2a.ts';
export type { ApprovalRules } from './engagement/approval.ts';
export { asksModels, type HttpRules } from './engagement/http.ts';
export type { McpRule, McpRules } from './engagement/mcp.ts';
export type { Schedule } from './engagement/schedule.ts';

/** The config type's name at the controller. */
export const contractConfigType = 'culvert.contract.v1';

/** All of a contract. Its reference is made from it and from the comments in its parts. */
export const engagementSchema = terms({
  /** A session ends after so long, however busy it is; with `a2a` an engagement, from its first message and over all its sessions. */
  maxDurationSeconds: v.optional(positive),
  /** A session ends when nothing has passed for so long; with `a2a` an engagement too. */
  idleTimeoutSeconds: v.optional(positive),
  /** Time of an identity at this service, from its first session on, however often it reconnects. */
  grantSeconds: v.optional(positive),
  /** A second person lets each identity in; with `a2a` its engagement is what is approved, and its card is shown before. */
  approval: v.optional(approval),
  /** Bytes of a session, both directions together; with `a2a` of an engagement, all its sessions together. */
  maxBytes: v.optional(positive),
  /** Sessions of this service open at one time; with `a2a` also engagements, at its host. */
  maxSessions: v.optional(positive),
  /** Which programs may use the service. */
  apps: v.optional(apps),
  /** When sessions may run. */
  schedule: v.optional(schedule),
  /** The second factor of the identity was shown no longer ago than this. */
  requireMfaWithinSeconds: v.optional(positive),
  /** The sessions speak MCP, and this may be said in them. */
  mcp: v.optional(mcp),
  /** The sessions speak HTTP, those of model providers included. */
  http: v.optional(http),
  /** The sessions speak A2A, agent to agent. */
  a2a: v.optional(a2a),
  /** What is looked for in the values that pass, and what becomes of it. */
  data: v.optional(data),
  /** The sessions speak Modbus TCP. */
  modbus: v.optional(modbus),
  /** The sessions speak S7comm. */
  s7: v.optional(floorRules.s7),
  /** The sessions speak EtherNet/IP. */
  enip: v.optional(floorRules.enip),
  /** The sessions speak OPC UA (binary). */
  opcua: v.optional(floorRules.opcua),
  /** The sessions speak IEC 60870-5-104. */
  iec104: v.optional(floorRules.iec104),
  /** The sessions speak DNP3 over TCP. */
  dnp3: v.optional(floorRules.dnp3),
  /** What is kept of the sessions at the end that hosts them, sealed. */
  record: v.optional(record),
  /**
   * `observe`: calls that the lists and counts of a guard above would refuse go on, recorded with `observed`. All else holds: what no guard can
   * read, `data`, `mcp.pin`, budgets, and the terms of a session (decision 0025). Default: `enforce`.
   */
  enforce: v.optional(v.picklist(['enforce', 'observe'])),
  /** What follows where a session breaks the contract: it is closed (default), its program (at the host its caller) is cut off as well, or only an alert is raised. */
  onViolation: v.optional(v.picklist(['close', 'quarantine', 'alert'])),
});

/** A contract that was parsed and found whole. */
export type EngagementContract = Readonly<v.InferOutput<typeof engagementSchema>>;

/**
 * Parse a contract. `where` names its origin in errors ("service plc", "contracts/plc.yaml").
 * Throws `contract.invalid` whose details list each `{ path, message }`.
 */
export function parseEngagement(raw: unknown, where: string): EngagementContract {
  const result = v.safeParse(engagementSchema, raw);
  const issues = result.success
    ? idleTerms(result.output)
    : result.issues.flatMap(flatten).map((issue) => ({
        path: v.getDotPath(issue) ?? '',
        message: issue.type === 'strict_object' ? `unknown or missing field (${issue.message})` : issue.message,
      }));
  if (result.success && issues.length === 0) return result.output;
  const first = issues[0];
  throw new TunnelerError(
    'contract.invalid',
    `contract of ${where}: ${first?.path === '' ? '' : `${first?.path}: `}${first?.message ?? 'not an object'}`,
    { details: { issues } },
  );
}

/** Fields that nothing would enforce beside the others of `contract`. Also asked of two contracts that hold together. */
export function idleTerms({ a2a: agents, approval: asked }: EngagementContract): { path: string; message: string }[] {
  if (agents === undefined || asked?.breakGlass === undefined) return [];
  const message = 'nobody is let in by it beside a2a, where an engagement is approved and no session';
  return [{ path: 'approval.breakGlass', message }];
}

/** A union's own issue says little; the issues of its members name the field. */
function flatten(issue: v.BaseIssue<unknown>): v.BaseIssue<unknown>[] {
  return issue.type === 'union' && issue.issues !== undefined ? [issue, ...issue.issues] : [issue];
}
