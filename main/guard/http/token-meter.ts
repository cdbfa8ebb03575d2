/**
 * Collects the tokens an answer tells of, whole or event by event, in every dialect. Pure.
 * Sources: API references of OpenAI (`usage`), Anthropic (`usage`, `message_start`, `message_delta`), Gemini (`usageMetadata`), Ollama
 * (`prompt_eval_count`, `eval_count`), Amazon Bedrock (`usage` of Converse, invocation metrics), Cohere (`meta`, `usage.tokens`).
 */
import { nearestDouble } from '../json/json-number.ts';
import { isRecord } from '../json/strict-json.ts';
import { tokensOf } from './token-estimate.ts';

/** Tokens of a prompt and of its answer. */
export interface TokenUse {
  readonly input: number;
  readonly output: number;
  /** Of the input: what the provider had kept from before. */
  readonly cached?: number;
  /** Of the input: what it keeps for later. */
  readonly cacheWritten?: number;
  /** Of the output: what was thought and not shown. */
  readonly reasoning?: number;
}

/** The larger of both, kind by kind. */
export function largerUse(one: TokenUse, other: TokenUse): TokenUse {
  return { ...one, input: Math.max(one.input, other.input), output: Math.max(one.output, other.output) };
}

type Fields = Readonly<Record<string, unknown>>;

/** Of what a text is estimated at, so much is in it with hardly any tokenizer less. */
const surely = 0.8;

/** Where figures stand within an answer or event. */
const holders = ['message', 'response', 'delta', 'metadata', 'x_groq', 'data'] as const;
/** Where the text of an answer or of one event stands. */
const textHolders: ReadonlySet<string> = new Set([
  'choices',
  'delta',
  'message',
  'candidates',
  'content',
  'parts',
  'text',
  'thinking',
  'partial_json',
  'reasoning',
  'reasoning_content',
  'refusal',
  'tool_calls',
  'function',
  'arguments',
  'response',
  'contentBlockDelta',
  'toolUse',
  'input',
]);

/** The figures of one answer. */
export class TokenMeter {
  #input = 0;
  #output = 0;
  #cached = 0;
  #cacheWritten = 0;
  #reasoning = 0;
  #told = false;
  #deltas = 0;
  /** Of the answer's own text, by estimate; parts of one add up. */
  #textTokens = 0;

  /** A JSON answer, or one event's data. */
  see(value: unknown): void {
    // Gemini streams an array where no events are asked for.
    if (Array.isArray(value)) return value.forEach((item) => this.see(item));
    if (!isRecord(value)) return;
    this.#figures(value);
    for (const name of holders) {
      const held = value[name];
      if (isRecord(held)) this.#figures(held);
    }
    const tokens = isNoNewText(value.type) ? 0 : textTokens(value, 0);
    if (tokens > 0 || 'choices' in value || 'delta' in value) this.#deltas += 1;
    this.#textTokens += tokens;
  }

  /** Figures that stand in the head. */
  seeCounts(input: number, output: number): void {
    this.#count(input, output, 0);
  }

  /** What was used so far, as far as it can be known: what is told, and for the answer no less than its events and text. */
  running(requestTokens: number): TokenUse {
    const input = this.#input > 0 ? this.#input : requestTokens;
    // Providers that send several tokens an event are followed by the text; short of the estimate, which may be too high.
    const output = Math.max(this.#output, this.#deltas, Math.floor(this.#textTokens * surely));
    return { input, output, ...this.#kinds() };
  }

  /**
   * What was used. Where the answer does not tell, an estimate that is near and never nothing: what was asked and, where there is no stream,
   * answered by their characters; of a stream a token an event, or more where its text has more. What is told counts alone only where the answer
   * is `complete`: streams begin with a figure that is not their last.
   */
  total(requestTokens: number, answerTokens: number, complete: boolean): TokenUse {
    if (this.#told && complete) return { input: this.#input, output: this.#output, ...this.#kinds() };
    const seen = Math.max(this.#deltas, Math.ceil(this.#textTokens));
    const use = this.running(requestTokens);
    if (this.#told) return { ...use, output: Math.max(use.output, seen) };
    return { ...use, output: this.#deltas > 0 ? seen : answerTokens };
  }

  /** What of it has a price of its own. */
  #kinds(): Pick<TokenUse, 'cached' | 'cacheWritten' | 'reasoning'> {
    return {
      ...(this.#cached === 0 ? {} : { cached: this.#cached }),
      ...(this.#cacheWritten === 0 ? {} : { cacheWritten: this.#cacheWritten }),
      ...(this.#reasoning === 0 ? {} : { reasoning: this.#reasoning }),
    };
  }

  #figures(holder: Fields): void {
    const { usage, usageMetadata, meta } = holder;
    if (isRecord(usage)) this.#usage(usage);
    if (isRecord(usageMetadata)) this.#gemini(usageMetadata);
    if (isRecord(meta)) this.#cohere(meta);
    const metrics = holder['amazon-bedrock-invocationMetrics'];
    if (isRecord(metrics)) this.#count(most(metrics, 'inputTokenCount'), most(metrics, 'outputTokenCount'), 0);
    if ('prompt_eval_count' in holder || 'eval_count' in holder) {
      this.#count(most(holder, 'prompt_eval_count'), most(holder, 'eval_count'), 0);
    }
  }

  #usage(usage: Fields): void {
    if (isRecord(usage.tokens) || isRecord(usage.billed_units)) return this.#cohere(usage);
    const written = most(usage, 'cache_creation_input_tokens', 'cacheWriteInputTokens');
    const read = most(usage, 'cache_read_input_tokens', 'cacheReadInputTokens');
    this.#kindsOf(
      Math.max(read, within(usage, ['prompt_tokens_details', 'input_tokens_details'], 'cached_tokens')),
      written,
      within(usage, ['completion_tokens_details', 'output_tokens_details'], 'reasoning_tokens'),
    );
    const input = most(usage, 'prompt_tokens', 'input_tokens', 'inputTokens', 'promptTokenCount') + written + read;
    const output = most(usage, 'completion_tokens', 'output_tokens', 'outputTokens', 'candidatesTokenCount');
    this.#count(input, output, most(usage, 'total_tokens', 'totalTokens', 'totalTokenCount'));
  }

  #gemini(usage: Fields): void {
    const input = most(usage, 'promptTokenCount') + most(usage, 'toolUsePromptTokenCount');
    const output = most(usage, 'candidatesTokenCount', 'responseTokenCount') + most(usage, 'thoughtsTokenCount');
    this.#kindsOf(most(usage, 'cachedContentTokenCount'), 0, most(usage, 'thoughtsTokenCount'));
    this.#count(input, output, most(usage, 'totalTokenCount'));
  }

  #cohere(usage: Fields): void {
    for (const held of [usage.tokens, usage.billed_units]) {
      if (isRecord(held)) this.#count(most(held, 'input_tokens'), most(held, 'output_tokens'), 0);
    }
  }

  #kindsOf(cached: number, cacheWritten: number, reasoning: number): void {
    this.#cached = Math.max(this.#cached, cached);
    this.#cacheWritten = Math.max(this.#cacheWritten, cacheWritten);
    this.#reasoning = Math.max(this.#reasoning, reasoning);
  }

  /** Each kind's largest figure is its last; what a total has beyond both was thought, and so answered. */
  #count(input: number, output: number, total: number): void {
    const beyond = Math.max(0, total - input - output);
    this.#input = Math.max(this.#input, output === 0 ? input + beyond : input);
    this.#output = Math.max(this.#output, output === 0 ? 0 : output + beyond);
    this.#told ||= input + output + total > 0;
  }
}

/** An event that says again what came before it piece by piece, or whose piece is sound. Source: OpenAI's Responses and Realtime. */
function isNoNewText(type: unknown): boolean {
  return typeof type === 'string' && /^response\..*(?:\.done|audio\.delta)$/.test(type);
}

/** A figure of the details that stand under one of these names. */
function within(fields: Fields, names: readonly string[], figure: string): number {
  return Math.max(0, ...names.map((name) => (isRecord(fields[name]) ? most(fields[name], figure) : 0)));
}

function most(fields: Fields, ...names: readonly string[]): number {
  return Math.max(0, ...names.map((name) => nearestDouble(fields[name]) ?? 0));
}

/** Of the answer's own text. Bounded in depth: figures want no more. */
function textTokens(value: unknown, depth: number): number {
  if (depth > 8) return 0;
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + textTokens(item, depth + 1), 0);
  if (!isRecord(value)) return 0;
  let tokens = 0;
  for (const [key, field] of Object.entries(value)) {
    if (!textHolders.has(key)) continue;
    tokens += typeof field === 'string' ? tokensOf(field) : textTokens(field, depth + 1);
  }
  return tokens;
}
