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
    kind: v.optional(v.picklist(['tool', 'prompt', 'resource'])),
    /** Every condition must hold: a dotted path into the arguments and what is asked of the value found there. */
    arguments: v.optional(
      v.record(
        v.string(),
        terms({
          equals: v.optional(v.union([v.string(), exact, v.boolean(), v.null()])),
          in: v.optional(v.array(v.union([v.string(), exact, v.boolean(), v.null()]))),
          glob: v.optional(v.string()),
          max: v.optional(exact),
          min: v.optional(exact),
          maxLength: v.optional(whole),
          present: v.optional(v.boolean()),
        }),
      ),
    ),
  }),
]);

const pinAction = v.picklist(['alert', 'hide', 'refuse']);

/** Terms that turn the MCP guard on. */
export const mcp = terms({
  allow: v.optional(v.array(mcpRule)),
  deny: v.optional(v.array(mcpRule)),
  /** What is allowed only with somebody's approval, each time or for as long as it was given. `deny` wins over it. */
  ask: v.optional(v.array(mcpRule)),
  maxCalls: v.optional(whole),
  rateLimit: v.optional(terms({ calls: positive, perSeconds: positive })),
  /** Record arguments in full, not only their digest. */
  recordArguments: v.optional(v.boolean()),
  /** A single message larger than this is a violation. Default 16 MiB. */
  maxMessageBytes: v.optional(positive),
  /** What becomes of a tool whose definition is not the one kept from before. Default: `changed` hidden until accepted, `new` shown and told. */
  pin: v.optional(terms({ changed: v.optional(pinAction), new: v.optional(pinAction) })),
});

/** The parsed `mcp` part of a contract. */
export type McpRules = Readonly<v.InferOutput<typeof mcp>>;
/** One entry of `allow`, `deny` or `ask`. */
export type McpRule = v.InferOutput<typeof mcpRule>;

/** What a contract means that says nothing of changed and new definitions. */
export const defaultPin = { changed: 'hide', new: 'alert' } as const;
