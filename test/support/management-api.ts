/** A small client of OpenZiti's management API (edge-api management.yml), for the administrator's side of tests. */
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, request } from 'undici';

export type Json = Readonly<Record<string, unknown>>;

export class ManagementApi {
  readonly #url: string;
  readonly #agent: Agent;
  readonly #login: { readonly user: string; readonly password: string };
  #token: string | undefined;

  constructor(url: string, caPem: string, login: { readonly user: string; readonly password: string }) {
    this.#url = url;
    this.#login = login;
    this.#agent = new Agent({ connect: { ca: caPem }, connections: 4, keepAliveTimeout: 1000 });
  }

  async answers(): Promise<boolean> {
    try {
      await this.version();
      return true;
    } catch {
      // Not up yet, whatever the reason: the caller asks again and has the process's log.
      return false;
    }
  }

  async version(): Promise<string> {
    const response = await request(`${this.#url}/edge/client/v1/version`, { dispatcher: this.#agent });
    const body = (await response.body.json()) as { data?: { version?: string } };
    if (response.statusCode !== 200) throw new Error(`version: HTTP ${response.statusCode}`);
    return body.data?.version ?? '';
  }

  async onlineRouters(): Promise<number> {
    const routers = await this.list('edge-routers');
    return routers.filter((router) => router['isOnline'] === true && router['syncStatus'] === 'SYNC_DONE').length;
  }

  /** POST; the new entity's id (or the whole `data` for calls that answer more). */
  async create(path: string, body: Json): Promise<string> {
    const data = (await this.call('POST', path, body)) as { id: string };
    return data.id;
  }

  async list(path: string, filter?: string): Promise<Json[]> {
    const query = filter === undefined ? 'limit=500' : `limit=500&filter=${encodeURIComponent(filter)}`;
    return (await this.call('GET', `${path}?${query}`)) as Json[];
  }

  /**
   * One call with the admin's session; signs in again once where that was lost. `path` is below the management API, or from `/` on of
   * another. Throws with the controller's answer.
   */
  async call(method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE', path: string, body?: Json): Promise<unknown> {
    this.#token ??= await this.#signIn();
    let answer = await this.#send(method, path, body, this.#token);
    if (answer.status === 401) {
      this.#token = await this.#signIn();
      answer = await this.#send(method, path, body, this.#token);
    }
    // 2.x controllers are clusters of one at least, and need seconds after their start to elect themselves.
    for (let tries = 0; answer.status === 503 && tries < 100; tries += 1) {
      await delay(200);
      answer = await this.#send(method, path, body, this.#token);
    }
    return checked(method, path, answer);
  }

  /** For the few calls that take or give plain text. Throws with the controller's answer. */
  async callText(method: 'GET' | 'POST', path: string, body?: string): Promise<string> {
    this.#token ??= await this.#signIn();
    const response = await request(`${this.#url}/edge/management/v1/${path}`, {
      method,
      dispatcher: this.#agent,
      headers: { 'content-type': 'text/plain', 'zt-session': this.#token },
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.body.text();
    if (response.statusCode >= 300) throw new Error(`${method} ${path}: HTTP ${response.statusCode} ${text}`);
    return text;
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #signIn(): Promise<string> {
    const credentials = { username: this.#login.user, password: this.#login.password };
    let answer = await this.#send('POST', 'authenticate?method=password', credentials, undefined);
    for (let tries = 0; answer.status === 503 && tries < 100; tries += 1) {
      await delay(200);
      answer = await this.#send('POST', 'authenticate?method=password', credentials, undefined);
    }
    return (checked('POST', 'authenticate', answer) as { token: string }).token;
  }

  async #send(method: string, path: string, body: Json | undefined, token: string | undefined): Promise<Answer> {
    const response = await request(`${this.#url}${path.startsWith('/') ? path : `/edge/management/v1/${path}`}`, {
      method: method as 'GET',
      dispatcher: this.#agent,
      headers: {
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { 'zt-session': token }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.body.text();
    return { status: response.statusCode, text };
  }
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

function checked(method: string, path: string, answer: Answer): unknown {
  if (answer.status >= 300) throw new Error(`${method} ${path}: HTTP ${answer.status} ${answer.text.slice(0, 2000)}`);
  return answer.text === '' ? undefined : (JSON.parse(answer.text) as { data?: unknown }).data;
}
