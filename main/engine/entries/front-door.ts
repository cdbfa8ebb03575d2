/**
 * The front door's places on loopback: one for `culvert mcp serve` on standard streams (JSON lines), and one for each `--listen` (streamable
 * HTTP). Whoever connects is found by its socket, and every dial is that program's own.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { unknownApp, type App, type AppFinder } from '../../apps/app.ts';
import { toTunnelerError } from '../../base/errors.ts';
import type { Admit, FlowRequest } from '../../base/flow.ts';
import { untilAborted } from '../../base/abort.ts';
import { formatHostPort } from '../../base/ip.ts';
import type { DisposalStack } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import { LineSplitter } from '../../api/lines.ts';
import { readMessages } from '../../mcp/bridge/rpc.ts';
import type { Front, FrontDeps, NamedCall } from '../../mcp/front/front.ts';
import type { OpenPeer } from '../../mcp/host/peer-session.ts';
import { listen, type ListenAt } from '../../net/proxy/listen.ts';
import { duplexEnd } from '../../sockets/duplex-end.ts';
import { loopbackCaller, type CallerFlow, type LoopbackCaller } from './loopback-caller.ts';

/** Who is let in, and to which services. */
export interface FrontDoorDeps {
  readonly version: string;
  /** As the program that is given, whoever's socket the flow names. */
  readonly admitAs: (app: App) => Admit;
  readonly apps: Pick<AppFinder, 'find'>;
  readonly visible: (app: App, flow: CallerFlow) => Promise<readonly string[]>;
  /** The guard of the service refuses the program this call, and records it. */
  readonly isRefused: (app: App, flow: CallerFlow, call: NamedCall) => Promise<boolean>;
  /** Told of a call that was refused here, so that no guard saw it; `absent`: why its service is not there. */
  readonly unoffered: (app: App, call: NamedCall, absent?: string) => void;
  /** Told whenever something may be visible, or no longer, that was not before. */
  readonly onServices: (listener: () => void) => Disposable;
  /** Told of a service whose tools are shown otherwise from now on. */
  readonly onTools: (listener: (service: string) => void) => Disposable;
  readonly digest: (text: string) => string;
  readonly log: Log;
}

/** The places where MCP clients find all services as one. */
export interface FrontDoor {
  /** Where JSON lines are taken. Throws `net.listen_failed`. */
  lines(maxTools: number): Promise<{ readonly url: string }>;
  /** Streamable HTTP until the signal fires; says once where. Throws `net.address_in_use`, `net.listen_not_loopback`. */
  http(at: ListenAt, maxTools: number, signal: AbortSignal): AsyncIterable<{ readonly url: string }>;
}

/** Clients at one place; more are closed at once. */
const maxClients = 64;
const maxLineBytes = 64 * 1024 * 1024;

/** Nothing listens, and nothing is loaded, until it is asked for. */
export function openFrontDoor(deps: FrontDoorDeps, stack: DisposalStack): FrontDoor {
  const places = new Map<number, Promise<{ url: string }>>();
  return {
    lines(maxTools) {
      const known = places.get(maxTools);
      if (known !== undefined) return known;
      const opened = openLines(maxTools);
      places.set(maxTools, opened);
      opened.catch(() => places.delete(maxTools));
      return opened;
    },
    async *http(at, maxTools, signal) {
      const { openHttpFront } = await import('../../mcp/host/http-front.ts');
      const { openFront } = await import('../../mcp/front/front.ts');
      const callers = new Map<string, LoopbackCaller>();
      const complain = (text: string): void => deps.log.info('mcp.front', { text });
      using front = openHttpFront({
        local: true,
        complain,
        open: (key) => peerOf((send) => openFront(frontDeps(callers.get(key), maxTools), send)),
      });
      const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
        socket.on('error', () => socket.destroy());
        void callerOf(socket).then((caller) => {
          const key = keyOf(caller.app);
          callers.set(key, caller);
          front.accept(socket, key);
          socket.resume();
        });
      });
      const endpoint = await listen(server, at, {});
      try {
        yield { url: `http://${formatHostPort(endpoint.address, endpoint.port)}/mcp` };
        await untilAborted(signal);
      } finally {
        server.close();
      }
    },
  };

  async function openLines(maxTools: number): Promise<{ url: string }> {
    const { openFront } = await import('../../mcp/front/front.ts');
    const server: Server = createServer({ noDelay: true }, (socket) => void serve(socket));
    server.maxConnections = maxClients;
    const serve = async (socket: Socket): Promise<void> => {
      socket.on('error', () => socket.destroy());
      const front = openFront(frontDeps(await callerOf(socket), maxTools), (text) => void socket.write(`${text}\n`));
      splitLines(socket, (line) => front.receive(line));
      socket.once('close', () => void front[Symbol.asyncDispose]());
      if (socket.destroyed) await front[Symbol.asyncDispose]();
    };
    const endpoint = await listen(server, { host: '127.0.0.1', port: 0 }, {});
    stack.defer(() => void server.close());
    return { url: `http://127.0.0.1:${endpoint.port}/` };
  }

  function callerOf(socket: Socket): Promise<LoopbackCaller> {
    return loopbackCaller(socket, 'mcp', deps.apps);
  }

  function frontDeps(caller: LoopbackCaller | undefined, maxTools: number): FrontDeps {
    const { app, flow } = caller ?? { app: unknownApp, flow: undefined };
    return {
      version: deps.version,
      maxTools,
      digest: deps.digest,
      onServices: deps.onServices,
      onTools: deps.onTools,
      services: () => (flow === undefined ? Promise.resolve([]) : deps.visible(app, flow)),
      isRefused: (call) => (flow === undefined ? Promise.resolve(false) : deps.isRefused(app, flow, call)),
      unoffered: (call, absent) => deps.unoffered(app, call, absent),
      connect: (service) => dial(app, { ...(flow as FlowRequest), service }),
      complain: (text) => deps.log.info('mcp.front', { app: app.agent ?? app.path ?? null, text }),
    };
  }

  async function dial(app: App, flow: FlowRequest): Promise<Duplex> {
    const abort = new AbortController();
    const admission = await deps.admitAs(app)(flow, { signal: abort.signal });
    if (admission.kind === 'dialled') {
      const { duplex, stream } = duplexEnd();
      admission.join(stream);
      return duplex;
    }
    // In the words of the decision: whoever asked may see this service.
    throw new Error(admission.reason.sentence);
  }
}

/** A front as what answers a session in HTTP. */
function peerOf(open: (send: (text: string) => void) => Front): OpenPeer {
  return ({ onMessage, onEnd }) => {
    const front = open((text) => {
      for (const message of readMessages(text) ?? []) onMessage(message);
    });
    return {
      send: (text) => front.receive(text),
      close() {
        void Promise.resolve(front[Symbol.asyncDispose]()).finally(() => onEnd('the session has ended'));
      },
    };
  };
}

/** One program is one caller, however many connections it makes; another copy of it is another. */
function keyOf(app: App): string {
  return JSON.stringify([app.pid ?? null, app.uid ?? null, app.agent ?? null, app.script ?? app.path ?? null]);
}

function splitLines(socket: Socket, take: (line: string) => void): void {
  const splitter = new LineSplitter(maxLineBytes);
  socket.on('data', (chunk: Buffer) => {
    for (const line of splitter.push(chunk)) {
      if (line.kind === 'line') take(line.text);
      else socket.destroy(toTunnelerError(new RangeError('a message that is too large, or not UTF-8')));
    }
  });
}
