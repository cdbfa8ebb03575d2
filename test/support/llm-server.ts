/** A provider of models, as OpenAI and Anthropic answer: whole or as an event stream, with what it used; it remembers who asked. */
import {
  createServer as createPlain,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import { createServer as createSecure } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { KeyAndCertificate } from './self-signed.ts';

export interface Asked {
  readonly path: string;
  readonly host: string | undefined;
  /** Every header that could carry a key, as it came. */
  readonly keys: Readonly<Record<string, string>>;
  readonly model: unknown;
}

export interface LlmServer extends AsyncDisposable {
  readonly port: number;
  /** Oldest first. */
  readonly asked: Asked[];
}

/** Tokens that each answer tells of. */
export const answerTokens = { input: 30, output: 20 } as const;

/** Over TLS where a certificate is given. */
export async function openLlmServer(identity?: KeyAndCertificate): Promise<LlmServer> {
  const asked: Asked[] = [];
  const listener: RequestListener = (request, response) => {
    void answer(request, response, asked);
  };
  const server = identity === undefined ? createPlain(listener) : createSecure(identity, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, asked: Asked[]): Promise<void> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk as string;
  const body = JSON.parse(text || '{}') as { model?: string; stream?: boolean };
  const carriers = ['authorization', 'x-api-key', 'api-key'];
  const keys = Object.fromEntries(
    carriers.flatMap((name) => (request.headers[name] === undefined ? [] : [[name, String(request.headers[name])]])),
  );
  asked.push({ path: request.url ?? '', host: request.headers.host, keys, model: body.model });
  const { input, output } = answerTokens;
  const anthropic = request.url === '/v1/messages';
  if (body.stream !== true) {
    const usage = anthropic
      ? { input_tokens: input, output_tokens: output }
      : { prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ model: body.model, usage, ...(anthropic ? { content: [] } : { choices: [] }) }));
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const { event, data } of anthropic ? anthropicEvents() : openAiEvents()) {
    response.write(`${event === undefined ? '' : `event: ${event}\n`}data: ${data}\n\n`);
    // Each in a segment of its own, as tokens come.
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  response.end();
}

type Events = readonly { readonly event?: string; readonly data: string }[];

function openAiEvents(): Events {
  const { input, output } = answerTokens;
  const usage = { prompt_tokens: input, completion_tokens: output };
  return [
    { data: JSON.stringify({ choices: [{ delta: { content: 'dark' } }] }) },
    { data: JSON.stringify({ choices: [{ delta: { content: ' water' } }] }) },
    { data: JSON.stringify({ choices: [], usage }) },
    { data: '[DONE]' },
  ];
}

function anthropicEvents(): Events {
  const { input, output } = answerTokens;
  const event = (type: string, more: object) => ({ event: type, data: JSON.stringify({ type, ...more }) });
  return [
    event('message_start', { message: { usage: { input_tokens: input, output_tokens: 1 } } }),
    event('content_block_delta', { delta: { type: 'text_delta', text: 'dark water' } }),
    event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: output } }),
    event('message_stop', {}),
  ];
}
