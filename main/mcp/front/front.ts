/**
 * The front door: to one MCP client the tools, prompts and resources of every dark service it may see, as one server, in both eras of the
 * protocol. Each client has sessions of its own with the services.
 */
import { defined } from '../../base/defined.ts';
import type { ClientCapabilities, JSONRPCMessage, Notification } from '@modelcontextprotocol/client';
import { inputRequired, ProtocolError, Server, type ServerContext } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { anything, type Fields } from './anything.ts';
import type { Backend, Kind, Question } from './backend.ts';
import { Backends, type BackendsDeps } from './backends.ts';
import { Catalogue } from './catalogue.ts';
import { HeldCalls, type HeldCall } from './held-calls.ts';
import { ClientTransport } from './peers.ts';
import { findTools, findToolsName, search } from './search.ts';

/** A call of something that is not offered, by the service its name says. */
export interface NamedCall {
  readonly service: string;
  readonly method: 'tools/call' | 'prompts/get';
  /** Its name there. */
  readonly name: string;
}

/** The services behind the door, and what it is told of them. */
export interface FrontDeps extends Pick<BackendsDeps, 'version' | 'services' | 'connect' | 'complain'> {
  /** Told whenever `services` may have another answer. */
  readonly onServices: (listener: () => void) => Disposable;
  /** Told of a service whose tools are shown otherwise from now on. */
  readonly onTools: (listener: (service: string) => void) => Disposable;
  /** The service's own guard refuses it, and records that. Only such a call is sent though it is not offered. */
  readonly isRefused: (call: NamedCall) => Promise<boolean>;
  /** Told of a call that was refused here, for no guard sees it: it is not offered, or its service is absent, and why. */
  readonly unoffered: (call: NamedCall, absent?: string) => void;
  /** Lower-hex SHA-256. */
  readonly digest: (text: string) => string;
  /** Tools listed; beyond, they are found by `find_tools`. */
  readonly maxTools: number;
}

/** The door for one client. */
export interface Front extends AsyncDisposable {
  /** A message of the client. */
  receive(text: string): void;
}

const pageSize = 500;
const invalidParams = -32_602;
const capabilitiesKey = 'io.modelcontextprotocol/clientCapabilities';
const changedMethods: Readonly<Record<Kind, string>> = {
  tools: 'notifications/tools/list_changed',
  prompts: 'notifications/prompts/list_changed',
  resources: 'notifications/resources/list_changed',
  resourceTemplates: 'notifications/resources/list_changed',
};
const forever = 2 ** 31 - 1;

/** Serve one client, whose messages go in by `receive` and out by `send`. Disposing ends its sessions with the services. */
export function openFront(deps: FrontDeps, send: (text: string) => void): Front {
  return new FrontOfOne(deps, send);
}

class FrontOfOne implements Front {
  readonly #deps: FrontDeps;
  readonly #transport: ClientTransport;
  readonly #backends: Backends;
  readonly #catalogue: Catalogue;
  readonly #held = new HeldCalls();
  /** Calls under way without a handshake, by service: who is asked when the service asks. */
  readonly #active = new Map<string, Set<HeldCall>>();
  readonly #watches: readonly Disposable[];
  readonly #handle: { close(): Promise<void> };
  /** Tools that a search found: listed from then on. */
  readonly #found = new Set<string>();
  #server: Server | undefined;
  #era: 'legacy' | 'modern' = 'legacy';
  #capabilities: ClientCapabilities = {};

  constructor(deps: FrontDeps, send: (text: string) => void) {
    this.#deps = deps;
    this.#backends = new Backends({
      ...deps,
      capabilities: () => this.#capabilities,
      changed: (kinds) => this.#changed(kinds),
      told: (service, notification) => {
        this.#toldBy(service, notification).catch((error: unknown) => deps.complain(String(error)));
      },
      ask: (service, question, signal) => this.#ask(service, question, signal),
    });
    this.#catalogue = new Catalogue(this.#backends, deps.digest);
    this.#transport = new ClientTransport(send, (message) => this.#heard(message));
    this.#handle = serveStdio(({ era }) => this.#serve(era), {
      transport: this.#transport,
      onerror: (error) => deps.complain(error.message),
    });
    this.#watches = [
      deps.onServices(() => {
        this.#backends.refresh().catch((error: unknown) => deps.complain(String(error)));
      }),
      deps.onTools((service) => this.#backends.relist(service)),
    ];
  }

  receive(text: string): void {
    this.#transport.receive(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const watch of this.#watches) watch[Symbol.dispose]();
    this.#held[Symbol.dispose]();
    await this.#handle.close();
    await this.#backends[Symbol.asyncDispose]();
  }

  /** What its ends must know of it before the SDK has it: what the client can do, and what it wants to be told of. */
  #heard(message: JSONRPCMessage): void {
    if (!('method' in message)) return;
    const params = message.params as Fields | undefined;
    const meta = params?.['_meta'] as Fields | undefined;
    const capabilities = message.method === 'initialize' ? params?.['capabilities'] : meta?.[capabilitiesKey];
    if (capabilities !== undefined) this.#capabilities = capabilities as ClientCapabilities;
    if (message.method !== 'subscriptions/listen') return;
    const uris = (params?.['notifications'] as Fields | undefined)?.['resourceSubscriptions'];
    for (const uri of Array.isArray(uris) ? (uris as readonly string[]) : []) {
      this.#subscribe({ uri }, true).catch((error: unknown) => this.#deps.complain(String(error)));
    }
  }

  #serve(era: 'legacy' | 'modern'): Server {
    this.#era = era;
    const server = new Server(
      { name: 'culvert', title: 'Culvert', version: this.#deps.version },
      {
        capabilities: {
          tools: { listChanged: true },
          prompts: { listChanged: true },
          resources: { listChanged: true, subscribe: true },
          completions: {},
          ...(era === 'legacy' ? { logging: {} } : {}),
        },
        instructions: 'Tools of dark services, each named SERVICE__TOOL.',
      },
    );
    this.#server = server;
    const handle = (method: string, handler: (params: Fields, context: ServerContext) => Promise<Fields>): void =>
      server.setRequestHandler(method, { params: anything, result: anything }, (params, context) =>
        handler(params ?? {}, context),
      );
    handle('tools/list', (params) => this.#listTools(params));
    handle('prompts/list', (params) => this.#list('prompts', params));
    handle('resources/list', (params) => this.#list('resources', params));
    handle('resources/templates/list', (params) => this.#list('resourceTemplates', params));
    handle('tools/call', (params, context) => this.#callTool(params, context));
    handle('prompts/get', async (params, context) => {
      const name = String(params['name']);
      const place = await this.#catalogue.named('prompts', name);
      if (place === undefined) return this.#callUnoffered('prompts/get', params, context, `Unknown prompt: ${name}`);
      return this.#call(place.backend, 'prompts/get', { ...params, name: place.name }, context);
    });
    handle('resources/read', async (params, context) => {
      const place = await this.#resource(params);
      return this.#call(place.backend, 'resources/read', { ...params, uri: place.name }, context);
    });
    handle('completion/complete', (params, context) => this.#complete(params, context));
    if (era === 'legacy') {
      handle('resources/subscribe', (params) => this.#subscribe(params, true));
      handle('resources/unsubscribe', (params) => this.#subscribe(params, false));
      handle('logging/setLevel', async (params) => {
        const able = this.#backends.open().filter((backend) => backend.can('logging'));
        await Promise.allSettled(able.map((backend) => backend.call('logging/setLevel', params)));
        return {};
      });
      server.setNotificationHandler('notifications/roots/list_changed', async () => {
        await Promise.allSettled(this.#backends.open().map((backend) => backend.rootsChanged()));
      });
    }
    return server;
  }

  async #listTools(params: Fields): Promise<Fields> {
    const tools = await this.#catalogue.items('tools');
    if (tools.length <= this.#deps.maxTools) return this.#page('tools', tools, params);
    const listed = this.#chosen(tools);
    return this.#page('tools', [findTools(tools.length - listed.length), ...listed], params);
  }

  async #list(kind: Kind, params: Fields): Promise<Fields> {
    return this.#page(kind, await this.#catalogue.items(kind), params);
  }

  /** Each service in its turn, so that none crowds out another; found ones before all. */
  #chosen(tools: readonly Fields[]): readonly Fields[] {
    const chosen = tools.filter((tool) => this.#found.has(String(tool['name'])));
    const waiting = new Map<unknown, readonly Fields[]>();
    for (const tool of tools) {
      if (this.#found.has(String(tool['name']))) continue;
      const service = (tool['_meta'] as Fields)['culvert/service'];
      waiting.set(service, [...(waiting.get(service) ?? []), tool]);
    }
    while (chosen.length < this.#deps.maxTools && waiting.size > 0) {
      for (const [service, [next, ...rest]] of [...waiting]) {
        if (next !== undefined && chosen.length < this.#deps.maxTools) chosen.push(next);
        if (rest.length === 0) waiting.delete(service);
        else waiting.set(service, rest);
      }
    }
    const names = new Set(chosen.map((tool) => tool['name']));
    return tools.filter((tool) => names.has(tool['name']));
  }

  #page(kind: Kind, items: readonly Fields[], params: Fields): Fields {
    const start = Number(params['cursor'] ?? 0);
    if (!Number.isSafeInteger(start) || start < 0) throw new ProtocolError(invalidParams, 'Invalid cursor');
    const absent = this.#backends.absent();
    return {
      [kind]: items.slice(start, start + pageSize),
      ...(start + pageSize < items.length ? { nextCursor: String(start + pageSize) } : {}),
      ...(absent.length === 0 ? {} : { _meta: { 'culvert/absent': absent } }),
    };
  }

  async #callTool(params: Fields, context: ServerContext): Promise<Fields> {
    const name = String(params['name']);
    if (name === findToolsName) return this.#findTools((params['arguments'] ?? {}) as Fields);
    const place = await this.#catalogue.named('tools', name);
    if (place === undefined) return this.#callUnoffered('tools/call', params, context, `Unknown tool: ${name}`);
    return this.#call(place.backend, 'tools/call', { ...params, name: place.name }, context);
  }

  /** Refused in the same words whether it is hidden or does not exist, or whatever of an absent service is called; each leaves a record. */
  async #callUnoffered(
    method: NamedCall['method'],
    params: Fields,
    { mcpReq }: ServerContext,
    words: string,
  ): Promise<Fields> {
    const place = this.#catalogue.meant(String(params['name']));
    if (place === undefined) return unknown(words);
    const { service, name } = place;
    const call: NamedCall = { service, method, name };
    if ('reason' in place) {
      this.#deps.unoffered(call, place.reason);
      return unknown(`${words}: ${service} is absent, ${place.reason}`);
    }
    const { backend } = place;
    if (await this.#deps.isRefused(call)) {
      const asked = { name, ...defined({ arguments: params['arguments'] }) };
      // Let through only where it was granted this very moment: then it is answered like any call.
      return backend.call(method, asked, { signal: mcpReq.signal }).catch(() => unknown(words));
    }
    this.#deps.unoffered(call);
    return unknown(words);
  }

  async #findTools(args: Fields): Promise<Fields> {
    const found = search(await this.#catalogue.items('tools'), args);
    const before = this.#found.size;
    for (const tool of found) this.#found.add(String(tool['name']));
    if (this.#found.size > before) this.#changed(['tools']);
    const shown = found.map(({ name, title, description, inputSchema }) => ({ name, title, description, inputSchema }));
    return { content: [{ type: 'text', text: JSON.stringify({ tools: shown }) }], structuredContent: { tools: shown } };
  }

  async #complete(params: Fields, context: ServerContext): Promise<Fields> {
    const ref = (params['ref'] ?? {}) as Fields;
    const byPrompt = ref['type'] === 'ref/prompt';
    const place = byPrompt
      ? await this.#catalogue.named('prompts', String(ref['name']))
      : ((await this.#catalogue.template(String(ref['uri']))) ?? (await this.#catalogue.resource(String(ref['uri']))));
    if (place === undefined) return unknown('Unknown reference');
    if (!place.backend.can('completions')) return { completion: { values: [] } };
    const own = byPrompt ? { ...ref, name: place.name } : { ...ref, uri: place.name };
    return this.#call(place.backend, 'completion/complete', { ...params, ref: own }, context);
  }

  async #subscribe(params: Fields, on: boolean): Promise<Fields> {
    const place = await this.#resource(params);
    if (place.backend.can('subscribe')) await place.backend.subscribe(place.name, on);
    return {};
  }

  async #resource(params: Fields): Promise<{ readonly backend: Backend; readonly name: string }> {
    const uri = String(params['uri']);
    return (await this.#catalogue.resource(uri)) ?? unknown(`Resource not found: ${uri}`);
  }

  async #call(backend: Backend, method: string, asked: Fields, context: ServerContext): Promise<Fields> {
    const { mcpReq } = context;
    const token = (mcpReq._meta as Fields | undefined)?.['progressToken'] as string | number | undefined;
    const { _meta, inputResponses: _responses, requestState: _state, ...params } = asked;
    const meta = Object.entries((_meta ?? {}) as Fields).filter(
      ([key]) => key !== 'progressToken' && !key.startsWith('io.modelcontextprotocol/'),
    );
    const passed = meta.length === 0 ? params : { ...params, _meta: Object.fromEntries(meta) };
    const run = async (signal: AbortSignal): Promise<Fields> => {
      const onprogress = (progress: Fields): void => {
        const told = { ...progress, progressToken: token ?? '', progress: Number(progress['progress']) };
        mcpReq.notify({ method: 'notifications/progress', params: told }).catch(() => undefined);
      };
      const result = await backend.call(method, passed, {
        signal,
        ...defined({ onprogress: token === undefined ? undefined : onprogress }),
      });
      this.#catalogue.note(backend, result);
      return result;
    };
    if (this.#era === 'legacy') return run(mcpReq.signal);
    return this.#hold(backend.service, run, context);
  }

  /** A call that may be answered with a question first. */
  async #hold(
    service: string,
    run: (signal: AbortSignal) => Promise<Fields>,
    { mcpReq }: ServerContext,
  ): Promise<Fields> {
    const { state, call, fresh } = this.#held.take(mcpReq.requestState());
    const active = this.#active.get(service) ?? new Set();
    this.#active.set(service, active);
    const cancel = (): void => call.cancel();
    mcpReq.signal.addEventListener('abort', cancel, { once: true });
    try {
      active.add(call);
      if (fresh) call.start(run);
      else call.answered(mcpReq.inputResponses ?? {});
      const outcome = await call.next(state);
      if (outcome.kind === 'question') {
        const inputRequests = outcome.questions as unknown as Parameters<typeof inputRequired>[0]['inputRequests'];
        return inputRequired(defined({ inputRequests, requestState: state }));
      }
      active.delete(call);
      this.#held.over(state);
      return outcome.result;
    } catch (error) {
      active.delete(call);
      this.#held.over(state);
      throw error;
    } finally {
      mcpReq.signal.removeEventListener('abort', cancel);
    }
  }

  async #ask(service: string, question: Question, signal: AbortSignal): Promise<Fields> {
    if (this.#era === 'modern') {
      const latest = [...(this.#active.get(service) ?? [])].at(-1);
      if (latest !== undefined) return latest.ask(question);
      throw new ProtocolError(invalidParams, 'the client can be asked only while it waits for an answer');
    }
    const server = this.#server;
    if (server === undefined) throw new ProtocolError(invalidParams, 'the client is gone');
    const { method, params } = question;
    const request = defined({ method, params });
    return server.request(request, anything, { timeout: forever, signal });
  }

  /** A resource that changed has the name here by which it was subscribed to. */
  async #toldBy(service: string, notification: Notification): Promise<void> {
    const { method, params } = notification;
    const uri = method === 'notifications/resources/updated' ? params?.['uri'] : undefined;
    if (typeof uri !== 'string') return this.#tell(notification);
    this.#tell({ method, params: { ...params, uri: await this.#catalogue.offeredUri(service, uri) } });
  }

  #changed(changed: readonly Kind[]): void {
    for (const method of new Set(changed.map((kind) => changedMethods[kind]))) this.#tell({ method });
  }

  #tell(notification: Notification): void {
    this.#server?.notification(notification).catch(() => undefined); // a client that is gone needs to know no more
  }
}

function unknown(message: string): never {
  throw new ProtocolError(invalidParams, message);
}
