/** One dark service as one client of the front door has it: a session of its own, what it offers, and what it says of its own accord. */
import { Client, type ClientCapabilities, type Notification } from '@modelcontextprotocol/client';
import { defined } from '../../base/defined.ts';
import { anything, type Fields } from './anything.ts';
import { ServiceTransport, type ServiceTransportDeps } from './peers.ts';

/** What can be listed, by the method and the field of its result. */
export const kinds = {
  tools: { method: 'tools/list', changed: 'notifications/tools/list_changed' },
  prompts: { method: 'prompts/list', changed: 'notifications/prompts/list_changed' },
  resources: { method: 'resources/list', changed: 'notifications/resources/list_changed' },
  resourceTemplates: { method: 'resources/templates/list', changed: 'notifications/resources/list_changed' },
} as const;
/** One kind of what can be listed. */
export type Kind = keyof typeof kinds;

/** A question of the service to the client: sampling, elicitation, roots. */
export interface Question {
  readonly method: 'sampling/createMessage' | 'elicitation/create' | 'roots/list';
  readonly params: Fields | undefined;
}

/** The service, and who is told what it says of its own accord. */
export interface BackendDeps extends ServiceTransportDeps {
  readonly version: string;
  /** What the client at the other end can do; the service is told the same. */
  readonly capabilities: ClientCapabilities;
  /** What it offers may be another now. */
  readonly changed: (kind: Kind) => void;
  /** Anything else it tells: updated resources, log messages. */
  readonly told: (notification: Notification) => void;
  readonly ask: (question: Question, signal: AbortSignal) => Promise<Fields>;
}

/** When to give a call up, and who hears how far it is. */
export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly onprogress?: (progress: Fields) => void;
}

/** The far side alone says how long it takes. Node's timers hold no more. */
const forever = 2 ** 31 - 1;
const questions = ['sampling/createMessage', 'elicitation/create', 'roots/list'] as const;
const maxPages = 1_000;

/** One service at work for one client; disposing ends its session. */
export class Backend implements AsyncDisposable {
  readonly service: string;
  readonly #client: Client;
  readonly #lists = new Map<Kind, Promise<readonly Fields[]>>();

  private constructor(client: Client, service: string) {
    this.#client = client;
    this.service = service;
  }

  /** Throws where the service cannot be reached, or speaks no MCP. */
  static async open(deps: BackendDeps, signal: AbortSignal): Promise<Backend> {
    const { capabilities, service } = deps;
    const client = new Client(
      { name: 'culvert', version: deps.version },
      { capabilities, versionNegotiation: { mode: 'auto' }, enforceStrictCapabilities: false },
    );
    const backend = new Backend(client, service);
    const can = {
      'sampling/createMessage': 'sampling',
      'elicitation/create': 'elicitation',
      'roots/list': 'roots',
    } as const;
    for (const method of questions) {
      if (capabilities[can[method]] === undefined) continue;
      client.setRequestHandler(method, { params: anything, result: anything }, (params, context) =>
        deps.ask({ method, params: params }, context.mcpReq.signal),
      );
    }
    for (const [kind, { changed }] of Object.entries(kinds)) {
      if (kind === 'resourceTemplates') continue;
      client.setNotificationHandler(changed, () => {
        for (const one of kind === 'resources' ? (['resources', 'resourceTemplates'] as const) : [kind as Kind]) {
          backend.#lists.delete(one);
          deps.changed(one);
        }
      });
    }
    client.fallbackNotificationHandler = (notification) => Promise.resolve(deps.told(notification));
    client.setNotificationHandler('notifications/resources/updated', (notification) => deps.told(notification));
    client.onerror = (error) => deps.complain(error.message);
    await client.connect(new ServiceTransport(deps), { timeout: forever, signal });
    backend.#listen();
    return backend;
  }

  /** What it offers of one kind, all pages; asked once until it says that it changed. */
  list(kind: Kind): Promise<readonly Fields[]> {
    const known = this.#lists.get(kind);
    if (known !== undefined) return known;
    const listed = this.#offers(kind) ? this.#listAll(kind) : Promise.resolve([]);
    this.#lists.set(kind, listed);
    listed.catch(() => this.#lists.delete(kind));
    return listed;
  }

  /** Ask anew for what it offers, when next it is wanted. */
  relist(kind: Kind): void {
    this.#lists.delete(kind);
  }

  call(method: string, params: Fields, { signal, onprogress }: CallOptions = {}): Promise<Fields> {
    return this.#client.request({ method, params }, anything, {
      timeout: forever,
      ...defined({ signal }),
      ...(onprogress === undefined ? {} : { onprogress: (progress) => onprogress({ ...progress }) }),
    });
  }

  /** It answers requests of this kind at all. */
  can(capability: 'completions' | 'logging' | 'subscribe'): boolean {
    const capabilities = this.#client.getServerCapabilities();
    if (capability === 'subscribe') return capabilities?.resources?.subscribe === true;
    return capabilities?.[capability] !== undefined;
  }

  /** Tell it of a resource's changes from now on, or no more. */
  async subscribe(uri: string, on: boolean): Promise<void> {
    if (this.#client.getProtocolEra() !== 'modern') {
      await this.call(on ? 'resources/subscribe' : 'resources/unsubscribe', { uri });
      return;
    }
    if (on) this.#uris.add(uri);
    else this.#uris.delete(uri);
    this.#listen();
  }

  async rootsChanged(): Promise<void> {
    if (this.#client.getProtocolEra() !== 'modern') await this.#client.sendRootsListChanged();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close();
  }

  readonly #uris = new Set<string>();
  #subscription: AbortController | undefined;

  /** Without a handshake, changes are told only to who asks for them. */
  #listen(): void {
    const capabilities = this.#client.getServerCapabilities();
    if (this.#client.getProtocolEra() !== 'modern') return;
    this.#subscription?.abort();
    const wanted = {
      ...(capabilities?.tools?.listChanged === true ? { toolsListChanged: true } : {}),
      ...(capabilities?.prompts?.listChanged === true ? { promptsListChanged: true } : {}),
      ...(capabilities?.resources?.listChanged === true ? { resourcesListChanged: true } : {}),
      ...(this.#uris.size === 0 ? {} : { resourceSubscriptions: [...this.#uris] }),
    };
    if (Object.keys(wanted).length === 0) return;
    this.#subscription = new AbortController();
    const { signal } = this.#subscription;
    this.#client.listen(wanted, { signal, timeout: forever }).catch((error: unknown) => {
      if (!signal.aborted) this.#client.onerror?.(error instanceof Error ? error : new Error(String(error)));
    });
  }

  #offers(kind: Kind): boolean {
    const capabilities = this.#client.getServerCapabilities();
    return capabilities?.[kind === 'resourceTemplates' ? 'resources' : kind] !== undefined;
  }

  async #listAll(kind: Kind): Promise<readonly Fields[]> {
    const items: Fields[] = [];
    let cursor: unknown;
    for (let page = 0; page < maxPages; page += 1) {
      const result = await this.call(kinds[kind].method, defined({ cursor }));
      const listed = result[kind];
      if (Array.isArray(listed)) items.push(...(listed as readonly Fields[]));
      cursor = result['nextCursor'];
      if (typeof cursor !== 'string') break;
    }
    return items;
  }
}
