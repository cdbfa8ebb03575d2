/**
 * What OpenAI- and Anthropic-style requests and answers say of models and tokens. Pure.
 * Sources: OpenAI API reference (chat completions, responses, embeddings: `model`, `usage`), Anthropic API reference (messages: `model`,
 * `usage`, `message_start`, `message_delta`); model names in paths: Azure OpenAI, Gemini and Bedrock REST references.
 */
import { isRecord } from '../json/strict-json.ts';

export interface TokenUse {
  readonly input: number;
  readonly output: number;
}

/** Model named in the path, for services that name it there. */
export function modelInPath(path: string): string | undefined {
  const named = /\/(?:openai\/deployments|models|model)\/([^/:]+)(?:[/:]|$)/.exec(path)?.[1];
  if (named === undefined) return undefined;
  try {
    return decodeURIComponent(named);
  } catch (error) {
    // Names bad escapes by a URIError; such a path is refused elsewhere.
    return error instanceof URIError ? undefined : named;
  }
}

/** Models named in a JSON body: the one asked for, and those to fall back to. */
export function modelsInBody(body: unknown): readonly string[] {
  if (!isRecord(body)) return [];
  const others: readonly unknown[] = Array.isArray(body.models) ? body.models : [];
  return [body.model, ...others].filter((model): model is string => typeof model === 'string');
}

/** Taken as the most an answer may have where the request sets no limit. */
const usualAnswerTokens = 1_024;

/** The most tokens the answer to a request may have, as its body says. */
export function answerLimit(body: unknown): number {
  const stated = isRecord(body) ? [body.max_completion_tokens, body.max_output_tokens, body.max_tokens] : [];
  const limit = stated.find((value): value is number => typeof value === 'number' && value > 0);
  return limit ?? usualAnswerTokens;
}

/** Tokens of a text whose length in bytes is all that is known: near, and never nothing. */
export function estimateTokens(bytes: number): number {
  return Math.ceil(bytes / 4);
}

/** Collects the tokens an answer tells of, whole or event by event: each kind's largest figure is its last. */
export class TokenMeter {
  #input = 0;
  #output = 0;
  #told = false;
  #deltas = 0;

  /** A JSON answer, or one event's data. */
  see(value: unknown): void {
    if (!isRecord(value)) return;
    for (const holder of [value, value.message, value.response]) {
      if (isRecord(holder) && isRecord(holder.usage)) this.#usage(holder.usage);
    }
    if (isRecord(value.usageMetadata)) this.#usage(value.usageMetadata);
    if ('choices' in value || 'delta' in value) this.#deltas += 1;
  }

  /**
   * What was used. Where the answer does not tell, an estimate that is near and never nothing: a token for four bytes asked, and a token
   * an event or, without events, for four bytes answered.
   */
  total(requestBytes: number, answerBytes: number): TokenUse {
    if (this.#told) return { input: this.#input, output: this.#output };
    const output = this.#deltas > 0 ? this.#deltas : estimateTokens(answerBytes);
    return { input: estimateTokens(requestBytes), output };
  }

  #usage(usage: Readonly<Record<string, unknown>>): void {
    const most = (...names: readonly string[]): number =>
      Math.max(0, ...names.map((name) => (typeof usage[name] === 'number' ? usage[name] : 0)));
    const cached = most('cache_creation_input_tokens') + most('cache_read_input_tokens');
    const input = most('prompt_tokens', 'input_tokens', 'promptTokenCount') + cached;
    const output = most('completion_tokens', 'output_tokens', 'candidatesTokenCount');
    const total = most('total_tokens', 'totalTokenCount');
    this.#input = Math.max(this.#input, input, total > 0 && output === 0 ? total : 0);
    this.#output = Math.max(this.#output, output);
    this.#told ||= input + output + total > 0;
  }
}
