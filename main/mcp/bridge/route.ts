/** The way to a dark MCP service, found by the first message that is sent: streamable HTTP, the older event stream, or JSON lines. */
import { setTimeout as delay } from 'node:timers/promises';
import { HttpWay } from './http-way.ts';
import { LinesWay } from './lines-way.ts';
import { ownVersion, type Message } from './rpc.ts';
import { openSseWay } from './sse-way.ts';
import type { Failure, Way, WayDeps } from './way.ts';

/** What a service speaks; `auto` finds out by the client's first message. */
export type Transport = 'auto' | 'http' | 'sse' | 'lines';

/** What a way is given, and which way it should be. */
export interface RouteDeps extends WayDeps {
  readonly transport: Transport;
}

/** A service that takes a first message in HTTP without a word is asked in JSON lines beside it. */
const silentMs = 4_000;
/** Where services of the older way listen, where they are not where the newer one would be. */
const usualSsePath = '/sse';

/** The way to the service: chosen by the client's first message. */
export class Route implements AsyncDisposable {
  readonly #deps: RouteDeps;
  #way: Way | undefined;
  #refusedHttp: Failure | undefined;

  constructor(deps: RouteDeps) {
    this.#deps = deps;
  }

  /** The way is found. */
  get settled(): boolean {
    return this.#way !== undefined;
  }

  async send(message: Message): Promise<Failure | undefined> {
    if (this.#way !== undefined) return this.#way.send(message);
    const { transport } = this.#deps;
    if (transport === 'lines') this.#way = new LinesWay(this.#deps);
    else if (transport === 'sse') {
      this.#way = await this.#openSse();
      if (this.#way === undefined) return { why: 'no event stream is served there' };
    } else if (transport === 'http') this.#way = new HttpWay(this.#deps);
    else return this.#find(message);
    return this.#way.send(message);
  }

  /** True where the service need not be told besides. */
  cancelled(request: Message): boolean {
    this.#way?.cancelled(request);
    return ownVersion(request) !== undefined && this.#way instanceof HttpWay;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#way?.[Symbol.asyncDispose]();
  }

  async #find(message: Message): Promise<Failure | undefined> {
    const http = new HttpWay(this.#deps, (failure) => (this.#refusedHttp = failure));
    // What a server of HTTP says to a line of JSON is nobody's concern.
    const lines = new LinesWay({ ...this.#deps, complain: () => undefined });
    const byLines = async (): Promise<Way | undefined> =>
      (await lines.send(message)) === undefined ? lines : undefined;
    const byHttp = http.send(message);
    let failure = await Promise.race([byHttp, delay(silentMs, 'silent' as const, { ref: false })]);
    let other = failure === 'silent' ? await first(byHttp, byLines()) : undefined;
    if (other === undefined) {
      failure = await byHttp;
      if (failure?.noHttp === true) other = await byLines();
    }
    if (other !== undefined) {
      this.#way = other;
      await http[Symbol.asyncDispose]();
      return undefined;
    }
    await lines[Symbol.asyncDispose]();
    if (this.#refusedHttp !== undefined) {
      const sse = await this.#openSse();
      if (sse !== undefined) {
        await http[Symbol.asyncDispose]();
        this.#way = sse;
        return sse.send(message);
      }
    }
    // Refused or broken, the next message may find it otherwise.
    if (failure === undefined || failure === 'silent') this.#way = http;
    return failure === 'silent' ? undefined : failure;
  }

  async #openSse(): Promise<Way | undefined> {
    const { url } = this.#deps;
    const usual = new URL(usualSsePath, url);
    return (await openSseWay(this.#deps)) ?? (await openSseWay({ ...this.#deps, url: usual }));
  }
}

/** The other way where it has an answer before HTTP ends; undefined where HTTP is over first. */
async function first(http: Promise<unknown>, other: Promise<Way | undefined>): Promise<Way | undefined> {
  return Promise.race([http.then(() => undefined), other.then((way) => way ?? http.then(() => undefined))]);
}
