/**
 * A provider of models as command-line agents ask it, in the dialects they speak: asked with the tool of a dark MCP service among what may be
 * called, it calls it, and then says what that answered. Sources: API references of OpenAI (chat completions, responses), Anthropic (messages) and
 * Gemini (generateContent).
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What each answer is told to have used. */
export const told = { input: 21, output: 9 } as const;
/** What the tool is called with, and what it answers to that. */
export const [toolArguments, toolAnswer] = [{ text: 'abc' }, 'search:3'] as const;
/** Said where the tool has answered, and where there is none. */
export const [answerText, plainText] = [`The dark tool says ${toolAnswer}.`, 'Dark water runs deep.'] as const;

/** A question that came. */
export interface AgentAsked {
  readonly path: string;
  readonly model: string | undefined;
  /** Names of the tools that it offers. */
  readonly tools: readonly string[];
}

/** The provider at work; `asked` oldest first. */
export interface AgentProvider extends AsyncDisposable {
  readonly port: number;
  readonly asked: AgentAsked[];
}

interface Tool {
  readonly name: string;
  /** Some put the tools of a server into a space of their own. */
  readonly namespace?: string;
}

type Turn = { readonly text: string } | { readonly call: Tool };
type Body = Readonly<Record<string, unknown>>;

/** On loopback; `tool` is how the name of the tool ends that is to be called. */
export async function openAgentProvider(tool: string): Promise<AgentProvider> {
  const asked: AgentAsked[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => (text += part));
    request.on('end', () => {
      const path = request.url ?? '';
      const body = parsed(text);
      if (request.method !== 'POST' || body === undefined) {
        response.writeHead(200, { 'content-type': 'application/json' }).end('{"object":"list","data":[],"models":[]}');
        return;
      }
      const tools = toolsIn(body['tools']);
      const { model } = body;
      asked.push({
        path,
        model: typeof model === 'string' ? model : undefined,
        tools: tools.map(({ name, namespace = '' }) => namespace + name),
      });
      const wanted = tools.find(({ name }) => name.endsWith(tool));
      const turn: Turn = text.includes(toolAnswer)
        ? { text: answerText }
        : wanted === undefined
          ? { text: plainText }
          : { call: wanted };
      answer(path, body, turn, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function parsed(text: string): Body | undefined {
  try {
    return JSON.parse(text) as Body;
  } catch {
    return undefined; // an agent may ask for what is no question to a model
  }
}

function toolsIn(value: unknown): readonly Tool[] {
  if (!Array.isArray(value)) return [];
  return (value as readonly Body[]).flatMap((one): readonly Tool[] => {
    const { name, tools } = one;
    if (Array.isArray(tools)) return toolsIn(tools).map((tool) => ({ ...tool, namespace: String(name) }));
    if (Array.isArray(one['functionDeclarations'])) return toolsIn(one['functionDeclarations']);
    const own = name ?? (one['function'] as Body | undefined)?.['name'];
    return typeof own === 'string' ? [{ name: own }] : [];
  });
}

function answer(path: string, body: Body, turn: Turn, response: ServerResponse): void {
  const model = String(body['model'] ?? 'good-1');
  const events = (parts: readonly object[], last = ''): void => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const part of parts) {
      const { type } = part as { readonly type?: string };
      response.write(`${type === undefined ? '' : `event: ${type}\n`}data: ${JSON.stringify(part)}\n\n`);
    }
    response.end(last);
  };
  const json = (value: object): void =>
    void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  const streams = body['stream'] === true || path.includes(':streamGenerateContent');
  if (path.includes('count_tokens')) json({ input_tokens: told.input });
  else if (path.includes(':countTokens')) json({ totalTokens: told.input });
  else if (path.includes('/messages')) (streams ? events : one(json))(anthropic(model, turn, streams));
  else if (path.includes('/responses')) (streams ? events : one(json))(responses(model, turn, streams));
  else if (path.includes('enerateContent')) (streams ? events : one(json))(gemini(model, turn));
  else if (streams) events(chatStream(model, turn), 'data: [DONE]\n\n');
  else json(chat(model, turn));
}

const one =
  (json: (value: object) => void) =>
  (parts: readonly object[]): void =>
    json(parts[0] ?? {});

function anthropic(model: string, turn: Turn, streams: boolean): readonly object[] {
  const isCall = 'call' in turn;
  const block = isCall
    ? { type: 'tool_use', id: 'toolu_1', name: turn.call.name, input: toolArguments }
    : { type: 'text', text: turn.text };
  const usage = { input_tokens: told.input, output_tokens: told.output };
  const stop = { stop_reason: isCall ? 'tool_use' : 'end_turn', stop_sequence: null };
  const message = { id: 'msg_1', type: 'message', role: 'assistant', model, content: [block], ...stop, usage };
  if (!streams) return [message];
  const [empty, delta] = isCall
    ? [
        { ...block, input: {} },
        { type: 'input_json_delta', partial_json: JSON.stringify(toolArguments) },
      ]
    : [
        { type: 'text', text: '' },
        { type: 'text_delta', text: turn.text },
      ];
  const begun = { ...message, content: [], stop_reason: null, usage: { ...usage, output_tokens: 1 } };
  return [
    { type: 'message_start', message: begun },
    { type: 'content_block_start', index: 0, content_block: empty },
    { type: 'content_block_delta', index: 0, delta },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: stop, usage },
    { type: 'message_stop' },
  ];
}

function responses(model: string, turn: Turn, streams: boolean): readonly object[] {
  const item = 'call' in turn ? callItem(turn.call) : messageItem(turn.text);
  const usage = {
    input_tokens: told.input,
    output_tokens: told.output,
    total_tokens: told.input + told.output,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens_details: { reasoning_tokens: 0 },
  };
  const whole = (status: string, more: object): object => ({
    id: 'resp_1',
    object: 'response',
    created_at: 1,
    model,
    status,
    error: null,
    incomplete_details: null,
    ...more,
  });
  const completed = whole('completed', { output: [item], usage });
  if (!streams) return [completed];
  const at = { item_id: item.id, output_index: 0 };
  const deltas =
    'call' in turn
      ? [{ type: 'response.function_call_arguments.done', ...at, arguments: JSON.stringify(toolArguments) }]
      : [
          {
            type: 'response.content_part.added',
            ...at,
            content_index: 0,
            part: { type: 'output_text', text: '', annotations: [] },
          },
          { type: 'response.output_text.delta', ...at, content_index: 0, delta: turn.text, logprobs: [] },
          { type: 'response.output_text.done', ...at, content_index: 0, text: turn.text, logprobs: [] },
        ];
  const begun = 'call' in turn ? { ...item, arguments: '' } : { ...item, content: [] };
  const steps = [
    { type: 'response.created', response: whole('in_progress', { output: [] }) },
    { type: 'response.output_item.added', output_index: 0, item: { ...begun, status: 'in_progress' } },
    ...deltas,
    { type: 'response.output_item.done', output_index: 0, item },
    { type: 'response.completed', response: completed },
  ];
  return steps.map((step, index) => ({ ...step, sequence_number: index }));
}

function messageItem(text: string): { readonly id: string } {
  const content = [{ type: 'output_text', text, annotations: [] }];
  return Object.assign({ id: 'msg_1' }, { type: 'message', status: 'completed', role: 'assistant', content });
}

function callItem(call: Tool): { readonly id: string } {
  return Object.assign(
    { id: 'fc_1' },
    {
      type: 'function_call',
      call_id: 'call_1',
      status: 'completed',
      arguments: JSON.stringify(toolArguments),
      ...call,
    },
  );
}

function gemini(modelVersion: string, turn: Turn): readonly object[] {
  const part = 'call' in turn ? { functionCall: { name: turn.call.name, args: toolArguments } } : { text: turn.text };
  const usageMetadata = {
    promptTokenCount: told.input,
    candidatesTokenCount: told.output,
    totalTokenCount: told.input + told.output,
  };
  const candidate = { content: { role: 'model', parts: [part] }, index: 0, finishReason: 'STOP' };
  return [{ candidates: [candidate], usageMetadata, modelVersion }];
}

const chatUsage = {
  prompt_tokens: told.input,
  completion_tokens: told.output,
  total_tokens: told.input + told.output,
};

function chatCall({ name }: Tool): object {
  return { id: 'call_1', type: 'function', function: { name, arguments: JSON.stringify(toolArguments) } };
}

function chat(model: string, turn: Turn): object {
  const isCall = 'call' in turn;
  const message = {
    role: 'assistant',
    ...(isCall ? { content: null, tool_calls: [chatCall(turn.call)] } : { content: turn.text }),
  };
  const choices = [{ index: 0, message, finish_reason: isCall ? 'tool_calls' : 'stop' }];
  return { id: 'chatcmpl-1', object: 'chat.completion', created: 1, model, choices, usage: chatUsage };
}

function chatStream(model: string, turn: Turn): readonly object[] {
  const isCall = 'call' in turn;
  const delta = {
    role: 'assistant',
    ...(isCall ? { tool_calls: [{ index: 0, ...chatCall(turn.call) }] } : { content: turn.text }),
  };
  const chunk = (more: object): object => ({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model,
    ...more,
  });
  return [
    chunk({ choices: [{ index: 0, delta, finish_reason: null }] }),
    chunk({ choices: [{ index: 0, delta: {}, finish_reason: isCall ? 'tool_calls' : 'stop' }] }),
    chunk({ choices: [], usage: chatUsage }),
  ];
}
