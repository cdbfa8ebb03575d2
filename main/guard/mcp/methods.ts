/**
 * MCP's methods as the guard knows them: which name a thing, which list things, which pass. What is not known does not pass.
 * Source: MCP specification, revisions 2024-11-05 to 2026-07-28.
 */
import type { GuardedAction } from '../guard.ts';
import { isRecord } from '../json/strict-json.ts';
import type { RpcParams } from './rpc.ts';
import type { ThingKind } from './rules.ts';

/** One thing a request names. */
export interface NamedThing {
  readonly kind: ThingKind;
  readonly name: string;
  readonly arguments: unknown;
}

/** Methods whose calls are counted, limited and recorded. */
const calls: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read', 'resources/subscribe']);

const lists: Readonly<Record<string, true | undefined>> = {
  'tools/list': true,
  'prompts/list': true,
  'resources/list': true,
  'resources/templates/list': true,
};

const passing = new Set([
  'initialize',
  'server/discover',
  'ping',
  'logging/setLevel',
  'subscriptions/listen',
  'resources/unsubscribe',
  'completion/complete',
  'tasks/get',
  'tasks/list',
  'tasks/result',
  'tasks/update',
  'tasks/cancel',
]);

/** Notifications a client may send; a request's method without an id is none of them. */
const notifications: ReadonlySet<string> = new Set([
  'notifications/initialized',
  'notifications/cancelled',
  'notifications/progress',
  'notifications/roots/list_changed',
  'notifications/tasks/status',
]);

/** True for a notification that may pass. */
export function isKnownNotification(method: string): boolean {
  return notifications.has(method);
}

/** True for a method that names a tool, prompt or resource. */
export function isCall(method: string): boolean {
  return calls.has(method);
}

/** True for a method that lists things. */
export function isList(method: string): boolean {
  return Object.hasOwn(lists, method);
}

/** True for a request that is judged or may pass. */
export function isKnownRequest(method: string): boolean {
  return isCall(method) || isList(method) || passing.has(method);
}

/** What a request names; `undefined` where its parameters are not what the method asks for. */
export function thingsNamed(method: string, params: RpcParams): readonly NamedThing[] | undefined {
  switch (method) {
    case 'tools/call':
    case 'prompts/get': {
      const args = params.arguments ?? {};
      if (typeof params.name !== 'string' || !isRecord(args)) return undefined;
      return [{ kind: method === 'tools/call' ? 'tool' : 'prompt', name: params.name, arguments: args }];
    }
    case 'resources/read':
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      if (typeof params.uri !== 'string') return undefined;
      return [{ kind: 'resource', name: params.uri, arguments: {} }];
    case 'completion/complete': {
      if (!isRecord(params.ref)) return undefined;
      const { type, name, uri } = params.ref;
      if (type === 'ref/prompt' && typeof name === 'string') return [{ kind: 'prompt', name, arguments: {} }];
      if (type === 'ref/resource' && typeof uri === 'string') return [{ kind: 'resource', name: uri, arguments: {} }];
      return undefined;
    }
    case 'subscriptions/listen': {
      const wanted = isRecord(params.notifications) ? params.notifications.resourceSubscriptions : undefined;
      if (wanted === undefined) return [];
      if (!Array.isArray(wanted) || !wanted.every((uri): uri is string => typeof uri === 'string')) return undefined;
      return wanted.map((uri) => ({ kind: 'resource', name: uri, arguments: {} }));
    }
    default:
      return [];
  }
}

/** The same for local rules. */
export function actionOf(thing: NamedThing): GuardedAction {
  return { action: thing.kind === 'resource' ? 'readResource' : 'callTool', target: thing.name };
}

/** Parameter a 2026-07-28 request repeats in its `Mcp-Name` header. Source: SEP-2243 and SEP-2663, table of standard headers. */
export function headerNameOf(method: string, params: RpcParams): string | undefined {
  const field = { 'tools/call': 'name', 'prompts/get': 'name', 'resources/read': 'uri' }[method];
  const task = /^tasks\/(get|update|cancel)$/.test(method) ? 'taskId' : undefined;
  const value = params[field ?? task ?? ''];
  return typeof value === 'string' ? value : undefined;
}
