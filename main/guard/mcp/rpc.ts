/**
 * JSON-RPC 2.0 messages as MCP sends them, one or a batch. Pure.
 * Sources: JSON-RPC 2.0 specification; MCP specification, revisions 2024-11-05 to 2026-07-28, "Base protocol".
 */
import { defined } from '../../base/defined.ts';
import { foldName } from '../json/fold-name.ts';
import { isRecord } from '../json/strict-json.ts';

/** A request's id. */
export type RpcId = string | number;

/** One message, read. */
export type RpcMessage =
  | { readonly kind: 'request'; readonly id: RpcId; readonly method: string; readonly params: RpcParams }
  | { readonly kind: 'notification'; readonly method: string; readonly params: RpcParams }
  | {
      readonly kind: 'response';
      readonly id: RpcId | null;
      readonly result: Readonly<Record<string, unknown>> | undefined;
      readonly error: Readonly<Record<string, unknown>> | undefined;
      readonly failed: boolean;
    };

/** A message that wants an answer. */
export type RpcRequest = Extract<RpcMessage, { kind: 'request' }>;

/** A JSON-RPC error to answer with. */
export interface RpcRefusal {
  readonly code: number;
  readonly message: string;
  readonly data: unknown;
}

/** Parameters by name. */
export type RpcParams = Readonly<Record<string, unknown>>;

/** A body's messages, or why it has none; `code` is JSON-RPC's. */
export type RpcReading =
  | { readonly kind: 'messages'; readonly batch: boolean; readonly messages: readonly RpcMessage[] }
  | { readonly kind: 'fault'; readonly code: number; readonly why: string };

/** Error codes. Source: JSON-RPC 2.0 section 5.1. */
export const rpcErrors = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
} as const;

/** A batch of more is refused. Implementation limit. */
const maxBatch = 1_000;

/** Everything a message may hold. */
const envelopeNames: ReadonlySet<string> = new Set(['jsonrpc', 'id', 'method', 'params', 'result', 'error']);
/** Parameters the guard looks at: another spelling of one would be read by some servers and overlooked here. */
const paramNames: ReadonlySet<string> = new Set([
  'name',
  'uri',
  'arguments',
  'ref',
  'cursor',
  'notifications',
  '_meta',
  'taskid',
]);

/**
 * Read a parsed document as one message or a batch. `strict`, for what goes to the service: nothing beside the fields of a message, which
 * another reader might look for.
 */
export function readRpc(value: unknown, strict: boolean): RpcReading {
  const batch = Array.isArray(value);
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (items.length === 0 || items.length > maxBatch) {
    return { kind: 'fault', code: rpcErrors.invalidRequest, why: `a batch of ${items.length}` };
  }
  const messages: RpcMessage[] = [];
  for (const item of items) {
    const message = readMessage(item, strict);
    if (typeof message === 'string') return { kind: 'fault', code: rpcErrors.invalidRequest, why: message };
    messages.push(message);
  }
  return { kind: 'messages', batch, messages };
}

/** The text of an error answer. */
export function rpcError(id: RpcId | null, code: number, message: string, data?: unknown): Record<string, unknown> {
  return { jsonrpc: '2.0', id, error: { code, message, ...defined({ data }) } };
}

function readMessage(value: unknown, strict: boolean): RpcMessage | string {
  if (!isRecord(value)) return 'a message that is no object';
  const doubtful = Object.keys(value).find(
    (key) => !envelopeNames.has(key) && (strict || envelopeNames.has(foldName(key))),
  );
  if (doubtful !== undefined) return `the field "${doubtful.slice(0, 64)}"`;
  if (value.jsonrpc !== '2.0') return 'a message that is not JSON-RPC 2.0';
  const { id, method } = value;
  if (
    id !== undefined &&
    id !== null &&
    typeof id !== 'string' &&
    !(typeof id === 'number' && Number.isSafeInteger(id))
  ) {
    return 'an id that is neither text nor a whole number';
  }
  if (method !== undefined) {
    if (typeof method !== 'string') return 'a method that is no text';
    if ('result' in value || 'error' in value) return 'a request that is an answer too';
    const params = value.params ?? {};
    if (!isRecord(params)) return 'params that are no object';
    const odd = Object.keys(params).find(
      (key) => key !== 'taskId' && !paramNames.has(key) && paramNames.has(foldName(key)),
    );
    if (odd !== undefined) return `the parameter "${odd.slice(0, 64)}"`;
    if (id === null) return 'a request without an id of its own';
    return id === undefined ? { kind: 'notification', method, params } : { kind: 'request', id, method, params };
  }
  const error = isRecord(value.error) ? value.error : undefined;
  const [hasResult, hasError] = ['result' in value, error !== undefined];
  if (hasResult === hasError) return 'a message that is neither request nor answer';
  if (id === undefined) return 'an answer without an id';
  const result = isRecord(value.result) ? value.result : undefined;
  return { kind: 'response', id, result, error, failed: hasError || result?.isError === true };
}
