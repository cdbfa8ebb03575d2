/**
 * Answers of A2A's REST binding: a result by itself, or an error. Pure.
 * Source: A2A specification 1.0.0, "HTTP+JSON/REST Protocol Binding"; errors as in google.rpc.Status (AIP-193).
 */
import type { OwnAnswer } from '../http/own-answer.ts';
import type { JsonReading } from '../json/json-reader.ts';
import { isRecord } from '../json/strict-json.ts';
import { writeJson } from '../json/write-json.ts';
import { rpcErrors, type RpcRefusal } from '../mcp/rpc.ts';
import type { AnswerReading } from './answers.ts';
import type { A2aCalls } from './calls.ts';
import { shownCard } from './cards.ts';
import { a2aErrors, kindOf } from './methods.ts';

/** A media type of A2A's own, as its servers say it. */
export const restType = 'application/json';

/** How HTTP says what JSON-RPC says by this code. */
export function restStatus(code: number): readonly [status: number, name: string] {
  if (code === a2aErrors.contentTypeNotSupported) return [415, 'INVALID_ARGUMENT'];
  if (code === a2aErrors.pushNotSupported || code === a2aErrors.unsupportedOperation) return [400, 'UNIMPLEMENTED'];
  if (code === rpcErrors.methodNotFound) return [404, 'NOT_FOUND'];
  return code >= -32_099 && code <= -32_000 ? [403, 'PERMISSION_DENIED'] : [400, 'INVALID_ARGUMENT'];
}

/** A refusal as a body. */
export function restError({ code, message, data }: Pick<RpcRefusal, 'code' | 'message' | 'data'>): string {
  const [status, name] = restStatus(code);
  return JSON.stringify({ error: { code: status, status: name, message, details: data ?? [] } });
}

/** The same as a whole answer. */
export function restRefusal(refusal: Pick<RpcRefusal, 'code' | 'message' | 'data'>, status?: number): OwnAnswer {
  const [usual] = restStatus(refusal.code);
  return { status: status ?? usual, contentType: restType, body: restError(refusal) };
}

/** An answer, or an event of one, read. `code`: of the refusal that stands in its place. */
export interface RestAnswerReading extends AnswerReading {
  readonly code?: number;
}

/** Read what an agent answers to `method`; `status`: of its answer. */
export function readRestAnswer(json: JsonReading, method: string, status: number, calls: A2aCalls): RestAnswerReading {
  if (json.kind === 'fault') return faulty(json.why);
  if (!isRecord(json.value)) return faulty('a result that is no object');
  if (status >= 300 || 'error' in json.value) return readError(json.value, calls);
  const { refusal, observed = false } = calls.withheld(json.value);
  const read = { failed: false, observed };
  if (refusal !== undefined) return { ...read, shown: restError(refusal), withheld: true, code: refusal.code };
  if (kindOf(method) !== 'card') return { ...read, shown: 'as-is', withheld: false };
  const card = shownCard(json.value, (skill) => calls.shows(skill));
  calls.endpoints.learn('extended', card);
  return { ...read, shown: card === json.value ? 'as-is' : writeJson(card), withheld: false };
}

function readError(value: Readonly<Record<string, unknown>>, calls: A2aCalls): RestAnswerReading {
  const { error, ...others } = value;
  if (!isRecord(error)) return faulty('an error that is none');
  const { status, details, ...rest } = error;
  // As an error of JSON-RPC, whose `data` the details are.
  const asRpc = { ...rest, ...(details === undefined ? {} : { data: details }) };
  const { data, ...kept } = calls.shownError(asRpc);
  const isWhole = Object.keys(others).length === 0 && Object.keys(kept).length === Object.keys(rest).length;
  if (isWhole && data === details) return { shown: 'as-is', failed: true, withheld: false, observed: false };
  const shown = {
    ...kept,
    ...(typeof status === 'string' ? { status } : {}),
    ...(data === undefined ? {} : { details: data }),
  };
  return { shown: writeJson({ error: shown }), failed: true, withheld: false, observed: false };
}

function faulty(fault: string): RestAnswerReading {
  return { shown: 'as-is', failed: true, withheld: false, observed: false, fault };
}
