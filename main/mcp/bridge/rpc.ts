/** JSON-RPC 2.0 messages as the bridge looks at them: what they are and under which id, no more. */

export type RpcId = string | number;

/** One message, with the text it came as where that is one line. */
export interface Message {
  readonly kind: 'request' | 'notification' | 'response';
  /** Requests have one; a response without one answers what nobody could read. */
  readonly id: RpcId | undefined;
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly result: Readonly<Record<string, unknown>> | undefined;
  readonly error: Readonly<Record<string, unknown>> | undefined;
  readonly text: string;
}

/** Implementation-defined server error. Source: JSON-RPC 2.0 section 5.1. */
export const serverError = -32_000;
/** Headers and body disagree. Source: MCP revision 2026-07-28, SEP-2243. */
export const headerMismatch = -32_020;

const versionKey = 'io.modelcontextprotocol/protocolVersion';

/** The messages of a text, those of a batch one by one; undefined where it is no JSON-RPC at all. */
export function readMessages(text: string): readonly Message[] | undefined {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    // Whoever sent it says more of it than its parser's words would.
    return undefined;
  }
  const batch = Array.isArray(raw);
  const items: readonly unknown[] = Array.isArray(raw) ? raw : [raw];
  const messages = items.map((item) => readMessage(item, batch || text.includes('\n') ? undefined : text));
  return messages.length > 0 && messages.every((message) => message !== undefined) ? messages : undefined;
}

/** A message of the bridge's own. */
export function ownMessage(fields: {
  readonly id?: RpcId;
  readonly method: string;
  readonly params?: object;
}): Message {
  const [message] = readMessages(JSON.stringify({ jsonrpc: '2.0', ...fields })) ?? [];
  if (message === undefined) throw new Error('a message of the bridge is none');
  return message;
}

function readMessage(raw: unknown, text: string | undefined): Message | undefined {
  if (!isRecord(raw) || raw['jsonrpc'] !== '2.0') return undefined;
  const { id, method, params, result, error } = raw;
  const rest = {
    method: typeof method === 'string' ? method : '',
    params: isRecord(params) ? params : {},
    result: isRecord(result) ? result : undefined,
    error: isRecord(error) ? error : undefined,
    text: text ?? JSON.stringify(raw),
  };
  if (typeof method === 'string') {
    if (id === undefined) return { kind: 'notification', id: undefined, ...rest };
    return isId(id) ? { kind: 'request', id, ...rest } : undefined;
  }
  if (!('result' in raw) && rest.error === undefined) return undefined;
  return { kind: 'response', id: isId(id) ? id : undefined, ...rest };
}

/** The same answer under another id. */
export function underId(message: Message, id: RpcId): string {
  return JSON.stringify({ ...(JSON.parse(message.text) as Record<string, unknown>), id });
}

/** The revision a message names itself: those since 2026-07-28 do, the ones before agree on it in a handshake. */
export function ownVersion(message: Message): string | undefined {
  const meta = message.params['_meta'];
  const version = isRecord(meta) ? meta[versionKey] : undefined;
  return typeof version === 'string' ? version : undefined;
}

/** The text of an error answer. */
export function errorText(id: RpcId, message: string, data?: unknown): string {
  return JSON.stringify({ jsonrpc: '2.0', id, error: { code: serverError, message, data } });
}

/** The id of what is JSON but no message; undefined where none can be told. */
export function idIn(text: string): RpcId | undefined {
  try {
    const raw: unknown = JSON.parse(text);
    return isRecord(raw) && isId(raw['id']) ? raw['id'] : undefined;
  } catch {
    // Nothing in it can be told from anything else.
    return undefined;
  }
}

/** True for an object that is no list. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isId(value: unknown): value is RpcId {
  return typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value));
}
