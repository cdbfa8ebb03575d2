/** An agent that listens on this machine, offered as a dark service: what dials it is handed on to it. */
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Cli, CommonOptions } from '../cli.ts';
import type { Engine } from '../backends.ts';
import { takeConnections } from '../mcp/dark-connections.ts';

/** Where an agent takes connections on this machine, and the path of its endpoint there. */
export interface AgentPlace {
  readonly path: string;
  connect(): Socket;
}

/** At a loopback address. */
export function placeAt({ hostname, port, pathname }: URL): AgentPlace {
  const to = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port === '' ? 80 : port) };
  return { path: pathname, connect: () => connect(to) };
}

/** What an offer is of. */
export type OfferRequest = Omit<Parameters<Engine['agora']['offer']>[0], 'path'>;

/** Offer the agent until the signal fires or it is withdrawn. Throws what the offer is refused by. */
export function offerUntil(
  engine: Engine,
  offer: OfferRequest,
  place: AgentPlace,
  told: { readonly signal: AbortSignal; readonly onReady: (identities: readonly string[]) => void },
): Promise<void> {
  return takeConnections(engine, {
    items: engine.agora.offer({ ...offer, path: place.path }, { signal: told.signal }),
    onReady: told.onReady,
    onConnection: (socket) => join(socket, place.connect()),
  });
}

/** The same until it is disposed; resolves once it is offered. */
export async function offerAgent(
  cli: Cli,
  options: CommonOptions,
  offer: OfferRequest,
  place: AgentPlace,
): Promise<AsyncDisposable> {
  const ending = new AbortController();
  let over = Promise.resolve();
  await new Promise<void>((resolve, reject) => {
    const offered = cli.withEngine(options, (engine) =>
      offerUntil(engine, offer, place, { signal: ending.signal, onReady: () => resolve() }),
    );
    // It ends by being aborted, and until it is offered by what came in the way.
    over = offered.catch((error: unknown) => reject(error as Error));
  });
  return {
    [Symbol.asyncDispose]() {
      ending.abort();
      return over;
    },
  };
}

function join(socket: Duplex, agent: Socket): void {
  agent.on('error', () => socket.destroy());
  socket.on('error', () => agent.destroy());
  socket.on('close', () => agent.destroy());
  socket.pipe(agent).pipe(socket);
}
