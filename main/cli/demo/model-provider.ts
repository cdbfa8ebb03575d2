/**
 * The demo's providers of models: one speaks OpenAI's dialect, one Anthropic's; each streams as many words as it is allowed and tells what it used.
 * Sources: API references of OpenAI (chat completion chunk) and Anthropic (streaming messages).
 */
import { createServer } from 'node:http';
import { Readable } from 'node:stream';
import { listening, type DemoService } from './web-service.ts';

/** A provider, and what came to it. */
export interface DemoProvider extends DemoService {
  /** Keys that requests carried; a provider behind the dark sees none of its callers'. */
  keys(): readonly string[];
}

interface Asked {
  readonly model?: string;
  readonly max_tokens?: number;
}

const words = 'water runs unseen below the road and nobody who walks there knows of it until'.split(' ');
/** Of each prompt: these providers do not count. */
const promptTokens = 12;
const usualWords = 40;

/** Listen on a free loopback port. */
export async function openModelProvider(dialect: 'openai' | 'anthropic'): Promise<DemoProvider> {
  const keys: string[] = [];
  let served = 0;
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => (text += part));
    request.on('end', () => {
      served += 1;
      const { authorization, 'x-api-key': key } = request.headers;
      keys.push(...[authorization, key].flatMap((one) => (one === undefined ? [] : [String(one)])));
      if (request.method === 'GET') return response.writeHead(404).end();
      const asked = JSON.parse(text) as Asked;
      const count = Math.min(asked.max_tokens ?? usualWords, 5_000);
      const parts = dialect === 'openai' ? openAi(asked, count) : anthropic(asked, count);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      // As fast as it is read, and no faster; whoever stops reading stops it.
      return Readable.from(parts).pipe(response);
    });
  });
  return { ...(await listening(server, () => served)), keys: () => keys };
}

function word(at: number): string {
  return `${words[at % words.length] ?? ''} `;
}

function openAi({ model = '' }: Asked, count: number): readonly string[] {
  const chunk = (more: object): string =>
    `data: ${JSON.stringify({ id: 'demo', object: 'chat.completion.chunk', created: 1, model, ...more })}\n\n`;
  const usage = { prompt_tokens: promptTokens, completion_tokens: count, total_tokens: promptTokens + count };
  return [
    ...Array.from({ length: count }, (_, at) => chunk({ choices: [{ index: 0, delta: { content: word(at) } }] })),
    chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }),
    chunk({ choices: [], usage }),
    'data: [DONE]\n\n',
  ];
}

function anthropic({ model = '' }: Asked, count: number): readonly string[] {
  const event = (type: string, more: object): string =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`;
  const usage = { input_tokens: promptTokens, output_tokens: 1 };
  const delta = (at: number): string =>
    event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: word(at) } });
  return [
    event('message_start', { message: { id: 'demo', type: 'message', role: 'assistant', model, content: [], usage } }),
    event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    ...Array.from({ length: count }, (_, at) => delta(at)),
    event('content_block_stop', { index: 0 }),
    event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: count } }),
    event('message_stop', {}),
  ];
}
