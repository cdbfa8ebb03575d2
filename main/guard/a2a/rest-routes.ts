/**
 * Requests of A2A's REST binding, read as the requests of JSON-RPC that they are, and written anew from that. Pure.
 * Source: A2A specification 1.0.0, "HTTP+JSON/REST Protocol Binding".
 */
import { plainPath } from '../http/target.ts';
import type { RpcParams } from '../mcp/rpc.ts';

/** One request: what it asks, and how it goes on. */
export interface RestRequest {
  /** As JSON-RPC calls it. */
  readonly method: string;
  /** What path and query say. */
  readonly params: RpcParams;
  /** The target in its one form. */
  readonly target: string;
  /** Its body is its parameters, has nothing in it, or is not there. */
  readonly body: 'params' | 'empty' | 'none';
}

/** It is none of this agent, or one that cannot be read. */
export type RestReading = RestRequest | { readonly unreadable: string } | undefined;

const numbers: ReadonlySet<string> = new Set(['historyLength', 'pageSize']);
const flags: ReadonlySet<string> = new Set(['includeArtifacts']);

/** Read a request under one of these bases, which cards named; undefined where it is under none. */
export function readRest(method: string, target: string, bases: readonly string[]): RestReading {
  const path = plainPath(target);
  if (path === undefined) return undefined;
  // The longest: one agent's base may begin as another's.
  const base = bases
    .filter((one) => path.startsWith(`${one}/`))
    .reduce<string | undefined>(
      (best, one) => (best === undefined || one.length > best.length ? one : best),
      undefined,
    );
  if (base === undefined) return undefined;
  const query = readQuery(target);
  if (query === undefined) return { unreadable: 'a query that readers take apart differently' };
  const found = routeOf(method, path.slice(base.length));
  if (found === undefined) return { unreadable: `${method} of a path that A2A does not have` };
  const { method: named, params, written, body, takesQuery } = found;
  if (!takesQuery && query.size > 0) return { unreadable: 'a query where A2A has none' };
  const asked: Record<string, unknown> = { ...params };
  for (const [name, value] of query) {
    const read = readValue(name, value);
    if (read === undefined || name in asked) return { unreadable: `"${name.slice(0, 64)}" in the query` };
    asked[name] = read;
  }
  const pairs = [...query].map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
  const to = `${encodeURI(base)}${written}${pairs.length === 0 ? '' : `?${pairs.join('&')}`}`;
  return { method: named, params: asked, target: to, body };
}

interface Route extends Omit<RestRequest, 'target'> {
  readonly written: string;
  readonly takesQuery: boolean;
}

function routeOf(method: string, path: string): Route | undefined {
  const fixed = { params: {}, takesQuery: false, written: path } as const;
  if (method === 'POST' && path === '/message:send') return { ...fixed, method: 'SendMessage', body: 'params' };
  if (method === 'POST' && path === '/message:stream') {
    return { ...fixed, method: 'SendStreamingMessage', body: 'params' };
  }
  if (method === 'GET' && path === '/extendedAgentCard') {
    return { ...fixed, method: 'GetExtendedAgentCard', body: 'none' };
  }
  if (method === 'GET' && path === '/tasks') return { ...fixed, method: 'ListTasks', body: 'none', takesQuery: true };
  const [, id, verb] = /^\/tasks\/([^/:]+)(:[a-z]+|\/pushNotificationConfigs(?:\/[^/]+)?)?$/.exec(path) ?? [];
  if (id === undefined) return undefined;
  const named = {
    params: { id },
    written: `/tasks/${encodeURIComponent(id)}${verb ?? ''}`,
    takesQuery: false,
  } as const;
  if (verb === undefined) {
    return method === 'GET' ? { ...named, method: 'GetTask', body: 'none', takesQuery: true } : undefined;
  }
  if (verb === ':cancel') return method === 'POST' ? { ...named, method: 'CancelTask', body: 'empty' } : undefined;
  if (verb === ':subscribe') {
    if (method === 'GET') return { ...named, method: 'SubscribeToTask', body: 'none' };
    return method === 'POST' ? { ...named, method: 'SubscribeToTask', body: 'empty' } : undefined;
  }
  // Refused by its method, whatever it says.
  return { ...named, method: 'CreateTaskPushNotificationConfig', body: method === 'POST' ? 'params' : 'none' };
}

/** Undefined where a name stands twice, or readers differ in what a pair is. */
function readQuery(target: string): ReadonlyMap<string, string> | undefined {
  const mark = target.indexOf('?');
  const read = new Map<string, string>();
  for (const pair of mark < 0 ? [] : target.slice(mark + 1).split('&')) {
    if (pair === '') continue;
    if (!/^[\w.~-]+=[\w.~:%-]*$/.test(pair)) return undefined;
    const [name = '', value = ''] = pair.split('=');
    try {
      if (read.has(name)) return undefined;
      read.set(name, decodeURIComponent(value));
    } catch {
      return undefined;
    }
  }
  return read;
}

function readValue(name: string, value: string): string | number | boolean | undefined {
  if (numbers.has(name)) return /^\d{1,9}$/.test(value) ? Number(value) : undefined;
  if (flags.has(name)) return value === 'true' ? true : value === 'false' ? false : undefined;
  return value;
}
