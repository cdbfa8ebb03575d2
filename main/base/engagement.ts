/**
 * The engagement contract of a service's sessions: config type `culvert.contract.v1`, from the controller or local files.
 *
 * Parsed strictly: an unknown field is refused with its name, for a contract half understood is no contract.
 */
import * as v from 'valibot';
import { TunnelerError } from './errors.ts';

export const contractConfigType = 'culvert.contract.v1';

/** An object of just these fields. Arrays are objects to JavaScript and to valibot, but `mcp: []` is no set of rules. */
function terms<const E extends v.ObjectEntries>(entries: E) {
  return v.pipe(
    v.custom<object>((raw) => typeof raw === 'object' && raw !== null && !Array.isArray(raw), 'expected an object'),
    v.strictObject(entries),
  );
}

const globs = v.pipe(v.array(v.pipe(v.string(), v.minLength(1))), v.readonly());
const whole = v.pipe(v.number(), v.integer(), v.minValue(0));
const positive = v.pipe(v.number(), v.integer(), v.minValue(1));

const apps = terms({
  /** Globs over an executable's path, `agent:NAME` or `sha256:HEX`. Present: only these. */
  allow: v.optional(globs),
  /** The same; deny wins over allow. */
  deny: v.optional(globs),
});

const dayNames = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
const timeOfDay = v.pipe(v.string(), v.regex(/^([01]\d|2[0-3]):[0-5]\d$|^24:00$/, 'expected HH:MM'));

/** Windows in which sessions may run; outside them new ones are refused and running ones closed. */
const schedule = terms({
  /** IANA zone; default the host's. */
  timezone: v.optional(v.string()),
  windows: v.optional(
    v.array(terms({ days: v.optional(v.array(v.picklist(dayNames))), from: timeOfDay, to: timeOfDay })),
  ),
  /** ISO 8601 instants. */
  notBefore: v.optional(v.pipe(v.string(), v.isoTimestamp())),
  notAfter: v.optional(v.pipe(v.string(), v.isoTimestamp())),
});

/**
 * One MCP rule: a glob over a name, or a rule with conditions over the arguments. Without `kind` it speaks of tools, prompts and
 * resources (by URI) alike. Where `allow` is present only what it names exists; `deny` wins over it.
 */
const mcpRule = v.union([
  v.pipe(v.string(), v.minLength(1)),
  terms({
    /** Glob over the tool's or prompt's name, or the resource's URI. */
    tool: v.pipe(v.string(), v.minLength(1)),
    kind: v.optional(v.picklist(['tool', 'prompt', 'resource'])),
    /** Every condition must hold: a dotted path into the arguments and what is asked of the value found there. */
    arguments: v.optional(
      v.record(
        v.string(),
        terms({
          equals: v.optional(v.union([v.string(), v.number(), v.boolean(), v.null()])),
          in: v.optional(v.array(v.union([v.string(), v.number(), v.boolean(), v.null()]))),
          glob: v.optional(v.string()),
          max: v.optional(v.number()),
          min: v.optional(v.number()),
          maxLength: v.optional(whole),
          present: v.optional(v.boolean()),
        }),
      ),
    ),
  }),
]);

const mcp = terms({
  allow: v.optional(v.array(mcpRule)),
  deny: v.optional(v.array(mcpRule)),
  maxCalls: v.optional(whole),
  rateLimit: v.optional(terms({ calls: positive, perSeconds: positive })),
  /** Record arguments in full, not only their digest. */
  recordArguments: v.optional(v.boolean()),
  /** A single message larger than this is a violation. Default 16 MiB. */
  maxMessageBytes: v.optional(positive),
});

const http = terms({
  methods: v.optional(v.array(v.pipe(v.string(), v.regex(/^[A-Z]+$/, 'expected an upper-case method')))),
  /** Globs over the path (`*` within a segment, `**` across). */
  paths: v.optional(globs),
  /** Globs over the model an LLM request names. */
  models: v.optional(globs),
  tokenBudget: v.optional(terms({ tokens: positive, perSeconds: positive })),
});

const registerRange = terms({
  /** Register table; default all four. */
  table: v.optional(v.picklist(['coils', 'discrete', 'holding', 'input'])),
  from: v.pipe(whole, v.maxValue(65535)),
  to: v.pipe(whole, v.maxValue(65535)),
});

const modbus = terms({
  /** `read`: reads only; `write`: both; or the function codes themselves. */
  allow: v.union([v.picklist(['read', 'write']), v.array(v.pipe(whole, v.minValue(1), v.maxValue(127)))]),
  units: v.optional(v.array(v.pipe(whole, v.maxValue(255)))),
  ranges: v.optional(v.array(registerRange)),
});

const engagement = terms({
  maxDurationSeconds: v.optional(positive),
  idleTimeoutSeconds: v.optional(positive),
  /** Both directions together. */
  maxBytes: v.optional(positive),
  /** Sessions of this service open at one time. */
  maxSessions: v.optional(positive),
  apps: v.optional(apps),
  schedule: v.optional(schedule),
  requireMfaWithinSeconds: v.optional(positive),
  mcp: v.optional(mcp),
  http: v.optional(http),
  modbus: v.optional(modbus),
  /** Default `close`. */
  onViolation: v.optional(v.picklist(['close', 'quarantine', 'alert'])),
});

export type EngagementContract = Readonly<v.InferOutput<typeof engagement>>;
export type McpRules = Readonly<v.InferOutput<typeof mcp>>;
export type McpRule = v.InferOutput<typeof mcpRule>;
export type HttpRules = Readonly<v.InferOutput<typeof http>>;
export type ModbusRules = Readonly<v.InferOutput<typeof modbus>>;
export type Schedule = Readonly<v.InferOutput<typeof schedule>>;
export type AppRules = Readonly<v.InferOutput<typeof apps>>;

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
