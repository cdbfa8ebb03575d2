/** One edge router over one channel: what it may be asked. */
import { TunnelerError } from '../../base/errors.ts';
import { openChannel, type Channel } from '../channel/channel.ts';
import { contentType } from '../wire/content-type.ts';
import { bytesText, textBytes } from '../wire/little-endian.ts';
import type { RouterCapabilities } from '../wire/router-capabilities.ts';
import { encodeSubscribe } from '../wire/service-updates.ts';
import { bind } from './bind.ts';
import type { ConnectionHost } from './connection.ts';
import { Connections } from './connections.ts';
import { dial } from './dial.ts';
import type {
  EdgeBinding,
  EdgeBindRequest,
  EdgeDialRequest,
  EdgeRouter,
  EdgeRouterOptions,
  EdgeStreamOpened,
  ServiceUpdate,
} from './edge-router.ts';
import { StreamGroups } from './stream-groups.ts';

const updateTokenTimeoutMs = 10_000;

/** Connect and greet. Throws `ziti.channel.*`, or `base.cancelled`. */
export async function openEdgeRouter(options: EdgeRouterOptions): Promise<EdgeRouter> {
  const connections = new Connections(options);
  const channel = await openChannel(options, connections);
  return new OpenEdgeRouter(options, channel, connections);
}

class OpenEdgeRouter implements EdgeRouter {
  readonly name: string;
  readonly version: string | undefined;
  readonly supportsPostureChecks: boolean;
  readonly capabilities: RouterCapabilities;
  readonly closed: Promise<TunnelerError>;
  readonly #options: EdgeRouterOptions;
  readonly #channel: Channel;
  readonly #connections: Connections;
  readonly #host: ConnectionHost;
  readonly #byService = new StreamGroups();

  constructor(options: EdgeRouterOptions, channel: Channel, connections: Connections) {
    this.#options = options;
    this.#channel = channel;
    this.#connections = connections;
    this.#host = connections.attach(channel);
    this.name = options.name;
    this.version = channel.hello.version;
    this.supportsPostureChecks = channel.hello.supportsPostureChecks;
    this.capabilities = channel.hello.capabilities;
    this.closed = channel.closed.then((error) => {
      connections.lost(error);
      return error;
    });
  }

  latencyMs(): number {
    return this.#channel.latencyMs();
  }

  streams(): number {
    return this.#connections.streams();
  }

  async dial(request: EdgeDialRequest): Promise<EdgeStreamOpened> {
    this.#requireOpen();
    const connId = this.#connections.nextConnId();
    return dial({
      host: this.#host,
      connId,
      callerId: this.#options.callerId,
      request,
      register: (connection) => this.#connections.register(connId, connection),
      opened: (stream) => this.#byService.add(request.serviceId, stream),
    });
  }

  revoke(serviceId: string, error: TunnelerError): number {
    return this.#byService.revoke(serviceId, error);
  }

  subscribe(listener: (update: ServiceUpdate) => void): void {
    this.#connections.onServiceUpdate = listener;
    this.#channel.send({ contentType: contentType.subscribeToServiceUpdates, body: encodeSubscribe() });
  }

  resyncPosture(): void {
    this.#channel.send({ contentType: contentType.resyncPostureState });
  }

  async bind(request: EdgeBindRequest): Promise<EdgeBinding> {
    this.#requireOpen();
    return bind({
      host: this.#host,
      connId: this.#connections.nextConnId(),
      request,
      register: (connId, connection) => this.#connections.register(connId, connection),
    });
  }

  confirm(timeoutMs: number): void {
    this.#channel.confirm(timeoutMs);
  }

  updateToken(token: string): Promise<void> {
    if (this.#options.tokenKind !== 'oidc') {
      return Promise.reject(new TunnelerError('base.unsupported', 'only OIDC sessions take a new token'));
    }
    return new Promise((resolve, reject) => {
      const message = { contentType: contentType.updateToken, body: textBytes(token) };
      this.#channel.request(message, updateTokenTimeoutMs, 'a token update', (reply) => {
        if (reply instanceof TunnelerError) reject(reply);
        else if (reply.contentType === contentType.updateTokenSuccess) resolve();
        else {
          const reason = bytesText(reply.body);
          reject(
            new TunnelerError('ziti.channel.rejected', `router ${this.name} refused the new token: ${reason}`, {
              details: { reason },
            }),
          );
        }
      });
    });
  }

  sendPosture(body: Uint8Array): void {
    this.#channel.send({ contentType: contentType.postureResponse, body });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#channel[Symbol.asyncDispose]();
    await this.closed;
  }

  #requireOpen(): void {
    const lost = this.#channel.closedWith;
    if (lost !== undefined) throw lost;
  }
}
