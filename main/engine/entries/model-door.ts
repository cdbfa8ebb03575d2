/**
 * One local endpoint for every dark model service (`culvert llm serve`). Each request goes to a service by the model it names, among those that
 * the program which connected may dial, as that program; an alias stands for several. Lists of models are merged. What is said and used is held by
 * each service's own guard.
 *
 * A service that cannot be dialled, that ends before its answer begins, or that answers 502, 503 or 529 (nobody worked on it) is followed by the
 * next that has the model, its budgets are charged nothing, and after several such in a row it is asked last for a while. Every other answer is that
 * service's own and passes as it is: 429 says when to come back, which is also how a used budget answers; behind a 500 a model may have worked; and an
 * answer that has begun is nobody else's: cut, it is cut for its asker too.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { App, AppFinder } from '../../apps/app.ts';
import type { AuditWriter } from '../../audit/record.ts';
import { linkSignals, untilAborted } from '../../base/abort.ts';
import type { Clock } from '../../base/clock.ts';
import type { Admit } from '../../base/flow.ts';
import { formatHostPort } from '../../base/ip.ts';
import type { DisposalStack } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import { checkKeys, type KeyVerdict } from '../../guard/http/model-key.ts';
import { createHeldBudget } from '../../guard/held-budget.ts';
import { modelInPath, modelsInBody } from '../../guard/http/models.ts';
import type { Refused } from '../../guard/http/model-refusal.ts';
import { plainPath, shownPath } from '../../guard/http/target.ts';
import { parseStrictJson } from '../../guard/json/strict-json.ts';
import { listen, type ListenAt } from '../../net/proxy/listen.ts';
import { AutoModel, type AutoSettings } from './auto-model.ts';
import { autoName } from './auto-rules.ts';
import { loopbackCaller, type CallerFlow, type LoopbackCaller } from './loopback-caller.ts';
import {
  askOver,
  bodyOf,
  headersOf,
  maxBodyBytes,
  orUnanswered,
  passOn,
  Unanswered,
  type Asked,
  type Told,
} from './model-asks.ts';
import { ModelHealth, type HealthSettings } from './model-health.ts';
import { isModelList, mergedModels, type ServiceList } from './model-lists.ts';
import { foreignRefusal, noRoute, refuse, refuseUpgrade } from './model-refusals.ts';
import { asksFor } from './model-rename.ts';
import { isReachable, routesFor, type AliasTarget, type ModelRoute, type ModelService } from './model-routes.ts';
import { modelSockets, type Handshake, type ModelSockets } from './model-sockets.ts';
import { waysTo } from './model-ways.ts';

/** Who is let in, and to which services. */
export interface ModelDoorDeps {
  /** As the program that is given, whoever's socket the flow names. */
  readonly admitAs: (app: App) => Admit;
  readonly apps: Pick<AppFinder, 'find'>;
  /** The services that the program may dial now and whose contract speaks of models. */
  readonly visible: (app: App, flow: CallerFlow) => Promise<readonly ModelService[]>;
  /** What a key of Culvert's own is worth in the hands of the program. */
  readonly checkModelKey: (key: string, app: App) => KeyVerdict;
  /** Where the engine's own is. */
  readonly at: ListenAt;
  readonly aliases: ReadonlyMap<string, readonly AliasTarget[]>;
  /** What the model's name `auto` stands for; undefined: a name like any other. */
  readonly auto: AutoSettings | undefined;
  readonly health: HealthSettings;
  readonly random: () => number;
  readonly clock: Pick<Clock, 'monotonic' | 'after'>;
  readonly audit: AuditWriter;
  readonly log: Log;
}

/** The endpoint for models. */
export interface ModelDoor {
  /** Serve until the signal fires; says once where. Throws `net.address_in_use`, `net.listen_not_loopback`. */
  listen(at: ListenAt, signal: AbortSignal): AsyncIterable<{ readonly url: string }>;
  /** `host:port` of the engine's own, opened where it does not stand yet, until the engine stops. Throws the same. */
  ensure(): Promise<string>;
}

interface Asker extends Pick<Asked, 'caller'> {
  readonly services: readonly ModelService[];
}

/** A service has so long to tell its models before the list goes without it. */
const listMs = 5_000;
/** Before an answer begins: the service, or what is behind it, is not there. */
const followed: ReadonlySet<number> = new Set([502, 503, 529]);

/** Nothing listens until it is asked for; the stack closes what listens then. */
export function openModelDoor(deps: ModelDoorDeps, stack: DisposalStack): ModelDoor {
  const health = new ModelHealth(deps.health, deps.clock);
  const routing = { aliases: deps.aliases, random: deps.random, isResting: (name: string) => health.isResting(name) };
  const ask = askOver(deps.admitAs);
  const auto = deps.auto === undefined ? undefined : new AutoModel(deps.auto, ask, deps.clock);
  const ways = waysTo(routing, auto, deps.audit);
  const held = createHeldBudget();
  const nowMs = (): number => deps.clock.monotonic();
  let own: Promise<string> | undefined;

  return {
    async *listen(at, signal) {
      const { place, close } = await open(at);
      try {
        yield { url: `http://${place}` };
        await untilAborted(signal);
      } finally {
        close();
      }
    },
    ensure() {
      own ??= open(deps.at).then(({ place, close }) => {
        stack.defer(close);
        return place;
      });
      // What has the port now may let go of it.
      own.catch(() => (own = undefined));
      return own;
    },
  };

  async function open(at: ListenAt): Promise<{ readonly place: string; close(): void }> {
    const sockets = modelSockets({ ...deps, ways, health });
    const callers = new WeakMap<Socket, Promise<LoopbackCaller>>();
    const server = createServer((asked, answer) => {
      const caller = callers.get(asked.socket) ?? callerOf(asked.socket);
      callers.set(asked.socket, caller);
      void serve(caller, asked, answer).catch((error: unknown) => {
        deps.log.info('llm.failed', { error: String(error) });
        if (answer.headersSent) answer.destroy();
        else refuse(answer, asked.url ?? '/', { status: 502, rule: 'llm:service', why: 'the service did not answer' });
      });
    });
    server.on('connection', (socket: Socket) => {
      // Its owner is found while the socket is new: later it may be somebody else's.
      callers.set(socket, callerOf(socket));
    });
    server.on('upgrade', (asked: IncomingMessage, socket: Socket, head: Buffer) => {
      const caller = callers.get(socket) ?? callerOf(socket);
      void upgrade(sockets, { asked, socket, head }, caller).catch((error: unknown) => {
        deps.log.info('llm.failed', { error: String(error) });
        socket.destroy();
      });
    });
    server.requestTimeout = 0;
    const { address, port } = await listen(server, at, {});
    return {
      place: formatHostPort(address, port),
      close() {
        sockets.close();
        server.close();
        server.closeAllConnections();
      },
    };
  }

  function callerOf(socket: Socket): Promise<LoopbackCaller> {
    return loopbackCaller(socket, 'forward', deps.apps);
  }

  /** Who asks, and the services that they may ask; or why nothing is for them here. */
  async function letIn(asked: IncomingMessage, calling: Promise<LoopbackCaller>): Promise<Asker | Refused> {
    const barred = foreignRefusal(asked);
    if (barred !== undefined) return barred;
    const caller = await calling;
    const refusedKey = keyRefusal(asked, caller.app);
    if (refusedKey !== undefined) return refusedKey;
    return { caller, services: await deps.visible(caller.app, caller.flow) };
  }

  async function upgrade(sockets: ModelSockets, handshake: Handshake, calling: Promise<LoopbackCaller>): Promise<void> {
    const { asked, socket } = handshake;
    const asker = await letIn(asked, calling);
    if ('rule' in asker) return refuseUpgrade(socket, asked, asker);
    const { caller, services } = asker;
    await sockets.serve(
      handshake,
      caller,
      services.filter(({ websocket }) => websocket),
    );
  }

  async function serve(
    calling: Promise<LoopbackCaller>,
    asked: IncomingMessage,
    answer: ServerResponse,
  ): Promise<void> {
    const target = asked.url ?? '/';
    const method = asked.method ?? 'GET';
    // Nothing is kept of what a program sends that may ask nothing here.
    const asker = await letIn(asked, calling);
    if ('rule' in asker) return refuse(answer, target, asker);
    const { caller, services } = asker;
    const claim = held.claim(() => {
      claim.release();
      asked.destroy();
    }, nowMs());
    answer.once('close', () => claim.release());
    const body = await bodyOf(asked, { claim, nowMs });
    if (body === 'large' || body === 'crowded') return refuse(answer, target, tooMuch(body));
    const one: Asked = { caller, method, target, headers: headersOf(asked), body };
    const gone = new AbortController();
    answer.once('close', () => {
      if (!answer.writableEnded) gone.abort();
    });
    if (method === 'GET' && isModelList(target)) return models(one, services, answer, gone.signal);
    const model = modelOf(one);
    const routes = await ways(model, { caller, services, target, body: () => jsonOf(one), signal: gone.signal });
    if (gone.signal.aborted) return;
    if (routes.length === 0) return refuse(answer, target, noRoute(model));
    await follow(routes, model, one, answer, gone.signal);
  }

  /** One way after the other, until one answers. */
  async function follow(
    routes: readonly ModelRoute[],
    model: string | undefined,
    asked: Asked,
    answer: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    for (const [index, route] of routes.entries()) {
      const { service } = route;
      const told = await orUnanswered(ask(service, renamed(asked, model, route), signal));
      if (signal.aborted) return;
      const isUnanswered = told instanceof Unanswered;
      const isThere = !isUnanswered && !followed.has(told.status);
      const isItsFault = !isUnanswered || told.isItsFault;
      if (isThere) health.worked(service);
      else if (isItsFault && health.failed(service)) deps.log.warn('llm.resting', { service });
      if (!isUnanswered) {
        if (isThere || index === routes.length - 1) return passOn(told, answer, whereFrom(route));
        told.resume();
      }
      const why = isUnanswered ? told.why : told.status;
      deps.log.info('llm.followed', { service, model: model ?? null, why });
      if (index === routes.length - 1) {
        return refuse(answer, asked.target, { status: 502, rule: 'llm:service', why: `${service}: ${why}` });
      }
    }
  }

  /** Told and recorded here, for a list of models asks several services; a good key is taken out by the guard of each. */
  function keyRefusal(asked: IncomingMessage, app: App): Refused | undefined {
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

  async function models(
    asked: Asked,
    services: readonly ModelService[],
    answer: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const lists = await Promise.all(services.map((service) => listOf(service, asked, signal)));
    const aliases = [...deps.aliases].filter(([, targets]) => isReachable(targets, services)).map(([name]) => name);
    if (auto?.models.some((model) => routesFor(model, services, routing).length > 0) === true)
      aliases.unshift(autoName);
    const text = JSON.stringify(mergedModels(asked.target, lists, aliases));
    answer.writeHead(200, { 'content-type': 'application/json' }).end(text);
  }

  /** One that is down, or does not answer in time, is absent from the list, and takes nobody's place. */
  async function listOf(service: ModelService, asked: Asked, signal: AbortSignal): Promise<ServiceList> {
    const late = new AbortController();
    using _timer = deps.clock.after(listMs, () => late.abort(new Error('no list in time')));
    using both = linkSignals(signal, late.signal);
    try {
      const told: Told = await ask(service.service, asked, both.signal);
      const text = await bodyOf(told);
      const isList = told.status < 300 && text instanceof Buffer;
      return { service, list: isList ? (JSON.parse(text.toString('utf8')) as unknown) : undefined };
    } catch (error) {
      deps.log.info('llm.list_failed', { service: service.service, error: String(error) });
      return { service, list: undefined };
    }
  }
}

function tooMuch(what: 'large' | 'crowded'): Refused {
  if (what === 'large') return { status: 413, rule: 'llm:size', why: `a body of more than ${maxBodyBytes} bytes` };
  return { status: 503, rule: 'llm:busy', why: 'too much waits to be complete, or this did for too long' };
}

function renamed(asked: Asked, from: string | undefined, { model }: ModelRoute): Asked {
  return from === undefined || model === undefined || model === from
    ? asked
    : { ...asked, ...asksFor(asked, from, model) };
}

/** Who answered, for whoever looks into it. */
function whereFrom({ service, model }: ModelRoute): Record<string, string> {
  return { 'x-culvert-service': service, ...(model === undefined ? {} : { 'x-culvert-model': model }) };
}

function modelOf({ target, body }: Pick<Asked, 'target' | 'body'>): string | undefined {
  const inPath = modelInPath(plainPath(target) ?? '');
  if (inPath !== undefined || body.length === 0) return inPath;
  return modelsInBody(jsonOf({ body })).chosen;
}

function jsonOf({ body }: Pick<Asked, 'body'>): unknown {
  const read = parseStrictJson(body.toString('utf8'));
  return read.kind === 'json' ? read.value : undefined;
}
