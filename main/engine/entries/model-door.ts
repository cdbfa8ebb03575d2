/**
 * One local endpoint for every dark model service (`culvert llm serve`). Each request goes to a service by the model it names, among those that
 * the program which connected may dial, as that program; lists of models are merged. What is said and used is held by each service's own guard.
 *
 * A service that cannot be dialled, that ends before its answer begins, or that answers 502, 503 or 529 (nobody worked on it) is followed by the
 * next that has the model, and its budgets are charged nothing. Every other answer is that service's own and passes as it is: 429 says when to come
 * back, which is also how a used budget answers; behind a 500 a model may have worked; and an answer that has begun is nobody else's.
 */
import {
  Agent,
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { App, AppFinder } from '../../apps/app.ts';
import type { AuditWriter } from '../../audit/record.ts';
import { defined } from '../../base/defined.ts';
import type { Admit } from '../../base/flow.ts';
import { untilAborted } from '../../base/abort.ts';
import { formatHostPort } from '../../base/ip.ts';
import type { Log } from '../../base/log.ts';
import { checkKeys, type KeyVerdict } from '../../guard/http/model-key.ts';
import { modelInPath, modelsInBody } from '../../guard/http/models.ts';
import { refusalAnswer, type HttpRefusal } from '../../guard/http/refusal.ts';
import { plainPath, shownPath } from '../../guard/http/target.ts';
import { parseStrictJson } from '../../guard/json/strict-json.ts';
import { listen, type ListenAt } from '../../net/proxy/listen.ts';
import { duplexEnd } from '../../sockets/duplex-end.ts';
import { loopbackCaller, type LoopbackCaller, type CallerFlow } from './loopback-caller.ts';
import { isModelList, mergedModels } from './model-lists.ts';
import { routesFor, type ModelService } from './model-routes.ts';

/** Who is let in, and to which services. */
export interface ModelDoorDeps {
  /** As the program that is given, whoever's socket the flow names. */
  readonly admitAs: (app: App) => Admit;
  readonly apps: Pick<AppFinder, 'find'>;
  /** The services that the program may dial now and whose contract speaks of models. */
  readonly visible: (app: App, flow: CallerFlow) => Promise<readonly ModelService[]>;
  /** What a key of Culvert's own is worth in the hands of the program. */
  readonly checkModelKey: (key: string, app: App) => KeyVerdict;
  readonly audit: AuditWriter;
  readonly log: Log;
}

/** The endpoint for models. */
export interface ModelDoor {
  /** Serve until the signal fires; says once where. Throws `net.address_in_use`, `net.listen_not_loopback`. */
  listen(at: ListenAt, signal: AbortSignal): AsyncIterable<{ readonly url: string }>;
}

/** A body in which the model is looked for; larger ones are refused. */
const maxBodyBytes = 32 * 1024 * 1024;
/** Before an answer begins: the service, or what is behind it, is not there. */
const followed: ReadonlySet<number> = new Set([502, 503, 529]);
/** Of one connection: what the guard on the way writes itself, or what is between two neighbours only. */
const ownHeaders: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'upgrade',
  'te',
  'trailer',
  'proxy-connection',
]);

interface Asked {
  readonly caller: LoopbackCaller;
  readonly method: string;
  readonly target: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer;
}

/** Nothing listens until it is asked for. */
export function openModelDoor(deps: ModelDoorDeps): ModelDoor {
  return {
    async *listen(at, signal) {
      const callers = new WeakMap<Socket, Promise<LoopbackCaller>>();
      const server = createServer((asked, answer) => {
        const caller = callers.get(asked.socket) ?? callerOf(asked.socket);
        callers.set(asked.socket, caller);
        void serve(caller, asked, answer).catch((error: unknown) => {
          deps.log.info('llm.failed', { error: String(error) });
          if (answer.headersSent) answer.destroy();
          else
            refuse(answer, asked.url ?? '/', { status: 502, rule: 'llm:service', why: 'the service did not answer' });
        });
      });
      server.on('connection', (socket: Socket) => {
        // Its owner is found while the socket is new: later it may be somebody else's.
        callers.set(socket, callerOf(socket));
      });
      server.on('upgrade', (asked, socket) => {
        const { body } = refusalAnswer({
          status: 426,
          rule: 'llm:websocket',
          why: 'ask over plain HTTP',
          target: asked.url ?? '/',
        });
        socket.end(
          `HTTP/1.1 426 Upgrade Required\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
        );
      });
      server.requestTimeout = 0;
      const endpoint = await listen(server, at, {});
      try {
        yield { url: `http://${formatHostPort(endpoint.address, endpoint.port)}` };
        await untilAborted(signal);
      } finally {
        server.close();
        server.closeAllConnections();
      }
    },
  };

  function callerOf(socket: Socket): Promise<LoopbackCaller> {
    return loopbackCaller(socket, 'forward', deps.apps);
  }

  async function serve(
    calling: Promise<LoopbackCaller>,
    asked: IncomingMessage,
    answer: ServerResponse,
  ): Promise<void> {
    const target = asked.url ?? '/';
    const method = asked.method ?? 'GET';
    // A page of the web must not reach it, whatever name it has given to this address.
    if (asked.headers.origin !== undefined || !isLoopback(asked.headers.host)) {
      return refuse(answer, target, {
        status: 403,
        rule: 'llm:origin',
        why: 'this endpoint is for programs of this machine, not for web pages',
      });
    }
    const body = await bodyOf(asked);
    if (body === undefined) {
      return refuse(answer, target, {
        status: 413,
        rule: 'llm:size',
        why: `a body of more than ${maxBodyBytes} bytes`,
      });
    }
    const caller = await calling;
    const refusedKey = keyRefusal(asked, caller.app);
    if (refusedKey !== undefined) return refuse(answer, target, refusedKey);
    const services = await deps.visible(caller.app, caller.flow);
    const one: Asked = { caller, method, target, headers: headersOf(asked), body };
    if (method === 'GET' && isModelList(target)) return models(one, services, answer);
    const model = modelOf(target, body);
    const routes = routesFor(model, services);
    if (routes.length === 0) {
      const why =
        model === undefined ? 'a request that names no model' : `${model} is not among the models you may ask`;
      return refuse(answer, target, {
        status: model === undefined ? 400 : 404,
        rule: 'llm:model',
        why,
        ...defined({ model }),
      });
    }
    for (const [index, { service }] of routes.entries()) {
      const last = index === routes.length - 1;
      const told = await ask(service, one, answer).catch((error: unknown) => ({ failed: String(error) }));
      if ('status' in told && (last || !followed.has(told.status))) return pass(told, answer);
      if ('status' in told) told.resume();
      deps.log.info('llm.followed', {
        service,
        model: model ?? null,
        why: 'failed' in told ? told.failed : told.status,
      });
      if (last) {
        const why = `${service}: ${'failed' in told ? told.failed : 'no answer'}`;
        return refuse(answer, target, { status: 502, rule: 'llm:service', why });
      }
    }
  }

  /** Told and recorded here, for a list of models asks several services; a good key is taken out by the guard of each. */
  function keyRefusal(asked: IncomingMessage, app: App): Omit<HttpRefusal, 'target'> | undefined {
    const target = asked.url ?? '/';
    const fields = Object.entries(asked.headers).map(([name, value]) => ({ name, value: String(value) }));
    const { verdict } = checkKeys({ target, fields }, { check: (key) => deps.checkModelKey(key, app) });
    if (verdict?.kind !== 'refused') return undefined;
    const { why, id } = verdict;
    const rule = 'guard:http.key';
    deps.audit.recordOrLog({
      kind: 'model-key.refused',
      modelKey: id ?? null,
      agent: app.agent ?? null,
      app: app.script ?? app.path ?? null,
      user: app.user ?? null,
      method: asked.method ?? null,
      target: shownPath(target),
      reason: why,
      rule,
    });
    return { status: 401, rule, why };
  }

  /** The answer's head, once it is there. */
  async function ask(
    service: string,
    asked: Asked,
    answer: ServerResponse,
  ): Promise<IncomingMessage & { readonly status: number }> {
    const socket = await dial(asked.caller, service);
    return new Promise((resolve, reject) => {
      const { method, target, headers, body } = asked;
      const length = body.length === 0 && method !== 'POST' ? {} : { 'content-length': String(body.length) };
      const going = httpRequest({
        method,
        path: target,
        headers: { ...headers, ...length },
        agent: agentOver(socket),
      });
      going.once('response', (response) => resolve(Object.assign(response, { status: response.statusCode ?? 502 })));
      going.once('error', reject);
      answer.once('close', () => {
        if (!answer.writableEnded) going.destroy();
      });
      going.end(body);
    });
  }

  async function dial({ app, flow }: LoopbackCaller, service: string): Promise<Duplex> {
    const admission = await deps.admitAs(app)({ ...flow, service }, { signal: new AbortController().signal });
    if (admission.kind === 'dialled') {
      const { duplex, stream } = duplexEnd();
      admission.join(stream);
      return duplex;
    }
    throw new Error(admission.reason.sentence);
  }

  async function models(asked: Asked, services: readonly ModelService[], answer: ServerResponse): Promise<void> {
    const lists = await Promise.all(
      services.map(async (service) => {
        try {
          const told = await ask(service.service, asked, answer);
          const text = await bodyOf(told);
          return {
            service,
            list: told.status < 300 && text !== undefined ? (JSON.parse(text.toString('utf8')) as unknown) : undefined,
          };
        } catch (error) {
          // One that is down is absent from the list, and takes nobody's place.
          deps.log.info('llm.list_failed', { service: service.service, error: String(error) });
          return { service, list: undefined };
        }
      }),
    );
    const text = JSON.stringify(mergedModels(asked.target, lists));
    answer.writeHead(200, { 'content-type': 'application/json' }).end(text);
  }
}

function pass(told: IncomingMessage, answer: ServerResponse): void {
  answer.writeHead(told.statusCode ?? 502, headersOf(told));
  told.on('error', () => answer.destroy());
  told.on('aborted', () => answer.destroy());
  told.pipe(answer);
}

function refuse(answer: ServerResponse, target: string, refusal: Omit<HttpRefusal, 'target'>): void {
  const { status, contentType, body, headers } = refusalAnswer({ ...refusal, target });
  answer.writeHead(status, { 'content-type': contentType, ...Object.fromEntries(headers ?? []) }).end(body);
}

function modelOf(target: string, body: Buffer): string | undefined {
  const inPath = modelInPath(plainPath(target) ?? '');
  if (inPath !== undefined || body.length === 0) return inPath;
  const read = parseStrictJson(body.toString('utf8'));
  return read.kind === 'json' ? modelsInBody(read.value).chosen : undefined;
}

async function bodyOf(message: IncomingMessage): Promise<Buffer | undefined> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of message) {
    parts.push(part as Buffer);
    length += (part as Buffer).length;
    if (length > maxBodyBytes) return undefined;
  }
  return Buffer.concat(parts);
}

function headersOf(message: IncomingMessage): OutgoingHttpHeaders {
  const kept = Object.entries(message.headers).filter(([name]) => !ownHeaders.has(name));
  return Object.fromEntries(kept.map(([name, value]) => [name, value ?? '']));
}

function isLoopback(host: string | undefined): boolean {
  return host === undefined || /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i.test(host);
}

/** For one request over a connection that stands already. */
function agentOver(socket: Duplex): Agent {
  const agent = new Agent({ keepAlive: false });
  agent.createConnection = () => socket;
  return agent;
}
