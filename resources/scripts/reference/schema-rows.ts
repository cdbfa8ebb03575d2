/** Schemas of settings and contracts as rows of a table: each field by its path, what it takes, and what the source says of it. */
import type * as v from 'valibot';
import type { SourceDocs } from './source-docs.ts';

/** One field. */
export interface Row {
  /** With dots; `[]` for the items of a list, `NAME` for names that the reader gives. */
  readonly path: string;
  readonly takes: string;
  readonly required: boolean;
  readonly says: string;
}

/** What this reads of a schema of valibot, whatever its kind. */
interface Node {
  readonly kind: 'schema' | 'validation' | 'transformation' | 'metadata';
  readonly type: string;
  readonly pipe?: readonly Node[];
  readonly entries?: Readonly<Record<string, Node>>;
  readonly wrapped?: Node;
  readonly options?: readonly unknown[];
  readonly item?: Node;
  readonly value?: Node;
  readonly literal?: unknown;
  readonly requirement?: unknown;
  readonly message?: unknown;
}

/** The fields below a schema, in the order of the source. */
export function rowsOf(schema: v.GenericSchema, docs: SourceDocs): readonly Row[] {
  return rowsBelow(schema, '', { docs, shown: new Map() });
}

interface Walk {
  readonly docs: SourceDocs;
  /** Where each object was shown: one that comes again, as the rules of two lists, is not shown twice. */
  readonly shown: Map<Node, string>;
}

function rowsBelow(given: Node, path: string, walk: Walk): readonly Row[] {
  const node = coreOf(given);
  switch (node.type) {
    case 'strict_object': {
      if (walk.shown.has(node)) return [];
      walk.shown.set(node, path);
      return fieldsOf(node, path, walk);
    }
    case 'array':
      return node.item === undefined ? [] : rowsBelow(node.item, `${path}[]`, walk);
    case 'record':
      return node.value === undefined ? [] : rowsBelow(node.value, `${path}.NAME`, walk);
    case 'union':
      return membersOf(node).flatMap((member) => (isListOfAnother(member, node) ? [] : rowsBelow(member, path, walk)));
    case 'variant':
      return unique(membersOf(node).flatMap((member) => rowsBelow(member, path, walk)));
    default:
      return [];
  }
}

function fieldsOf({ entries = {} }: Node, path: string, walk: Walk): readonly Row[] {
  const names = Object.keys(entries);
  const kind = entries['type']?.type === 'literal' ? String(entries['type'].literal) : undefined;
  return Object.entries(entries).flatMap(([name, entry]) => {
    const required = entry.type !== 'optional';
    const inner = required ? entry : (entry.wrapped ?? entry);
    const here = path === '' ? name : `${path}.${name}`;
    const words = takesOf(inner, walk.shown);
    const takes = kind === undefined || name === 'type' ? words : `${words} (type ${kind})`;
    const says = walk.docs.of(names, name);
    return [{ path: here, takes, required, says }, ...rowsBelow(inner, here, walk)];
  });
}

/** Fields of several kinds of one thing: what all have stands once, with every value it may have. */
function unique(rows: readonly Row[]): readonly Row[] {
  const kinds = rows.filter(({ path }) => path.endsWith('.type'));
  const first = kinds[0];
  if (first === undefined) return rows;
  const rest = rows.filter((row) => !kinds.includes(row));
  return [{ ...first, takes: kinds.map(({ takes }) => takes).join(', ') }, ...rest];
}

/** The schema itself, past what was put around it. */
function coreOf(node: Node): Node {
  if (node.type === 'optional' && node.wrapped !== undefined) return coreOf(node.wrapped);
  const inner = (node.pipe ?? []).findLast(
    (part) => part.kind === 'schema' && (part.type !== 'custom' || part.pipe !== undefined),
  );
  return inner === undefined || inner === node || inner.pipe === node.pipe ? node : coreOf(inner);
}

function membersOf({ options = [] }: Node): readonly Node[] {
  return options as readonly Node[];
}

function isListOfAnother(member: Node, { options = [] }: Node): boolean {
  return member.type === 'array' && member.item !== undefined && options.includes(member.item);
}

/** What a value may be, in words. */
function takesOf(given: Node, shown: Walk['shown']): string {
  const node = coreOf(given);
  switch (node.type) {
    case 'string':
      return textOf(given);
    case 'number':
      return numberOf(given);
    case 'boolean':
      return '`true` or `false`';
    case 'null':
      return '`null`';
    case 'literal':
      return code(node.literal);
    case 'picklist':
      return (node.options ?? []).map(code).join(', ');
    case 'array':
      return node.item === undefined ? 'a list' : listOf(takesOf(node.item, shown));
    case 'record':
      return 'one entry for each name';
    case 'strict_object':
      return shown.has(node) ? `the fields of ${code(shown.get(node))}` : 'the fields below';
    case 'variant':
      return 'the fields below, by `type`';
    case 'union':
      return unionOf(node, shown);
    default:
      throw new Error(`the reference has no words for a schema of type ${node.type}`);
  }
}

function listOf(item: string): string {
  return item === 'the fields below' || item.includes('by `type`') ? `a list; of each: ${item}` : `a list of: ${item}`;
}

function unionOf(node: Node, shown: Walk['shown']): string {
  const members = membersOf(node);
  const parts = members.map((member) => (isListOfAnother(member, node) ? 'a list of such' : takesOf(member, shown)));
  return parts.join(', or ');
}

function textOf(node: Node): string {
  const steps = stepsOf(node);
  if (steps.some(({ type }) => type === 'url')) return 'a URL';
  if (steps.some(({ type }) => type === 'iso_timestamp')) return 'a time (ISO 8601)';
  const said = steps.map(({ message }) => /^expected (.*)$/.exec(String(message))?.[1]);
  return said.find((words) => words !== undefined) ?? 'text';
}

function numberOf(node: Node): string {
  const steps = stepsOf(node);
  const whole = steps.some(({ type }) => type === 'integer') ? 'a whole number' : 'a number';
  const lowest = boundOf(steps, 'min_value', Math.max);
  const highest = boundOf(steps, 'max_value', Math.min);
  if (lowest === undefined) return highest === undefined ? whole : `${whole} up to ${highest}`;
  return highest === undefined ? `${whole} from ${lowest}` : `${whole} from ${lowest} to ${highest}`;
}

/** The narrowest of several bounds; those that only keep a number exact (±(2^53 − 1)) are not told. */
function boundOf(steps: readonly Node[], type: string, narrowest: (...values: number[]) => number): number | undefined {
  const bounds = steps.flatMap((step) => (step.type === type ? [Number(step.requirement)] : []));
  const bound = bounds.length === 0 ? undefined : narrowest(...bounds);
  return bound === undefined || Math.abs(bound) === Number.MAX_SAFE_INTEGER ? undefined : bound;
}

/** Every check on the way, those of the schemas within included. */
function stepsOf(node: Node): readonly Node[] {
  return (node.pipe ?? []).flatMap((part) =>
    part.pipe !== undefined && part.pipe !== node.pipe ? stepsOf(part) : [part],
  );
}

function code(value: unknown): string {
  return `\`${String(value)}\``;
}
