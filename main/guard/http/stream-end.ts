/**
 * The end of a stream of answers before its own: what each dialect says where the most tokens are reached, so that a client keeps what it has
 * and does not ask again. Pure.
 * Sources: API references of OpenAI (chat completion chunk, response.incomplete, Realtime's response.done), Anthropic (streaming messages), Gemini (finishReason),
 * Ollama (done_reason), Amazon Bedrock (messageStop), Cohere (message-end).
 */
import { utf8 } from '../bytes.ts';
import { isRecord } from '../json/strict-json.ts';
import { encodeAwsEvent } from './aws-event-stream.ts';
import { dialectOf, type Dialect } from './refusal.ts';
import { shownPath } from './target.ts';
import type { TokenUse } from './token-meter.ts';

type Fields = Readonly<Record<string, unknown>>;

export class StreamEnd {
  readonly #dialect: Dialect;
  readonly #isRealtime: boolean;
  #last: Fields = {};
  #response: Fields | undefined;
  /** Content blocks begun and not ended. */
  readonly #blocks = new Set<number>();

  constructor(target: string) {
    this.#dialect = dialectOf(target);
    this.#isRealtime = shownPath(target).endsWith('/realtime');
  }

  /** The stream said its last. Set from outside where that is no JSON. */
  hasEnded = false;

  /** What passed last was the stream's own end. */
  get isEnd(): boolean {
    const type = this.#last.type;
    return (
      type === 'message_stop' || type === 'response.completed' || type === 'response.done' || this.#last.done === true
    );
  }

  /** One event as it passes. */
  see(value: unknown): void {
    if (!isRecord(value)) return;
    this.#last = value;
    this.hasEnded ||= isLast(value);
    if (isRecord(value.response)) this.#response = value.response;
    const index = typeof value.index === 'number' ? value.index : 0;
    if (value.type === 'content_block_start') this.#blocks.add(index);
    if (value.type === 'content_block_stop') this.#blocks.delete(index);
  }

  /** The end, in the framing that `how` names: as where the most tokens are reached, or where a filter of the provider's ends an answer. */
  write(how: string, used: TokenUse, why: 'full' | 'filtered' = 'full'): readonly Uint8Array[] {
    const says = (full: string, filtered: string): string => (why === 'full' ? full : filtered);
    if (how === 'aws') {
      const { input, output } = used;
      return [
        encodeAwsEvent('messageStop', { stopReason: says('max_tokens', 'content_filtered') }),
        encodeAwsEvent('metadata', {
          usage: { inputTokens: input, outputTokens: output, totalTokens: input + output },
        }),
      ];
    }
    if (how === 'lines') return [utf8(`${JSON.stringify(this.#ollama(used, says('length', 'stop')))}\n`)];
    return [utf8(this.#events(used, says))];
  }

  #ollama({ input, output }: TokenUse, reason: string): Fields {
    const { model, created_at } = this.#last;
    const text = 'response' in this.#last ? { response: '' } : { message: { role: 'assistant', content: '' } };
    const counts = { prompt_eval_count: input, eval_count: output };
    return { model, created_at, ...text, done: true, done_reason: reason, ...counts };
  }

  #events({ input, output }: TokenUse, says: (full: string, filtered: string) => string): string {
    const type = typeof this.#last.type === 'string' ? this.#last.type : '';
    if (this.#dialect === 'anthropic') {
      return [
        ...[...this.#blocks].map((index) => ({ type: 'content_block_stop', index })),
        {
          type: 'message_delta',
          delta: { stop_reason: says('max_tokens', 'refusal'), stop_sequence: null },
          usage: { output_tokens: output },
        },
        { type: 'message_stop' },
      ]
        .map(named)
        .join('');
    }
    if (this.#dialect === 'gemini') {
      const usageMetadata = { promptTokenCount: input, candidatesTokenCount: output, totalTokenCount: input + output };
      const content = { role: 'model', parts: [{ text: '' }] };
      return unnamed({
        candidates: [{ content, finishReason: says('MAX_TOKENS', 'SAFETY'), index: 0 }],
        usageMetadata,
      });
    }
    if (this.#dialect === 'cohere') {
      const usage = { tokens: { input_tokens: input, output_tokens: output } };
      return named({ type: 'message-end', delta: { finish_reason: says('MAX_TOKENS', 'ERROR'), usage } });
    }
    if (type.startsWith('response.')) {
      const usage = { input_tokens: input, output_tokens: output, total_tokens: input + output };
      const reason = says('max_output_tokens', 'content_filter');
      const whole = { ...this.#response, status: 'incomplete', usage };
      if (this.#isRealtime) {
        return named({ type: 'response.done', response: { ...whole, status_details: { type: 'incomplete', reason } } });
      }
      const response = { ...whole, incomplete_details: { reason } };
      const next =
        typeof this.#last.sequence_number === 'number' ? { sequence_number: this.#last.sequence_number } : {};
      return named({ type: 'response.incomplete', ...next, response });
    }
    const { id, created, model } = this.#last;
    const chunk = { id, object: 'chat.completion.chunk', created, model };
    const choices = [{ index: 0, delta: {}, finish_reason: says('length', 'content_filter') }];
    return `${unnamed({ ...chunk, choices })}data: [DONE]\n\n`;
  }
}

/** Is it what a dialect says behind the last of an answer? */
function isLast(event: Fields): boolean {
  const has = (list: unknown, name: string): boolean =>
    Array.isArray(list) && list.some((item) => isRecord(item) && typeof item[name] === 'string');
  return (
    (typeof event.type === 'string' && lastTypes.has(event.type)) ||
    event.done === true ||
    event.is_finished === true ||
    typeof event.stopReason === 'string' ||
    'amazon-bedrock-invocationMetrics' in event ||
    has(event.candidates, 'finishReason') ||
    has(event.choices, 'finish_reason')
  );
}

const lastTypes: ReadonlySet<string> = new Set([
  'message_stop',
  'message-end',
  'response.completed',
  'response.incomplete',
  'response.failed',
  'response.done',
]);

function named(event: { readonly type: string } & Fields): string {
  return `event: ${event.type}\n${unnamed(event)}`;
}

function unnamed(event: Fields): string {
  return `data: ${JSON.stringify(event)}\n\n`;
}
