/** The dark services that one client of the front door may see, each with a session of its own; one that is down is absent, and named. */
import type { ClientCapabilities, Notification } from '@modelcontextprotocol/client';
import type { Duplex } from 'node:stream';
import { Backend, type Kind, type Question } from './backend.ts';
import type { Fields } from './anything.ts';

/** Which services there are, the way to each, and who is told what they say. */
export interface BackendsDeps {
  readonly version: string;
  /** Names of the services this client may see now. */
  readonly services: () => Promise<readonly string[]>;
  readonly connect: (service: string) => Promise<Duplex>;
  readonly complain: (text: string) => void;
  readonly capabilities: () => ClientCapabilities;
  readonly changed: (kinds: readonly Kind[]) => void;
  readonly told: (service: string, notification: Notification) => void;
  readonly ask: (service: string, question: Question, signal: AbortSignal) => Promise<Fields>;
}

/** One that does not answer sooner is left out of a list, and told of when it comes. */
const patienceMs = 8_000;
const [firstRetryMs, longestRetryMs] = [5_000, 60_000];
const allKinds: readonly Kind[] = ['tools', 'prompts', 'resources', 'resourceTemplates'];

interface Entry {
  readonly abort: AbortController;
  opening: Promise<Backend | undefined>;
  backend: Backend | undefined;
  why: string | undefined;
  failures: number;
  retry: NodeJS.Timeout | undefined;
  /** A list went out without it. */
  missed: boolean;
}

/** All of them, opened as they are needed and tried again where they are down. */
export class Backends implements AsyncDisposable {
  readonly #deps: BackendsDeps;
  readonly #entries = new Map<string, Entry>();
  #closed = false;
  #revision = 0;

  constructor(deps: BackendsDeps) {
    this.#deps = deps;
  }

  /** Another number whenever what they offer may be otherwise. */
  get revision(): number {
    return this.#revision;
  }

  /** Those that can be spoken to, by name. */
  async ready(): Promise<readonly Backend[]> {
    await this.#follow();
    const entries = [...this.#entries.values()];
    // One that was waited for in vain once is told of when it comes.
    await withinPatience(Promise.all(entries.filter(({ missed }) => !missed).map(({ opening }) => opening)));
    for (const entry of entries) entry.missed ||= entry.backend === undefined;
    return this.open();
  }

  open(): readonly Backend[] {
    const backends = [...this.#entries.values()].flatMap(({ backend }) => (backend === undefined ? [] : [backend]));
    return backends.sort((one, other) => (one.service < other.service ? -1 : 1));
  }

  /** Services that are not there, and why. */
  absent(): readonly { readonly service: string; readonly reason: string }[] {
    return [...this.#entries]
      .filter(([, { backend }]) => backend === undefined)
      .map(([service, { why }]) => ({ service, reason: why ?? 'it has not answered yet' }));
  }

  /** What `backend` offers of a kind; nothing, and said so, where it does not tell. */
  async list(backend: Backend, kind: Kind): Promise<readonly Fields[]> {
    try {
      const listed = backend.list(kind);
      const items = await withinPatience(listed);
      if (items !== undefined) return items;
      void listed.then(() => this.#changed([kind])).catch(() => undefined);
      this.#deps.complain(`${backend.service} does not say in time what ${kind} it has`);
    } catch (error) {
      this.#deps.complain(`${backend.service}: ${kind}: ${(error as Error).message}`);
    }
    // It is asked again the next time.
    this.#revision += 1;
    return [];
  }

  /** Grants came or went: what is gone is closed, what is new opened, and the client told. */
  async refresh(): Promise<void> {
    const before = new Set(this.#entries.keys());
    await this.#follow();
    const same = before.size === this.#entries.size && [...before].every((name) => this.#entries.has(name));
    if (!same && !this.#closed) this.#changed(allKinds);
  }

  /** The tools of this service are shown otherwise from now on. */
  relist(service: string): void {
    const backend = this.#entries.get(service)?.backend;
    if (backend === undefined) return;
    backend.relist('tools');
    this.#changed(['tools']);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#entries.keys()].map((service) => this.#drop(service)));
  }

  #changed(kinds: readonly Kind[]): void {
    this.#revision += 1;
    this.#deps.changed(kinds);
  }

  async #follow(): Promise<void> {
    const visible = new Set(await this.#deps.services());
    for (const service of [...this.#entries.keys()]) if (!visible.has(service)) await this.#drop(service);
    if (this.#closed) return;
    for (const service of visible) if (!this.#entries.has(service)) this.#enter(service);
  }

  #enter(service: string): void {
    const entry: Entry = {
      abort: new AbortController(),
      opening: Promise.resolve(undefined),
      backend: undefined,
      why: undefined,
      failures: 0,
      retry: undefined,
      missed: false,
    };
    this.#entries.set(service, entry);
    this.#revision += 1;
    entry.opening = this.#open(service, entry);
  }

  async #open(service: string, entry: Entry): Promise<Backend | undefined> {
    const { version, connect, complain, capabilities, told, ask } = this.#deps;
    try {
      const backend = await Backend.open(
        {
          service,
          version,
          capabilities: capabilities(),
          connect: () => connect(service),
          complain: (text) => complain(`${service}: ${text}`),
          changed: (kind) => this.#changed([kind]),
          told: (notification) => told(service, notification),
          ask: (question, signal) => ask(service, question, signal),
        },
        entry.abort.signal,
      );
      if (entry.abort.signal.aborted) {
        await backend[Symbol.asyncDispose]();
        return undefined;
      }
      entry.backend = backend;
      this.#revision += 1;
      entry.why = undefined;
      entry.failures = 0;
      if (entry.missed) this.#changed(allKinds);
      entry.missed = false;
      return backend;
    } catch (error) {
      if (entry.abort.signal.aborted) return undefined;
      entry.why = (error as Error).message;
      entry.failures += 1;
      const delayMs = Math.min(longestRetryMs, firstRetryMs * 2 ** (entry.failures - 1));
      entry.retry = setTimeout(() => {
        entry.opening = this.#open(service, entry);
      }, delayMs).unref();
      complain(`${service} is absent: ${entry.why}`);
      return undefined;
    }
  }

  async #drop(service: string): Promise<void> {
    const entry = this.#entries.get(service);
    if (entry === undefined) return;
    this.#entries.delete(service);
    this.#revision += 1;
    clearTimeout(entry.retry);
    entry.abort.abort();
    await entry.backend?.[Symbol.asyncDispose]();
  }
}

async function withinPatience<T>(promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), patienceMs).unref()));
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
