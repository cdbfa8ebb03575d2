/**
 * Headers that repeat what a request's body says, so that what stands between need not read it.
 * Source: MCP revision 2026-07-28, "Streamable HTTP", SEP-2243 (standard headers, `x-mcp-header`) and SEP-2663 (tasks).
 */
import { isRecord, type Message } from './rpc.ts';

/** First revision without a handshake, and with these headers. */
export const statelessRevision = '2026-07-28';

/** An argument that a tool's schema asks to have in a header too. */
interface HeaderParameter {
  readonly path: readonly string[];
  readonly header: string;
}

/** RFC 9110 section 5.6.2. */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const maxDepth = 16;

/** The headers for a request, with what was learnt of the service's tools. */
export class StandardHeaders {
  readonly #parameters = new Map<string, readonly HeaderParameter[]>();

  /** Learn from a result that lists tools; others hold nothing to learn. */
  learn(result: Readonly<Record<string, unknown>>): void {
    const { tools } = result;
    if (!Array.isArray(tools)) return;
    for (const tool of tools as readonly unknown[]) {
      if (!isRecord(tool) || typeof tool['name'] !== 'string') continue;
      this.#parameters.set(tool['name'], parametersOf(tool['inputSchema'], []));
    }
  }

  of(message: Message): Record<string, string> {
    if (message.method === '') return {};
    const { method, params } = message;
    const field = { 'tools/call': 'name', 'prompts/get': 'name', 'resources/read': 'uri' }[method];
    const task = /^tasks\/(get|update|cancel)$/.test(method) ? 'taskId' : undefined;
    const name = params[field ?? task ?? ''];
    const headers: Record<string, string> = { 'mcp-method': method };
    if (typeof name === 'string') headers['mcp-name'] = headerValue(name);
    if (method !== 'tools/call' || typeof name !== 'string') return headers;
    for (const { path, header } of this.#parameters.get(name) ?? []) {
      const value = valueAt(params['arguments'], path);
      if (isPrimitive(value)) headers[`mcp-param-${header.toLowerCase()}`] = headerValue(String(value));
    }
    return headers;
  }
}

function parametersOf(schema: unknown, path: readonly string[]): readonly HeaderParameter[] {
  if (!isRecord(schema) || path.length > maxDepth) return [];
  const header = schema['x-mcp-header'];
  const own = typeof header === 'string' && token.test(header) && path.length > 0 ? [{ path, header }] : [];
  const { properties } = schema;
  const inner = isRecord(properties)
    ? Object.entries(properties).flatMap(([key, child]) => parametersOf(child, [...path, key]))
    : [];
  return [...own, ...inner];
}

function valueAt(args: unknown, path: readonly string[]): unknown {
  let value = args;
  for (const key of path) value = isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  return value;
}

function isPrimitive(value: unknown): value is string | number | boolean {
  if (typeof value === 'number')
    return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));
  return typeof value === 'string' || typeof value === 'boolean';
}

/** A header holds visible ASCII; anything else goes in Base64 between marks. */
function headerValue(value: string): string {
  if (/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(value) && !value.startsWith('=?base64?')) return value;
  return `=?base64?${Buffer.from(value).toString('base64')}?=`;
}
