/**
 * What stands on the wire between an engine and its clients: one JSON object a line, UTF-8, `\n` between.
 *
 * The engine greets first. A client then sends requests under ids of its own choosing and may cancel each by id. A call is answered by
 * one `result` or `error`; a stream by any number of `item`s, then `end` or `error`.
 */
import { defined } from '../base/defined.ts';
import { isErrorCode, toTunnelerError, TunnelerError } from '../base/errors.ts';
import type { Permission } from './call.ts';
import type { ErrorView } from './views.ts';

/** Raised by one whenever an old client could misunderstand a new engine. */
export const protocolVersion = 1;

/** Longest line either side accepts. A longer one is answered with `engine.protocol` and skipped. */
export const maxLineBytes = 16 * 1024 * 1024;

/** First line of every connection, from the engine. */
export interface Greeting {
  readonly greeting: 'culvert';
  readonly protocol: number;
  readonly version: string;
  /** What the engine lets this caller do. */
  readonly permission: Permission;
}

/** A client's line. */
export type ClientMessage =
  | { readonly id: number; readonly call: string; readonly request?: unknown }
  | { readonly id: number; readonly cancel: true };

/** An engine's line. */
export type EngineMessage =
  | Greeting
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly item: unknown }
  | { readonly id: number; readonly end: true }
  /** `id` is null where the line was too broken to have one. */
  | { readonly id: number | null; readonly error: ErrorView };

/** Parse a client's line. Throws `engine.protocol`. */
export function parseClientMessage(line: string): ClientMessage {
  const raw = parseObject(line);
  const id = raw['id'];
  if (!isRequestId(id)) throw protocolError('id: expected a whole number from 0');
  if (raw['cancel'] === true) return { id, cancel: true };
  const call = raw['call'];
  if (typeof call !== 'string') throw new ProtocolError('call: expected a string such as "session.list"', id);
  return 'request' in raw ? { id, call, request: raw['request'] } : { id, call };
}

/** Parse an engine's line. Throws `engine.protocol`. */
export function parseEngineMessage(line: string): EngineMessage {
  const raw = parseObject(line);
  if (raw['greeting'] === 'culvert') return parseGreeting(raw);
  const id = raw['id'];
  if (id !== null && !isRequestId(id)) throw protocolError('id: expected a whole number from 0');
  if ('error' in raw) return { id, error: parseErrorView(raw['error']) };
  if (id === null) throw protocolError('expected an error where id is null');
  if ('item' in raw) return { id, item: raw['item'] };
  if (raw['end'] === true) return { id, end: true };
  return { id, result: raw['result'] };
}

/** An error as it crosses a border; never a stack. */
export function toErrorView(error: unknown): ErrorView {
  const known = toTunnelerError(error);
  const details = Object.keys(known.details).length > 0 ? { details: known.details } : {};
  return { code: known.code, message: known.message, ...details };
}

/** An error that came over a border; a code this build does not know becomes `base.internal`, the code kept in the details. */
export function fromErrorView(view: ErrorView): TunnelerError {
  const { code, message, details } = view;
  return isErrorCode(code)
    ? new TunnelerError(code, message, defined({ details }))
    : new TunnelerError('base.internal', message, { details: { ...details, code } });
}

/** A protocol error that knows which request it belongs to. */
export class ProtocolError extends TunnelerError {
  readonly requestId: number | undefined;

  constructor(message: string, requestId?: number) {
    super('engine.protocol', message);
    this.requestId = requestId;
  }
}

function protocolError(message: string): ProtocolError {
  return new ProtocolError(message);
}

function isRequestId(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function parseObject(line: string): Record<string, unknown> {
  let raw: unknown;
  try {
    raw = JSON.parse(line);
  } catch (error) {
    throw new ProtocolError(`line is no JSON: ${error instanceof Error ? error.message.slice(0, 200) : 'unreadable'}`);
  }
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
    throw protocolError('line: expected a JSON object');
  return raw as Record<string, unknown>;
}

function parseGreeting(raw: Record<string, unknown>): Greeting {
  const { protocol, version, permission } = raw;
  if (typeof protocol !== 'number' || typeof version !== 'string') throw protocolError('greeting: malformed');
  if (permission !== 'observe' && permission !== 'operate' && permission !== 'administer') {
    throw protocolError('greeting: unknown permission');
  }
  return { greeting: 'culvert', protocol, version, permission };
}

function parseErrorView(raw: unknown): ErrorView {
  const view = raw as Partial<ErrorView> | null;
  if (typeof view !== 'object' || view === null || typeof view.code !== 'string' || typeof view.message !== 'string') {
    throw protocolError('error: expected code and message');
  }
  const { code, message, details } = view;
  return { code, message, ...defined({ details }) };
}
