/** What may be said to an MCP service. */
import * as v from 'valibot';
import { exact, positive, terms, whole } from './terms.ts';

/**
 * One MCP rule: a glob over a name, or a rule with conditions over the arguments. Without `kind` it speaks of tools, prompts and
 * resources (by URI) alike. Where `allow` is present only what it names exists; `deny` wins over it.
 */
const mcpRule = v.union([
  v.pipe(v.string(), v.minLength(1)),
  terms({
    /** Glob over the tool's or prompt's name, or the resource's URI. */
    tool: v.pipe(v.string(), v.minLength(1)),
    /** What it speaks of. Default: tools, prompts and resources alike. */
    kind: v.optional(v.picklist(['tool', 'prompt', 'resource'])),
    /** Every condition must hold: a dotted path into the arguments and what is asked of the value found there. */
    arguments: v.optional(
      v.record(
        v.string(),
        terms({
          /** It is exactly this. */
          equals: v.optional(v.union([v.string(), exact, v.boolean(), v.null()])),
          /** It is one of these. */
          in: v.optional(v.array(v.union([v.string(), exact, v.boolean(), v.null()]))),
          /** It is text that this glob matches. */
          glob: v.optional(v.string()),
          /** It is a number, and no higher. */
          max: v.optional(exact),
          /** It is a number, and no lower. */
          min: v.optional(exact),
          /** It is text of so many characters at most. */
          maxLength: v.optional(whole),
          /** It is there, or it is not. */
          present: v.optional(v.boolean()),
        }),
      ),
    ),
  }),
]);

const pinAction = v.picklist(['alert', 'hide', 'refuse']);

/** Terms that turn the MCP guard on. */
export const mcp = terms({
  /** Only these exist for the caller. Absent: everything that `deny` does not name. */
  allow: v.optional(v.array(mcpRule)),
  /** These do not exist for the caller, whatever `allow` says. */
  deny: v.optional(v.array(mcpRule)),
  /** What is allowed only with somebody's approval, each time or for as long as it was given. `deny` wins over it. */
  ask: v.optional(v.array(mcpRule)),
  /** Calls in one session, in all. */
  maxCalls: v.optional(whole),
  /** Calls within a span of time. */
  rateLimit: v.optional(
    terms({
      /** So many calls at most. */
      calls: positive,
      /** Length of that span. */
      perSeconds: positive,
    }),
  ),
  /** Record arguments in full, not only their digest. */
  recordArguments: v.optional(v.boolean()),
  /** A single message larger than this is a violation. Default 16 MiB. */
  maxMessageBytes: v.optional(positive),
  /** What becomes of a tool whose definition is not the one kept from before. Default: `changed` hidden until accepted, `new` shown with an alert. */
  pin: v.optional(
    terms({
      /** A definition that is another than before. */
      changed: v.optional(pinAction),
      /** A tool that was not there before. */
      new: v.optional(pinAction),
    }),
  ),
});

/** The parsed `mcp` part of a contract. */
export type McpRules = Readonly<v.InferOutput<typeof mcp>>;
/** One entry of `allow`, `deny` or `ask`. */
export type McpRule = v.InferOutput<typeof mcpRule>;

/** What a contract means that says nothing of changed and new definitions. */
export const defaultPin = { changed: 'hide', new: 'alert' } as const;
