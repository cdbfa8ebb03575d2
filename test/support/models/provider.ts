/**
 * A provider of models in every dialect that the clients of `npm run field -- models` speak, with documented answers: as many words as the question
 * says, a token each, told as the dialect tells it. Sources: API references of OpenAI (chat completions, responses, embeddings), Anthropic (messages),
 * Gemini (generateContent) and Ollama (chat).
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';

/** Tokens of each prompt, as it is told. */
export const promptTokens = 21;

interface Asked {
  readonly model?: string;
  readonly stream?: boolean;
  readonly tools?: readonly unknown[];
}

type Answer = { readonly json: unknown } | { readonly type: string; readonly parts: readonly string[] };

export async function openProvider(): Promise<{ readonly port: number } & AsyncDisposable> {
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => (text += part));
    request.on('end', () => {
      const path = request.url ?? '';
      const answer = answerTo(path, JSON.parse(text) as Asked, Number(/(\d+) words/.exec(text)?.[1] ?? 5));
      if ('json' in answer) {
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer.json));
        return;
      }
      response.writeHead(200, { 'content-type': answer.type });
      Readable.from(answer.parts).pipe(response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Not the same again and again: some clients take that for a model that has lost its way. */
const vocabulary = ['word ', 'unit ', 'term ', 'sign ', 'note ', 'mark ', 'text '];
const words = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => vocabulary[at % vocabulary.length] ?? '');

function answerTo(path: string, asked: Asked, count: number): Answer {
  const model = asked.model ?? 'good-1';
  const streams = asked.stream === true || path.includes(':streamGenerateContent');
  const callsTool = (asked.tools?.length ?? 0) > 0;
  if (path.startsWith('/v1/messages'))
    return streams ? anthropicStream(model, count) : { json: anthropic(model, count, callsTool) };
  if (path.startsWith('/v1/responses'))
    return streams ? responsesStream(model, count) : { json: responses(model, count, callsTool) };
  if (/:(?:streamG|g)enerateContent/.test(path))
    return streams ? geminiStream(count) : { json: gemini(words(count).join(''), count, callsTool) };
  if (path.startsWith('/api/chat'))
    return streams ? ollamaStream(model, count) : { json: ollama(model, words(count).join(''), count, callsTool) };
  return streams ? chatStream(model, count) : { json: chat(model, count, callsTool) };
}

const events = (parts: readonly unknown[], last: readonly string[] = []): Answer => ({
  type: 'text/event-stream',
  parts: [
    ...parts.map((part) => {
      const { type } = part as { readonly type?: string };
      return `${type === undefined ? '' : `event: ${type}\n`}data: ${JSON.stringify(part)}\n\n`;
    }),
    ...last,
  ],
});
const chatUsage = (count: number): object => ({
  prompt_tokens: promptTokens,
  completion_tokens: count,
  total_tokens: promptTokens + count,
});
const tool = { name: 'weather', arguments: '{"place":"Ulm"}' };

function chat(model: string, count: number, callsTool: boolean): unknown {
  const calls = { tool_calls: [{ id: 'call_1', type: 'function', function: tool }] };
  const message = { role: 'assistant', content: callsTool ? null : words(count).join(''), ...(callsTool ? calls : {}) };
  const choices = [{ index: 0, message, finish_reason: callsTool ? 'tool_calls' : 'stop', logprobs: null }];
  return { id: 'chatcmpl-1', object: 'chat.completion', created: 1, model, choices, usage: chatUsage(count) };
}

function chatStream(model: string, count: number): Answer {
  const chunk = (more: object): unknown => ({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model,
    ...more,
  });
  return events(
    [
      ...words(count).map((content) =>
        chunk({ choices: [{ index: 0, delta: { role: 'assistant', content }, finish_reason: null }] }),
      ),
      chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }),
      chunk({ choices: [], usage: chatUsage(count) }),
    ],
    ['data: [DONE]\n\n'],
  );
}

const responsesUsage = (count: number): object => ({
  input_tokens: promptTokens,
  output_tokens: count,
  total_tokens: promptTokens + count,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens_details: { reasoning_tokens: 0 },
});

function response(model: string, status: string, output: readonly unknown[], more: object = {}): object {
  const fixed = {
    error: null,
    incomplete_details: null,
    instructions: null,
    metadata: {},
    tools: [],
    tool_choice: 'auto',
  };
  return {
    id: 'resp_1',
    object: 'response',
    created_at: 1,
    model,
    status,
    output,
    parallel_tool_calls: true,
    ...fixed,
    ...more,
  };
}

function messageItem(text: string): object {
  const content = [{ type: 'output_text', text, annotations: [] }];
  return { type: 'message', id: 'msg_1', status: 'completed', role: 'assistant', content };
}

function responses(model: string, count: number, callsTool: boolean): unknown {
  const call = { type: 'function_call', id: 'fc_1', call_id: 'call_1', status: 'completed', ...tool };
  const output = [callsTool ? call : messageItem(words(count).join(''))];
  return response(model, 'completed', output, { usage: responsesUsage(count) });
}

function responsesStream(model: string, count: number): Answer {
  const at = { item_id: 'msg_1', output_index: 0, content_index: 0 };
  const text = words(count).join('');
  const begun = { type: 'message', id: 'msg_1', status: 'in_progress', role: 'assistant', content: [] };
  const part = { type: 'output_text', text: '', annotations: [] };
  const steps: readonly object[] = [
    { type: 'response.created', response: response(model, 'in_progress', []) },
    { type: 'response.output_item.added', output_index: 0, item: begun },
    { type: 'response.content_part.added', ...at, part },
    ...words(count).map((delta) => ({ type: 'response.output_text.delta', ...at, delta, logprobs: [] })),
    { type: 'response.output_text.done', ...at, text, logprobs: [] },
    { type: 'response.content_part.done', ...at, part: { ...part, text } },
    { type: 'response.output_item.done', output_index: 0, item: messageItem(text) },
    {
      type: 'response.completed',
      response: response(model, 'completed', [messageItem(text)], { usage: responsesUsage(count) }),
    },
  ];
  return events(steps.map((step, index) => ({ ...step, sequence_number: index })));
}

function anthropic(model: string, count: number, callsTool: boolean): unknown {
  const content = callsTool
    ? [{ type: 'tool_use', id: 'toolu_1', name: tool.name, input: { place: 'Ulm' } }]
    : [{ type: 'text', text: words(count).join('') }];
  const usage = { input_tokens: promptTokens, output_tokens: count };
  const stop = { stop_reason: callsTool ? 'tool_use' : 'end_turn', stop_sequence: null };
  return { id: 'msg_1', type: 'message', role: 'assistant', model, content, ...stop, usage };
}

function anthropicStream(model: string, count: number): Answer {
  const usage = { input_tokens: promptTokens, output_tokens: 1 };
  const message = {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage,
  };
  return events([
    { type: 'message_start', message },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    ...words(count).map((text) => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })),
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: count } },
    { type: 'message_stop' },
  ]);
}

function gemini(text: string, count: number, callsTool: boolean, finish: string | undefined = 'STOP'): unknown {
  const parts = [callsTool ? { functionCall: { name: tool.name, args: { place: 'Ulm' } } } : { text }];
  const candidate = {
    content: { role: 'model', parts },
    index: 0,
    ...(finish === undefined ? {} : { finishReason: finish }),
  };
  const usageMetadata = {
    promptTokenCount: promptTokens,
    candidatesTokenCount: count,
    totalTokenCount: promptTokens + count,
  };
  return { candidates: [candidate], usageMetadata, modelVersion: 'good-1' };
}

function geminiStream(count: number): Answer {
  const all = words(count);
  return events(all.map((text, at) => gemini(text, at + 1, false, at === count - 1 ? 'STOP' : undefined)));
}

function ollama(model: string, content: string, count: number, callsTool: boolean): unknown {
  const calls = { tool_calls: [{ function: { name: tool.name, arguments: { place: 'Ulm' } } }] };
  const message = { role: 'assistant', content: callsTool ? '' : content, ...(callsTool ? calls : {}) };
  const told = { done: true, done_reason: 'stop', prompt_eval_count: promptTokens, eval_count: count };
  return { model, created_at: '2026-11-30T00:00:00Z', message, ...told };
}

function ollamaStream(model: string, count: number): Answer {
  const piece = (content: string): unknown => ({
    model,
    created_at: '2026-11-30T00:00:00Z',
    message: { role: 'assistant', content },
    done: false,
  });
  const parts = [...words(count).map(piece), ollama(model, '', count, false)];
  return { type: 'application/x-ndjson', parts: parts.map((part) => `${JSON.stringify(part)}\n`) };
}
