/**
 * An MCP client on standard input and output ↔ a dark MCP server over streamable HTTP. Messages pass as they are; what the bridge adds is
 * transport alone: session and protocol headers, event streams, and an answer where the server gave none.
 * Source: modelcontextprotocol.io, "Transports", revisions 2025-03-26 to 2025-11-25; revision 2026-07-28 with SEP-2243 (standard headers).
 */
import { EventStream } from './event-stream.ts';

export interface BridgeDeps {
  readonly url: string;
  /** Messages of the client, one JSON document a line. */
  readonly input: AsyncIterable<string>;
  /** One message to the client. */
  readonly output: (line: string) => void;
  /** Told of what goes wrong beside the messages. */
  readonly complain: (text: string) => void;
  /** Told that the engine refused the way to the service, and why. */
  readonly refused: (reason: Refused) => void;
  readonly signal: AbortSignal;
}

/** The engine's own words for a refused dial, as its loopback port answers in HTTP. */
export interface Refused {
  readonly code: string;
  readonly sentence: string;
  readonly next: string | undefined;
}

interface Message {
  readonly id?: string | number | null;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: { readonly protocolVersion?: string };
}

/** Implementation-defined server error of JSON-RPC 2.0. */
const unreachable = -32000;
const versionKey = 'io.modelcontextprotocol/protocolVersion';
/** First revision without a handshake. */
const statelessRevision = '2026-07-28';

/** Runs until the input ends or the signal fires; requests under way are finished first. */
export async function bridge(deps: BridgeDeps): Promise<void> {
  const session = new Session(deps);
  const running = new Set<Promise<void>>();
  for await (const line of deps.input) {
    if (deps.signal.aborted) break;
    if (line.trim() === '') continue;
    const sending = session.send(line).finally(() => running.delete(sending));
    running.add(sending);
    // The handshake is in order: nothing may overtake it.
    if (session.opening) await sending;
  }
  await Promise.all(running);
  await session.end();
}

class Session {
  readonly #deps: BridgeDeps;
  readonly #listening = new AbortController();
  #id: string | undefined;
  #version: string | undefined;
  #opened = false;

  constructor(deps: BridgeDeps) {
    this.#deps = deps;
    deps.signal.addEventListener('abort', () => this.#listening.abort(), { once: true });
  }

  /** No protocol version has been agreed upon yet. */
  get opening(): boolean {
    return this.#version === undefined;
  }

  async send(line: string): Promise<void> {
    const message = parse(line);
    try {
      const response = await fetch(this.#deps.url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          ...this.#headers(message),
        },
        body: line,
        signal: this.#deps.signal,
      });
      this.#id = response.headers.get('mcp-session-id') ?? this.#id;
      await this.#take(response, message);
      if (message?.method === 'notifications/initialized' && response.ok) this.#listen();
    } catch (error) {
      this.#answerFor(message, error instanceof Error ? causeOf(error) : String(error));
    }
  }

  /** Give the session back; a server without sessions says 405, which is as good. */
  async end(): Promise<void> {
    this.#listening.abort();
    if (this.#id === undefined) return;
    await fetch(this.#deps.url, {
      method: 'DELETE',
      headers: this.#headers(undefined),
      signal: AbortSignal.timeout(2000),
    }).catch((error: unknown) => this.#deps.complain(`session not ended: ${String(error)}`));
  }

  async #take(response: Response, message: Message | undefined): Promise<void> {
    const type = response.headers.get('content-type') ?? '';
    if (type.startsWith('text/event-stream')) return this.#readEvents(response);
    const body = await response.text();
    if (type.startsWith('application/json') && body.trim() !== '') {
      this.#deliver(body);
      return;
    }
    const refused = refusalIn(response, body);
    if (refused !== undefined) {
      this.#deps.refused(refused);
      this.#answerFor(message, `${refused.sentence} (${refused.code})`, refused);
    } else if (!response.ok)
      this.#answerFor(message, `the server answered ${response.status} ${body.slice(0, 200)}`.trim());
  }

  async #readEvents(response: Response): Promise<void> {
    if (response.body === null) return;
    const events = new EventStream();
    const decoder = new TextDecoder();
    for await (const chunk of response.body) {
      for (const data of events.push(decoder.decode(chunk, { stream: true }))) this.#deliver(data);
    }
  }

  #deliver(text: string): void {
    const message = parse(text);
    if (message?.result?.protocolVersion !== undefined) this.#version ??= message.result.protocolVersion;
    // A message is one line on standard output, however the server laid it out.
    this.#deps.output(text.includes('\n') ? JSON.stringify(JSON.parse(text)) : text);
  }

  /** What the server sends of its own accord. */
  #listen(): void {
    if (this.#opened) return;
    this.#opened = true;
    const { signal } = this.#listening;
    void fetch(this.#deps.url, {
      headers: { accept: 'text/event-stream', ...this.#headers(undefined) },
      signal,
    })
      .then((response) => (response.ok ? this.#readEvents(response) : undefined))
      .catch((error: unknown) => {
        if (!signal.aborted) this.#deps.complain(`the server's own messages are lost: ${String(error)}`);
      });
  }

  #headers(message: Message | undefined): Record<string, string> {
    const meta = message?.params?.['_meta'] as Readonly<Record<string, unknown>> | undefined;
    const own = meta?.[versionKey];
    const version = typeof own === 'string' ? own : this.#version;
    if (typeof own === 'string') this.#version ??= own;
    return {
      ...(this.#id === undefined ? {} : { 'mcp-session-id': this.#id }),
      ...(version === undefined ? {} : { 'mcp-protocol-version': version }),
      ...(version !== undefined && version >= statelessRevision ? standardHeaders(message) : {}),
    };
  }

  #answerFor(message: Message | undefined, text: string, data?: Refused): void {
    if (this.#deps.signal.aborted) return;
    if (message?.method === undefined || message.id === undefined || message.id === null) {
      if (data === undefined) this.#deps.complain(text);
      return;
    }
    const error = { code: unreachable, message: `the dark service could not be asked: ${text}`, data };
    this.#deps.output(JSON.stringify({ jsonrpc: '2.0', id: message.id, error }));
  }
}

/** Headers that repeat what the body says, so that what stands between need not read it. */
function standardHeaders(message: Message | undefined): Record<string, string> {
  const method = message?.method;
  if (method === undefined) return {};
  const field = { 'tools/call': 'name', 'prompts/get': 'name', 'resources/read': 'uri' }[method];
  const task = /^tasks\/(get|update|cancel)$/.test(method) ? 'taskId' : undefined;
  const value = message?.params?.[field ?? task ?? ''];
  return { 'mcp-method': method, ...(typeof value === 'string' ? { 'mcp-name': headerValue(value) } : {}) };
}

/** A header holds visible ASCII; anything else goes in Base64 between marks. */
function headerValue(value: string): string {
  if (/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(value) && !value.startsWith('=?base64?')) return value;
  return `=?base64?${Buffer.from(value).toString('base64')}?=`;
}

function parse(line: string): Message | undefined {
  try {
    const raw: unknown = JSON.parse(line);
    return typeof raw === 'object' && raw !== null && !Array.isArray(raw) ? raw : undefined;
  } catch {
    // The server judges what is no JSON; without an id there is nothing to answer here.
    return undefined;
  }
}

/** Sentence, next step and code stand in the body a line each, the code also in a header. */
function refusalIn(response: Response, body: string): Refused | undefined {
  const code = response.headers.get('culvert-reason');
  if (code === null || response.ok) return undefined;
  const [sentence = code, next = ''] = body.split('\n');
  return { code, sentence, next: next === '' || next === `(${code})` ? undefined : next };
}

function causeOf(error: Error): string {
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
