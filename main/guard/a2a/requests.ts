/**
 * Requests of A2A that carry no message, read by the fields that their revision has: one that nobody here knows is what some other reader would
 * find. Pure. Source: A2A specification, revisions 0.3.0 and 1.0.0, "Task Management", "Agent Discovery".
 */
import { isRecord } from '../json/strict-json.ts';
import type { RpcParams } from '../mcp/rpc.ts';
import type { MethodKind } from './methods.ts';

const types = {
  text: (value: unknown) => typeof value === 'string',
  number: (value: unknown) => typeof value === 'number',
  flag: (value: unknown) => typeof value === 'boolean',
  object: isRecord,
  /** By name, or by its number. */
  choice: (value: unknown) => typeof value === 'string' || typeof value === 'number',
} as const;

type FieldTypes = Readonly<Record<string, keyof typeof types>>;

const oneTask: FieldTypes = { tenant: 'text', id: 'text', metadata: 'object' };
const fields: Readonly<Record<Exclude<MethodKind, 'send' | 'push'>, FieldTypes>> = {
  task: { ...oneTask, historyLength: 'number' },
  cancel: oneTask,
  tasks: {
    tenant: 'text',
    contextId: 'text',
    status: 'choice',
    pageSize: 'number',
    pageToken: 'text',
    historyLength: 'number',
    statusTimestampAfter: 'text',
    lastUpdatedAfter: 'choice',
    includeArtifacts: 'flag',
    metadata: 'object',
  },
  card: { tenant: 'text' },
};

/** In words, what of a request of this kind cannot be read; undefined where all of it can. */
export function unreadableRequest(kind: keyof typeof fields, params: RpcParams): string | undefined {
  for (const [name, value] of Object.entries(params)) {
    const type = Object.hasOwn(fields[kind], name) ? fields[kind][name] : undefined;
    if (type === undefined) return `the field "${name.slice(0, 64)}"`;
    if (value !== null && !types[type](value)) return `"${name}" is of another type than it has to be`;
  }
  if ((kind === 'task' || kind === 'cancel') && typeof params.id !== 'string') return 'a task without an id';
  return undefined;
}
