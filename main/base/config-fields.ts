/**
 * Configs that come from a controller: held to their schema, but a field nobody knows is reported, not fatal, so that a newer controller's
 * additions do not take a service away.
 */
import * as v from 'valibot';

/** What a config said, or each thing that is wrong with it as `path: what was expected`. */
export type ConfigParse<T> =
  | {
      readonly ok: true;
      readonly value: T;
      /** Dotted paths of fields the schema does not have. */ readonly unknown: readonly string[];
    }
  | { readonly ok: false; readonly problems: readonly string[]; readonly unknown: readonly string[] };

/** Hold `raw` to `schema`, whose objects are plain `v.object`s. Never throws. */
export function parseConfig<S extends v.GenericSchema>(schema: S, raw: unknown): ConfigParse<v.InferOutput<S>> {
  const unknown: string[] = [];
  collectUnknown(schema, raw, '', unknown);
  const result = v.safeParse(schema, raw);
  if (result.success) return { ok: true, value: result.output, unknown };
  const problems = result.issues.map((issue) => {
    const path = v.getDotPath(issue);
    return path === null ? issue.message : `${path}: ${issue.message}`;
  });
  return { ok: false, problems, unknown };
}

/** The parts of valibot's schemas that hold other schemas. */
interface SchemaNode {
  readonly type: string;
  readonly entries?: Readonly<Record<string, SchemaNode>>;
  readonly item?: SchemaNode;
  readonly wrapped?: SchemaNode;
}

/** Deeper than any config of ours; a hostile one must not exhaust the stack. */
const maxDepth = 12;
const maxReported = 20;

function collectUnknown(schema: SchemaNode, raw: unknown, path: string, found: string[], depth = 0): void {
  if (depth > maxDepth || found.length >= maxReported || typeof raw !== 'object' || raw === null) return;
  if (schema.wrapped !== undefined) {
    collectUnknown(schema.wrapped, raw, path, found, depth);
  } else if (schema.entries !== undefined) {
    for (const [key, value] of Object.entries(raw)) {
      const at = path === '' ? key : `${path}.${key}`;
      const known = Object.hasOwn(schema.entries, key) ? schema.entries[key] : undefined;
      if (known === undefined) found.push(at);
      else collectUnknown(known, value, at, found, depth + 1);
    }
  } else if (schema.item !== undefined && Array.isArray(raw)) {
    for (const [index, value] of raw.entries())
      collectUnknown(schema.item, value, `${path}.${index}`, found, depth + 1);
  }
}
