/**
 * A UDP association of SOCKS5 (RFC 1928 section 7): one relay socket for a client, one flow for each destination it names.
 *
 * Only the control connection's own peer is heard, from the port it announced or else from the first it uses. The association lives as long
 * as the control connection.
 */
import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket } from 'node:dgram';
import type { Destination, Endpoint } from '../../base/flow.ts';
import { canonicalAddress } from '../../base/ip.ts';
import { DatagramFlow } from '../../sockets/datagram-flow.ts';
import type { ClientSocket } from './client-socket.ts';
import { openRoute } from './route.ts';
import type { RouteDeps } from './route.ts';
import { socksReply } from './refusal.ts';
import { encodeReply, parseDatagram } from './socks5-messages.ts';

/** Destinations of one association at a time; a new one then takes the place of the one longest silent. */
const maxFlows = 256;
/** A flow without traffic is over, as in openziti/ziti-tunnel-sdk-c (30 s) and openziti/ziti (5 min). */
const idleMs = 60_000;
/** After a refusal a destination's datagrams are dropped for this long before the corridor is asked again. */
const refusedMs = 2_000;
const sweepMs = 1_000;

interface Flow {
  readonly stream: DatagramFlow;
  lastUsedMs: number;
  state: 'asking' | 'open' | 'refused';
}

/** Open a relay for `client`, answer its request and serve it until its control connection ends. */
export async function openAssociation(deps: RouteDeps, client: ClientSocket, announced: Destination): Promise<void> {
  const { via, source } = client;
  const socket = createSocket(via.address.includes(':') ? 'udp6' : 'udp4');
  const bound = await bind(socket, via.address);
  if (bound === undefined || client.gone.aborted) {
    socket.close();
    return client.finish(encodeReply(socksReply.generalFailure));
  }
  const association = new Association(deps, client, socket, source.address, announced.port, bound);
  client.gone.addEventListener('abort', () => association.close(), { once: true });
  client.write(encodeReply(socksReply.succeeded, bound));
}

class Association {
  readonly #deps: RouteDeps;
  readonly #client: ClientSocket;
  readonly #socket: Socket;
  readonly #peerAddress: string;
  readonly #relay: Endpoint;
  /** 0 until the client's first datagram. */
  #peerPort: number;
  readonly #flows = new Map<string, Flow>();
  readonly #sweep: Disposable;
  #closed = false;

  constructor(
    deps: RouteDeps,
    client: ClientSocket,
    socket: Socket,
    peerAddress: string,
    peerPort: number,
    relay: Endpoint,
  ) {
    this.#deps = deps;
    this.#client = client;
    this.#socket = socket;
    this.#peerAddress = peerAddress;
    this.#peerPort = peerPort;
    this.#relay = relay;
    this.#sweep = deps.clock.every(sweepMs, () => this.#closeIdle());
    socket.on('message', (bytes, from) => this.#take(bytes, from));
    // A client that closed its socket answers with ICMP; the control connection tells when it is really over.
    socket.on('error', (error) => deps.log.debug('proxy.udp_error', { error: error.message }));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#sweep[Symbol.dispose]();
    for (const flow of [...this.#flows.values()]) flow.stream.close();
    this.#socket.close();
    this.#client.destroy();
  }

  #take(bytes: Buffer, from: RemoteInfo): void {
    if (canonicalAddress(from.address) !== this.#peerAddress) return;
    if (this.#peerPort === 0) this.#peerPort = from.port;
    if (from.port !== this.#peerPort) return;
    const parsed = parseDatagram(bytes);
    if (parsed.kind !== 'datagram') {
      this.#deps.log.debug('proxy.udp_dropped', { reason: parsed.kind });
      return;
    }
    const key = parsed.header.toString();
    const nowMs = this.#deps.clock.monotonic();
    const flow = this.#flows.get(key) ?? this.#open(key, parsed.destination, parsed.header, nowMs);
    if (flow.state === 'refused') return;
    flow.lastUsedMs = nowMs;
    flow.stream.deliver(parsed.payload);
  }

  #open(key: string, destination: Destination, header: Uint8Array, nowMs: number): Flow {
    if (this.#flows.size >= maxFlows) this.#closeLeastUsed();
    const gone = new AbortController();
    const flow: Flow = {
      state: 'asking',
      lastUsedMs: nowMs,
      stream: new DatagramFlow({
        send: (payload) => {
          flow.lastUsedMs = this.#deps.clock.monotonic();
          if (!this.#closed) this.#socket.send([header, payload], this.#peerPort, this.#peerAddress);
          return true;
        },
        closed: () => {
          gone.abort();
          if (this.#flows.get(key) === flow) this.#flows.delete(key);
        },
      }),
    };
    this.#flows.set(key, flow);
    const source = { address: this.#peerAddress, port: this.#peerPort };
    const request = { entry: 'socks5', protocol: 'udp', source, via: this.#relay, destination } as const;
    void openRoute(this.#deps, request, gone.signal).then((route) => {
      if (route.kind === 'refused') {
        flow.state = 'refused';
        flow.lastUsedMs = this.#deps.clock.monotonic();
        this.#deps.log.info('proxy.udp_refused', { code: route.reason.code });
      } else if (flow.stream.isClosed) {
        route.abandon();
      } else {
        flow.state = 'open';
        route.join(flow.stream);
      }
    });
    return flow;
  }

  #closeIdle(): void {
    const nowMs = this.#deps.clock.monotonic();
    for (const flow of [...this.#flows.values()]) {
      if (nowMs - flow.lastUsedMs >= (flow.state === 'refused' ? refusedMs : idleMs)) flow.stream.close();
    }
  }

  #closeLeastUsed(): void {
    let oldest: Flow | undefined;
    for (const flow of this.#flows.values()) {
      if (oldest === undefined || flow.lastUsedMs < oldest.lastUsedMs) oldest = flow;
    }
    oldest?.stream.close();
  }
}

function bind(socket: Socket, address: string): Promise<Endpoint | undefined> {
  return new Promise((resolve) => {
    const onError = (): void => resolve(undefined);
    socket.once('error', onError);
    socket.bind({ address, port: 0, exclusive: true }, () => {
      socket.off('error', onError);
      resolve({ address, port: socket.address().port });
    });
  });
}
