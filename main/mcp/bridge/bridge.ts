/**
 * An MCP client on standard input and output ↔ a dark MCP service. Messages pass as they are, in either era of the protocol; what the bridge
 * adds is transport alone, and an answer under the request's own id wherever the service gives none.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { HttpWay } from './http-way.ts';
import { LinesWay } from './lines-way.ts';
import { errorText, idIn, ownVersion, readMessages, type Message, type RpcId } from './rpc.ts';
import { openSseWay } from './sse-way.ts';
import type { Failure, Refused, Way, WayDeps } from './way.ts';

/** What a service speaks; `auto` finds out by the client's first message. */
export type Transport = 'auto' | 'http' | 'sse' | 'lines';

export interface BridgeDeps {
  readonly url: URL;
  readonly transport: Transport;
  /** Messages of the client, one JSON document a line, until it ends or the signal fires. */
  readonly input: (signal: AbortSignal) => AsyncIterable<string>;
  /** One message to the client. Rejects where the client reads no more. */
  readonly output: (line: string) => Promise<void>;
  /** Told of what goes wrong beside the messages. */
  readonly complain: (text: string) => void;
  /** Told that the engine refused the way to the service, and why. */
  readonly refused: (reason: Refused) => void;
  /** Whoever started the bridge has gone: nobody waits for answers. */
  readonly orphaned: () => boolean;
  /** How long requests under way may take once the input has ended, in ms. */
  readonly lingerMs: number;
  readonly signal: AbortSignal;
}

/** A service that takes a first message in HTTP without a word is asked in JSON lines beside it. */
const silentMs = 4_000;
/** For a client that reads slowly, at the end. */
const flushMs = 500;
/** Where services of the older way listen, where they are not where the newer one would be. */
const usualSsePath = '/sse';

/** Runs until the input ends, the client is gone or the signal fires; then nothing of it is left under way. */
export async function bridge(deps: BridgeDeps): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([deps.signal, stop.signal]);
  const client = new ClientEnd(deps, () => stop.abort());
  await using route = new Route({ ...deps, signal, take: (message) => client.give(message) });
  const running = new Set<Promise<void>>();
  let handshake: Promise<void> = Promise.resolve();

  const send = async (message: Message, before: Promise<void>): Promise<void> => {
    await before;
    const failure = await route.send(message);
    if (failure !== undefined && !signal.aborted) client.fail(message, failure);
  };
  const begin = (message: Message): void => {
    if (message.method === 'notifications/cancelled') {
      const asked = client.cancel(message.params['requestId']);
      if (asked !== undefined && route.cancelled(asked)) return;
    }
    if (message.kind === 'request' && !client.ask(message)) return;
    const sending = send(message, handshake).finally(() => running.delete(sending));
    running.add(sending);
    // The handshake is in order: nothing may overtake it.
    if (message.method === 'initialize' || message.method === 'notifications/initialized' || !route.settled) {
      handshake = sending;
    }
  };

  for await (const line of deps.input(signal)) {
    const messages = readMessages(line);
    if (messages === undefined) client.unreadable(line);
    messages?.forEach(begin);
  }
  const over = new AbortController();
  const linger = delay(deps.orphaned() ? 0 : deps.lingerMs, undefined, {
    signal: AbortSignal.any([over.signal, signal]),
  });
  await Promise.race([Promise.all(running), linger.catch(() => undefined)]);
  over.abort();
  stop.abort();
  await Promise.race([client.flushed(), delay(flushMs, undefined, { ref: false })]);
}

/** The client's side: what it waits for, each answered once. */
class ClientEnd {
  readonly #deps: BridgeDeps;
  readonly #gone: () => void;
  readonly #waiting = new Map<RpcId, Message>();
  #written: Promise<void> = Promise.resolve();

  constructor(deps: BridgeDeps, gone: () => void) {
    this.#deps = deps;
    this.#gone = gone;
  }

  /** False, and answered, where this id waits for an answer already. */
  ask(message: Message): boolean {
    const { id } = message;
    if (id === undefined) return true;
    if (this.#waiting.has(id)) {
      this.#deps.complain(`a second request under the id ${JSON.stringify(id)} while the first waits is not sent`);
      return false;
    }
    this.#waiting.set(id, message);
    return true;
  }

  /** The request is waited for no more; it, where it was. */
  cancel(id: unknown): Message | undefined {
    if (typeof id !== 'string' && typeof id !== 'number') return undefined;
    const asked = this.#waiting.get(id);
    this.#waiting.delete(id);
    return asked;
  }

  give(message: Message): void {
    if (message.kind === 'response') {
      // An answer that nobody waits for would be taken for another's.
      if (message.id === undefined || !this.#waiting.delete(message.id)) return;
    }
    this.#write(message.text);
  }

  fail(message: Message, { why, refused }: Failure): void {
    if (refused !== undefined) this.#deps.refused(refused);
    const { id } = message;
    if (message.kind !== 'request' || id === undefined) {
      if (refused === undefined) this.#deps.complain(why);
      return;
    }
    if (this.#waiting.delete(id)) this.#write(errorText(id, `the dark service could not be asked: ${why}`, refused));
  }

  /** What is no message is answered as JSON-RPC has it, under an id only where one can be told. */
  unreadable(line: string): void {
    this.#deps.complain('a line of the client is no message of JSON-RPC 2.0');
    const id = idIn(line);
    if (id !== undefined) {
      this.#write(JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32_600, message: 'Invalid Request' } }));
    }
  }

  flushed(): Promise<void> {
    return this.#written;
  }

  #write(text: string): void {
    this.#written = this.#written.then(() => this.#deps.output(text)).catch(() => this.#gone());
  }
}

/** The way to the service: chosen by the client's first message. */
class Route implements AsyncDisposable {
  readonly #deps: BridgeDeps & WayDeps;
  #way: Way | undefined;
  #refusedHttp: Failure | undefined;

  constructor(deps: BridgeDeps & WayDeps) {
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
