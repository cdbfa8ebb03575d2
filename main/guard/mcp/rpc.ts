/**
 * JSON-RPC 2.0 messages as MCP sends them, one or a batch. Pure.
 * Sources: JSON-RPC 2.0 specification; MCP specification, revisions 2024-11-05 to 2026-07-28, "Base protocol".
 */
import { isRecord, parseStrictJson } from '../json/strict-json.ts';

export type RpcId = string | number;

export type RpcMessage =
  | { readonly kind: 'request'; readonly id: RpcId; readonly method: string; readonly params: RpcParams }
  | { readonly kind: 'notification'; readonly method: string; readonly params: RpcParams }
  | {
      readonly kind: 'response';
      readonly id: RpcId | null;
      readonly result: Readonly<Record<string, unknown>> | undefined;
      readonly failed: boolean;
    };

export type RpcParams = Readonly<Record<string, unknown>>;

export type RpcResult =
  | {
      readonly kind: 'messages';
      readonly batch: boolean;
      readonly messages: readonly RpcMessage[];
      /** As parsed: what a rewriter changes and writes anew. */
      readonly value: unknown;
      /** No string in it needs an escape. */
      readonly plain: boolean;
    }
  | { readonly kind: 'fault'; readonly code: number; readonly why: string };

/** Error codes. Source: JSON-RPC 2.0 section 5.1. */
export const rpcErrors = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
} as const;

/** A batch of more is refused. Implementation limit. */
const maxBatch = 1_000;

/**
 * Names that some readers match without regard to case (Go's encoding/json folds, and takes the last): a second spelling beside the
 * first would be read there and overlooked here. The `iu` flags fold as Unicode does.
 */
const envelopeNames = /^(jsonrpc|id|method|params|result|error)$/iu;
const paramNames = /^(name|uri|arguments|ref|cursor|_meta)$/iu;

export function parseRpc(text: string): RpcResult {
  const json = parseStrictJson(text);
  if (json.kind === 'fault') return { kind: 'fault', code: rpcErrors.parse, why: json.why };
  const batch = Array.isArray(json.value);
  const items: readonly unknown[] = Array.isArray(json.value) ? json.value : [json.value];
  if (items.length === 0 || items.length > maxBatch) {
    return { kind: 'fault', code: rpcErrors.invalidRequest, why: `a batch of ${items.length}` };
  }
  const messages: RpcMessage[] = [];
  for (const item of items) {
    const message = readMessage(item);
    if (typeof message === 'string') return { kind: 'fault', code: rpcErrors.invalidRequest, why: message };
    messages.push(message);
  }
  return { kind: 'messages', batch, messages, value: json.value, plain: !text.includes('\\') };
}

/** The text of an error answer. */
export function rpcError(id: RpcId | null, code: number, message: string, data?: unknown): Record<string, unknown> {
  return { jsonrpc: '2.0', id, error: { code, message, ...(data === undefined ? {} : { data }) } };
}

function readMessage(value: unknown): RpcMessage | string {
  if (!isRecord(value)) return 'a message that is no object';
  const doubtful = misspelt(value, envelopeNames);
  if (doubtful !== undefined) return `the field "${doubtful}"`;
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
    const odd = misspelt(params, paramNames);
    if (odd !== undefined) return `the parameter "${odd}"`;
    if (id === null) return 'a request without an id of its own';
    return id === undefined ? { kind: 'notification', method, params } : { kind: 'request', id, method, params };
  }
  const [hasResult, hasError] = ['result' in value, isRecord(value.error)];
  if (hasResult === hasError) return 'a message that is neither request nor answer';
  if (id === undefined) return 'an answer without an id';
  const result = isRecord(value.result) ? value.result : undefined;
  return { kind: 'response', id, result, failed: hasError || result?.isError === true };
}

function misspelt(value: Readonly<Record<string, unknown>>, names: RegExp): string | undefined {
  return Object.keys(value).find((key) => names.test(key) && key !== key.toLowerCase().normalize('NFKC'));
}
