/**
 * Refusals in the words of the dialect that was asked, so that each client shows the reason and does not try again. Pure.
 * Sources: the error objects in the API references of OpenAI, Anthropic, Gemini (google.rpc.Status), Ollama, Amazon Bedrock and Cohere.
 */
import type { OwnAnswer } from './own-answer.ts';
import { shownPath } from './target.ts';

/** Why a request is refused, and what its client needs to say so. */
export interface HttpRefusal {
  readonly status: number;
  readonly rule: string;
  readonly why: string;
  /** As the client asked it. */
  readonly target: string;
  /** The model that was refused: the client is told that there is none of that name for it. */
  readonly model?: string;
  /** A used budget: when there will be room again. */
  readonly retryAfterSeconds?: number;
}

/** Whose words a client speaks. */
export type Dialect = 'openai' | 'anthropic' | 'gemini' | 'ollama' | 'bedrock' | 'cohere';

/** The dialect that a path belongs to; OpenAI's where it tells nothing, for most others show that too. */
export function dialectOf(target: string): Dialect {
  const path = shownPath(target);
  if (/\/openai\//.test(path)) return 'openai';
  if (/\/v1\/(?:messages|complete)(?:\/|$)|\/anthropic\//.test(path)) return 'anthropic';
  if (/\/(?:models|tunedModels)\/[^/]+:[A-Za-z]+$|\/v1(?:alpha|beta\d*)\//.test(path)) return 'gemini';
  if (/\/api\/(?:chat|generate|embed|embeddings|show|tags|pull|ps|version)$/.test(path)) return 'ollama';
  if (/\/model\/[^/]+\/(?:converse|converse-stream|invoke|invoke-with-response-stream)$/.test(path)) return 'bedrock';
  if (/\/(?:v2\/(?:chat|embed|rerank)|v1\/(?:chat|generate|embed|rerank))$/.test(path)) return 'cohere';
  return 'openai';
}

/** The answer that refuses, in the dialect of the request. */
export function refusalAnswer(refusal: HttpRefusal): OwnAnswer {
  const { status, rule, model, retryAfterSeconds } = refusal;
  const message = status === 401 ? `Refused: ${refusal.why}` : `Refused by contract: ${refusal.why}`;
  const dialect = dialectOf(refusal.target);
  const headers: [string, string][] = [];
  if (status === 426) headers.push(['Upgrade', 'HTTP/1.1']);
  if (retryAfterSeconds !== undefined) {
    headers.push(['Retry-After', String(retryAfterSeconds)], ['x-should-retry', 'false']);
  }
  if (dialect === 'bedrock') headers.push(['x-amzn-ErrorType', bedrockTypes[status] ?? 'ValidationException']);
  const body = JSON.stringify(bodyOf(dialect, { status, rule, message, model }));
  return { status, contentType: 'application/json', body, ...(headers.length === 0 ? {} : { headers }) };
}

interface Told {
  readonly status: number;
  readonly rule: string;
  readonly message: string;
  readonly model: string | undefined;
}

function bodyOf(dialect: Dialect, { status, rule, message, model }: Told): unknown {
  switch (dialect) {
    case 'anthropic':
      return {
        type: 'error',
        error: { type: anthropicTypes[status] ?? 'invalid_request_error', message },
        rule,
        by: 'culvert',
      };
    case 'gemini': {
      const code = status;
      return { error: { code, message, status: googleStatuses[status] ?? 'INVALID_ARGUMENT' }, rule, by: 'culvert' };
    }
    case 'ollama':
      return { error: message, rule, by: 'culvert' };
    case 'bedrock':
    case 'cohere':
      return { message, rule, by: 'culvert' };
    case 'openai': {
      const told = status === 401 ? 'invalid_api_key' : rule;
      const which = model === undefined ? { code: told } : { code: 'model_not_found', param: 'model' };
      return { error: { message, type: 'contract_refused', ...which, rule, by: 'culvert' } };
    }
  }
}

const anthropicTypes: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
};

const googleStatuses: Readonly<Record<number, string>> = {
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
};

const bedrockTypes: Readonly<Record<number, string>> = {
  401: 'UnrecognizedClientException',
  403: 'AccessDeniedException',
  404: 'ResourceNotFoundException',
  429: 'ThrottlingException',
};
