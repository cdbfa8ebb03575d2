/**
 * Websockets at the endpoint for models. Of Responses each question goes to the service that has its model, over a websocket to each that was asked;
 * of Realtime the handshake names the model, and one service is spoken to. What is said is judged and counted by the guard of each service.
 *
 * Another service is asked only before one stands: what was sent to it may have been worked on.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer, type RawData } from 'ws';
import type { App } from '../../apps/app.ts';
import type { Admit } from '../../base/flow.ts';
import type { Log } from '../../base/log.ts';
import { SerialQueue } from '../../base/serial-queue.ts';
import type { Refused } from '../../guard/http/model-refusal.ts';
import { isModelSocket, modelsInQuery, refusalEvent } from '../../guard/http/model-socket.ts';
import { refusalAnswer } from '../../guard/http/refusal.ts';
import { isRecord, parseStrictJson } from '../../guard/json/strict-json.ts';
import { writeJson } from '../../guard/json/write-json.ts';
import type { LoopbackCaller } from './loopback-caller.ts';
import { dialAs, headersOf, maxBodyBytes, orUnanswered, Unanswered } from './model-asks.ts';
import type { ModelHealth } from './model-health.ts';
import { noRoute, refuseUpgrade } from './model-refusals.ts';
import type { ModelRoute, ModelService } from './model-routes.ts';
import type { WaysTo } from './model-ways.ts';

/** A handshake that came. */
export interface Handshake {
  readonly asked: IncomingMessage;
  readonly socket: Duplex;
  /** What came behind it. */
  readonly head: Buffer;
}

/** How services are chosen and reached. */
export interface ModelSocketsDeps {
  readonly admitAs: (app: App) => Admit;
  readonly ways: WaysTo;
  readonly health: ModelHealth;
  readonly log: Log;
}

/** Websockets of one listener. */
export interface ModelSockets {
  /** One connection of a program, of which is known that it may speak here. `services`: those that let websockets through. */
  serve(handshake: Handshake, caller: LoopbackCaller, services: readonly ModelService[]): Promise<void>;
  /** End those that are open. */
  close(): void;
}

/** So much may wait for the slower side before the faster one is not read any more. */
const maxWaitingBytes = 1024 * 1024;
/** What a service does not hear of: each connection has its own handshake. */
const ownOfHandshake = /^sec-websocket-(?:key|version|extensions|protocol)$/;

/** Serves them; the kept library speaks at both sides, without extensions. */
export function modelSockets(deps: ModelSocketsDeps): ModelSockets {
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: maxBodyBytes,
    handleProtocols: (offered) => [...offered][0] ?? false,
  });
  const serve: ModelSockets['serve'] = async (handshake, caller, services) => {
    const { asked, socket, head } = handshake;
    const target = asked.url ?? '/';
    if (!isModelSocket(target) || services.length === 0) {
      return refuseUpgrade(socket, asked, { status: 426, rule: 'llm:websocket', why: 'ask over plain HTTP' });
    }
    const talk = new Talk(deps, { asked, target, caller, services });
    const [model] = modelsInQuery(target);
    const refused = model === undefined ? undefined : await talk.open(model);
    if (refused !== undefined) return refuseUpgrade(socket, asked, refused);
    if (socket.destroyed) return talk.close();
    server.handleUpgrade(asked, socket, head, (client) => talk.with(client));
  };
  return {
    serve,
    close() {
      for (const client of server.clients) client.terminate();
    },
  };
}

interface Asking {
  readonly asked: IncomingMessage;
  readonly target: string;
  readonly caller: LoopbackCaller;
  readonly services: readonly ModelService[];
}

/** What one program says over one connection. */
class Talk {
  readonly #deps: ModelSocketsDeps;
  readonly #asking: Asking;
  readonly #services = new Map<string, WebSocket>();
  readonly #said = new SerialQueue();
  readonly #gone = new AbortController();
  #client: WebSocket | undefined;
  /** Who was asked last, and so hears what is no question. */
  #current: WebSocket | undefined;
  #model: string | undefined;

  constructor(deps: ModelSocketsDeps, asking: Asking) {
    this.#deps = deps;
    this.#asking = asking;
  }

  /** Reach the service of the one model that the handshake names; why not, where that cannot be. */
  async open(model: string): Promise<Refused | undefined> {
    const reached = await this.#reach(model);
    if ('status' in reached) return reached;
    this.#current = reached.socket;
    reached.socket.pause();
    return undefined;
  }

  with(client: WebSocket): void {
    this.#client = client;
    client.on('message', (data, isBinary) => {
      void this.#said
        .run(() => this.#say(data, isBinary))
        .catch((error: unknown) => {
          this.#deps.log.info('llm.failed', { error: String(error) });
          client.terminate();
        });
    });
    client.on('error', (error) => this.#deps.log.debug('llm.socket_failed', { error: String(error) }));
    client.on('close', () => this.close());
    this.#current?.resume();
  }

  close(): void {
    this.#gone.abort();
    for (const socket of this.#services.values()) socket.close(1000);
    this.#services.clear();
  }

  async #say(data: RawData, isBinary: boolean): Promise<void> {
    const isRealtime = modelsInQuery(this.#asking.target).length > 0;
    const text = isBinary || isRealtime ? undefined : data.toString();
    const read = text === undefined ? undefined : parseStrictJson(text);
    const event = read?.kind === 'json' && isRecord(read.value) ? read.value : undefined;
    if (event?.type !== 'response.create') return this.#pass(data, isBinary);
    if (typeof event.model === 'string') this.#model = event.model;
    const reached = await this.#reach(this.#model, event);
    if (this.#gone.signal.aborted) return;
    if ('status' in reached) return this.#refuse(reached);
    const { socket, route } = reached;
    this.#current = socket;
    const named = route.model ?? this.#model;
    forward(this.#client, socket, event.model === named ? data : writeJson({ ...event, model: named }), false);
  }

  /** What is no question is for whoever was asked last. */
  #pass(data: RawData, isBinary: boolean): void {
    if (this.#current !== undefined) return forward(this.#client, this.#current, data, isBinary);
    this.#refuse({ status: 400, rule: 'llm:websocket', why: 'the first message asks a model: response.create' });
  }

  #refuse(refusal: Refused): void {
    const { target } = this.#asking;
    this.#client?.send(JSON.stringify(refusalEvent(refusalAnswer({ ...refusal, target }))));
  }

  /** A websocket to a service that has the model, the one that stands where there is one. */
  async #reach(
    model: string | undefined,
    question?: unknown,
  ): Promise<{ readonly socket: WebSocket; readonly route: ModelRoute } | Refused> {
    const { caller, services, target } = this.#asking;
    const { signal } = this.#gone;
    const routes = await this.#deps.ways(model, { caller, services, target, body: () => question, signal });
    let refused = noRoute(model);
    for (const route of routes) {
      const { service } = route;
      const known = this.#services.get(service);
      if (known?.readyState === WebSocket.OPEN) return { socket: known, route };
      const socket = await orUnanswered(this.#dial(service, model, route));
      if (socket instanceof Unanswered) {
        if (this.#gone.signal.aborted) return refused;
        const { why, isItsFault } = socket;
        if (isItsFault && this.#deps.health.failed(service)) this.#deps.log.warn('llm.resting', { service });
        this.#deps.log.info('llm.followed', { service, model: model ?? null, why });
        refused = { status: 502, rule: 'llm:service', why: `${service}: ${why}` };
      } else {
        this.#deps.health.worked(service);
        this.#listen(service, socket);
        return { socket, route };
      }
    }
    return refused;
  }

  async #dial(service: string, model: string | undefined, route: ModelRoute): Promise<WebSocket> {
    const { caller, asked, target } = this.#asking;
    const { signal } = this.#gone;
    const duplex = await dialAs(this.#deps.admitAs, caller, service, signal);
    const headers = Object.entries(headersOf(asked)).filter(([name]) => !ownOfHandshake.test(name));
    const protocols = asked.headers['sec-websocket-protocol']?.split(',').map((name) => name.trim()) ?? [];
    const socket = new WebSocket(`ws://127.0.0.1${renamedTarget(target, model, route.model)}`, protocols, {
      headers: Object.fromEntries(headers) as Record<string, string>,
      perMessageDeflate: false,
      maxPayload: maxBodyBytes,
      createConnection: () => duplex as Socket,
    });
    const give = (): void => socket.terminate();
    signal.addEventListener('abort', give, { once: true });
    return new Promise((resolve, reject) => {
      socket.once('open', () => {
        signal.removeEventListener('abort', give);
        resolve(socket);
      });
      socket.once('unexpected-response', (_request, response) => {
        response.resume();
        socket.terminate();
        reject(new Error(`${response.statusCode}`));
      });
      socket.on('error', reject);
      socket.once('close', () => reject(new Error('the connection ended')));
    });
  }

  #listen(service: string, socket: WebSocket): void {
    this.#services.set(service, socket);
    socket.on('message', (data, isBinary) => forward(socket, this.#client, data, isBinary));
    socket.on('close', (code, why) => {
      if (this.#services.get(service) === socket) this.#services.delete(service);
      if (this.#current !== socket) return;
      this.#current = undefined;
      this.#client?.close(isSayable(code) ? code : 1011, why);
    });
  }
}

/** Hand a message on; whoever sends faster than the other side takes is not read for a while. */
function forward(
  from: WebSocket | undefined,
  to: WebSocket | undefined,
  data: RawData | string,
  binary: boolean,
): void {
  if (to === undefined) return;
  to.send(data as Buffer, { binary }, () => {
    if (from?.isPaused === true && to.bufferedAmount < maxWaitingBytes) from.resume();
  });
  if (to.bufferedAmount >= maxWaitingBytes) from?.pause();
}

/** The target under another model's name. */
function renamedTarget(target: string, from: string | undefined, to: string | undefined): string {
  const [path = '', ...query] = target.split('?');
  if (to === undefined || from === to || query.length === 0) return target;
  const parameters = new URLSearchParams(query.join('?'));
  if (parameters.get('model') === from) parameters.set('model', to);
  return `${path}?${parameters.toString()}`;
}

/** Some codes only tell what happened here, and are never sent. Source: RFC 6455 section 7.4.1. */
function isSayable(code: number): boolean {
  return (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999);
}
